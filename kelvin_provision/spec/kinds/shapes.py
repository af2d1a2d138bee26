"""Whether objects have the shapes of their kinds: mappings, lists and scalars where Kubernetes has them. Pure.

The shapes are data (`shapes.json`, from the models of the `kubernetes` package). What is only a matter of values, or newer than the data,
is left to the API server.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path as FilePath
from typing import Any

from kelvin_provision.spec.read.findings import Path, dotted, type_of
from kelvin_provision.spec.read.yaml_scalars import resolved
from kelvin_provision.spec.workload import Object

READ_BY_KIND = frozenset(
    {
        "CronJob", "CustomResourceDefinition", "DaemonSet", "Deployment", "Job", "PersistentVolumeClaim", "Pod", "ReplicaSet",
        "ReplicationController", "Service", "StatefulSet",
    }
)  # fmt: skip
"""Kinds whose content is read here whatever their API group is, so that their shape is checked in every group."""

REMOVED = frozenset({"apps/v1beta1", "apps/v1beta2", "extensions/v1beta1"})
"""Of these, no Kubernetes with server-side apply has the kinds that are in `apps/v1` now."""

MAX_FINDINGS = 20
"""Of one object: more would not be read."""


@dataclass(frozen=True)
class Misshape:
    """A place in an object and what is wrong there."""

    path: Path
    message: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.path) or 'the object'} {self.message}"


def misshapes(item: Object) -> list[Misshape]:
    """What is not as its kind has it, in the order of the object."""
    shape, is_exact = _shape_of(item)
    all_of_them = chain(_of_another_group(item), _mapping(item, shape, ()) if shape else _metadata(item))
    return list(islice((misshape for misshape in all_of_them if is_exact or not misshape.missing), MAX_FINDINGS))


def unknown_keys(item: Object) -> list[Misshape]:
    """Keys that the kind does not have, as far as the data goes: a newer Kubernetes may know them."""
    shape, is_exact = _shape_of(item)
    return list(islice(_unknown(item, shape, ()), MAX_FINDINGS)) if is_exact else []


def is_known(item: Object) -> bool:
    """Whether its kind is one of Kubernetes itself, in any of its versions."""
    return str(item.get("kind")) in known_kinds()


def known_kinds() -> list[str]:
    """The kinds that are checked in full, in the order of their names."""
    return sorted({name.split()[1] for name in _data()["kinds"]})


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(FilePath(__file__).with_name("shapes.json").read_bytes())
    return data


def _shape_of(item: Object) -> tuple[str, bool]:
    """The name of its shape, and whether that is of its very API version. Empty for kinds that are not ours to know."""
    kind, data = str(item.get("kind")), _data()
    exact = data["kinds"].get(f"{item.get('apiVersion')} {kind}")
    return (exact, True) if exact else (kind if kind in READ_BY_KIND else "", False)


def _of_another_group(item: Object) -> Iterator[Misshape]:
    """`v1` is often written for kinds that have a group; no kind of the core group is called like one of those."""
    kind, given = str(item.get("kind")), str(item.get("apiVersion"))
    versions = [name.split()[0] for name in _data()["kinds"] if name.endswith(f" {kind}")]
    is_removed = given in REMOVED and "apps/v1" in versions
    if versions and given not in versions and (given == "v1" or is_removed):
        removed = ", which Kubernetes 1.16 removed" if is_removed else ""
        yield Misshape(("apiVersion",), f"must be {' or '.join(versions)}, not {given}{removed}")


def _metadata(item: Object) -> Iterator[Misshape]:
    yield from _value(item.get("metadata", {}), "ObjectMeta", ("metadata",))


def _mapping(value: Mapping[str, Any], shape: str, path: Path) -> Iterator[Misshape]:
    fields: Mapping[str, str] = _data()["types"][shape]
    for key, code in fields.items():
        if code.startswith("!") and value.get(key) is None:
            yield Misshape((*path, key), "is missing", missing=True)
    for key, item in value.items():
        if key in fields and item is not None:
            yield from _value(item, fields[key].lstrip("!"), (*path, key))


def _value(value: Any, code: str, path: Path) -> Iterator[Misshape]:
    if code == "*":
        return
    if code[0] == "[":
        if not isinstance(value, list):
            yield Misshape(path, f"must be a list, not {type_of(value)}")
            return
        for number, item in enumerate(value):
            yield from _value(item, code[1:], (*path, number))
    elif code[0] == "{" or len(code) > 1:
        if not isinstance(value, dict):
            yield Misshape(path, f"must be a mapping, not {type_of(value)}")
        elif code[0] == "{":
            for key, item in value.items():
                yield from _value(item, code[1:], (*path, key))
        else:
            yield from _mapping(value, code, path)
    elif not _SCALARS[code].accepts(value):
        yield Misshape(path, _scalar_message(value, _SCALARS[code]))


def _unknown(value: Any, code: str, path: Path) -> Iterator[Misshape]:
    if code[0] in "[{" and isinstance(value, list | dict):
        pairs = enumerate(value) if isinstance(value, list) else value.items()
        for step, item in pairs:
            yield from _unknown(item, code[1:], (*path, step))
    elif len(code) > 1 and isinstance(value, dict):
        fields: Mapping[str, str] = _data()["types"][code]
        known = [*fields, "apiVersion", "kind", "status"] if not path or code in _data()["kinds"].values() else [*fields]
        for key, item in value.items():
            if key in fields:
                yield from _unknown(item, fields[key].lstrip("!"), (*path, key))
            elif key not in known:
                import difflib  # only for a mistake

                similar = difflib.get_close_matches(key, known, n=1)
                yield Misshape((*path, key), f"is unknown{f'; did you mean {similar[0]}?' if similar else ''}")


def quantities_as_text(item: Object) -> Object:
    """A copy in which `cpu: 1` is `cpu: "1"`: kubectl takes both, server-side apply of older servers takes only text."""
    shape, _ = _shape_of(item)
    result: Object = _with_text(item, shape) if shape else item
    return result


def _with_text(value: Any, code: str) -> Any:
    if code == "q":
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if code[0] == "[" and isinstance(value, list):
        return [_with_text(item, code[1:]) for item in value]
    if code[0] == "{" and isinstance(value, dict):
        return {key: _with_text(item, code[1:]) for key, item in value.items()}
    if len(code) > 1 and code[0] not in "[{" and isinstance(value, dict):
        fields: Mapping[str, str] = _data()["types"][code]
        return {key: _with_text(item, fields.get(key, "*").lstrip("!")) for key, item in value.items()}
    return value


# --- scalars --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scalar:
    name: str
    accepts: Callable[[Any], bool]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_base64(value: Any) -> bool:
    """A reference to a secret stands for text that is not known yet."""
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode("" if "<%" in value else value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _scalar_message(value: Any, scalar: _Scalar) -> str:
    if isinstance(value, str) and scalar.name == "base64 text":
        return "must be base64; put plain text under stringData, or in a ConfigMap under data"
    message = f"must be {scalar.name}, not {type_of(value)}"
    if isinstance(value, float) and scalar.name == "an integer":
        return f"{message} with a fraction"
    if isinstance(value, bool | int | float) and scalar.name in {"text", "base64 text"}:
        return f"{message}; put it in quotes"
    if isinstance(value, str) and scalar.accepts(resolved(value)):
        return f"{message}; remove the quotes"
    return message


_SCALARS: Mapping[str, _Scalar] = {
    "s": _Scalar("text", lambda value: isinstance(value, str)),
    "b": _Scalar("true or false", lambda value: isinstance(value, bool)),
    "i": _Scalar("an integer", _is_integer),
    "n": _Scalar("a number", lambda value: _is_integer(value) or isinstance(value, float)),
    "p": _Scalar("an integer or text", lambda value: _is_integer(value) or isinstance(value, str)),
    "q": _Scalar("a quantity", lambda value: isinstance(value, int | float | str) and not isinstance(value, bool)),
    "y": _Scalar("base64 text", _is_base64),
}
