"""The agent as a process of its own, real but for the world outside: `python -m tests.kit.fake_agent FOLDER`.

Its cluster, runtime and registry are the fakes of the kit. It makes the box of `BOX` and prints `ready`; each call of its cluster is a line of
`calls` in FOLDER. Its state is in `state`, with the settings of the environment.
"""

import os
import signal
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

from kelvin_provision import questions
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.settings.load import load
from tests.kit.box import FAST, Box
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.servers.process import running

REGISTRY = "r.io"
ROOT = Path(__file__).parents[2]


class AnyImage(FakeSource):
    """It has every image that it is asked for."""

    def resolve(self, reference, platform, support=None):
        self.images.setdefault(str(reference), random_image([3000]))
        return super().resolve(reference, platform, support)


def fill(box):
    """`pump` 1.0.0 runs and 2.0.0 is staged and ready, `fan` runs, `valve` is staged and ready."""
    box.deploy("pump", "fan")
    box.turn()
    box.command_apply("pump", "fan")
    box.deploy("pump", version="2.0.0")
    box.deploy("valve")
    box.turn()


def environment(folder):
    """Of the API beside it: Docker is the cluster, and asked by nobody."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "KELVIN_PROVISION_STATE_DIR": str(folder / "state"),
        "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none.yaml"),
        "KELVIN_PROVISION_CLUSTER__TYPE": "docker",
        "KELVIN_PROVISION_REGISTRY": REGISTRY,
        "KELVIN_PROVISION_APPLY__SETTLE": "0s",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }


def beside(folder):
    """The agent of this folder, as a context manager; it is alive and answers."""
    state = folder / "state"
    command = [sys.executable, "-m", "tests.kit.fake_agent", str(folder)]
    return running(command, folder / "agent.out", lambda: _answers(state), env=environment(folder))


def _answers(state):
    return process.alive(state) and (state / "agent.sock").exists()


def main(folder):
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    settings = load(config=None, state_dir=folder / "state", environ=os.environ, is_root=os.geteuid() == 0).settings
    log = os.open(folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with closing(Box(folder / "state")) as box:
        box.settings, box.source, box.timings = settings, AnyImage(), FAST
        if box.ledger.is_empty():
            fill(box)
        box.cluster.before = lambda verb, workload: os.write(log, f"{verb} {workload}\n".encode())
        box.cluster.log_lines = {name: ["started", "speed 3"] for name in ("pump", "fan", "valve")}
        box.progress = lambda event: None
        with suppress(KeyboardInterrupt):
            box.work(stop=ended.is_set, answer=questions.answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
