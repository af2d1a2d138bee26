"""Two documents compared field by field. Pure.

A path is as deep as possible: `spec.template.spec.containers[app].image`, `data[app.yaml]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

IDENTITIES = ("name", "mountPath", "path", "target", "containerPort", "port", "key")
"""Keys that may identify the entries of a list. Entries are matched by the first one that does, not by their index."""

_WORD = re.compile(r"[-\w]+")
_LAST = re.compile(r"(.*?)\.?([-\w]+|\[[^\[\]]*\])")


class Missing(Enum):
    """A field that does not exist; null is a value."""

    ABSENT = "absent"


ABSENT: Final = Missing.ABSENT


@dataclass(frozen=True)
class Field:
    path: str
    old: Any = ABSENT
    new: Any = ABSENT


def below(path: str, key: str) -> str:
    """The path of an entry of a mapping. Keys with dots (labels, file names) are put in brackets."""
    if _WORD.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{key}]" if path else key


def compare(old: Any, new: Any, path: str = "") -> Iterator[Field]:
    """The differences, each once and as deep as possible. What was added or removed is one field with everything below it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _pair(old.get(key, ABSENT), new.get(key, ABSENT), below(path, str(key)))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _entries(old, new, path)
    elif old != new:
        yield Field(path, old, new)


def _pair(old: Any, new: Any, path: str) -> Iterator[Field]:
    if old is ABSENT or new is ABSENT:
        yield Field(path, old, new)
    else:
        yield from compare(old, new, path)


def _entries(old: list[Any], new: list[Any], path: str) -> Iterator[Field]:
    identity = _identity(old, new)
    if identity:
        before, after = ({str(item[identity]): item for item in items} for items in (old, new))
        for name in dict.fromkeys([*before, *after]):
            yield from _pair(before.get(name, ABSENT), after.get(name, ABSENT), f"{path}[{name}]")
        if before.keys() == after.keys() and list(before) != list(after):
            yield Field(path, list(before), list(after))
    elif len(old) != len(new):
        yield Field(path, old, new)
    else:
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from compare(before, after, f"{path}[{number}]")


def _identity(*lists: list[Any]) -> str:
    """The first key that all entries have and that is unique within each list; empty if there is none."""
    if not all(isinstance(item, dict) for items in lists for item in items):
        return ""
    for key in IDENTITIES if any(lists) else ():
        if all(len({str(item[key]) for item in items if key in item}) == len(items) for items in lists):
            return key
    return ""


def parted(path: str) -> tuple[str, str]:
    """The path of the parent, and the last step."""
    match = _LAST.fullmatch(path)
    return (match[1], match[2]) if match else ("", path)


def leaves(field: Field) -> Iterator[Field]:
    """An added or removed field as its single values; any other field unchanged."""
    if (field.old is ABSENT) == (field.new is ABSENT):
        yield field
        return
    value = field.new if field.old is ABSENT else field.old
    for path, leaf in flat(value, field.path):
        yield Field(path, ABSENT, leaf) if field.old is ABSENT else Field(path, leaf, ABSENT)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All single values with their paths. A list of scalars and an empty collection count as one."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, below(path, str(key)))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, path + step(value, number))
    else:
        yield path, value


def step(items: list[Any], number: int) -> str:
    """The step of an entry of a list of mappings."""
    identity = _identity(items)
    return f"[{items[number][identity] if identity else number}]"
