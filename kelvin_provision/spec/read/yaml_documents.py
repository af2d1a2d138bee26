"""YAML 1.2 core into plain values, straight from the parser's events.

Only true and false are booleans, dates stay text, tags and merge keys are refused. An alias becomes the very value it names
and is counted at its full size, so a few lines cannot grow into gigabytes here or in whoever writes the value out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from kelvin_provision.spec.read.documents import BYTES, DEPTH, NODES, Notes, check_scalar, duplicate, integer, too_big, too_deep
from kelvin_provision.spec.read.findings import Document, Path, kind_of

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_MERGE = "<<"


class _Stop(Exception):
    """The document cannot be read any further; why is noted."""


@dataclass
class _Frame:
    """An open mapping or list, and how large what is in it would be without aliases."""

    value: Any
    path: Path
    anchor: str | None
    key: str | None = None
    nodes: int = 1
    characters: int = 0
    height: int = 1

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    @property
    def place(self) -> Path:
        """The path of what comes next."""
        if isinstance(self.value, list):
            return (*self.path, len(self.value))
        return self.path if self.key is None else (*self.path, self.key)


def documents_of(text: str, notes: Notes) -> list[Document]:
    """Every document that holds something, by its number in the file. What is wrong goes to `notes`."""
    documents: list[Document] = []
    reader = _Reader(notes)
    notes.number = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                notes.number += 1
                reader = _Reader(notes)
            elif isinstance(event, yaml.DocumentEndEvent):
                if reader.root is not None:
                    documents.append(Document(notes.file, notes.number, reader.root))
            else:
                reader.take(event)
    except _Stop:
        pass
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        notes.number = max(notes.number, 1)
        notes.add((), _unreadable(error))
    return documents


def _unreadable(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    # the parser quotes pieces of the text, which may be pieces of a password
    problem = re.sub(r"\s*'[^']{3,}'", "", str(getattr(error, "problem", None) or "a character that YAML does not allow"))
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}not YAML: {problem}"


class _Reader:
    """One document: takes events, holds the open mappings and lists."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.root: Any = None
        self.open: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, int, int]] = {}
        self.nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Handle anything but the start and end of a document."""
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = self.open.pop()
            self._finish(frame.value, frame.anchor, frame.nodes, frame.characters, frame.height)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)

    @property
    def place(self) -> Path:
        return self.open[-1].place if self.open else ()

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._check_tag(event.tag)
        if self.open and self.open[-1].awaits_key:
            self._stop("a key that is a list or a mapping; right is text")
        if len(self.open) >= DEPTH:
            self._stop(too_deep())
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Frame(value, self.place, event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        known = self.anchors.get(str(event.anchor))
        if known is None:
            self._stop("an alias without its anchor before it, or inside it; right is to write the value out")
        value, nodes, characters, height = known
        if self.open and self.open[-1].awaits_key:
            self._key(value)
        else:
            self._finish(value, None, nodes, characters, height)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event.tag)
        plain = event.implicit[0] and event.tag is None
        value = _resolved(event.value) if plain else event.value
        if self.open and self.open[-1].awaits_key:
            if plain and event.value == _MERGE:
                self._stop("merge keys (<<) are not read; right is to write the keys out")
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, len(event.value), 0)
            self._key(value)
            return
        check_scalar(value, self.place, self.notes)
        self._finish(value, event.anchor, 1, len(event.value), 0)

    def _key(self, key: Any) -> None:
        frame = self.open[-1]
        if not isinstance(key, str):
            self._stop(f"a key that is {kind_of(key)}; right is text, in quotes where it looks like something else")
        if key in frame.value:
            self.notes.add((*frame.path, key), duplicate(key))
        check_scalar(key, frame.path, self.notes)
        frame.key = key

    def _finish(self, value: Any, anchor: str | None, nodes: int, characters: int, height: int) -> None:
        """Put a whole value where it belongs, and count it as if it were written out."""
        if anchor:
            self.anchors[anchor] = (value, nodes, characters, height)
        if not self.open:
            self.root = value
            return
        frame = self.open[-1]
        frame.nodes += nodes
        frame.characters += characters + len(frame.key or "")
        frame.height = max(frame.height, height + 1)
        # the sizes of the open ones add up: a bomb is stopped at the alias that lights it
        if sum(one.nodes for one in self.open) > NODES or sum(one.characters for one in self.open) > BYTES:
            self._stop(too_big())
        if len(self.open) + height > DEPTH:
            self._stop(too_deep())
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            frame.value[frame.key], frame.key = value, None

    def _check_tag(self, tag: str | None) -> None:
        if tag not in _TAGS:
            self._stop("a YAML tag; right is a plain value, or text in quotes")

    def _stop(self, message: str) -> NoReturn:
        self.notes.add(self.place, message)
        raise _Stop


def _resolved(text: str) -> Any:
    """What an unquoted scalar is, by YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3.2)."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _ENDLESS.fullmatch(text):
        return math.nan
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        return integer(text, 0 if _BASED.fullmatch(text) else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
