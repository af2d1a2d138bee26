"""One key of a settings file changed in place: comments, order and everything else stay as they are. Pure.

It knows only the block style of YAML that people write by hand. That is safe, because the result is read again and must equal the
input but for the one key; otherwise nothing is changed and the error says what to write. ADR 0023 tells why it is not a library.
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
_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_INDENT = 2


@dataclass(frozen=True)
class _Entry:
    """A key with its path. Its lines are `begin` to `end`, without comments after it; `rest` is what follows the colon."""

    path: tuple[str, ...]
    indent: int
    begin: int
    end: int
    rest: str


def edited(name: str, text: str, path: Sequence[str], value: Any) -> str:
    """The text with this value at this path, or without the key when the value is None. Raises SettingsInvalid if it cannot do that."""
    before = _document(name, text)
    expected = _without(before, path) if value is None else _with(before, path, value)
    if expected == before:
        return text
    lines = text.splitlines(keepends=True)
    after = "".join(_removed(lines, tuple(path)) if value is None else _set(lines, tuple(path), value))
    try:
        actual = _document(name, after)
    except SettingsInvalid:
        actual = None
    if actual != expected:
        line = f"{'.'.join(path)}: {format_value(value)}"
        raise SettingsInvalid(
            f"{name} is written in a way that cannot be changed here without losing something",
            hint="remove it by hand" if value is None else f"write {line} by hand",
        )
    return after


def format_value(value: Any) -> str:
    """A value as it is written in a file."""
    if isinstance(value, list):
        return f"[{', '.join(format_value(item) for item in value)}]"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (
        _PLAIN.fullmatch(value) and ": " not in value and not value.endswith((":", " ")) and _document("", f"v: {value}") == {"v": value}
    )
    return value if plain else json.dumps(value, ensure_ascii=False)


def _document(name: str, text: str) -> dict[str, Any]:
    from kelvin_provision.spec.read.documents import parse

    try:
        documents = parse(name, text.encode())
    except RequestRefused as error:
        raise SettingsInvalid(f"{name} cannot be read", evidence=error.evidence) from error
    if len(documents) > 1 or (documents and not isinstance(documents[0].value, dict)):
        raise SettingsInvalid(f"{name} is not one document with settings")
    return documents[0].value if documents else {}


def _with(document: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(document)
    mapping: Any = result
    for step in path[:-1]:
        if not isinstance(mapping.get(step), dict):
            mapping[step] = {}
        mapping = mapping[step]
    mapping[path[-1]] = value
    return result


def _without(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Mappings that are empty then are removed, too."""
    result = copy.deepcopy(document)
    below: Any = result.get(path[0])
    if len(path) == 1:
        result.pop(path[0], None)
    elif isinstance(below, dict):
        rest = _without(below, path[1:])
        if rest != below:
            result[path[0]] = rest
            if not rest:
                del result[path[0]]
    return result


def _entries(lines: Sequence[str]) -> list[_Entry]:
    entries: list[_Entry] = []
    parents: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        match = _ENTRY.fullmatch(line.rstrip("\r\n"))
        if match is None:
            continue
        indent = len(match[1])
        parents = [(column, key) for column, key in parents if column < indent]
        parents.append((indent, _key(match[2])))
        entries.append(_Entry(tuple(key for _, key in parents), indent, number, _end(lines, number, indent), match[3]))
    return entries


def _key(text: str) -> str:
    if text.startswith('"'):
        return str(json.loads(text))
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def _end(lines: Sequence[str], begin: int, indent: int) -> int:
    """One past the last line of an entry. Items of a list may be indented no further than its key."""
    end = begin + 1
    for number in range(begin + 1, len(lines)):
        text = lines[number].strip()
        if not text or text.startswith("#"):
            continue
        column = len(lines[number]) - len(lines[number].lstrip(" "))
        if column < indent or (column == indent and not text.startswith("- ")) or text in {"---", "..."}:
            break
        end = number + 1
    return end


def _set(lines: list[str], path: tuple[str, ...], value: Any) -> list[str]:
    entries = _entries(lines)
    entry = next((entry for entry in entries if entry.path == path), None)
    if entry is not None:
        comment = (_REST.fullmatch(entry.rest) or [None, None, None])[2] or ""
        head = lines[entry.begin][: len(lines[entry.begin].rstrip("\r\n")) - len(entry.rest)]
        return [*lines[: entry.begin], f"{head} {format_value(value)}{comment}\n", *lines[entry.end :]]
    parent = max((entry for entry in entries if entry.path == path[: len(entry.path)]), key=lambda entry: len(entry.path), default=None)
    if parent is None:
        return [*_terminated(lines), *_block(path, 0, value)]
    siblings = [entry.indent for entry in entries if entry.path[:-1] == parent.path]
    indent = siblings[0] if siblings else parent.indent + _INDENT
    return [*_terminated(lines[: parent.end]), *_block(path[len(parent.path) :], indent, value), *lines[parent.end :]]


def _block(path: Sequence[str], indent: int, value: Any) -> list[str]:
    lines = [f"{' ' * (indent + _INDENT * depth)}{_format_key(step)}:\n" for depth, step in enumerate(path)]
    lines[-1] = f"{lines[-1].rstrip()} {format_value(value)}\n"
    return lines


def _format_key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key)


def _terminated(lines: Sequence[str]) -> list[str]:
    """With a newline at the end of the last line."""
    return [*lines[:-1], lines[-1] if lines[-1].endswith("\n") else f"{lines[-1]}\n"] if lines else []


def _removed(lines: list[str], path: tuple[str, ...]) -> list[str]:
    """Mappings that are empty then are removed, too."""
    entries = _entries(lines)
    entry = next((entry for entry in entries if entry.path == path), None)
    if entry is None:
        return lines
    is_last = not any(sibling.path[:-1] == path[:-1] and sibling is not entry for sibling in entries)
    if is_last and len(path) > 1:
        return _removed(lines, path[:-1])
    return [*lines[: entry.begin], *lines[entry.end :]]
