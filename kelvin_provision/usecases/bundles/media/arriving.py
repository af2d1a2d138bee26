"""A medium has arrived: its bundles are looked at, and imported where the site says so. No person is asked, so only what is signed counts.

Layers are copied before it ends: the agent does not see a medium that is mounted for this alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kelvin_provision.bundles.acceptance import Accepted, accept, is_empty, read_named
from kelvin_provision.bundles.on_media import BundleOnMedium, on_media
from kelvin_provision.context import Context
from kelvin_provision.errors import (
    AgentSilent,
    ClusterMissing,
    MediumGone,
    NoSpace,
    ProvisionError,
    RuntimeUnreachable,
    SignatureMissing,
    TransferStopped,
)
from kelvin_provision.events import Note
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.requests import IMPORTED
from kelvin_provision.media.arrivals import Arrival, ArrivedBundle, Seen, fact_of
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.media import MediaTrouble, copy_from_media
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.waking import wake

ACTION = "media arrived"
_NAMED = 5
"""Bundles that the history names."""


@dataclass(frozen=True)
class ArrivalRequest:
    """`medium` is what arrived, a device or a folder; `place` the folder where it is mounted. Without `imports` it is only looked at.

    `patience` are seconds in which the container runtime must answer: a stick that is in the box when it boots is there before it.
    """

    medium: str
    place: Path
    imports: bool = False
    patience: float = 600.0


def arrived(ctx: Context, request: ArrivalRequest) -> Arrival:
    """What its bundles are, in the order of their names, and what became of each. What is wrong with one keeps no other from it.

    Raises what the ledger raises, TransferStopped.
    """
    ctx = replace(ctx, actor=f"stick {Path(request.medium).name}" if request.imports else ctx.actor)
    bundles = sorted(on_media([request.place]), key=lambda bundle: (bundle.files.name, str(bundle.folder)))
    with ctx.sanitizer.errors():
        silent = _silent_runtime(ctx, request.patience) if request.imports and bundles else ""
        results = tuple(_one(ctx, request, bundle, silent) for bundle in bundles)
    arrival = Arrival(request.medium, str(request.place), ctx.ledger.clock(), results)
    _remember(ctx, arrival)
    return arrival


def _one(ctx: Context, request: ArrivalRequest, bundle: BundleOnMedium, silent: str) -> ArrivedBundle:
    first = bundle.files.paths[min(bundle.files.paths)]
    shown = ArrivedBundle(_printable(bundle.files.name), _printable(str(first.relative_to(request.place))), bundle.digest)
    try:
        if bundle.error:
            return replace(shown, seen=Seen.REFUSED, reason=ctx.sanitizer.text(bundle.error))
        shown = _looked_at(ctx, shown, bundle)
        if request.imports and silent:
            return replace(shown, seen=Seen.WAITS, reason=silent)
        return _imported(ctx, shown, first) if request.imports else shown
    except TransferStopped:
        raise
    except ProvisionError as error:
        waits = isinstance(error, MediumGone) or (isinstance(error, NoSpace) and _is_known(ctx, shown))
        return replace(shown, seen=Seen.WAITS if waits else Seen.REFUSED, reason=ctx.sanitizer.text(str(error)))


def _silent_runtime(ctx: Context, patience: float) -> str:
    """Why the container runtime does not answer; empty as soon as it does. Without it nothing is locked: copies would be garbage."""
    deadline = time.monotonic() + patience
    while True:
        try:
            ctx.runtime.info()
        except (RuntimeUnreachable, ClusterMissing) as error:
            if ctx.stop() or time.monotonic() >= deadline:
                return str(error)
            time.sleep(min(1.0, patience))
        else:
            return ""


def _looked_at(ctx: Context, shown: ArrivedBundle, bundle: BundleOnMedium) -> ArrivedBundle:
    """Who signed it. A further part has no signature of its own: its content is hashed when it is copied. Raises as `accept`."""
    if not bundle.digest:
        return replace(shown, reason="its first part is on another medium")
    head = read_named(bundle.files, bundle.digest, must_be_signed=ctx.must_be_signed("bundle"))
    accepted = accept(head, ctx.believed(head.trust))
    known = ctx.ledger.fact(IMPORTED + bundle.digest) is not None
    signers = tuple(signer.text for signer in accepted.signers)
    return replace(shown, name=accepted.contents.name, signers=signers, seen=Seen.KNOWN if known else Seen.SHOWN)


def _imported(ctx: Context, shown: ArrivedBundle, first: Path) -> ArrivedBundle:
    """Raises as `plan` and `carry_out`."""
    known = _is_known(ctx, shown)
    if shown.seen == Seen.KNOWN and not known:
        return replace(shown, reason="it was imported before, and is not imported again by itself")
    digest = shown.digest
    if not known:
        planned = plan(ctx, ImportRequest((first,), digest=digest))
        # As it was read for the plan. For a further part, the bundle's hashes have vouched there.
        if planned.head is not None and not _is_vouched_for(planned.accepted):
            raise SignatureMissing("it is not signed by a key that this box trusts, and is not imported by itself")
        digest = planned.digest
        with _agent_may_be_silent(ctx):
            carry_out(ctx, planned)
    trouble = _copy(ctx, digest)
    seen = Seen.WAITS if trouble else Seen.KNOWN if known else Seen.IMPORTED
    return replace(shown, digest=digest, seen=seen, reason=str(trouble) if trouble else "")


def _is_vouched_for(accepted: Accepted) -> bool:
    """Trust documents are signed themselves, so that a bundle of them alone needs no signature."""
    return bool(accepted.signers) or (is_empty(accepted.contents) and bool(accepted.steps))


def _is_known(ctx: Context, shown: ArrivedBundle) -> bool:
    return bool(shown.digest) and bool(ctx.ledger.bundles([shown.digest]))


def _copy(ctx: Context, digest: str) -> MediaTrouble | None:
    """Everything of this bundle that the box still lacks; the agent then finds it in the store. Raises NoSpace, TransferStopped."""
    locks = tuple(dict.fromkeys(_needed(ctx, digest)))
    trouble = copy_from_media(ctx.media, ctx.store, locks, progress=ctx.progress, stop=ctx.stop)
    with _agent_may_be_silent(ctx):
        wake(ctx)
    here, complete = ctx.store.progress(locks)
    return trouble if here < complete else None


@contextmanager
def _agent_may_be_silent(ctx: Context) -> Iterator[None]:
    """What was stored waits for it."""
    try:
        yield
    except AgentSilent as error:
        ctx.progress(Note(str(error)))


def _needed(ctx: Context, digest: str) -> Iterator[ImageLock]:
    for bundle in ctx.ledger.bundles([digest]):
        yield from bundle.images
    for workload in ctx.ledger.readable_unapplied().workloads.values():
        staged = workload.staged
        if staged and staged.bundle == digest and staged.download is not Download.READY:
            yield from staged.locks or ()


def _remember(ctx: Context, arrival: Arrival) -> None:
    """A line of the history, unless the last one says the same, and what lies on which device."""
    seen = [f"bundle {bundle.name} {bundle.seen}{f': {bundle.reason}' if bundle.reason else ''}" for bundle in arrival.bundles[:_NAMED]]
    more = [f"{len(arrival.bundles) - _NAMED} more"] if len(arrival.bundles) > _NAMED else []
    detail = f"{arrival.medium}: {'; '.join([*seen, *more]) or 'no bundle'}"
    outcome = history.REFUSED if any(bundle.seen == Seen.REFUSED for bundle in arrival.bundles) else "done"
    last = history.last(ctx.ledger, ACTION)
    entry = Entry(ctx.ledger.clock(), ctx.actor, ACTION, "", None, outcome, detail)
    if arrival.bundles and (last is None or (last.who, last.outcome, last.detail) != (entry.who, outcome, detail)):
        history.record(ctx.ledger, entry)
    for key, value in fact_of(arrival).items():
        ctx.ledger.remember(key, value)


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
