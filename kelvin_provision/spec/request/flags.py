"""The command line's flags as the document that says the same, so that both go one way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelvin_provision.spec.read.documents import read, read_all
from kelvin_provision.spec.read.findings import Document, Finding, Part, refuse

FILE = "flags"


def from_flags(
    *,
    app_name: str | None = None,
    app_version: str | None = None,
    name: str | None = None,
    title: str | None = None,
    cluster_name: str | None = None,
    staged: bool | None = None,
    instantly_apply: bool | None = None,
    deployment_type: str | None = None,
    payload: tuple[str, bytes] | None = None,
    manifests: Sequence[tuple[str, bytes]] = (),
) -> tuple[Document, ...]:
    """One request in one document; findings below `payload` and `manifests` name the files (name and bytes) they came from.

    Raises RequestRefused for files that cannot be read as YAML or JSON, all of them at once.
    """
    body: dict[str, Any] = {
        "app_name": app_name,
        "app_version": app_version,
        "name": name,
        "title": title,
        "cluster_name": cluster_name,
        "staged": staged,
        "instantly_apply": instantly_apply,
        "deployment_type": deployment_type,
    }
    value = {key: item for key, item in body.items() if item is not None}
    # both at once, so that what is wrong in either is said at once
    read_all([*([payload] if payload else []), *manifests])
    parts: list[Part] = []
    if payload:
        document, *more = read(*payload)
        if more:
            raise refuse([Finding(payload[0], more[0].number, "", "one document too many; right for an app manifest is one")])
        value["payload"] = document.value
        parts.append(Part(("payload",), document.file, document.number))
    documents = read_all(manifests)
    if manifests:
        value["manifests"] = [document.value for document in documents]
        parts += [Part(("manifests", number), document.file, document.number) for number, document in enumerate(documents)]
    return (Document(FILE, 0, value, tuple(parts)),)
