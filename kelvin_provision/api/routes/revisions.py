"""New revisions: made by a child process, once for each request, however often it is sent."""

from __future__ import annotations

from kelvin_provision.api.services import Call
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.api.work.repeats import digest
from kelvin_provision.context import Context


async def revised(call: Call, head: Head, body: bytes) -> str:
    """The workload that has a new revision by this request, or by the same one just before."""
    services = call.services
    key = digest(call.principal.name, "POST", call.request.scope["path"], body)
    async with services.repeats.one_at_a_time:
        before = services.repeats.find(key)
        if before is None or not await call.box.ask(_is_newest, *before):
            deployed = await services.deploy(head, body)
            before = deployed.names[0], await call.box.ask(_newest, deployed.names[0])
            services.repeats.remember(key, *before)
    return before[0]


def _newest(ctx: Context, name: str) -> int:
    """The number of its newest revision; 0 when it is gone already."""
    existing = ctx.ledger.existing([name]).get(name)
    newest = existing and (existing.staged or existing.running)
    return newest.number if newest else 0


def _is_newest(ctx: Context, name: str, number: int) -> bool:
    return _newest(ctx, name) == number
