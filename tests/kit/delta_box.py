"""A box in memory that stages a new version of an image whose old version it has."""

from kelvin_provision.events import Note
from kelvin_provision.refs import Platform
from kelvin_provision.registry.protocol import DeltaOffers
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import stage
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.store import Store
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.fakes.source import FakeSource
from tests.kit.image_deltas import two_versions
from tests.kit.locks import lock_of

AMD64 = Platform("linux", "amd64")
OLD, NEW = two_versions()
OLD_LOCK, LOCK = lock_of(OLD, "r.io/a:1"), lock_of(NEW, "r.io/a:2")
LAYER = LOCK.layers[-1]


class Box:
    """With the old version staged; `stage` stages the new one."""

    def __init__(self, folder, ledger):
        self.ledger, self.store, self.source, self.runtime = ledger, Store(folder), FakeSource(), FakeRuntime(AMD64)
        self.source.images |= {"r.io/a:1": OLD, "r.io/a:2": NEW}
        self.events, self.mode, self.stop = [], DeltaMode.AUTO, lambda: False

    def accept(self, version):
        image = f"r.io/a:{version}"
        self.ledger.accept(
            [Spec(name="a", title="a", app_name="a", app_version=version, cluster_name="c", method=Method.STAGED, image=image)], version
        )

    def offer(self, *deltas):
        for delta in deltas:
            known = self.source.deltas_of.get(NEW.digest, DeltaOffers())
            self.source.deltas_of[NEW.digest] = DeltaOffers((*known.layers, *delta.artifact.layers))
            NEW.blobs.update({delta.layer.blob.digest: delta.bytes})

    def stage(self):
        self.source.served.clear()
        tools = StagingTools(
            self.ledger,
            self.store,
            self.source,
            self.runtime,
            self.events.append,
            self.stop,
            limits=TransferLimits(parallel=1),
            deltas=self.mode,
        )
        done = stage.run(self.ledger.workload("a").staged, tools)
        return done, self.ledger.workload("a").staged

    @property
    def served(self):
        return {digest for digest, _, _ in self.source.served}

    @property
    def used(self):
        return self.store.deltas.use(LOCK)

    @property
    def notes(self):
        return [event.text for event in self.events if isinstance(event, Note)]

    def expect_whole(self, why):
        done, revision = self.stage()
        assert (done, revision.download, LAYER.digest in self.served) == (True, Download.READY, True)
        assert (self.used.layers, [why in reason for reason in self.used.reasons]) == (0, [True] if why else [])
        assert self.runtime.has(LOCK)
