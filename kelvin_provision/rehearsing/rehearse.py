"""Rehearse staged versions: each is started beside the running one, cut off from it, held to its own probes, and taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kelvin_provision.applying.facts import unsigned_images, with_placeholders
from kelvin_provision.applying.policy import policy_of
from kelvin_provision.applying.selection import appliable, choose, refuse_unready, select
from kelvin_provision.applying.trial import PASSING
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, NotReady, ProvisionError, RehearsalEnded, RequestRefused, SecretMissing
from kelvin_provision.hints import command as again
from kelvin_provision.ledger import evidence as attempts
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.workloads import Rehearsal, Revision, Workload
from kelvin_provision.ledger.rows import rehearsals
from kelvin_provision.nodes.where.site import members
from kelvin_provision.rehearsing.lock import marked, rehearsing
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging import importing
from kelvin_provision.status import RehearsalOutcome

ENFORCES = "rehearsal.enforces"
"""The ledger's fact that this cluster, by its identity, was seen to enforce network policies."""


@dataclass(frozen=True)
class RehearseRequest:
    """Empty `names` means all staged workloads that are ready. `hold`: seconds that each must stay up, None for apply.settle."""

    names: tuple[str, ...] = ()
    hold: float | None = None
    timeout: float | None = None
    allow_network: bool = False
    real_volumes: bool = False
    jobs: bool = False


@dataclass(frozen=True)
class RehearseResult:
    """`warnings` name what was left out."""

    rehearsals: tuple[tuple[Workload, Rehearsal], ...] = ()
    warnings: tuple[str, ...] = ()


def rehearse(ctx: Context, request: RehearseRequest, command: str) -> RehearseResult:
    """Rehearse one after the other, so that the box needs room for one only. `command` is shown to the process that finds its lock taken.

    Raises UsageRefused, WorkloadUnknown, NothingStaged, StagingFailed, VersionRefused, NotReady, Locked, Interrupted; RehearsalEnded when a
    change began meanwhile. Results until then are kept.
    """
    chosen, left_out = _chosen(ctx, request)
    results = []
    with rehearsing(ctx, command) as asked_to_end:
        if journal.unfinished(ctx.ledger) is not None:
            raise NotReady("a change was cut off, and is finished or undone first; the agent or the next command does that")
        for workload in chosen:
            revision = workload.staged
            if revision is None:
                continue
            result = _one(replace(ctx, stop=lambda: ctx.stop() or asked_to_end()), workload, revision, request)
            if result.outcome is RehearsalOutcome.ENDED:
                if ctx.stop():
                    raise Interrupted("stopped by a signal; the rehearsal was taken away, nothing else was changed")
                raise RehearsalEnded(
                    f"the rehearsal of {workload.name} was ended by a change", hint=again("workloads rehearse", names=(workload.name,))
                )
            results.append((workload, result))
    return RehearseResult(tuple(results), left_out)


def _chosen(ctx: Context, request: RehearseRequest) -> tuple[tuple[Workload, ...], tuple[str, ...]]:
    everything = not request.names
    workloads = choose(ctx.ledger, request.names, everything=everything)
    selection = select(workloads, everything=everything, retry_failed=True)
    left_out = tuple(f"left out: {reason}" for reason in selection.left_out)
    if not everything:
        refuse_unready(selection.workloads, ctx.store)
        return selection.workloads, left_out
    ready = tuple(workload for workload in selection.workloads if workload.staged and appliable(workload.staged))
    late = [workload.name for workload in selection.workloads if workload not in ready]
    return ready, (*left_out, *(f"left out: {name}: not ready" for name in late))


def _one(ctx: Context, workload: Workload, revision: Revision, request: RehearseRequest) -> Rehearsal:
    """Rehearse and record it. What keeps the rehearsal from taking place, such as a lost image, is a result as well."""
    began = ctx.ledger.clock()
    try:
        done = _rehearsed(ctx, revision, request)
    except (RequestRefused, SecretMissing) as error:
        done = Rehearsed(RehearsalOutcome.FAILED, str(error), error.evidence)
    except ProvisionError as error:
        if error.temporary:
            raise
        done = Rehearsed(RehearsalOutcome.NOT_POSSIBLE, str(error), error.evidence)
    evidence = attempts.bounded(done.evidence)
    result = Rehearsal(workload.name, revision.number, began, ctx.ledger.clock(), ctx.actor, done.outcome, done.reason, evidence)
    if done.outcome is not RehearsalOutcome.ENDED:
        _record(ctx, result)
    return result


def _rehearsed(ctx: Context, revision: Revision, request: RehearseRequest) -> Rehearsed:
    if not revision.spec.method.staged:
        return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, "it is not staged: the cluster would have to pull its images")
    unsigned = [f"{image.image}: {image.why}" for image in unsigned_images(ctx, [(revision.workload, revision)])]
    if unsigned:
        return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, unsigned[0], tuple(unsigned))
    objects = ctx.cluster.render(revision.spec, revision.locks or (), revision.number, members(ctx))
    importing.put_back(revision.locks or (), ctx.store, ctx.runtime, ctx.progress)
    if refused := _refused(ctx, revision, objects):
        return refused
    with marked(ctx, revision.workload):
        done = ctx.cluster.rehearse(revision.workload, objects, _terms(ctx, request), ctx.lookup, progress=ctx.progress, stop=ctx.stop)
    if done.isolated is not None:
        ctx.ledger.remember(ENFORCES, ctx.cluster.state().identity if done.isolated else "")
    return done


def _terms(ctx: Context, request: RehearseRequest) -> RehearsalTerms:
    policy = policy_of(ctx.settings, request.timeout).forward
    policy = replace(policy, settle=policy.settle if request.hold is None else request.hold)
    known = ctx.ledger.fact(ENFORCES)
    return RehearsalTerms(
        policy,
        allow_network=request.allow_network,
        real_volumes=request.real_volumes,
        jobs=request.jobs,
        proven=bool(known) and known == ctx.cluster.state().identity,
    )


def _refused(ctx: Context, revision: Revision, objects: Sequence[Object]) -> Rehearsed | None:
    """Objects are tried together by a dry run: what has no pods, such as custom resources, has no other rehearsal."""
    if not revision.spec.manifests:
        return None
    plan = ctx.cluster.plan({revision.workload: objects}, with_placeholders(ctx.lookup))
    findings = [str(finding) for finding in plan.findings if finding.code not in PASSING]
    return Rehearsed(RehearsalOutcome.FAILED, findings[0], tuple(findings)) if findings else None


def _record(ctx: Context, result: Rehearsal) -> None:
    with ctx.ledger.writing() as db:
        if rehearsals.record(db, result):
            entry = Entry(result.ended, result.actor, "rehearse", result.workload, result.revision, result.outcome.value, result.reason)
            history.append(db, entry)
