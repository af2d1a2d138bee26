"""A publication: what a publisher offers to a fleet. As a value, and as the bytes that are signed.

It names requests by digest; their bytes are blobs of the same repository. Of several entries with the same name, the first that is meant
for a box counts: so a new version reaches a tenth of the fleet, and the rest has the one before, which stands behind it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import field
from typing import Any

from kelvin_provision.bundles.strict import Strict
from kelvin_provision.errors import PublicationInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.dense import is_dense
from kelvin_provision.publications import limits
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import NAME, NAME_LENGTH
from kelvin_provision.trust.dsse import PUBLICATION

SCHEMA, KIND = 1, "publication"
PAYLOAD_TYPE = PUBLICATION
"""What the signature is over, besides the bytes."""
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
"""The key of a label."""
LABEL_VALUE = re.compile(r"[A-Za-z0-9._-]{1,63}")
PATTERN = re.compile(r"[^\s/]{1,253}")
"""The name of a box; `*` stands for any characters."""
CLUSTERS = ("docker", "kubernetes")
_ALL = 100
_KEYS = frozenset({"schema", "kind", "serial", "created", "previous", "requests", "withdrawn"})
_REQUEST = frozenset({"name", "digest", "size", "for", "rollout"})
_SELECTOR = frozenset({"boxes", "labels", "clusters", "platforms"})


@dataclass(frozen=True)
class Selector:
    """Which boxes: each field that is not empty must fit, by any of its values. Of `labels`, each key, by any of its values."""

    boxes: tuple[str, ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    clusters: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True)
class PublishedRequest:
    """`name` is that of the workload; `digest` and `size` of the exact bytes of the deploy body. `rollout` is in percent of the boxes."""

    name: str
    digest: str
    size: int
    selector: Selector = field(default_factory=Selector)
    rollout: int = _ALL


@dataclass(frozen=True)
class Publication:
    """`serial` counts up for each signer; `created` is for people. `previous` is the digest of the manifest that this one replaces.

    `withdrawn` are names of workloads that boxes should no longer run.
    """

    serial: int
    created: str
    requests: tuple[PublishedRequest, ...]
    withdrawn: tuple[str, ...] = ()
    previous: str | None = None


def _wrong(what: str) -> PublicationInvalid:
    return PublicationInvalid(f"the publication is not valid: {what}")


_READ = Strict(_wrong)


def encode(publication: Publication) -> bytes:
    """The same value gives the same bytes."""
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "serial": publication.serial,
        "created": publication.created,
        "previous": publication.previous,
        "requests": [_request_document(request) for request in publication.requests],
        "withdrawn": list(publication.withdrawn),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


def _request_document(request: PublishedRequest) -> dict[str, Any]:
    return {
        "name": request.name,
        "digest": request.digest,
        "size": request.size,
        "for": selector_document(request.selector),
        "rollout": request.rollout,
    }


def selector_document(selector: Selector) -> dict[str, Any]:
    return {
        "boxes": list(selector.boxes),
        "labels": {key: list(values) for key, values in selector.labels},
        "clusters": list(selector.clusters),
        "platforms": [str(platform) for platform in selector.platforms],
    }


# --- reading ----------------------------------------------------------------------------------------


def decode(data: bytes) -> Publication:
    """Only for bytes whose signature is verified. Every limit is checked: what comes back is sound. Raises PublicationInvalid."""
    if is_dense(data):
        raise _wrong("more values than a document of its size has")
    document = _READ.parsed(data, limits.DOCUMENT)
    if other := _READ.other_schema(document, SCHEMA):
        raise PublicationInvalid(f"the publication has {other}")
    if document.get("kind") != KIND:
        raise _wrong("it is of another kind")
    _READ.record(document, _KEYS)
    publication = Publication(
        serial=_READ.number(document["serial"], "serial", least=1),
        created=_READ.moment(document["created"], "created"),
        previous=None if document["previous"] is None else _READ.digest(document["previous"]),
        requests=_READ.items(document["requests"], limits.REQUESTS, _request, "requests"),
        withdrawn=_READ.items(document["withdrawn"], limits.WITHDRAWN, workload_name, "withdrawn"),
    )
    check(publication)
    return publication


def check(publication: Publication) -> None:
    """The rules across the whole. Raises PublicationInvalid."""
    sizes = {request.digest: request.size for request in publication.requests}
    if any(sizes[request.digest] != request.size for request in publication.requests):
        raise _wrong("a request with two sizes")
    if sum(sizes.values()) > limits.ALL_REQUESTS:
        raise _wrong(f"its requests have more than {limits.ALL_REQUESTS} bytes together")
    if len(set(publication.withdrawn)) != len(publication.withdrawn):
        raise _wrong("a withdrawn name stands twice")
    if both := {request.name for request in publication.requests} & set(publication.withdrawn):
        raise _wrong(f"{min(both)} is published and withdrawn")
    rows = Counter((request.name, request.digest, request.selector, request.rollout) for request in publication.requests)
    if any(count > 1 for count in rows.values()):
        raise _wrong("an entry stands twice")


def workload_name(value: Any) -> str:
    name = _READ.matching(NAME, value, "the name of a workload")
    if len(name) > NAME_LENGTH:
        raise _wrong(f"the name of a workload has more than {NAME_LENGTH} characters")
    return name


def _request(value: Any) -> PublishedRequest:
    document = _READ.record(value, _REQUEST)
    size, rollout = _READ.number(document["size"], "a size", least=1), _READ.number(document["rollout"], "rollout", least=1)
    if size > limits.REQUEST:
        raise _wrong(f"a request over {limits.REQUEST} bytes")
    if rollout > _ALL:
        raise _wrong(f"rollout is over {_ALL}")
    return PublishedRequest(
        workload_name(document["name"]), _READ.digest(document["digest"]), size, read_selector(document["for"]), rollout
    )


def read_selector(value: Any) -> Selector:
    """Of a document as `selector_document` makes it. Raises PublicationInvalid."""
    document = _READ.record(value, _SELECTOR)
    labels = document["labels"]
    if not isinstance(labels, dict) or len(labels) > limits.LABELS:
        raise _wrong(f"labels are not an object of at most {limits.LABELS}")
    return Selector(
        boxes=_READ.items(document["boxes"], limits.BOXES, box_pattern, "boxes"),
        labels=tuple((_READ.matching(LABEL, key, "a label"), _label_values(values)) for key, values in labels.items()),
        clusters=_READ.items(document["clusters"], limits.CLUSTERS, _cluster, "clusters"),
        platforms=_READ.items(document["platforms"], limits.PLATFORMS, _READ.platform, "platforms"),
    )


def box_pattern(value: Any) -> str:
    pattern = _READ.matching(PATTERN, _READ.text(value, "a box"), "a box")
    if pattern.count("*") > limits.STARS:
        raise _wrong(f"a pattern with more than {limits.STARS} stars")
    return pattern


def _label_values(value: Any) -> tuple[str, ...]:
    values = _READ.items(value, limits.LABEL_VALUES, lambda text: _READ.matching(LABEL_VALUE, text, "the value of a label"), "a label")
    if not values:
        raise _wrong("a label without a value")
    return values


def _cluster(value: Any) -> str:
    if value not in CLUSTERS:
        raise _wrong(f"a cluster is neither {' nor '.join(CLUSTERS)}")
    return str(value)
