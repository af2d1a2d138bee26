"""From a publication to the next one. Pure.

What is not named stays: nothing is withdrawn from five hundred boxes because a file was left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.errors import UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.naming import listed
from kelvin_provision.publications import limits
from kelvin_provision.publications.model import Publication, PublishedRequest, Selector

ALL = 100


@dataclass(frozen=True)
class Draft:
    """What is to change. `serial` is None for the next one; `alone`: nothing of the publication before stays."""

    entries: tuple[PublishedRequest, ...] = ()
    withdraw: tuple[str, ...] = ()
    serial: int | None = None
    alone: bool = False


def following(before: Publication | None, digest: str | None, draft: Draft, created: str) -> Publication:
    """The publication after this one, with this digest. Raises UsageRefused for a serial that is not higher, and an unknown name."""
    serial = _serial(before, draft.serial)
    kept = before.requests if before and not draft.alone else ()
    refuse_unknown(kept, before, draft)
    requests = _with(kept, draft.entries)
    remaining = tuple(request for request in requests if request.name not in draft.withdraw)
    published = {request.name for request in remaining}
    withdrawn = dict.fromkeys((*(before.withdrawn if before else ()), *draft.withdraw))
    if before and draft.alone:
        withdrawn |= dict.fromkeys(request.name for request in before.requests)
    gone = tuple(name for name in withdrawn if name not in published)
    _refuse_too_many(remaining, gone)
    return Publication(serial, created, remaining, gone, digest)


def going_back(before: Publication, digest: str, earlier: Publication, draft: Draft, created: str) -> Publication:
    """What an earlier publication had, as the newest one: what has come since is withdrawn."""
    published = {request.name for request in earlier.requests}
    since = (request.name for request in before.requests)
    withdrawn = dict.fromkeys((*earlier.withdrawn, *before.withdrawn, *since))
    rest = tuple(name for name in withdrawn if name not in published)
    return Publication(_serial(before, draft.serial), created, earlier.requests, rest, digest)


def is_same(before: Publication | None, after: Publication) -> bool:
    """Whether boxes would do the same."""
    return before is not None and (before.requests, before.withdrawn) == (after.requests, after.withdrawn)


def _serial(before: Publication | None, chosen: int | None) -> int:
    last = before.serial if before else 0
    if chosen is None:
        return last + 1
    if chosen <= last:
        hint = f"give {last + 1} or more; without --serial it is counted up, but only where something changes"
        raise UsageRefused(f"--serial {chosen} is not higher than {last}, the one that is published", hint=hint)
    return chosen


def _with(kept: Sequence[PublishedRequest], new: Sequence[PublishedRequest]) -> tuple[PublishedRequest, ...]:
    """New entries stand before those of the same name that stay: of several, the first that is meant for a box counts."""
    stays = [old for old in kept if not any(old.name == entry.name and _is_superseded(old, entry) for entry in new)]
    names = dict.fromkeys((*(old.name for old in kept), *(entry.name for entry in new)))
    return tuple(request for name in names for request in (*new, *stays) if request.name == name)


def _is_superseded(old: PublishedRequest, new: PublishedRequest) -> bool:
    """A version for all ends every other; one for a part ends the trial before it, and the version for the rest stays behind it."""
    if new.rollout == ALL and new.selector == Selector():
        return True
    return old.selector == new.selector and (new.rollout == ALL or old.rollout < ALL or old.digest == new.digest)


def refuse_unknown(kept: Sequence[PublishedRequest], before: Publication | None, draft: Draft) -> None:
    known = {request.name for request in kept} | set(before.withdrawn if before else ())
    if unknown := [name for name in draft.withdraw if name not in known]:
        text = f"--withdraw {listed(unknown)}: not published here"
        raise UsageRefused(text, hint=f"published are: {listed(sorted(known)) or 'none'}")
    if both := sorted({entry.name for entry in draft.entries} & set(draft.withdraw)):
        raise UsageRefused(f"{listed(both)}: to be published and withdrawn at once")


def _refuse_too_many(requests: Sequence[PublishedRequest], withdrawn: Sequence[str]) -> None:
    size = sum({request.digest: request.size for request in requests}.values())
    if len(requests) > limits.REQUESTS or size > limits.ALL_REQUESTS:
        text = f"{len(requests)} requests of {size} bytes; a publication has at most {limits.REQUESTS} of {limits.ALL_REQUESTS} bytes"
        raise UsageRefused(text, hint="publish to several tags; a box can follow more than one")
    if len(withdrawn) > limits.WITHDRAWN:
        raise UsageRefused(
            f"{len(withdrawn)} withdrawn workloads; a publication names at most {limits.WITHDRAWN}", hint="publish to a new tag"
        )
