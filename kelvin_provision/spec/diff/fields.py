"""Two documents side by side, field by field. Pure: knows no engine, no secrets, no words for people.

A path is as deep as it can be named: `spec.template.spec.containers[app].image`, `data[app.yaml]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

IDENTITIES = ("name", "mountPath", "path", "target", "containerPort", "port", "key")
"""What tells the entries of a list apart, the first that does: entries are compared by it and not by their place."""

_WORD = re.compile(r"[-\w]+")
_LAST = re.compile(r"(.*?)\.?([-\w]+|\[[^\[\]]*\])")


class Missing(Enum):
    """What stands for a field that is not there; null is a value."""

    ABSENT = "absent"


ABSENT: Final = Missing.ABSENT


@dataclass(frozen=True)
class Field:
    """One field and what it was and is."""

    path: str
    old: Any = ABSENT
    new: Any = ABSENT


def below(path: str, key: str) -> str:
    """The path of a mapping's entry. Labels and file names have dots of their own."""
    if _WORD.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{key}]" if path else key


def compare(old: Any, new: Any, path: str = "") -> Iterator[Field]:
    """What differs, each difference once and as deep as it can be named; what came or went is one field with all below it."""
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
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from compare(one, other, f"{path}[{number}]")


def _identity(*lists: list[Any]) -> str:
    """The first key that every entry of these lists has, and no two of a list alike; empty for none."""
    if not all(isinstance(item, dict) for items in lists for item in items):
        return ""
    for key in IDENTITIES if any(lists) else ():
        if all(len({str(item[key]) for item in items if key in item}) == len(items) for items in lists):
            return key
    return ""


def parted(path: str) -> tuple[str, str]:
    """What a field is in, and its own last word."""
    found = _LAST.fullmatch(path)
    return (found[1], found[2]) if found else ("", path)


def leaves(field: Field) -> Iterator[Field]:
    """A field that came or went, as the single values that it is made of; any other as it is."""
    if (field.old is ABSENT) == (field.new is ABSENT):
        yield field
        return
    value = field.new if field.old is ABSENT else field.old
    for path, leaf in flat(value, field.path):
        yield Field(path, ABSENT, leaf) if field.old is ABSENT else Field(path, leaf, ABSENT)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its path. A list of single values is one, and so is what is empty."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, below(path, str(key)))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, path + step(value, number))
    else:
        yield path, value


def step(items: list[Any], number: int) -> str:
    """How an entry of a list of mappings is named in a path."""
    identity = _identity(items)
    return f"[{items[number][identity] if identity else number}]"
