"""Files into documents: YAML as kubectl reads it (several documents) or JSON, as plain JSON values and nothing else.

Time and memory are bounded for every input: aliases are counted at their expanded size, but never expanded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import RequestRefused
from kelvin_provision.spec.read.findings import Document, Finding, Path, dotted, quoted, refuse
from kelvin_provision.spec.read.templates import HELM_TEMPLATE, is_helm_template
from kelvin_provision.spec.read.yaml_scalars import integer

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 64
_BOM = b"\xef\xbb\xbf"
_INTEGERS = range(-(2**63), 2**64)


@dataclass
class FileFindings:
    """The findings of one file. `number` is that of the document that is being read."""

    file: str
    number: int = 1
    errors: list[Finding] = field(default_factory=list)
    respelled: set[Path] = field(default_factory=set)

    def add(self, path: Path, message: str) -> None:
        self.errors.append(Finding(self.file, self.number, dotted(path), message))


def read(file: str, data: bytes) -> tuple[Document, ...]:
    """The documents of one file; empty ones are skipped but counted. Raises RequestRefused, also for a file without documents."""
    try:
        documents = parse(file, data)
    except RequestRefused:
        if is_helm_template(data.decode(errors="replace")):
            raise refuse([Finding(file, 0, "", HELM_TEMPLATE)]) from None
        raise
    if not documents:
        raise refuse([Finding(file, 0, "", "empty; expected at least one document")])
    return documents


def read_all(files: Sequence[tuple[str, bytes]]) -> tuple[Document, ...]:
    """The documents of several files. Raises one RequestRefused with the findings of all files."""
    documents: list[Document] = []
    evidence: list[str] = []
    for file, data in files:
        try:
            documents += read(file, data)
        except RequestRefused as error:
            evidence += error.evidence
    if evidence:
        count = "1 finding" if len(evidence) == 1 else f"{len(evidence)} findings"
        raise RequestRefused(f"invalid request: {count}", evidence=evidence)
    return tuple(documents)


def parse(file: str, data: bytes) -> tuple[Document, ...]:
    """Like `read`, but a file without documents is accepted."""
    findings = FileFindings(file)
    if len(data) > MAX_BYTES:
        raise refuse([Finding(file, 0, "", f"{len(data)} bytes; the limit is {MAX_BYTES} (4 MiB)")])
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse([Finding(file, 0, "", f"invalid UTF-8 at byte {error.start}; expected text in UTF-8")]) from error
    documents = _json(text, findings) if file.endswith(".json") or text.lstrip()[:1] in {"{", "["} else None
    if documents is None:
        # yaml is imported only when there is something to read
        from kelvin_provision.spec.read.yaml_documents import documents_of

        documents = documents_of(text, findings)
    if findings.errors:
        raise refuse(findings.errors)
    return tuple(documents)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object whose keys are not compared yet: the path of a duplicate is known only when walking from the top."""


def _json(text: str, findings: FileFindings) -> list[Document] | None:
    """The document of a JSON file; None if it is not JSON but may be YAML in flow style."""
    if not text.strip():
        return []
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, parse_int=integer, parse_float=_float, parse_constant=_float)
    except json.JSONDecodeError as error:
        if not findings.file.endswith(".json"):
            return None
        findings.add((), f"line {error.lineno}, column {error.colno}: not JSON: {error.msg.lower()}")
        return []
    except RecursionError:
        findings.add((), too_deep())
        return []
    budget = Budget(findings)
    document = _plain(value, (), budget)
    return [] if document is None or findings.errors else [Document(findings.file, 1, document)]


def too_deep() -> str:
    return f"nested too deeply; the limit is {MAX_DEPTH} levels"


def too_big() -> str:
    return f"too large with its aliases expanded; the limit is {MAX_VALUES} values and {MAX_BYTES} characters"


@dataclass
class Budget:
    """Counts the values of one document; the first one over a limit adds a finding."""

    findings: FileFindings
    values: int = 0

    def allows(self, depth: int) -> bool:
        """Whether one more value at this depth is within the limits."""
        self.values += 1
        if self.values == MAX_VALUES + 1:
            self.findings.add((), too_big())
        if depth == MAX_DEPTH + 1:
            self.findings.add((), too_deep())
        return self.values <= MAX_VALUES and depth <= MAX_DEPTH


def _plain(value: Any, path: Path, budget: Budget) -> Any:
    if not budget.allows(len(path) + isinstance(value, list)):
        return None
    if isinstance(value, _Pairs):
        result: dict[str, Any] = {}
        for key, item in value:
            below = (*path, key)
            if key in result:
                budget.findings.add(below, duplicate(key))
            _check_text(key, path, budget.findings)
            result[key] = _plain(item, below, budget)
        return result
    if isinstance(value, list):
        return [_plain(item, (*path, number), budget) for number, item in enumerate(value)]
    check_scalar(value, path, budget.findings)
    return value


def duplicate(key: str) -> str:
    return f"duplicate key {quoted(key)}; keys must be unique"


def check_scalar(value: Any, path: Path, findings: FileFindings) -> None:
    """Reports numbers and texts that JSON, Kubernetes or the ledger cannot store."""
    if isinstance(value, str):
        _check_text(value, path, findings)
    elif isinstance(value, float) and not math.isfinite(value):
        findings.add(path, "not a finite number; use a finite number, or quoted text")
    elif isinstance(value, int) and value not in _INTEGERS:
        findings.add(path, "number too large; use at most 64 bits, or quoted text")


def _check_text(text: str, path: Path, findings: FileFindings) -> None:
    if re.search("[\x00\ud800-\udfff]", text):
        findings.add(path, "text with a NUL or an unpaired surrogate; use text that UTF-8 can encode")


def _float(text: str) -> float:
    return float(text)
