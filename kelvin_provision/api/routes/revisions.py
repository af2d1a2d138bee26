"""New revisions: made by a child process, once for each request, however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping

from kelvin_provision.api.services import Call
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.api.work.repeats import digest
from kelvin_provision.context import Context


async def revised(call: Call, head: Head, body: bytes) -> tuple[str, ...]:
    """The workloads that have a new revision by this request, or by the same one just before."""
    services = call.services
    key = digest(call.principal.name, "POST", call.request.scope["path"], body)
    async with services.repeats.one_at_a_time:
        before = services.repeats.find(key)
        if before is None or await call.box.ask(_newest, tuple(before)) != before:
            deployed = await services.deploy(head, body)
            before = await call.box.ask(_newest, deployed.names)
            services.repeats.remember(key, before)
    return tuple(before)


def _newest(ctx: Context, names: tuple[str, ...]) -> Mapping[str, int]:
    """The number of the newest revision of each; 0 when it is gone already."""
    existing = ctx.ledger.existing(names)
    newest = {name: workload.staged or workload.running for name, workload in existing.items()}
    return {name: revision.number if (revision := newest.get(name)) else 0 for name in names}
