"""What must not be read over somebody's shoulder: secrets, variables, passwords. Covered before anything is compared or printed.

A covered value still tells whether it has changed, and never what it is. References (`<% secrets.NAME %>`) are no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.masking.secret_names import promises_secret, stands_under
from kelvin_provision.spec.secrets import BLANK, REFERENCE
from kelvin_provision.spec.workload import Object

OWN = "KELVIN_"
"""Variables of the platform: they say where a workload runs, nothing else."""

VARIABLES = frozenset({"env", "environment", "environment_vars"})
HEADERS = frozenset({"headers", "httpHeaders", "http_headers"})

DOCUMENTS = frozenset({"app.yaml", "config.yaml"})
"""Files that we write ourselves as YAML: covered field by field, and written again as they were."""

_ENTRY = frozenset({"key", "keys"})
"""Alone, in Kubernetes and in most configurations, the name of an entry."""

_LINE = re.compile(r"(?m)^([^\n:=]*[:=][ \t]*)(\S[^\n]*)$")
"""`name: value` and `name = value`: up to the value, and the value."""
_NO_NAME = re.compile(r"[^\w.-]")
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True)
class Masked:
    """Something that is not shown as it is. Two are the same when what is under them is."""

    shown: str = field(compare=False)
    under: Any = field(repr=False)

    def __str__(self) -> str:
        return self.shown


def veiled(item: Object, secret_files: Collection[str] = ()) -> Object:
    """A copy of an object of any cluster. `secret_files` are the paths of secrets among the files (as text) of a container on Docker."""
    found: Object = _walk(item, "")
    spec = found.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("files"), list):
        spec["files"] = [_file(one, raw, secret_files) for one, raw in zip(spec["files"], item["spec"]["files"], strict=True)]
    return found


def _file(shown: Any, raw: Any, secret_files: Collection[str]) -> Any:
    if not isinstance(raw, dict) or "text" not in raw:
        return shown
    secret = raw.get("path") in secret_files
    return raw | {"text": mask(raw["text"]) if secret else _text(str(raw["text"]), str(raw.get("path")))}


def mask(value: Any) -> Any:
    """The value under a veil; a reference as it is, and nothing at all for nothing."""
    if value is None or value == "" or (isinstance(value, str) and REFERENCE.fullmatch(value.strip())):
        return value
    return Masked(BLANK, value)


def _walk(value: Any, name: str) -> Any:
    """`name` is the one that counts for the value: its own, or that of a secret which it is a part of."""
    if isinstance(value, dict):
        return _mapping(value, name)
    if isinstance(value, list):
        return [_pair(item) if name in VARIABLES | HEADERS else _walk(item, name) for item in value]
    if _promises(name) and not isinstance(value, bool):
        return mask(value)
    return _text(value, name) if isinstance(value, str) else value


def _mapping(value: dict[Any, Any], name: str) -> dict[Any, Any]:
    if name in VARIABLES:
        return {key: _variable(str(key), item) for key, item in value.items()}
    if name == "text" and isinstance(value.get("data"), str):
        return value | {"data": Masked(f"({len(value['data'])} signs, told as a file)", value["data"])}
    return {key: _walk(item, below) for key, item, below in stands_under(value, name)}


def _pair(item: Any) -> Any:
    """A variable or a header: a name with a value, as a mapping or as two."""
    if isinstance(item, dict) and "value" in item:
        return item | {"value": _variable(str(item.get("name")), item["value"])}
    if isinstance(item, list) and len(item) == 2:
        return [item[0], mask(item[1])]
    return _walk(item, "")


def _variable(name: str, value: Any) -> Any:
    return value if name.startswith(OWN) else mask(value)


def _text(value: str, key: str) -> Any:
    shown = _LOGIN.sub(BLANK, value)
    if key.rpartition("/")[2] in DOCUMENTS:
        shown = document(shown)
    elif "\n" in value or "=" in value:
        shown = _LINE.sub(_line, shown)
    return value if shown == value else Masked(shown, value)


def _line(found: re.Match[str]) -> str:
    *_, name = _NO_NAME.split(found[1].rstrip(" \t:=\"'"))
    covered = _promises(name) and not REFERENCE.fullmatch(found[2].strip("\"' ,"))
    return f"{found[1]}{BLANK}" if covered else found[0]


def _promises(name: str) -> bool:
    return promises_secret(name) and name.lower() not in _ENTRY


def document(text: str) -> str:
    """A YAML text of ours with its secrets covered; line by line where it cannot be read."""
    import yaml

    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        read = None
    if not isinstance(read, Mapping):
        return _LINE.sub(_line, text)
    return str(yaml.safe_dump(_bare(_walk(read, "")), sort_keys=False, allow_unicode=True, width=float("inf")))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value.shown if isinstance(value, Masked) else value
