"""One open database: transactions, consistent reads, and a version that changes with every commit."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kelvin_provision import timestamps
from kelvin_provision.ledger.sqlite.connection import BUSY_TIMEOUT, WAL_LIMIT, connect, translated_errors
from kelvin_provision.ledger.sqlite.snapshot import Snapshot


def utc_now() -> str:
    """RFC 3339 with microseconds, as the platform writes times."""
    return timestamps.rfc3339_now("microseconds")


class Database:
    """Safe to share between threads. Use it as a context manager.

    `log_pause`: seconds between two attempts to empty a long write-ahead log: each copies what a reader does not need into the database.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], str] = utc_now, busy_timeout: float = BUSY_TIMEOUT, log_pause: float = 1.0
    ) -> None:
        self.path = path
        self.clock = clock
        self._busy_timeout = busy_timeout
        self._connection = connect(path, busy_timeout)
        self._lock = threading.RLock()
        self._changing = False
        self._log_pause, self._not_before = log_pause, 0.0

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
            self._shorten_log()

    def _shorten_log(self) -> None:
        """Empty a write-ahead log that a long reader has let grow, as soon as it is gone; now and then, for as long as it is not.

        The change is durable already, so that trouble here is none of it.
        """
        with suppress(OSError, sqlite3.Error):
            if os.stat(f"{self.path}-wal").st_size <= WAL_LIMIT or time.monotonic() < self._not_before:  # noqa: PTH116  (at each commit)
                return
            self._not_before = time.monotonic() + self._log_pause
            try:
                self._connection.execute("PRAGMA busy_timeout = 0")  # not to wait for the reader
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout * 1000:.0f}")

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
