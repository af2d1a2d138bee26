"""One box on the disk that is cut: the whole program in this process, with its state and its engine there."""

import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from kelvin_provision import wiring
from kelvin_provision.connections import ClusterChoice, Wiring
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import DeltaOffers
from kelvin_provision.retry import Backoff
from kelvin_provision.timings import Timings
from tests.kit.cli import Result, run
from tests.kit.fakes.source import FakeSource
from tests.kit.image_deltas import delta_between
from tests.kit.images import Image, make_image, tar_of
from tests.powercut.engine import DiskCluster, DiskRuntime

HOST = "r.example"
TIMINGS = Timings(poll=0.005, follow=0.005, agent_retry=0.05, agent_goodbye=0.5, staging=Backoff(first=0.001, cap=0.001, deadline=0.01))
ENVIRONMENT = {
    "KELVIN_PROVISION_REGISTRY": HOST,
    "KELVIN_PROVISION_CLUSTER__NAME": "edge",
    "KELVIN_PROVISION_APPLY__SETTLE": "0",
    "KELVIN_PROVISION_DOWNLOAD__KEEP_FREE": "0",
    "NO_COLOR": "1",
}
BASE, OWN, CHANGED = 96 << 10, 200 << 10, 50 << 10
VERSIONS = tuple(f"{number}.0.0" for number in range(1, 6))
AS_DELTAS = VERSIONS[1::2]
"""Which come as deltas from any other one; the rest come whole."""
Phases = Callable[[str], None]


@cache
def image(name: str, version: str) -> Image:
    """The same in every process. Versions of one app share a layer, and most of the other one."""
    seeds = ((name, BASE), (f"{name} own", OWN - CHANGED), (f"{name} {version}", CHANGED))
    base, own, changed = (random.Random(seed).randbytes(size) for seed, size in seeds)  # noqa: S311  (chance is enough)
    return make_image([tar_of({"data": base}), tar_of({"data": own + changed})], level=0, architecture=Platform.of_this_host().architecture)


@cache
def deltas(name: str, version: str) -> DeltaOffers:
    """From each other version; the image has their bytes then, for the registry to serve."""
    new = image(name, version)
    made = [delta_between(image(name, other), new) for other in VERSIONS if other != version]
    new.blobs.update({delta.layer.blob.digest: delta.bytes for delta in made})
    return DeltaOffers(tuple(delta.layer for delta in made))


class Images(dict[str, Image]):
    """Every version of every app."""

    def __contains__(self, reference) -> bool:
        return True

    def __missing__(self, text: str) -> Image:
        reference = Reference.parse(text)
        return image(reference.repository, str(reference.tag))


class Source(FakeSource):
    """A registry in another place, which loses no power. `served` tells what was asked for."""

    def __init__(self, phases: Phases, pace: float) -> None:
        super().__init__()
        self.images = Images()
        self.chunk, self._phases, self._pace = 32 << 10, phases, pace

    def resolve(self, reference, platform, support=None):
        self._phases("download")
        return super().resolve(reference, platform)

    def deltas(self, reference, image):
        super().deltas(reference, image)
        return deltas(reference.repository, str(reference.tag)) if reference.tag in AS_DELTAS else DeltaOffers()

    def _chunks(self, digest, data, start):
        for chunk in super()._chunks(digest, data, start):
            time.sleep(self._pace)
            yield chunk


class Box:
    def __init__(self, disk: Path, phases: Phases = lambda phase: None, pace: float = 0.0) -> None:
        self.state, self.settings = disk / "state", disk / "etc" / "config.yaml"
        self.source = Source(phases, pace)
        self.runtime = DiskRuntime(disk / "engine", lambda: phases("import"))
        self.cluster = DiskCluster(disk / "engine")
        self.wiring = Wiring(
            choose_cluster=lambda settings, remembered: ClusterChoice("fake", "as the test says"),
            cluster=lambda settings, choice: self.cluster,
            runtime=lambda settings, choice: self.runtime,
            source=lambda settings: self.source,
            media=wiring.media,
            hooks=wiring.hooks,
            lookup=wiring.lookup,
            actor=lambda: "anna",
            timings=TIMINGS,
        )

    def run(self, *words: str) -> Result:
        """`config` changes the file that it is given; all other commands go by its settings."""
        return run(*words, "--state-dir", str(self.state), "--config", str(self.settings), wiring=self.wiring)

    def ledger(self) -> Ledger:
        return Ledger(self.state / "ledger.db")
