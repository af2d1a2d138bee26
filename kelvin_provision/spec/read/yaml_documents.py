"""YAML 1.2 core schema into plain values, from the events of the parser. ADR 0023 tells why it is not a library.

Only true and false are booleans, dates stay text, tags and merge keys are refused. An alias becomes the same value as its anchor and is
counted at its full size, so that a few lines cannot grow into gigabytes here or when the value is written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from kelvin_provision.spec.read.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    FileFindings,
    check_scalar,
    duplicate,
    integer,
    too_big,
    too_deep,
)
from kelvin_provision.spec.read.findings import Document, Path, type_of

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_MERGE = "<<"


class _Stop(Exception):
    """The document cannot be read any further; a finding says why."""


@dataclass
class _Frame:
    """An open mapping or list, and the size of its content with aliases expanded."""

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
        """The path of the next value."""
        if isinstance(self.value, list):
            return (*self.path, len(self.value))
        return self.path if self.key is None else (*self.path, self.key)


def documents_of(text: str, findings: FileFindings) -> list[Document]:
    """All documents that are not empty, with their numbers in the file. Errors are added to `findings`."""
    documents: list[Document] = []
    reader = _Reader(findings)
    findings.number = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                findings.number += 1
                reader = _Reader(findings)
            elif isinstance(event, yaml.DocumentEndEvent):
                if reader.root is not None:
                    documents.append(Document(findings.file, findings.number, reader.root))
            else:
                reader.take(event)
    except _Stop:
        pass
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        findings.number = max(findings.number, 1)
        findings.add((), _unreadable(error))
    return documents


def _unreadable(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    # the parser quotes pieces of the text, which may be parts of a password
    problem = re.sub(r"\s*'[^']{3,}'", "", str(getattr(error, "problem", None) or "a character that YAML does not allow"))
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}not YAML: {problem}"


class _Reader:
    """Builds one document from events; `open` are the mappings and lists that are not closed yet."""

    def __init__(self, findings: FileFindings) -> None:
        self.findings = findings
        self.root: Any = None
        self.open: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, int, int]] = {}
        self.nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Any event but the start and end of a document."""
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
            self._stop("the key is a list or a mapping; keys must be text")
        if len(self.open) >= MAX_DEPTH:
            self._stop(too_deep())
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Frame(value, self.place, event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchor = self.anchors.get(str(event.anchor))
        if anchor is None:
            self._stop("alias without an anchor before it, or inside its own anchor; write the value out")
        value, nodes, characters, height = anchor
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
                self._stop("merge keys (<<) are not supported; write the keys out")
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, len(event.value), 0)
            self._key(value)
            return
        check_scalar(value, self.place, self.findings)
        self._finish(value, event.anchor, 1, len(event.value), 0)

    def _key(self, key: Any) -> None:
        frame = self.open[-1]
        if not isinstance(key, str):
            self._stop(f"the key is {type_of(key)}; keys must be text, put it in quotes")
        if key in frame.value:
            self.findings.add((*frame.path, key), duplicate(key))
        check_scalar(key, frame.path, self.findings)
        frame.key = key

    def _finish(self, value: Any, anchor: str | None, nodes: int, characters: int, height: int) -> None:
        """Add a complete value to its parent, counted as if its aliases were expanded."""
        if anchor:
            self.anchors[anchor] = (value, nodes, characters, height)
        if not self.open:
            self.root = value
            return
        frame = self.open[-1]
        frame.nodes += nodes
        frame.characters += characters + len(frame.key or "")
        frame.height = max(frame.height, height + 1)
        # counted over all open frames, so that an alias bomb is refused at the alias that exceeds the limit
        if sum(frame.nodes for frame in self.open) > MAX_VALUES or sum(frame.characters for frame in self.open) > MAX_BYTES:
            self._stop(too_big())
        if len(self.open) + height > MAX_DEPTH:
            self._stop(too_deep())
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            frame.value[frame.key], frame.key = value, None

    def _check_tag(self, tag: str | None) -> None:
        if tag not in _TAGS:
            self._stop("YAML tags are not supported; write a plain value, or quoted text")

    def _stop(self, message: str) -> NoReturn:
        self.findings.add(self.place, message)
        raise _Stop


def _resolved(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2 (yaml.org/spec/1.2.2, 10.3.2)."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        return integer(text, 0 if _BASED.fullmatch(text) else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
