"""A file of records with names, such as users: private, changed by one process at a time, read again when another one has changed it.

A change stands with its line in the history or not at all: the new file is written beside the old one, then the ledger takes the line
together with the digest of the new file, then that takes the old one's name. Whatever ends the process in between, the next one that looks
finds the new file and knows by the digest whether there is a line for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from kelvin_provision.errors import ProvisionError, StateDamaged, UsageRefused
from kelvin_provision.files.durable import private_folder, read_own, rename_durably, trouble_of_box, write_durably, writing_to
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.files.lock import exclusive

R = TypeVar("R")

MOST = 1000
"""Records in a file: it is written as a whole, and the API has it in memory."""
_FORM = 1


class Confirmation(Protocol):
    """What has to be durable before a change stands. `file` is the name of the file, `digest` that of its new content."""

    @property
    def patience(self) -> float:
        """Seconds for which another process that changes the file is waited for, which itself may wait for the ledger."""
        ...

    def confirm(self, file: str, digest: str) -> None:
        """All or nothing. Raises what the ledger raises."""
        ...

    def is_confirmed(self, file: str, digest: str) -> bool:
        """Whether the newest change of this file that was confirmed is the one to this content."""
        ...


class Records(Generic[R]):
    """`kind` is the plural word for what the file has. `encode` makes a document of a record, `decode` a named record of a document.

    `again` says what is to be done where the file is damaged.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        *,
        encode: Callable[[R], Mapping[str, Any]],
        decode: Callable[[Mapping[str, Any]], tuple[str, R]],
        again: str,
    ) -> None:
        self.path = path
        self._staged = path.with_suffix(".next")
        self._kind = kind
        self._encode = encode
        self._decode = decode
        self._again = again
        self._read: tuple[object, dict[str, R]] = (None, {})

    @property
    def stamp(self) -> object:
        """Another one after each change of the file."""
        try:
            stat = self.path.lstat()
        except FileNotFoundError:
            return None
        return (stat.st_mtime_ns, stat.st_ino, stat.st_size)

    def current(self) -> Mapping[str, R]:
        """By name. Raises StateDamaged."""
        seen = self.stamp
        if seen is None:
            return {}
        if self._read[0] != seen:
            self._read = (seen, self._parsed())
        return self._read[1]

    @contextmanager
    def changing(self, confirmation: Confirmation) -> Iterator[dict[str, R]]:
        """The records, written durably after the block, and confirmed. Raises UsageRefused if there are too many then."""
        with self._locked(confirmation.patience):
            self._settle(confirmation)
            records = dict(self.current())
            before = len(records)
            yield records
            if len(records) > max(MOST, before):
                raise UsageRefused(
                    f"there are {before} {self._kind} already, which is the limit", hint=f"remove {self._kind} that are not used"
                )
            document = {"form": _FORM, self._kind: [self._encode(record) for _, record in sorted(records.items())]}
            self._write(json.dumps(document, indent=1).encode(), confirmation)

    def settle(self, confirmation: Confirmation) -> None:
        """Finish or drop a change in the middle of which a process ended. What cannot be done now is done before the next change."""
        if os.path.lexists(self._staged):
            with suppress(ProvisionError, OSError), self._locked(0.0):
                self._settle(confirmation)

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        private_folder(self.path.parent)
        with exclusive(self.path.with_suffix(".lock"), command=f"api {self._kind}", wait=wait):
            yield

    def _write(self, content: bytes, confirmation: Confirmation) -> None:
        write_durably(self._staged, [content], mode=0o600)
        try:
            confirmation.confirm(self.path.name, sha256_hex(content))
        except BaseException:
            with suppress(ProvisionError, OSError):  # else the next one that looks
                self._settle(confirmation)
            raise
        rename_durably(self._staged, self.path)

    def _settle(self, confirmation: Confirmation) -> None:
        if not os.path.lexists(self._staged):
            return
        with writing_to(self._staged):
            digest = sha256_hex(read_own(self._staged))
        if confirmation.is_confirmed(self.path.name, digest):
            rename_durably(self._staged, self.path)
        else:
            self._staged.unlink(missing_ok=True)

    def _parsed(self) -> dict[str, R]:
        path = self.path
        try:
            return dict(self._decode(entry) for entry in _entries(json.loads(read_own(path)), self._kind))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, OSError) and (trouble := trouble_of_box(error)):
                raise trouble from error
            raise StateDamaged(f"{path} is damaged: {type(error).__name__}", hint=f"remove {path}, then {self._again}") from error


def _entries(document: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    if document["form"] != _FORM:
        raise ValueError(document["form"])
    entries: list[Mapping[str, Any]] = document[kind]
    return entries
