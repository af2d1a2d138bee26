"""What a use-case works with, as one value: settings, who asks, the box's parts, time, progress, and whether to stop.

It has no verbs. Its parts are those of `connections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.connections import CLUSTER_FACT, AgentLauncher, Connections, Wiring
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.model import Settings
from kelvin_provision.timings import Timings

if TYPE_CHECKING:
    from kelvin_provision.cluster.protocol import Cluster, Lookup
    from kelvin_provision.events import Event, Progress
    from kelvin_provision.foreign.sanitizer import Sanitizer
    from kelvin_provision.hooks.protocol import Hooks
    from kelvin_provision.registry.protocol import Destination, Media, Source
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.store import Store
    from kelvin_provision.trust.believed import Trust
    from kelvin_provision.trust.documents.model import SignedDocument


def silent(event: Event) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True)
class Context:
    """`actor` is who asks, as the history shows it. `stop` turns true when the work should end in good order."""

    settings: Settings
    connections: Connections
    actor: str
    progress: Progress = silent
    stop: Callable[[], bool] = lambda: False

    @property
    def box_name(self) -> str:
        """What bundles, inventories and the platform call this box: the setting `cluster.name`, else the name of the host."""
        import platform  # most commands need no name

        return self.settings.cluster.name or platform.node()

    @property
    def ledger(self) -> Ledger:
        return self.connections.ledger

    @property
    def store(self) -> Store:
        return self.connections.store

    @property
    def source(self) -> Source:
        return self.connections.source

    @property
    def destination(self) -> Destination:
        """Registries, to push to."""
        return self.connections.destination(self.progress)

    @property
    def media(self) -> Media:
        return self.connections.media

    @property
    def cluster(self) -> Cluster:
        """The cluster, for a change or a look on behalf of one: the ledger remembers its type. Raises ClusterMissing."""
        self.ledger.remember(CLUSTER_FACT, self.connections.choice.type)
        return self.connections.cluster

    @property
    def runtime(self) -> Runtime:
        return self.connections.runtime

    @property
    def hooks(self) -> Hooks:
        return self.connections.hooks

    @property
    def lookup(self) -> Lookup:
        """Secrets of this box (`secrets.NAME`) and logins for pulling (`registries.HOST`)."""
        return self.connections.lookup

    @property
    def trust(self) -> Trust:
        """Whom this box believes, read at each use. Raises StateDamaged."""
        return self.believed()

    def must_be_signed(self, what: str) -> bool:
        """Whether a `bundle` or a `request` must be; asked before anything is read of it."""
        from kelvin_provision.trust.policy import required

        has_document = self.connections.has_ledger and self.ledger.newest_trust() is not None
        return required(self.settings.trust, what, has_document=has_document)

    def believed(self, offered: Sequence[SignedDocument] = ()) -> Trust:
        """Whom this box believes now: another process may have accepted a trust document. Raises StateDamaged.

        `offered` are documents from which the file of the newest is replaced when it is damaged.
        """
        from kelvin_provision.trust.believed import Trust

        accepted = self.ledger.newest_trust() if self.connections.has_ledger else None
        if accepted is None:
            return Trust(self.settings.trust)
        from kelvin_provision.trust.documents import kept

        document = kept.load(self.settings.state_dir, accepted.number, accepted.digest, offered)
        return Trust(self.settings.trust, document, self.ledger.trust_digests())

    @property
    def sanitizer(self) -> Sanitizer:
        return self.connections.sanitizer

    @property
    def launcher(self) -> AgentLauncher:
        return self.connections.wiring.launcher

    @property
    def timings(self) -> Timings:
        return self.connections.wiring.timings

    @property
    def now(self) -> datetime:
        """The time, by the clock that the ledger is written with."""
        return timestamps.parse(self.ledger.clock())


@contextmanager
def opened(settings: Settings, wiring: Wiring, *, progress: Progress = silent) -> Iterator[Context]:
    """A context whose parts are closed after the block."""
    connections = Connections(settings, wiring)
    try:
        yield Context(settings, connections, wiring.actor(), progress)
    finally:
        connections.close()


@contextmanager
def separate(ctx: Context, *, progress: Progress, stop: Callable[[], bool]) -> Iterator[Context]:
    """The same box for another thread: with connections of its own."""
    with opened(ctx.settings, ctx.connections.wiring) as other:
        yield replace(other, actor=ctx.actor, progress=progress, stop=stop)
