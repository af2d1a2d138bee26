"""New revisions: made by a child process, once for each request, however often it is sent."""

from __future__ import annotations

from kelvin_provision.api.services import Call
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.api.work.repeats import Made
from kelvin_provision.ledger import repeats


async def revised(call: Call, head: Head, body: bytes) -> tuple[str, ...]:
    """The workloads that have a new revision by this request, or by the same one just before."""
    services = call.services
    key = call.digest(body, head.signatures or "")
    async with services.repeats.one_at_a_time:
        made = services.repeats.find(key)
        if made is None or not await call.box.ask(made.stands):
            before = await call.box.ask(lambda ctx: repeats.point(ctx.ledger))
            deployed = await services.deploy(head, body)
            made = Made(deployed.names, deployed.batch, before)
            services.repeats.remember(key, made)
    return made.names
