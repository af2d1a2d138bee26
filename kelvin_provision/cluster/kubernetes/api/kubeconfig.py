"""The only reader of kubeconfig files. A list of files is merged as kubectl merges `KUBECONFIG`."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kelvin_provision.errors import RequestRefused
from kelvin_provision.settings.types import expanded
from kelvin_provision.spec.read.documents import parse


class KubeconfigInvalid(ValueError):
    """The message names what is wrong in the file."""


KINDS = ("contexts", "clusters", "users")


@dataclass(frozen=True)
class Section:
    """The fields of one context, cluster or user. Relative paths in them are relative to `folder`."""

    fields: Mapping[str, Any]
    folder: Path

    def text(self, name: str) -> str:
        return str(self.fields.get(name) or "")

    def content(self, name: str) -> bytes:
        """Return the decoded `NAME-data`, or the content of the file `NAME`; empty if there is neither. Raises OSError and ValueError."""
        if data := self.fields.get(f"{name}-data"):
            return base64.b64decode(data)
        return (self.folder / self.fields[name]).read_bytes() if self.fields.get(name) else b""


NOTHING = Section({}, Path())


@dataclass(frozen=True)
class Kubeconfig:
    """The cluster and the user of one context. An undefined user is empty, as for kubectl."""

    cluster: Section
    user: Section


def paths_of(setting: Path | None) -> tuple[Path, ...]:
    """Split a setting that may be a list, as in `KUBECONFIG`."""
    return tuple(expanded(part) for part in str(setting).split(os.pathsep) if part) if setting else ()


def read(setting: Path, context: str | None) -> Kubeconfig:
    """Read the given or the current context. Raises OSError and KubeconfigInvalid."""
    sections: dict[str, dict[str, Section]] = {kind: {} for kind in KINDS}
    current = context or ""
    for document, folder in _documents(paths_of(setting)):
        current = current or str(document.get("current-context") or "")
        for kind in KINDS:
            for name, fields in _entries(document, kind):
                sections[kind].setdefault(name, Section(fields, folder))  # the first file that defines a name wins
    chosen = sections["contexts"].get(current)
    if chosen is None:
        raise KubeconfigInvalid(f"no context named {current}" if current else "no current-context")
    cluster = sections["clusters"].get(chosen.text("cluster"))
    if cluster is None:
        raise KubeconfigInvalid(f"context {current}: no cluster named {chosen.text('cluster')}")
    return Kubeconfig(cluster, sections["users"].get(chosen.text("user"), NOTHING))


def _documents(paths: tuple[Path, ...]) -> Iterator[tuple[Mapping[str, Any], Path]]:
    for path in paths:
        try:
            documents = parse("", path.read_bytes())
        except FileNotFoundError:
            if len(paths) > 1:  # as for kubectl, files of a list may be missing
                continue
            raise
        except RequestRefused as error:
            raise KubeconfigInvalid("; ".join(error.evidence)) from error
        if len(documents) != 1 or not isinstance(documents[0].value, dict):
            raise KubeconfigInvalid("not a mapping")
        yield documents[0].value, path.parent


def _entries(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and fields of each entry of a list such as `users: [{name: admin, user: {...}}]`."""
    for entry in document.get(kind) or ():
        fields = entry.get(kind.removesuffix("s")) if isinstance(entry, dict) else None
        if not isinstance(fields, dict | None):
            raise KubeconfigInvalid(f"{kind}: {entry.get('name')} is not a mapping")
        if isinstance(entry, dict) and "name" in entry:
            yield str(entry["name"]), fields or {}
