"""A dry run at the end of staging: what the cluster would refuse is found while there is still time to deploy a correction."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence

from kelvin_provision.applying.facts import with_placeholders
from kelvin_provision.applying.selection import appliable
from kelvin_provision.cluster.plan import Plan
from kelvin_provision.context import Context, separate, silent
from kelvin_provision.errors import ProvisionError, RequestRefused
from kelvin_provision.events import Note
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.staging_state import Ready, Tried
from kelvin_provision.nodes.where.site import members
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging.threads import run_abandonable

PASSING = frozenset({"port-taken", "namespace-terminating", "image-missing"})
"""Codes of findings that are about the site at this moment, not about the version: `check` and the apply have them."""


def outcome(revision: Revision, ctx: Context) -> Ready:
    """The end of its staging, with the findings. Records the same for the versions that are ready already.

    All are tried together, since one may have what another needs, such as a definition; so nothing is recorded while one of the same
    request is still downloading. A version is ready whatever the dry run does: a cluster that does not answer, answers too late or denies
    us access, a stopping agent and a bug of ours change nothing.
    """
    own = () if revision.spec.method.instantly_apply else (revision,)
    return Ready(_refused(revision, own, ctx).get(revision.workload, "") if own else "")


def after_failure(revision: Revision, ctx: Context) -> None:
    """Record the findings for the other versions of its request, which are ready and waited for this one, which cannot be staged."""
    _refused(revision, (), ctx)


def _refused(revision: Revision, own: Sequence[Revision], ctx: Context) -> Mapping[str, str]:
    """By workload, why it would be refused: of `own` and of all that is ready. Records it for those."""
    try:
        return _try_all(revision, own, ctx)
    except ProvisionError:
        pass
    except Exception as error:  # noqa: BLE001  (a bug of ours must not prevent a downloaded version from being ready)
        ctx.progress(Note("the dry run of the staged versions failed: our bug"))
        for line in "".join(traceback.format_exception(error)).splitlines():
            ctx.progress(Note(ctx.sanitizer.text(line)))
    return {}


def _try_all(revision: Revision, own: Sequence[Revision], ctx: Context) -> Mapping[str, str]:
    if ctx.ledger.has_unready(revision):
        return {}
    staged = [workload.staged for workload in ctx.ledger.readable_staged().workloads.values() if workload.staged]
    others = [each for each in staged if not each.spec.method.instantly_apply and not _same(each, revision)]
    ready = [each for each in others if each.download is Download.READY]
    late = any(each.batch == revision.batch and not appliable(each) and not each.blocked for each in others)
    if late or not any(each.batch == revision.batch for each in (*own, *ready)):
        return {}
    refused = _refusals(ctx, (*own, *ready))
    with ctx.ledger.writing():
        for each in ready:
            if ctx.ledger.staged_now(each):
                ctx.ledger.advance(each, Tried(refused.get(each.workload, "")))
    return refused


def _refusals(ctx: Context, revisions: Sequence[Revision]) -> dict[str, str]:
    """What would be refused, by workload. Raises TransferStopped."""
    refused: dict[str, str] = {}
    objects: dict[str, Sequence[Object]] = {}
    for revision in revisions:
        current = ctx.ledger.revision(revision.workload, revision.number)  # its images are resolved meanwhile
        try:
            objects[revision.workload] = ctx.cluster.render(current.spec, current.locks or (), current.number, members(ctx))
        except RequestRefused as error:
            refused[revision.workload] = "; ".join(error.evidence) or str(error)
    for finding in _plan(ctx, objects).findings if objects else ():
        if finding.code not in PASSING:
            before = refused.get(finding.workload)
            refused[finding.workload] = f"{before}; {finding}" if before else str(finding)
    return refused


def _plan(ctx: Context, objects: Mapping[str, Sequence[Object]]) -> Plan:
    """In a thread with connections of its own, which is abandoned when the agent ends or it takes too long: many objects are many
    requests, and nothing may keep the agent silent for as long as its watchdog waits. Raises TransferStopped.
    """
    began = time.monotonic()

    def plan() -> Plan:
        with separate(ctx, progress=silent, stop=ctx.stop) as own:
            return own.cluster.plan(objects, with_placeholders(own.lookup))

    return run_abandonable(plan, lambda: ctx.stop() or time.monotonic() - began > ctx.timings.trial)


def _same(first: Revision, second: Revision) -> bool:
    return (first.workload, first.number) == (second.workload, second.number)
