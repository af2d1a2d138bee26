"""Makes a copy of the ledger and what belongs to it, while nothing changes it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.errors import FileUnreadable
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import open_own, private_folder, read_chunks
from kelvin_provision.files.lock import exclusive
from kelvin_provision.leading import identity
from kelvin_provision.leading.copy.contents import LEDGER, Contents, File, is_name
from kelvin_provision.ledger.nodes.reading import nodes

if TYPE_CHECKING:
    from kelvin_provision.ledger.ledger import Ledger

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Copy:
    """`contents`, and the files that it names: the ledger from a backup of it, all others from the state directory."""

    contents: Contents
    ledger: Path
    state_dir: Path

    def chunks(self) -> Iterator[bytes]:
        """All of the file. Raises FileUnreadable where one was changed meanwhile."""
        yield self.contents.line()
        for file in self.contents.files:
            yield from _exactly(self.ledger if file.name == LEDGER else self.state_dir / file.name, file)


@contextmanager
def made(state_dir: Path, ledger: Callable[[], Ledger], *, wait: float) -> Iterator[Copy]:
    """With the operator lock held: no change is under way in it. Raises Locked, FileUnreadable, NoSpace, StateDamaged."""
    if not (state_dir / LEDGER).exists():
        raise FileUnreadable(f"there is no ledger {state_dir / LEDGER}: nothing was ever deployed here")
    with ExitStack() as stack:
        stack.enter_context(exclusive(private_folder(state_dir) / "lock", command="support-bundle --ledger-copy", wait=wait))
        for leftover in state_dir.glob(".copy.*"):
            shutil.rmtree(leftover, ignore_errors=True)  # of a power cut
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=state_dir, prefix=".copy."))
        source, copy = ledger(), Path(folder) / LEDGER
        schema = _backup(source.path, copy)
        own = identity.ensure(state_dir)  # from now on it asks for the lease, so that a copy may take it from this box
        names = [LEDGER, *_others(state_dir)]
        files = tuple(_file(name, copy if name == LEDGER else state_dir / name) for name in names)
        contents = Contents(
            made=timestamps.rfc3339_now(),
            box=os.uname().nodename,
            holder=own.holder,
            term=own.term,
            ledger_schema=schema,
            workloads=len(source.names()),
            nodes=len(nodes(source)),
            files=files,
        )
        yield Copy(contents, copy, state_dir)


def _backup(source: Path, target: Path) -> int:
    """One file without a log beside it; returns the schema."""
    with closing(sqlite3.connect(source)) as ledger, closing(sqlite3.connect(target)) as copy:
        ledger.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        target.chmod(0o600)
        return int(copy.execute("PRAGMA user_version").fetchone()[0])


def _others(state_dir: Path) -> Iterator[str]:
    """Sorted. A link is not followed and not copied."""
    places = [state_dir, *(state_dir / name for name in ("bundles", "history", "nodes", "tls", "trust"))]
    for folder in places:
        if folder.is_dir() and not folder.is_symlink():
            for path in sorted(folder.iterdir()):
                name = str(path.relative_to(state_dir))
                if name != LEDGER and is_name(name) and path.is_file() and not path.is_symlink():
                    yield name


def _file(name: str, path: Path) -> File:
    hasher, size = hashlib.sha256(), 0
    for chunk in _read(path):
        hasher.update(chunk)
        size += len(chunk)
    return File(name, size, hasher.hexdigest())


def _exactly(path: Path, file: File) -> Iterator[bytes]:
    hasher, size = hashlib.sha256(), 0
    for chunk in _read(path):
        hasher.update(chunk)
        size += len(chunk)
        yield chunk
    if (size, hasher.hexdigest()) != (file.size, file.sha256):
        raise FileUnreadable(f"{path} was changed while it was copied", hint="make the copy again")


def _read(path: Path) -> Iterator[bytes]:
    os.close(open_own(path, os.O_RDONLY))  # refuses a link and what is not ours
    yield from read_chunks(path, _CHUNK)
