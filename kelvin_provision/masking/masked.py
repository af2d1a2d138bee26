"""Values that are compared but not shown: a masked value tells whether it has changed, never what it is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.masking.secret_fields import Secret, SecretFields
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Masked:
    """Two are equal when the values under them are."""

    shown: str = field(compare=False)
    under: Any = field(repr=False)

    def __str__(self) -> str:
        return self.shown


def mask(item: Object, secret_files: Collection[str] = ()) -> Object:
    """A copy of an object of any cluster. `secret_files` are the paths of secrets among the files (as text) of a container on Docker."""
    masked: Object = _FIELDS.walk(item)
    spec = masked.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("files"), list):
        spec["files"] = [_file(shown, raw, secret_files) for shown, raw in zip(spec["files"], item["spec"]["files"], strict=True)]
    return masked


def _file(shown: Any, raw: Any, secret_files: Collection[str]) -> Any:
    if not isinstance(raw, dict) or "text" not in raw:
        return shown
    path, text = str(raw.get("path")), str(raw["text"])
    return raw | {"text": _FIELDS.hidden(text) if path in secret_files else _FIELDS.text(text, path)}


def _masked(value: Any, shown: str, _: Sequence[Secret]) -> Masked:
    return Masked(shown, value)


_FIELDS = SecretFields(_masked, summarize_files=True)
