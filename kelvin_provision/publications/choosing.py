"""What of a publication is meant for a box. Pure: every box and every desk come to the same result.

Which boxes a rollout reaches follows from the names of workload and box alone, so that a box of the first tenth is among the first fifth.
"""

from __future__ import annotations

import hashlib

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.publications.model import Publication, PublishedRequest, Selector
from kelvin_provision.refs import Platform


@dataclass(frozen=True)
class Traits:
    """What a box is chosen by. `labels` are from its site file, `cluster` is docker or kubernetes."""

    name: str
    platform: Platform
    cluster: str
    labels: tuple[tuple[str, str], ...] = ()


def chosen(publication: Publication, box: Traits) -> tuple[PublishedRequest, ...]:
    """For each workload the first entry that is meant for the box."""
    first: dict[str, PublishedRequest] = {}
    for request in publication.requests:
        if request.name not in first and is_meant(request, box):
            first[request.name] = request
    return tuple(first.values())


def is_meant(request: PublishedRequest, box: Traits) -> bool:
    return percentile(request.name, box.name) < request.rollout and suits(request.selector, box)


def suits(selector: Selector, box: Traits) -> bool:
    """Whether each field that says something fits."""
    labels = dict(box.labels)
    return (
        (not selector.boxes or any(matches(pattern, box.name) for pattern in selector.boxes))
        and all(labels.get(key) in values for key, values in selector.labels)
        and (not selector.clusters or box.cluster in selector.clusters)
        and (not selector.platforms or any(box.platform.accepts(platform) for platform in selector.platforms))
    )


def percentile(workload: str, box: str) -> int:
    """From 0 to 99: a rollout of so many percent, or fewer, does not reach the box. The names are joined by a line break."""
    digest = hashlib.sha256(f"{workload}\n{box}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 >> 64


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern with `*` is the name of the box. In time that grows with the length: no expression that goes back."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
