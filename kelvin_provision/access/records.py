"""A file of records with names, such as users: private, changed by one process at a time, read again when another one has changed it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from kelvin_provision.errors import StateDamaged, UsageRefused
from kelvin_provision.files.durable import private_folder, read_own, trouble_of_box, write_durably
from kelvin_provision.files.lock import exclusive

R = TypeVar("R")

MOST = 1000
"""Records in a file: it is written as a whole, and the API has it in memory."""
_FORM = 1
_LOCK_WAIT = 10.0


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
    def changing(self) -> Iterator[dict[str, R]]:
        """The records, written durably after the block. Raises UsageRefused if there are too many then."""
        private_folder(self.path.parent)
        with exclusive(self.path.with_suffix(".lock"), command=f"api {self._kind}", wait=_LOCK_WAIT):
            records = dict(self.current())
            before = len(records)
            yield records
            if len(records) > max(MOST, before):
                raise UsageRefused(
                    f"there are {before} {self._kind} already, which is the limit", hint=f"remove {self._kind} that are not used"
                )
            document = {"form": _FORM, self._kind: [self._encode(record) for _, record in sorted(records.items())]}
            write_durably(self.path, [json.dumps(document, indent=1).encode()], mode=0o600)

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
