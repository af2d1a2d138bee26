"""A request given as command-line options, as the equivalent document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.errors import UsageRefused
from kelvin_provision.spec.read.documents import read, read_all
from kelvin_provision.spec.read.findings import Document, Finding, Part, Path, refuse

FILE = "flags"


def from_flags(
    body: Mapping[str, Any], *, payload: tuple[str, bytes] | None = None, manifests: Sequence[tuple[str, bytes]] = ()
) -> tuple[Document, ...]:
    """One request in one document. `body` has the keys of a request, None for options that were not given.

    `payload` and `manifests` are names and contents of files; findings below these keys name the file. Raises RequestRefused for files
    that cannot be read as YAML or JSON, all of them at once.
    """
    value: dict[str, Any] = {key: item for key, item in body.items() if item is not None}
    # first all together, so that the findings of all files are raised at once
    read_all([*([payload] if payload else []), *manifests])
    parts: list[Part] = []
    respelled: frozenset[Path] = frozenset()
    if payload:
        document, *more = read(*payload)
        if more:
            raise refuse([Finding(payload[0], more[0].number, "", "too many documents; an app manifest is one document")])
        value["payload"] = document.value
        parts.append(Part(("payload",), document.file, document.number))
        respelled = frozenset(("payload", *path) for path in document.respelled)
    documents = read_all(manifests)
    if manifests:
        value["manifests"] = [document.value for document in documents]
        parts += [Part(("manifests", number), document.file, document.number) for number, document in enumerate(documents)]
    return (Document(FILE, 0, value, tuple(parts), respelled),)


def with_images(documents: tuple[Document, ...], images: Sequence[str]) -> tuple[Document, ...]:
    """The request of files, with the images of the command line after its own. Raises UsageRefused where there are several requests."""
    if not images:
        return documents
    if len(documents) != 1:
        raise UsageRefused(f"--image is for one request, and the files have {len(documents)}", hint="add `images: [REF]` to each of them")
    (document,) = documents
    if not isinstance(document.value, dict):
        return documents
    own = document.value.get("images")
    if own is not None and not isinstance(own, list):
        return documents
    return (replace(document, value=document.value | {"images": [*(own or ()), *images]}),)
