"""YAML into plain values, as kubectl reads it, from the events of the parser. ADR 0023 tells why it is not a library.

Where kubectl would keep one of two values without a word (a key twice, a key that another one becomes), there is a finding. An alias
becomes the same value as its anchor and is counted at its full size, so that a few lines cannot grow into gigabytes here or when the value
is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from kelvin_provision.spec.read.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    FileFindings,
    check_scalar,
    duplicate,
    too_big,
    too_deep,
)
from kelvin_provision.spec.read.findings import Document, Path, type_of
from kelvin_provision.spec.read.yaml_scalars import Misread, is_respelled, key_of, resolved, tagged

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COLLECTIONS = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
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
    merged: set[str] = field(default_factory=set)
    """Keys that a merge key has brought: the mapping's own take their place."""
    has_merged: bool = False
    merging: bool = False
    """The key is a merge key."""
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
                findings.respelled = set()
                reader = _Reader(findings)
            elif isinstance(event, yaml.DocumentEndEvent):
                if reader.root is not None:
                    documents.append(Document(findings.file, findings.number, reader.root, respelled=frozenset(findings.respelled)))
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


def _line_of(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}: " if event.start_mark else ""


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
        if event.tag not in _COLLECTIONS:
            self._stop("this YAML tag is not supported; write a plain value or quoted text")
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
            self._key(value, event)
        else:
            self._finish(value, None, nodes, characters, height)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain = event.implicit[0] and event.tag is None
        is_key = bool(self.open) and self.open[-1].awaits_key
        try:
            if event.tag is not None:
                value = tagged(event.tag, event.value)
            elif plain:
                value = (key_of if is_key else resolved)(event.value)
            else:
                value = event.value
        except Misread as error:
            self._stop(str(error))
        if is_key:
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, len(event.value), 0)
            self._key(value, event, merges=plain and event.value == _MERGE)
            return
        check_scalar(value, self.place, self.findings)
        if plain and is_respelled(value, event.value):
            self.findings.respelled.add(self.place)
        self._finish(value, event.anchor, 1, len(event.value), 0)

    def _key(self, key: Any, event: yaml.Event, *, merges: bool = False) -> None:
        frame = self.open[-1]
        if not isinstance(key, str):
            self._stop(f"the key is {type_of(key)}; keys must be text: put it in quotes")
        if merges and frame.has_merged:
            self._stop(f"{_line_of(event)}{duplicate(_MERGE)}; it takes a list of mappings")
        if key in frame.value and key not in frame.merged:
            self.findings.add((*frame.path, key), f"{_line_of(event)}{duplicate(key)}")
        check_scalar(key, frame.path, self.findings)
        frame.key, frame.merging = key, merges
        frame.has_merged = frame.has_merged or merges

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
        elif frame.key is not None:
            self._put(frame, frame.key, value)

    def _put(self, frame: _Frame, key: str, value: Any) -> None:
        if frame.merging:
            self._merge(frame, value)
        else:
            frame.value[key] = value
            frame.merged.discard(key)
        frame.key = None

    def _merge(self, frame: _Frame, value: Any) -> None:
        """The mapping's own keys win, then the first of several mappings. kubectl has it the other way round for keys before `<<`."""
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._stop("a merge key (<<) takes a mapping, or a list of mappings")
        for source in sources:
            for key, item in source.items():
                if key in frame.value and key not in frame.merged and frame.value[key] != item:
                    self.findings.add((*frame.path, key), "this key comes before the merge key (<<), which also sets it; put << first")
                elif key not in frame.value:
                    frame.value[key] = item
                    frame.merged.add(key)

    def _stop(self, message: str) -> NoReturn:
        self.findings.add(self.place, message)
        raise _Stop
