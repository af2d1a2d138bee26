"""From files with requests to entries of a publication, with the bytes that boxes get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kelvin_provision.errors import RequestRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.publications import limits
from kelvin_provision.publications.artifact import request_descriptor
from kelvin_provision.publications.model import PublishedRequest, Selector
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.workload import Spec
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.usecases import deploy


@dataclass(frozen=True)
class Entries:
    """`contents` are the bytes of each request by digest; `specs` what a box with the settings of this desk would make of them."""

    requests: tuple[PublishedRequest, ...] = ()
    contents: Mapping[str, bytes] | None = None
    specs: tuple[Spec, ...] = ()
    warnings: tuple[str, ...] = ()


def entries_of(
    settings: Settings, files: Sequence[RequestFile], selector: Selector, rollout: int, *, allow_latest: bool = False
) -> Entries:
    """Checked as a deploy checks them, but for the secrets of a box. Raises RequestRefused.

    A file with one request is published byte for byte; of one with several, each by itself, as JSON.
    """
    if not files:
        return Entries(contents={})
    documents: list[Document] = []
    contents: list[bytes] = []
    for file in files:
        inside = read(file.name, file.content)
        documents += inside
        contents += [file.content] if len(inside) == 1 else [_json(document.value) for document in inside]
    checked = deploy.accepted(settings, deploy.DeployRequest(tuple(documents), allow_latest), has_secret=lambda _: True)
    _refuse_nameless([document.value for document in documents], checked.specs)
    published, by_digest = [], {}
    for spec, content in zip(checked.specs, contents, strict=True):
        if len(content) > limits.REQUEST:
            raise RequestRefused(f"{spec.name}: {len(content)} bytes; a published request has at most {limits.REQUEST}")
        blob = request_descriptor(content)
        by_digest[blob.digest] = content
        published.append(PublishedRequest(spec.name, blob.digest, blob.size, selector, rollout))
    return Entries(tuple(published), by_digest, checked.specs, checked.warnings)


def _refuse_nameless(values: Sequence[Any], specs: Sequence[Spec]) -> None:
    """A name that every box would make up is another one on each, and again with each version."""
    for value, spec in zip(values, specs, strict=True):
        if isinstance(value, dict) and not value.get("name"):
            raise RequestRefused(f"the request for {spec.app_name} has no name", hint='add "name" to the request: boxes know it by that')


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def version_of(content: bytes) -> str:
    """Of a published request, for people; empty for what cannot be read."""
    value = value_of(content)
    payload = value.get("payload")
    version = value.get("app_version") or (payload.get("version") if isinstance(payload, dict) else "")
    return str(version or "")[:128]


def value_of(content: bytes) -> Mapping[str, Any]:
    """The document as a mapping; empty for what cannot be read."""
    try:
        (document,) = read("request", content)
    except (RequestRefused, ValueError):
        return {}
    return document.value if isinstance(document.value, dict) else {}
