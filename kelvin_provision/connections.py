"""The parts of a box, each opened when first used, and what makes them: a value, so that a test or another front end replaces it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kelvin_provision.errors import OurBug
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger, utc_now
from kelvin_provision.settings.model import Settings
from kelvin_provision.timings import Timings

if TYPE_CHECKING:
    from kelvin_provision.cluster.protocol import Cluster, Lookup
    from kelvin_provision.events import Progress
    from kelvin_provision.foreign.sanitizer import Sanitizer
    from kelvin_provision.hooks.protocol import Hooks
    from kelvin_provision.registry.protocol import Destination, Media, Source
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.store import Store

CLUSTER_FACT = "cluster.type"
"""The ledger's fact that names the type of the cluster that has our workloads."""


@dataclass(frozen=True)
class ClusterChoice:
    """`type` is `kubernetes` or `docker`; `reason` says why, for people. `kubeconfig` has the credentials, None where there are none."""

    type: str
    reason: str
    kubeconfig: Path | None = None


class AgentLauncher(Protocol):
    """Sees to it that an agent is alive. The layer above knows how one is started."""

    def ensure(self, settings: Settings) -> tuple[str, ...]:
        """Start or wake an agent that works with these settings; returns warnings for the user. Raises AgentSilent."""
        ...

    def survives_reboot(self, settings: Settings) -> bool:
        """Whether the agent is a service that starts with the box."""
        ...


class NoLauncher:
    """Where the agent itself is at work."""

    def ensure(self, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002  (the protocol's signature)
        return ()

    def survives_reboot(self, settings: Settings) -> bool:  # noqa: ARG002  (the protocol's signature)
        return True


def nowhere(settings: Settings, progress: Progress) -> Destination:  # noqa: ARG001  (a factory of destinations)
    """Where nothing is pushed."""
    raise OurBug(f"nothing is pushed from {settings.state_dir}")


@dataclass(frozen=True)
class Wiring:
    """What makes the parts of a box. `choose_cluster` gets the type that the ledger remembers, or None."""

    choose_cluster: Callable[[Settings, Callable[[], str | None]], ClusterChoice]
    cluster: Callable[[Settings, ClusterChoice], Cluster]
    runtime: Callable[[Settings, Callable[[], ClusterChoice]], Runtime]
    source: Callable[[Settings], Source]
    media: Callable[[Settings, Ledger, Callable[[], Store]], Media]
    hooks: Callable[[Settings], Hooks]
    lookup: Callable[[Settings], Lookup]
    actor: Callable[[], str]
    launcher: AgentLauncher = field(default_factory=NoLauncher)
    clock: Callable[[], str] = utc_now
    timings: Timings = field(default_factory=Timings)
    destination: Callable[[Settings, Progress], Destination] = nowhere


class Connections:
    """The parts of one box, each opened when first used. Not for several threads: each has connections of its own.

    Whatever the outside world says passes `foreign` here: nothing above gets a part that was not wrapped.
    """

    def __init__(self, settings: Settings, wiring: Wiring) -> None:
        self.settings = settings
        self.wiring = wiring
        self._destination: Destination | None = None

    @cached_property
    def ledger(self) -> Ledger:
        busy = self.wiring.timings.ledger_busy
        return Ledger(self.settings.state_dir / "ledger.db", clock=self.wiring.clock, busy_timeout=busy)

    @property
    def has_ledger(self) -> bool:
        """Whether anything was ever kept here. Asking creates no ledger."""
        return "ledger" in self.__dict__ or (self.settings.state_dir / "ledger.db").exists()

    @cached_property
    def store(self) -> Store:
        from kelvin_provision.store import Store

        return Store(self.settings.state_dir)

    @cached_property
    def sanitizer(self) -> Sanitizer:
        """For foreign text that comes another way: it knows the secrets of this box."""
        from kelvin_provision.foreign.box_secrets import BoxSecrets
        from kelvin_provision.foreign.sanitizer import Sanitizer

        secrets = BoxSecrets(self.settings, lambda: self.ledger if self.has_ledger else None, lambda: self.lookup)
        return Sanitizer(secrets, secrets.workloads)

    @cached_property
    def source(self) -> Source:
        from kelvin_provision.foreign.source import SanitizedSource

        with self.sanitizer.errors():
            return SanitizedSource(self.wiring.source(self.settings), self.sanitizer)

    def destination(self, progress: Progress) -> Destination:
        """`progress` is told why something is tried again; that of who asks first."""
        if self._destination is None:
            from kelvin_provision.foreign.destination import SanitizedDestination

            with self.sanitizer.errors():
                made = self.wiring.destination(self.settings, self.sanitizer.progress(progress))
            self._destination = SanitizedDestination(made, self.sanitizer)
        return self._destination

    @cached_property
    def media(self) -> Media:
        """The bundles that were imported. Opens no medium."""
        from kelvin_provision.foreign.media import SanitizedMedia

        with self.sanitizer.errors():
            return SanitizedMedia(self.wiring.media(self.settings, self.ledger, lambda: self.store), self.sanitizer)

    @cached_property
    def choice(self) -> ClusterChoice:
        """Which cluster, and why. Raises ClusterMissing."""
        return self.wiring.choose_cluster(self.settings, self._remembered)

    def _remembered(self) -> str | None:
        """A box keeps its cluster while it has workloads of ours."""
        remembered = self.ledger.fact(CLUSTER_FACT) if self.has_ledger else None
        return remembered if remembered and not self.ledger.is_empty() else None

    @cached_property
    def cluster(self) -> Cluster:
        from kelvin_provision.foreign.cluster import SanitizedCluster

        with self.sanitizer.errors():
            return SanitizedCluster(self.wiring.cluster(self.settings, self.choice), self.sanitizer, lambda: self.lookup, self._lead)

    def _lead(self, cluster: Cluster) -> None:
        """Raises LeadElsewhere."""
        from kelvin_provision.leading import lease

        lease.require(self.settings.state_dir, cluster)

    @cached_property
    def runtime(self) -> Runtime:
        from kelvin_provision.foreign.runtime import SanitizedRuntime

        with self.sanitizer.errors():
            return SanitizedRuntime(self.wiring.runtime(self.settings, lambda: self.choice), self.sanitizer)

    @property
    def hooks(self) -> Hooks:
        from kelvin_provision.foreign.hooks import SanitizedHooks

        with self.sanitizer.errors():
            return SanitizedHooks(self.wiring.hooks(self.settings), self.sanitizer)

    @property
    def lookup(self) -> Lookup:
        """Its errors are our own sentences, without a value: of a credential helper they say nothing but that it does not work."""
        return self.wiring.lookup(self.settings)

    def close(self) -> None:
        """Close what was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()
        if "source" in self.__dict__:
            self.source.close()
        if self._destination is not None:
            self._destination.close()
