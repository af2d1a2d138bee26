"""A box as a technician may meet it, for pictures: what runs, what is ready, what downloads, what has failed; the API and an agent beside it."""

from contextlib import closing, contextmanager
from dataclasses import replace

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.ledger.ledger import utc_now
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.box import Box
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image

TITLES = {
    "boiler-feed": "Boiler feed",
    "camera-gate-2": "Camera, gate 2",
    "motor-speed": "Motor speed",
    "opcua-bridge": "OPC UA bridge",
    "pump-control": "Pump control",
    "vibration": "Vibration analysis",
}
RUNNING = ("boiler-feed", "camera-gate-2", "motor-speed", "opcua-bridge", "pump-control")
LINES = [f"speed {1440 + number % 7} rpm, temperature {61 + number % 3} C" for number in range(8)]
WHY = "CrashLoopBackOff: licence.key: no such file"


class Seen(FakeCluster):
    """It is looked at now."""

    def observe(self):
        return {name: replace(observation, seen=utc_now()) for name, observation in super().observe().items()}


class Slow(FakeSource):
    """It never gets beyond the first 400 kB of a blob."""

    def __init__(self, other):
        super().__init__()
        self.images = other.images

    def _chunks(self, digest, data, start):
        yield from super()._chunks(digest, data[:405_000], start)
        if len(data) > 405_000:
            raise RegistryUnreachable("registry.example: no route to host")


def fill(box):
    box.cluster = Seen()
    box.deploy(*RUNNING)
    box.turn()
    box.command_apply(*RUNNING)
    box.deploy("motor-speed", version="2.3.0")
    box.deploy("pump-control", version="1.1.0")
    box.turn()
    box.stop("camera-gate-2")
    box.cluster.broken["opcua-bridge"] = WHY
    box.cluster.before = lambda verb, workload: box.cluster.broken.clear() if verb == "revert" else None
    box.cluster.log_lines = dict.fromkeys(TITLES, LINES)
    box.deploy("opcua-bridge", version="3.0.0")
    box.turn()
    box.run("workloads", "apply", "-n", "opcua-bridge")
    box.source.images["r.io/vibration:0.9.1"] = random_image([900_000])
    box.source = Slow(box.source)
    box.deploy("vibration", version="0.9.1")
    box.turn()
    with box.ledger.writing() as db:
        for name, title in TITLES.items():
            db.execute("UPDATE workloads SET title = ? WHERE name = ?", (title, name))


@contextmanager
def scene(folder, *, secure=False):
    """Yields the box and a client of its API."""
    with closing(Box(folder / "state")) as box:
        fill(box)
        with serving_beside_agent(box, secure=secure) as api:
            yield box, api
