"""One key of a settings file changed in place: comments, order and everything else stay as they were. Pure.

It knows the block style that people write by hand and no more of YAML. That is safe, because what comes out is read again, and
must be what came in but for the one key; else nothing is changed, and the person is told what to write.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.errors import RequestRefused, SettingsInvalid

_ENTRY = re.compile(r"""( *)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[\]{},&*!|>%@`-][^#]*?)\s*:(?=\s|$)(.*)""")
_REST = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^#]*?)(\s+#.*)?\s*""")
_PLAIN = re.compile(r"[A-Za-z0-9/~_][A-Za-z0-9 ._:/@+-]*")
_STEP = 2


@dataclass(frozen=True)
class _Entry:
    """A key with its path; its lines are those from `begin` up to `end`, comments behind it not counted."""

    path: tuple[str, ...]
    indent: int
    begin: int
    end: int
    rest: str


def changed(name: str, text: str, path: Sequence[str], value: Any) -> str:
    """The text with this value there, or without the key when it is None. Raises SettingsInvalid where it cannot tell how."""
    before = _document(name, text)
    wanted = _without(before, path) if value is None else _with(before, path, value)
    if wanted == before:
        return text
    lines = text.splitlines(keepends=True)
    made = "".join(_removed(lines, tuple(path)) if value is None else _set(lines, tuple(path), value))
    try:
        found = _document(name, made)
    except SettingsInvalid:
        found = None
    if found != wanted:
        what = "take it out" if value is None else f"write {'.'.join(path)}: {written(value)}"
        raise SettingsInvalid(f"{name} is written in a way that cannot be changed here without losing something", hint=f"{what} by hand")
    return made


def written(value: Any) -> str:
    """A value as it stands in a file."""
    if isinstance(value, list):
        return f"[{', '.join(written(item) for item in value)}]"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (
        _PLAIN.fullmatch(value) and ": " not in value and not value.endswith((":", " ")) and _document("", f"v: {value}") == {"v": value}
    )
    return value if plain else json.dumps(value, ensure_ascii=False)


def _document(name: str, text: str) -> dict[str, Any]:
    from kelvin_provision.spec.source import parse

    try:
        documents = parse(name, text.encode())
    except RequestRefused as error:
        raise SettingsInvalid(f"{name} cannot be read", evidence=error.evidence) from error
    if len(documents) > 1 or (documents and not isinstance(documents[0].value, dict)):
        raise SettingsInvalid(f"{name} is not one document with settings")
    return documents[0].value if documents else {}


def _with(document: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(document)
    below: Any = found
    for step in path[:-1]:
        if not isinstance(below.get(step), dict):
            below[step] = {}
        below = below[step]
    below[path[-1]] = value
    return found


def _without(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """What has nothing left in it goes, too."""
    found = copy.deepcopy(document)
    below: Any = found.get(path[0])
    if len(path) == 1:
        found.pop(path[0], None)
    elif isinstance(below, dict):
        rest = _without(below, path[1:])
        if rest != below:
            found[path[0]] = rest
            if not rest:
                del found[path[0]]
    return found


def _entries(lines: Sequence[str]) -> list[_Entry]:
    found: list[_Entry] = []
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        match = _ENTRY.fullmatch(line.rstrip("\r\n"))
        if match is None:
            continue
        indent = len(match[1])
        above = [(at, key) for at, key in above if at < indent]
        above.append((indent, _key(match[2])))
        found.append(_Entry(tuple(key for _, key in above), indent, number, _end(lines, number, indent), match[3]))
    return found


def _key(text: str) -> str:
    if text.startswith('"'):
        return str(json.loads(text))
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def _end(lines: Sequence[str], begin: int, indent: int) -> int:
    """Behind the last line of what stands there; an item of a list may be indented no further than its key."""
    end = begin + 1
    for number in range(begin + 1, len(lines)):
        text = lines[number].strip()
        if not text or text.startswith("#"):
            continue
        own = len(lines[number]) - len(lines[number].lstrip(" "))
        if own < indent or (own == indent and not text.startswith("- ")) or text in {"---", "..."}:
            break
        end = number + 1
    return end


def _set(lines: list[str], path: tuple[str, ...], value: Any) -> list[str]:
    entries = _entries(lines)
    here = next((entry for entry in entries if entry.path == path), None)
    if here is not None:
        comment = (_REST.fullmatch(here.rest) or [None, None, None])[2] or ""
        head = lines[here.begin][: len(lines[here.begin].rstrip("\r\n")) - len(here.rest)]
        return [*lines[: here.begin], f"{head} {written(value)}{comment}\n", *lines[here.end :]]
    known = max((entry for entry in entries if entry.path == path[: len(entry.path)]), key=lambda entry: len(entry.path), default=None)
    if known is None:
        return [*_ended(lines), *_block(path, 0, value)]
    below = [entry.indent for entry in entries if entry.path[:-1] == known.path]
    indent = below[0] if below else known.indent + _STEP
    return [*_ended(lines[: known.end]), *_block(path[len(known.path) :], indent, value), *lines[known.end :]]


def _block(path: Sequence[str], indent: int, value: Any) -> list[str]:
    lines = [f"{' ' * (indent + _STEP * depth)}{_name(step)}:\n" for depth, step in enumerate(path)]
    lines[-1] = f"{lines[-1].rstrip()} {written(value)}\n"
    return lines


def _name(step: str) -> str:
    return step if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", step) else json.dumps(step)


def _ended(lines: Sequence[str]) -> list[str]:
    return [*lines[:-1], lines[-1] if lines[-1].endswith("\n") else f"{lines[-1]}\n"] if lines else []


def _removed(lines: list[str], path: tuple[str, ...]) -> list[str]:
    """With what then has nothing in it any more."""
    entries = _entries(lines)
    here = next((entry for entry in entries if entry.path == path), None)
    if here is None:
        return lines
    alone = not any(entry.path[:-1] == path[:-1] and entry is not here for entry in entries)
    if alone and len(path) > 1:
        return _removed(lines, path[:-1])
    return [*lines[: here.begin], *lines[here.end :]]
