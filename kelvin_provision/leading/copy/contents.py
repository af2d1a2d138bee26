"""What a copy of the ledger has: one line of JSON, then the bytes of its files one after the other. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from kelvin_provision.errors import CopyInvalid, StateTooNew
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.leading.identity import is_holder

KIND, SCHEMA = "kelvin-provision-ledger-copy", 1
LEDGER = "ledger.db"
LONGEST_LINE = 8 << 20
"""Bytes of the table: a hundred for each file of older history."""
MOST_FILES, LARGEST_FILE = 50_000, 64 << 30
NAMES = (
    r"ledger\.db",
    r"history/\d{12}\.jsonl",
    r"trust/\d{1,9}\.json(?:\.sig)?",
    r"bundles/[0-9a-f]{64}\.(?:json|chunks)",
    r"nodes/authority\.pem",
    r"tls/authority\.pem",
    r"api-users\.json",
    r"api-tokens\.json",
)
"""What belongs to a ledger, below the state directory. All else is of one box: its name in the lease, its sessions, its images."""
_NAME = re.compile("|".join(NAMES))
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEXT = re.compile(r"[ -~]{0,253}")


@dataclass(frozen=True)
class File:
    """`name` is a path below the state directory, one of NAMES."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """`box` made it at the time `made`. `holder` and `term` are its lead: who is set up from it takes the lease from that holder.

    `ledger_schema` is that of the ledger; `workloads` and `nodes` count, for people.
    """

    made: str
    box: str
    holder: str
    term: int
    ledger_schema: int
    workloads: int
    nodes: int
    files: tuple[File, ...]

    def line(self) -> bytes:
        """As it begins the file."""
        files = [[file.name, file.size, file.sha256] for file in self.files]
        return json.dumps({"kind": KIND, "schema": SCHEMA, **vars(self), "files": files}, separators=(",", ":")).encode() + b"\n"

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def is_name(name: str) -> bool:
    """Whether a file of this name belongs to a copy."""
    return _NAME.fullmatch(name) is not None


def parse(line: bytes) -> Contents:
    """Raises CopyInvalid, StateTooNew."""
    try:
        document = json.loads(line)
        kind, schema = document["kind"], _number(document["schema"], 1 << 31)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CopyInvalid("the file is no copy of a ledger") from error
    if kind != KIND:
        raise CopyInvalid("the file is no copy of a ledger")
    if schema > SCHEMA:
        raise StateTooNew("the copy was made by a newer kelvin-provision")
    try:
        return _contents(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CopyInvalid("the table of the copy is damaged") from error


def _contents(document: dict[str, Any]) -> Contents:
    if len(document["files"]) > MOST_FILES:
        raise ValueError("files")
    files = tuple(_file(*entry) for entry in document["files"])
    names = [file.name for file in files]
    holder, term = document["holder"], _number(document["term"], 1 << 31)
    if LEDGER not in names or len(set(names)) != len(names) or not is_holder(holder):
        raise ValueError("table")
    schema, workloads, nodes = (_number(document[name], 1 << 31) for name in ("ledger_schema", "workloads", "nodes"))
    return Contents(_text(document["made"]), _text(document["box"]), holder, term, schema, workloads, nodes, files)


def _file(name: Any, size: Any, sha256: Any) -> File:
    if not is_name(_text(name)) or not _DIGEST.fullmatch(_text(sha256)):
        raise ValueError("file")
    return File(name, _number(size, LARGEST_FILE), sha256)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise ValueError("text")
    return value


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value < most:
        raise ValueError("number")
    return value
