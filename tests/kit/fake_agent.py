"""The agent as a process of its own, real but for the world outside: `python -m tests.kit.fake_agent FOLDER [--die "VERB WORKLOAD"] [--many N]`.

Its cluster, runtime and registry are the fakes of the kit; the cluster outlives it, in `cluster.json`. It makes its box where there is none: three
workloads, and with --many so many more that run. Each call of its cluster is a line of `calls`; --die ends it by SIGKILL at such a call. Its state is
in `state`, with the settings of the environment.
"""

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path

from kelvin_provision import questions
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.jobs import table as job_table
from kelvin_provision.settings.load import load
from tests.kit import api_process
from tests.kit.agent_thread import answers
from tests.kit.box import FAST, Box
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.servers.process import running

REGISTRY = "r.io"


class OutsideCluster(FakeCluster):
    """What is on it stays when the process of the agent is gone."""

    def opened(self, path):
        self.path = path
        if path.exists():
            kept = json.loads(path.read_bytes())
            self.live, self.serving, self.scaled, self.stopped = kept["live"], kept["serving"], kept["scaled"], set(kept["stopped"])
        return self

    def put(self, *words):
        super().put(*words)
        self._keep()

    def finish(self, *words):
        super().finish(*words)
        self._keep()

    def revert(self, *words):
        super().revert(*words)
        self._keep()

    def stop(self, *words):
        super().stop(*words)
        self._keep()

    def remove(self, *words):
        names = super().remove(*words)
        self._keep()
        return names

    def _keep(self):
        document = {"live": self.live, "serving": self.serving, "scaled": self.scaled, "stopped": sorted(self.stopped)}
        self.path.with_suffix(".new").write_text(json.dumps(document))
        self.path.with_suffix(".new").rename(self.path)


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


def fill_more(box, count):
    """`w-000`, `w-001` and so on run."""
    names = [f"w-{number:03d}" for number in range(count)]
    box.deploy(*names)
    box.turn()
    box.command_apply(*names)


def environment(folder):
    """Of this agent, and of the API beside it."""
    return api_process.environment(folder) | {"KELVIN_PROVISION_REGISTRY": REGISTRY, "KELVIN_PROVISION_APPLY__SETTLE": "0s"}


def beside(folder, *words):
    """The agent of this folder, as a context manager; it is alive and answers."""
    state = folder / "state"
    command = [sys.executable, "-m", "tests.kit.fake_agent", str(folder), *words]
    return running(command, folder / "agent.out", lambda: _answers(state), env=environment(folder))


def _answers(state):
    return bool(process.alive(state)) and answers(state)


def main(words):
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    folder = words.folder
    settings = load(config=None, state_dir=folder / "state", environ=os.environ, is_root=os.geteuid() == 0).settings
    log = os.open(folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def called(verb, workload):
        os.write(log, f"{verb} {workload}\n".encode())
        if f"{verb} {workload}" == words.die:
            os.kill(os.getpid(), signal.SIGKILL)

    with closing(Box(folder / "state")) as box:
        box.settings, box.source, box.timings, box.cluster = settings, AnyImage(), FAST, OutsideCluster().opened(folder / "cluster.json")
        if box.ledger.is_empty():
            fill(box)
            if words.many:
                fill_more(box, words.many)
        box.cluster.before = called
        box.cluster.log_lines = {name: ["started", "speed 3"] for name in ("pump", "fan", "valve")}
        box.progress = lambda event: None
        box.work(stop=ended.is_set, answer=questions.answer, jobs=job_table.of_box(folder / "state", None))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die", default="")
    parser.add_argument("--many", type=int, default=0)
    main(parser.parse_args())
