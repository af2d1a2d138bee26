"""What a publication changes for the fleet: per workload, with versions and the names of fields. No value of a request is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.fleet.entries import value_of, version_of
from kelvin_provision.publications.model import Publication, PublishedRequest, Selector

Content = Callable[[PublishedRequest], bytes]
"""The bytes of a published request."""
ADDED, CHANGED, WITHDRAWN, UNCHANGED = "added", "changed", "withdrawn", "unchanged"


@dataclass(frozen=True)
class Offer:
    """One entry as people read it."""

    version: str
    digest: str
    rollout: int
    meant_for: str

    @property
    def text(self) -> str:
        share = "" if self.rollout == 100 else f" to {self.rollout} %"
        return f"{self.version or self.digest[7:19]}{share}{f' of {self.meant_for}' if self.meant_for else ''}"

    def to_json(self) -> dict[str, Any]:
        return {"version": self.version, "digest": self.digest, "rollout": self.rollout, "for": self.meant_for}


@dataclass(frozen=True)
class Difference:
    """`fields` are those that differ between the first offer before and after."""

    name: str
    outcome: str
    before: tuple[Offer, ...] = ()
    after: tuple[Offer, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        was, becomes = (", then ".join(offer.text for offer in offers) for offers in (self.before, self.after))
        if self.outcome == CHANGED:
            return f"{was} -> {becomes}{f' ({_few(self.fields)})' if self.fields else ''}"
        return becomes or was

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "outcome": self.outcome,
            "before": [offer.to_json() for offer in self.before],
            "after": [offer.to_json() for offer in self.after],
            "fields": list(self.fields),
        }


def differences(before: Publication | None, after: Publication, content: Content) -> tuple[Difference, ...]:
    """Of every workload that is or was published. Only the requests of those that change are read."""
    was, becomes = _by_name(before), _by_name(after)
    names = dict.fromkeys((*becomes, *was, *after.withdrawn))
    known = set(before.withdrawn if before else ())
    return tuple(
        _difference(name, was.get(name, ()), becomes.get(name, ()), content) for name in names if name in becomes or name not in known
    )


def _by_name(publication: Publication | None) -> Mapping[str, tuple[PublishedRequest, ...]]:
    rows: dict[str, tuple[PublishedRequest, ...]] = {}
    for request in publication.requests if publication else ():
        rows[request.name] = (*rows.get(request.name, ()), request)
    return rows


def _difference(name: str, before: tuple[PublishedRequest, ...], after: tuple[PublishedRequest, ...], content: Content) -> Difference:
    if before == after and after:
        return Difference(name, UNCHANGED, after=tuple(_offer(request, "") for request in after))
    outcome = WITHDRAWN if not after else CHANGED if before else ADDED
    was, becomes = (tuple(_offer(request, version_of(content(request))) for request in requests) for requests in (before, after))
    fields: tuple[str, ...] = ()
    if before and after and before[0].digest != after[0].digest:
        fields = tuple(changed_fields(value_of(content(before[0])), value_of(content(after[0]))))
    return Difference(name, outcome, was, becomes, fields)


def _offer(request: PublishedRequest, version: str) -> Offer:
    return Offer(version, request.digest, request.rollout, described(request.selector))


def described(selector: Selector) -> str:
    """For people, and as `--for` takes it."""
    rows = [f"box={box}" for box in selector.boxes]
    rows += [f"label.{key}={value}" for key, values in selector.labels for value in values]
    rows += [f"cluster={cluster}" for cluster in selector.clusters]
    rows += [f"platform={platform}" for platform in selector.platforms]
    return " ".join(rows)


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Dotted names of what differs; lists as a whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            if before.get(key) != after.get(key):
                yield from changed_fields(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif before != after:
        yield path


def _few(fields: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(fields[:most]) + (f" and {len(fields) - most} more" if len(fields) > most else "")
