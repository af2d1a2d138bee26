"""One open database: transactions, consistent reads, and a version that changes with every commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from kelvin_provision import timestamps
from kelvin_provision.ledger.sqlite.connection import BUSY_TIMEOUT, connect, translated_errors
from kelvin_provision.ledger.sqlite.snapshot import Snapshot


def utc_now() -> str:
    """RFC 3339 with microseconds, as the platform writes times."""
    return timestamps.rfc3339_now("microseconds")


class Database:
    """Safe to share between threads. Use it as a context manager."""

    def __init__(self, path: Path, *, clock: Callable[[], str] = utc_now, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.path = path
        self.clock = clock
        self._busy_timeout = busy_timeout
        self._connection = connect(path, busy_timeout)
        self._lock = threading.RLock()
        self._changing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """May be called twice."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction, rolled back on any exception. Inside another transaction it is a part of that one."""
        with self._lock, translated_errors(self.path):
            if self._changing:
                yield self._connection
                return
            self._refresh()
            if isinstance(self._connection, Snapshot) and self._connection.reason:
                raise self._connection.reason
            self._connection.execute("BEGIN IMMEDIATE")
            self._changing = True
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled it back already, or refused the commit and left it open.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._changing = False

    def _refresh(self) -> None:
        """Take the snapshot again, or replace it by the ledger once there is space."""
        if isinstance(self._connection, Snapshot) and not self._connection.in_transaction:
            connection = connect(self.path, self._busy_timeout)
            self._connection.close()
            self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view; never waits for a writer."""
        with self._lock, translated_errors(self.path):
            self._refresh()
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def version(self) -> tuple[int, int]:
        """Changes whenever another connection or this one has committed; reads no table."""
        with self._lock, translated_errors(self.path):
            self._refresh()
            if isinstance(self._connection, Snapshot):
                return (0, 0)  # of no ledger: it changes once there is space again
            return self._connection.execute("PRAGMA data_version").fetchone()[0], self._connection.total_changes
