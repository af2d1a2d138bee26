"""Text into documents: YAML 1.2 (several documents) or JSON, as plain JSON values and nothing else.

Knows nothing of requests. Whatever comes in, it ends soon and in bounded memory: aliases are counted, never expanded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import RequestRefused
from kelvin_provision.spec.read.findings import Document, Finding, Path, dotted, refuse, shown

__all__ = ["BYTES", "DEPTH", "NODES", "Document", "Notes", "parse", "read", "read_all"]

BYTES = 4 * 1024 * 1024
NODES = 100_000
DEPTH = 64
_BOM = b"\xef\xbb\xbf"
_INTEGERS = range(-(2**63), 2**64)


@dataclass
class Notes:
    """The findings of one file while it is read."""

    file: str
    number: int = 1
    found: list[Finding] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note what is wrong with the document that is being read."""
        self.found.append(Finding(self.file, self.number, dotted(path), message))


def read(file: str, data: bytes) -> tuple[Document, ...]:
    """The documents of one file; empty ones are skipped but counted. Raises RequestRefused, also when there is none at all."""
    documents = parse(file, data)
    if not documents:
        raise refuse([Finding(file, 0, "", "empty; right is at least one document")])
    return documents


def read_all(files: Sequence[tuple[str, bytes]]) -> tuple[Document, ...]:
    """The documents of several files; raises one RequestRefused with what is wrong in any of them."""
    documents: list[Document] = []
    evidence: list[str] = []
    for file, data in files:
        try:
            documents += read(file, data)
        except RequestRefused as error:
            evidence += error.evidence
    if evidence:
        count = "1 finding" if len(evidence) == 1 else f"{len(evidence)} findings"
        raise RequestRefused(f"the request is not right: {count}", evidence=evidence)
    return tuple(documents)


def parse(file: str, data: bytes) -> tuple[Document, ...]:
    """Like `read`, but a file without any document is fine."""
    notes = Notes(file)
    if len(data) > BYTES:
        raise refuse([Finding(file, 0, "", f"{len(data)} bytes; right are at most {BYTES} (4 MiB)")])
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse([Finding(file, 0, "", f"byte {error.start} is not UTF-8; right is text in UTF-8")]) from error
    documents = _json(text, notes) if file.endswith(".json") or text.lstrip()[:1] in {"{", "["} else None
    if documents is None:
        # yaml is imported only when there is something to read
        from kelvin_provision.spec.read.yaml_documents import documents_of

        documents = documents_of(text, notes)
    if notes.found:
        raise refuse(notes.found)
    return tuple(documents)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object whose keys were not compared yet: the place of a duplicate is known only from the top."""


def _json(text: str, notes: Notes) -> list[Document] | None:
    """The one document of a JSON file; None if it is no JSON but may be YAML in flow style."""
    if not text.strip():
        return []
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, parse_int=integer, parse_float=_float, parse_constant=_float)
    except json.JSONDecodeError as error:
        if not notes.file.endswith(".json"):
            return None
        notes.add((), f"line {error.lineno}, column {error.colno}: not JSON: {error.msg.lower()}")
        return []
    except RecursionError:
        notes.add((), too_deep())
        return []
    budget = Budget(notes)
    plain = _plain(value, (), budget)
    return [] if plain is None or notes.found else [Document(notes.file, 1, plain)]


def too_deep() -> str:
    """The sentence for a document that is nested too deeply."""
    return f"nested too deeply; right are at most {DEPTH} levels"


def too_big() -> str:
    """The sentence for a document that has too many values, aliases counted as what they stand for."""
    return f"too large with its aliases written out; right are at most {NODES} values and {BYTES} characters"


@dataclass
class Budget:
    """Counts the values of one document; over the limits it notes it once and says no."""

    notes: Notes
    nodes: int = 0

    def allows(self, depth: int) -> bool:
        """Whether one more value at this depth is within the limits."""
        self.nodes += 1
        if self.nodes == NODES + 1:
            self.notes.add((), too_big())
        if depth == DEPTH + 1:
            self.notes.add((), too_deep())
        return self.nodes <= NODES and depth <= DEPTH


def _plain(value: Any, path: Path, budget: Budget) -> Any:
    if not budget.allows(len(path) + isinstance(value, list)):
        return None
    if isinstance(value, _Pairs):
        result: dict[str, Any] = {}
        for key, item in value:
            below = (*path, key)
            if key in result:
                budget.notes.add(below, duplicate(key))
            _check_text(key, path, budget.notes)
            result[key] = _plain(item, below, budget)
        return result
    if isinstance(value, list):
        return [_plain(item, (*path, number), budget) for number, item in enumerate(value)]
    check_scalar(value, path, budget.notes)
    return value


def duplicate(key: str) -> str:
    """The sentence for a key that stands twice in one mapping."""
    return f"duplicate key {shown(key)}; right is to give it once"


def check_scalar(value: Any, path: Path, notes: Notes) -> None:
    """Note numbers and text that JSON, Kubernetes or a ledger cannot hold."""
    if isinstance(value, str):
        _check_text(value, path, notes)
    elif isinstance(value, float) and not math.isfinite(value):
        notes.add(path, "not a finite number; right is a number without NaN and infinity, or text in quotes")
    elif isinstance(value, int) and value not in _INTEGERS:
        notes.add(path, "number too large; right are 64 bits, or text in quotes")


def _check_text(text: str, path: Path, notes: Notes) -> None:
    if re.search("[\x00\ud800-\udfff]", text):
        notes.add(path, "text with a NUL or half a character; right is text that UTF-8 can hold")


def integer(text: str, base: int = 10) -> int:
    """A number from its digits; very many of them become one that `check_scalar` refuses, because int() takes long or refuses."""
    return int(text, base) if len(text) < 40 else 2**64


def _float(text: str) -> float:
    return float(text)
