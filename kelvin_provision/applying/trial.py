"""What the cluster would refuse of the staged versions, asked by a dry run at the end of staging: while a correction can still be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.applying.facts import with_placeholders
from kelvin_provision.applying.selection import appliable
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, RequestRefused
from kelvin_provision.ledger.model import Revision
from kelvin_provision.ledger.staging_state import Ready
from kelvin_provision.spec.enums import Download

PASSING = frozenset({"port-taken", "namespace-terminating", "image-missing"})
"""Codes of findings that are about the site at this moment, not about the version: `check` and the apply have them."""


def outcome(revision: Revision, ctx: Context) -> Ready:
    """The end of its staging, with the findings. Records the same for the versions that are ready already.

    All are tried together, since one may have what another needs, such as a definition; so nothing is said while one of the same
    request is still downloading. A cluster that does not answer changes nothing, and neither does one that does not let us ask.
    """
    workloads = [workload for workload in ctx.ledger.workloads() if workload.staged]
    staged = [workload.staged for workload in workloads if workload.staged and not workload.staged.spec.method.instantly_apply]
    others = [each for each in staged if not _same(each, revision)]
    late = any(each.batch == revision.batch and not appliable(each) and not each.blocked for each in others)
    if revision.spec.method.instantly_apply or late:
        return Ready()
    tried = [revision, *(each for each in others if each.download is Download.READY)]
    try:
        refused = _refusals(ctx, tried)
    except ProvisionError:
        return Ready()
    for each in tried:
        if not _same(each, revision) and each.failure is None and each.slot.refused != (each.workload in refused):
            ctx.ledger.advance(each, _event(each, refused))
    return _event(revision, refused)


def _event(revision: Revision, refused: Mapping[str, str]) -> Ready:
    return Ready(refused.get(revision.workload, ""))


def _refusals(ctx: Context, revisions: Sequence[Revision]) -> dict[str, str]:
    """By workload, what would be refused of it."""
    refused: dict[str, str] = {}
    objects = {}
    for revision in revisions:
        current = ctx.ledger.revision(revision.workload, revision.number)  # its images are resolved meanwhile
        try:
            objects[revision.workload] = ctx.cluster.render(current.spec, current.locks or (), current.number)
        except RequestRefused as error:
            refused[revision.workload] = "; ".join(error.evidence) or str(error)
    plan = ctx.cluster.plan(objects, with_placeholders(ctx.lookup)) if objects else None
    for finding in plan.findings if plan else ():
        if finding.code not in PASSING:
            before = refused.get(finding.workload)
            refused[finding.workload] = f"{before}; {_text(finding)}" if before else _text(finding)
    return refused


def _text(finding: Finding) -> str:
    return f"{'' if finding.message.startswith(finding.object) else f'{finding.object}: '}{finding.message} [{finding.code}]"


def _same(first: Revision, second: Revision) -> bool:
    return (first.workload, first.number) == (second.workload, second.number)
