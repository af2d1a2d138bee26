"""The current secrets of this box: from its files, its environment and its ledger. Read again only after a change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.kubeconfig import paths_of
from kelvin_provision.errors import ProvisionError
from kelvin_provision.foreign import known
from kelvin_provision.ledger import documents
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.masking.documents import secrets_in
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import K3S_KUBECONFIG
from kelvin_provision.spec.references import references_in

_Stamp = tuple[object, ...]
_Of = tuple[frozenset[bytes], frozenset[str]]
"""The secrets of something, and the names of the secrets that it refers to."""
_SNAPSHOT = (0, 0)
"""The version of a copy that was made without room for SQLite's own files: it does not tell whether anything changed."""


def files(settings: Settings) -> dict[Path, Callable[[Path], Iterator[bytes]]]:
    """The files that have secrets, and how each is read. One that does not exist has none."""
    from kelvin_provision.registry.auth import auth_file

    logins = {path for host in (*settings.registries, "") if (path := auth_file(settings, host))}
    kubeconfigs = [*paths_of(settings.cluster.kubeconfig), K3S_KUBECONFIG]
    with suppress(RuntimeError):
        kubeconfigs.append(Path.home() / ".kube" / "config")
    return {
        settings.secrets_dir: known.of_folder,
        **dict.fromkeys(sorted(logins), known.of_login_file),
        **dict.fromkeys(kubeconfigs, known.of_document),
    }


def of_environment(environ: Mapping[str, str]) -> Iterator[bytes]:
    """Logins in addresses, such as those of proxies."""
    return known.of_text("\n".join(value for value in environ.values() if "://" in value))


@dataclass
class BoxSecrets:
    """Call it for all of them, from any thread. `ledger` returns None where there is none; `lookup` gives the value of `secrets.NAME`.

    It has no lock: a thread that holds the ledger's would wait here for one that waits for the ledger. Two threads may read a thing twice.
    """

    settings: Settings
    ledger: Callable[[], Ledger | None]
    lookup: Callable[[], Callable[[str], str]]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _of_files: dict[Path, tuple[_Stamp, frozenset[bytes]]] = field(default_factory=dict)
    _of_revisions: dict[documents.RevisionKey, _Of] = field(default_factory=dict)
    _version: tuple[int, int] = _SNAPSHOT
    _names: tuple[tuple[int, int], frozenset[str]] = (_SNAPSHOT, frozenset())

    def __call__(self) -> frozenset[bytes]:
        """Leaves out what cannot be read or is damaged: its secrets are found only by name and pattern."""
        return frozenset({*self._files(), *of_environment(self.environ), *self._ledger()})

    def workloads(self) -> frozenset[str]:
        """The names of all workloads."""
        with suppress(Exception):
            ledger = self.ledger()
            version = ledger.version() if ledger else _SNAPSHOT
            if ledger and (version == _SNAPSHOT or version != self._names[0]):
                self._names = version, frozenset(ledger.names())
            return self._names[1] if ledger else frozenset()
        return frozenset()

    def _files(self) -> Iterator[bytes]:
        for path, read in files(self.settings).items():
            with suppress(Exception):
                stamp = _stamp(path)
                before, secrets = self._of_files.get(path, ((), frozenset()))
                if before != stamp:
                    secrets = frozenset(read(path))
                    self._of_files[path] = stamp, secrets
                yield from secrets

    def _ledger(self) -> Iterator[bytes]:
        """Revisions never change once they are rendered, so each is read once."""
        with suppress(Exception):
            if ledger := self.ledger():
                # Before the reading: a commit in between has it read again.
                version = ledger.version()
                if version == _SNAPSHOT or version != self._version:
                    self._of_revisions, self._version = self._read(ledger), version
        revisions = self._of_revisions
        for secrets, _ in revisions.values():
            yield from secrets
        yield from self._referenced({name for _, names in revisions.values() for name in names})

    def _read(self, ledger: Ledger) -> dict[documents.RevisionKey, _Of]:
        before, revisions = self._of_revisions, {}
        for key in documents.keys(ledger):
            with suppress(ValueError, RecursionError):
                revisions[key] = before.get(key) or _of_revision(documents.documents(ledger, key))
        return revisions

    def _referenced(self, names: Iterable[str]) -> Iterator[bytes]:
        """Logins of registries are left to their file: a credential helper is a process."""
        for name in names:
            if name.startswith("secrets."):
                with suppress(ProvisionError):
                    yield from known.of_value(self.lookup()(name))


def _of_revision(stored: Sequence[Any]) -> _Of:
    """The secrets in its documents, and those that the documents refer to."""
    secrets = frozenset(secret.encode("utf-8", "surrogatepass") for secret in secrets_in(stored))
    return secrets, frozenset(references_in(list(stored)))


def _stamp(path: Path) -> _Stamp:
    """Changes whenever the file does, or a file in the folder."""
    if path.is_dir():
        return tuple(_stamp(entry) for entry in sorted(path.iterdir())[: known.MAX_FILES] if entry.is_file())
    try:
        status = path.stat()
    except FileNotFoundError:
        return ("absent",)
    return path.name, status.st_mtime_ns, status.st_size, status.st_ino
