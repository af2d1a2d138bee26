"""What goes into a support bundle of this box, and what must not: two tables of names and calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from kelvin_provision.agent.lifecycle import logfile, process
from kelvin_provision.agent.systemd import unit
from kelvin_provision.api_service.units import SERVICE
from kelvin_provision.check_result import CheckResult
from kelvin_provision.checks import before_apply, doctor
from kelvin_provision.checks.configuration import tolerant
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.connections import Connections, Wiring
from kelvin_provision.context import Context, opened
from kelvin_provision.errors import FileUnreadable, PermissionRefused, ProvisionError, RuntimeUnreachable
from kelvin_provision.foreign import box_secrets, known
from kelvin_provision.hints import Hint
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.queries.agent import agent
from kelvin_provision.queries.checks import ChecksResult
from kelvin_provision.settings.load import Loaded, load, state_default
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import places
from kelvin_provision.staging.threads import run_abandonable
from kelvin_provision.support import host, running, state
from kelvin_provision.support.archive import SECONDS, Section
from kelvin_provision.usecases.bundles.trust import showing

T = TypeVar("T")
MAX_LOGS = 200
"""Workloads whose logs and events are in the bundle."""


class Lazy(Generic[T]):
    """A part that is opened when first used. One that cannot be opened, or has not answered yet, is not tried again."""

    def __init__(self, name: str, open_: Callable[[], T]) -> None:
        self._value: T | None = None
        self._error: ProvisionError | None = None
        self._name, self._open = name, open_

    def __call__(self) -> T:
        """The part; raises why there is none."""
        if self._error is None and self._value is None:
            self._error = RuntimeUnreachable(f"{self._name}: no answer")
            try:
                self._value, self._error = self._open(), None
            except ProvisionError as error:
                self._error = error
        if self._value is None:
            raise self._error or RuntimeUnreachable(f"{self._name}: no answer")
        return self._value


@dataclass(frozen=True)
class SupportRequest:
    """Which box, and how the front end makes its parts and writes hints. `config` and `state_dir` are None where they were not given."""

    make_wiring: Callable[[Settings], Wiring]
    describe_hint: Callable[[Hint | str], str]
    environ: Mapping[str, str]
    is_root: bool
    config: Path | None = None
    state_dir: Path | None = None


class SupportScope:
    """This box as far as it can be seen: any part of it may be broken or forbidden, and nothing is created."""

    def __init__(self, request: SupportRequest) -> None:
        self.request = request
        self.loaded: Loaded | ProvisionError
        try:
            self.loaded = load(config=request.config, state_dir=request.state_dir, environ=request.environ, is_root=request.is_root)
            self.settings = self.loaded.settings
        except ProvisionError as error:
            self.loaded = error
            self.settings = Settings(state_dir=request.state_dir or state_default(is_root=request.is_root))
        wiring = request.make_wiring(self.settings)
        self.box = Context(self.settings, Connections(self.settings, wiring), wiring.actor())
        self.ledger: Lazy[Ledger] = Lazy("the ledger", self._ledger)
        self.observer = self.box

    @contextmanager
    def opened(self) -> Iterator[SupportScope]:
        """For the time of the block. Where the ledger cannot be used, the cluster is asked with an empty one beside it."""
        try:
            self.ledger()
        except ProvisionError:
            elsewhere = self.box.connections.wiring
            with TemporaryDirectory() as folder, opened(replace(self.settings, state_dir=Path(folder)), elsewhere) as self.observer:
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


def sections(scope: SupportScope) -> dict[str, Section]:
    """File in the bundle to what fills it: one more is one more line here. It may raise, hang or be long; it may not print."""
    state_dir, ctx = scope.settings.state_dir, scope.observer
    cluster = Lazy("the cluster", lambda: _answering(ctx))
    runtime = Lazy("the runtime", lambda: ctx.runtime)
    return {
        "versions.json": host.versions,
        "configuration.json": lambda: _configuration(scope),
        "trust.json": lambda: state.trust(scope.settings.trust, lambda: scope.box.trust.document, lambda: showing.accepted(scope.box)),
        "disk.json": lambda: host.disk(state_dir),
        "workloads.json": lambda: state.workloads(scope.ledger()),
        "ledger.jsonl": lambda: state.rows(scope.ledger()),
        "history.jsonl": lambda: state.history(scope.ledger()),
        "agent.json": lambda: _agent(scope),
        "agent.log": lambda: _tail(scope.settings),
        "journal.log": lambda: host.journal(unit.NAME),
        "api-journal.log": lambda: host.journal(SERVICE),
        "cluster.json": lambda: running.cluster(cluster),
        "runtime.json": lambda: running.runtime(runtime),
        "images.jsonl": lambda: _images(scope, runtime),
        "doctor.json": lambda: _checks(scope, _doctor(scope)),
        "check.json": lambda: _checks(scope, before_apply.run(ctx, _staged(scope.ledger()))),
        "evidence.txt": lambda: running.evidence(cluster, _names(scope, cluster)),
        **{f"logs/{name}.log": _log(cluster, name) for name in _names(scope, cluster)},
    }


def secrets(scope: SupportScope) -> dict[str, known.Source]:
    """Where secrets of this box stand, for `known.gather`."""
    settings = scope.settings
    configs = [place.path for place in places(scope.request.config, scope.request.environ, is_root=scope.request.is_root)]
    files = box_secrets.files(settings) | dict.fromkeys(configs, known.of_document)
    return {
        **({"ledger": lambda: known.of_ledger(lambda: state.rows(scope.ledger()))} if _there(settings.state_dir / "ledger.db") else {}),
        **{str(path): _reading(read, path) for path, read in files.items()},
        "environment": lambda: box_secrets.of_environment(scope.request.environ),
        "history": lambda: known.of_log(_history(scope)),
        "agent.log": lambda: known.of_log(_agent_log(settings)),
    }


def subjects(scope: SupportScope) -> Sequence[str]:
    """The names of workloads, which messages begin with."""
    with suppress(ProvisionError):
        return scope.ledger().names()
    return ()


def _history(scope: SupportScope) -> Iterator[str]:
    with suppress(ProvisionError):  # what the ledger says of itself is said once
        yield from (str(line.get("detail", "")) for line in state.history(scope.ledger()))


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


def _answering(ctx: Context) -> Cluster:
    cluster = ctx.cluster
    cluster.info()
    return cluster


def _names(scope: SupportScope, cluster: Lazy[Cluster]) -> Sequence[str]:
    """Of the workloads: from the ledger, or as the cluster knows them where that cannot be read."""
    try:
        return state.first_to_look_at(scope.ledger(), MAX_LOGS)
    except ProvisionError:
        until = time.monotonic() + SECONDS
        with suppress(ProvisionError):
            return run_abandonable(lambda: sorted(cluster().observe()), lambda: time.monotonic() > until)
        return ()


def _log(cluster: Lazy[Cluster], name: str) -> Section:
    return lambda: running.log(cluster, name)


def _configuration(scope: SupportScope) -> Mapping[str, Any]:
    candidates = places(scope.request.config, scope.request.environ, is_root=scope.request.is_root)
    files = [{"file": str(place.path), "role": place.role, "there": _there(place.path)} for place in candidates]
    if isinstance(scope.loaded, ProvisionError):
        return {"files": files, "error": str(scope.loaded), "findings": list(scope.loaded.evidence)}
    settings = [{"setting": origin.key, "value": origin.value, "origin": origin.origin} for origin in scope.loaded.origins]
    return {"files": files, "settings": settings}


def _doctor(scope: SupportScope) -> Sequence[CheckResult]:
    configuration = tolerant(
        config=scope.request.config, state_dir=scope.request.state_dir, environ=scope.request.environ, is_root=scope.request.is_root
    )
    return doctor.run(scope.box, configuration)


def _staged(ledger: Ledger) -> Sequence[Workload]:
    return tuple(ledger.readable_staged().workloads.values())


def _checks(scope: SupportScope, lines: Sequence[CheckResult]) -> Mapping[str, Any]:
    return ChecksResult(tuple(lines)).to_json(scope.request.describe_hint)


def _agent(scope: SupportScope) -> Mapping[str, Any]:
    scope.ledger()  # raises where there is none: looking must not create one
    return {"schema": 1} | agent(scope.box).to_json()


def _images(scope: SupportScope, runtime: Callable[[], Any]) -> Iterator[Mapping[str, Any]]:
    pinned, trouble = frozenset[str](), ""
    try:
        pinned = runtime().owned()
    except ProvisionError as error:
        trouble = str(error)
    return state.images(scope.ledger(), scope.observer.store, pinned, trouble=trouble)
