"""What goes into a support bundle of this box, and what must not: two tables of names and calls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from kelvin_provision.agent.lifecycle import logfile, process
from kelvin_provision.agent.systemd import unit
from kelvin_provision.check_result import CheckResult, counts
from kelvin_provision.checks import before_apply, doctor
from kelvin_provision.checks.configuration import tolerant
from kelvin_provision.cli.commands.checking import documented
from kelvin_provision.cli.frame.box import wiring_of
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cluster.kubernetes.api.kubeconfig import paths_of
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Connections, Context, opened
from kelvin_provision.errors import FileUnreadable, PermissionRefused, ProvisionError, RuntimeUnreachable
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Workload
from kelvin_provision.settings.load import Loaded, load, state_default
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import K3S_KUBECONFIG, places
from kelvin_provision.staging.threads import run_abandonable
from kelvin_provision.support import host, known, running, state
from kelvin_provision.support.archive import SECONDS, Section

T = TypeVar("T")


class Asked(Generic[T]):
    """Something that is opened once, when first asked for. What could not be had, or has not answered yet, is not asked again."""

    def __init__(self, what: str, call: Callable[[], T]) -> None:
        self._found: T | None = None
        self._trouble: ProvisionError | None = None
        self._what, self._call = what, call

    def __call__(self) -> T:
        """The thing; raises why there is none."""
        if self._trouble is None and self._found is None:
            self._trouble = RuntimeUnreachable(f"{self._what}: no answer")
            try:
                self._found, self._trouble = self._call(), None
            except ProvisionError as error:
                self._trouble = error
        if self._found is None:
            raise self._trouble or RuntimeUnreachable(f"{self._what}: no answer")
        return self._found


class SupportContext:
    """This box as far as it can be seen: any part of it may be broken or forbidden, and nothing is made that is not there."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.is_root = os.geteuid() == 0
        self.loaded: Loaded | ProvisionError
        try:
            self.loaded = load(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=self.is_root)
            self.settings = self.loaded.settings
        except ProvisionError as error:
            self.loaded = error
            self.settings = Settings(state_dir=session.state_dir or state_default(is_root=self.is_root))
        wiring = wiring_of(session, self.settings)
        self.box = Context(self.settings, Connections(self.settings, wiring), wiring.actor())
        self.ledger: Asked[Ledger] = Asked("the ledger", self._ledger)
        self.asker = self.box

    @contextmanager
    def opened(self) -> Iterator[SupportContext]:
        """For the time of the block. Where the ledger cannot be used, the cluster is asked with an empty one beside it."""
        try:
            self.ledger()
        except ProvisionError:
            elsewhere = self.box.connections.wiring
            with TemporaryDirectory() as folder, opened(replace(self.settings, state_dir=Path(folder)), elsewhere) as self.asker:
                yield self
            return
        try:
            yield self
        finally:
            self.box.connections.close()

    def _ledger(self) -> Ledger:
        path = self.settings.state_dir / "ledger.db"
        try:
            path.stat()
        except PermissionError as error:
            raise PermissionRefused(f"{path}: no permission to read it") from error
        except OSError as error:
            raise FileUnreadable(f"there is no ledger {path}: nothing was ever deployed here") from error
        return self.box.ledger


def sections(scene: SupportContext) -> dict[str, Section]:
    """File in the bundle to what fills it: one more is one more line here. It may raise, hang or be long; it may not print."""
    state_dir, ctx = scene.settings.state_dir, scene.asker
    cluster = Asked("the cluster", lambda: _answering(ctx))
    runtime = Asked("the runtime", lambda: ctx.runtime)
    return {
        "versions.json": host.versions,
        "configuration.json": lambda: _configuration(scene),
        "disk.json": lambda: host.disk(state_dir),
        "workloads.json": lambda: state.workloads(scene.ledger()),
        "ledger.jsonl": lambda: state.rows(scene.ledger()),
        "history.jsonl": lambda: state.history(scene.ledger()),
        "agent.json": lambda: _agent(scene),
        "agent.log": lambda: _tail(scene.settings),
        "journal.log": lambda: host.journal(unit.NAME),
        "cluster.json": lambda: running.cluster(cluster),
        "runtime.json": lambda: running.runtime(runtime),
        "images.jsonl": lambda: _images(scene, runtime),
        "doctor.json": lambda: _verdicts(_doctor(scene)),
        "check.json": lambda: _verdicts(before_apply.run(ctx, _staged(scene.ledger()))),
        "evidence.txt": lambda: running.evidence(cluster, _names(scene, cluster)),
        **{f"logs/{name}.log": _log(cluster, name) for name in _names(scene, cluster)},
    }


def secrets(scene: SupportContext) -> dict[str, known.Source]:
    """Where secrets of this box stand, for `known.gather`."""
    from kelvin_provision.registry.auth import auth_file

    settings = scene.settings
    logins = {path for host in (*settings.registries, "") if (path := auth_file(settings, host))}
    configs = [place.path for place in places(scene.session.config, os.environ, is_root=scene.is_root)]
    addresses = "\n".join(value for value in os.environ.values() if "://" in value)
    return {
        **({"ledger": lambda: known.of_ledger(lambda: state.rows(scene.ledger()))} if _there(settings.state_dir / "ledger.db") else {}),
        str(settings.secrets_dir): lambda: known.of_folder(settings.secrets_dir),
        **{str(path): _reading(known.of_login_file, path) for path in logins},
        **{str(path): _reading(known.of_document, path) for path in (*_kubeconfigs(settings), *configs)},
        "environment": lambda: known.of_text(addresses),
        "history": lambda: known.of_log(_history(scene)),
        "agent.log": lambda: known.of_log(_agent_log(settings)),
    }


def _history(scene: SupportContext) -> Iterator[str]:
    with suppress(ProvisionError):  # what the ledger says of itself is said once
        yield from (str(line.get("detail", "")) for line in state.history(scene.ledger()))


def _agent_log(settings: Settings) -> Iterator[str]:
    with suppress(OSError):
        yield from _tail(settings)


def _tail(settings: Settings) -> Iterator[str]:
    log = process.log_path(settings.state_dir)
    return host.tail([logfile.earlier(log), log])


def _reading(read: Callable[[Path], Iterator[bytes]], path: Path) -> known.Source:
    return lambda: read(path)


def _there(path: Path) -> bool:
    """Whether it may be there: what may not be looked at may."""
    try:
        return path.exists()
    except OSError:
        return True


def _kubeconfigs(settings: Settings) -> Iterator[Path]:
    yield from paths_of(settings.cluster.kubeconfig)
    yield K3S_KUBECONFIG
    with suppress(RuntimeError):
        yield Path.home() / ".kube" / "config"


def _answering(ctx: Context) -> Cluster:
    found = ctx.cluster
    found.info()
    return found


def _names(scene: SupportContext, cluster: Asked[Cluster]) -> Sequence[str]:
    """Of the workloads: from the ledger, or as the cluster knows them where that cannot be read."""
    try:
        return scene.ledger().names()
    except ProvisionError:
        until = time.monotonic() + SECONDS
        with suppress(ProvisionError):
            return run_abandonable(lambda: sorted(cluster().observe()), lambda: time.monotonic() > until)
        return ()


def _log(cluster: Asked[Cluster], name: str) -> Section:
    return lambda: running.log(cluster, name)


def _configuration(scene: SupportContext) -> Mapping[str, Any]:
    found = places(scene.session.config, os.environ, is_root=scene.is_root)
    files = [{"file": str(place.path), "role": place.role, "there": _there(place.path)} for place in found]
    if isinstance(scene.loaded, ProvisionError):
        return {"files": files, "error": str(scene.loaded), "findings": list(scene.loaded.evidence)}
    settings = [{"setting": one.key, "value": one.value, "origin": one.origin} for one in scene.loaded.origins]
    return {"files": files, "settings": settings}


def _doctor(scene: SupportContext) -> Sequence[CheckResult]:
    found = tolerant(config=scene.session.config, state_dir=scene.session.state_dir, environ=os.environ, is_root=scene.is_root)
    return doctor.run(scene.box, found)


def _staged(ledger: Ledger) -> Sequence[Workload]:
    return [found for found in ledger.workloads() if found.staged]


def _verdicts(lines: Sequence[CheckResult]) -> Mapping[str, Any]:
    return {"counts": counts(lines), "checks": [documented(line) for line in lines]}


def _agent(scene: SupportContext) -> Mapping[str, Any]:
    from kelvin_provision.cli.commands.agent.status import status

    scene.ledger()  # raises where there is none: looking must not make one
    return status(scene.session).document or {}


def _images(scene: SupportContext, runtime: Callable[[], Any]) -> Iterator[Mapping[str, Any]]:
    pinned, trouble = frozenset[str](), ""
    try:
        pinned = runtime().owned()
    except ProvisionError as error:
        trouble = str(error)
    return state.images(scene.ledger(), scene.asker.store, pinned, trouble=trouble)
