"""`python -m tests.kills --help`: kill -9 of every change, with a real Kubernetes beside it."""

import argparse
import contextlib
import os
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.kills.lane import VERBS, Kill, Lane
from tests.kit.real_box import NAMESPACE, Box, push_versions
from tests.kit.servers.kubernetes import CONTAINERD, KUBECONFIG
from tests.kit.servers.registry import docker_registry


def main() -> int:
    parser = argparse.ArgumentParser(prog="make kills", description="Kill commands and the agent at random moments, and see what is wrong.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--verb", action="append", choices=VERBS, help="may be repeated; default: all")
    parser.add_argument("--lanes", type=int, default=3, help="boxes side by side")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no more of them are begun")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    missing = [name for name in (KUBECONFIG, CONTAINERD) if not os.environ.get(name)] + [
        tool for tool in ("ctr", "docker-registry") if not shutil.which(tool)
    ]
    if missing:
        print(f"missing: {', '.join(missing)}", file=sys.stderr)
        return 75
    began = time.monotonic()
    kills = _all(options)
    wrong = [kill for kill in kills if kill.wrong]
    counts, bad = Counter(kill.verb for kill in kills), Counter(kill.verb for kill in wrong)
    shown = ", ".join(f"{verb} {bad[verb]}/{counts[verb]}" for verb in VERBS if counts[verb])
    again = sum(kill.again for kill in kills)
    print(
        f"{len(kills)} kills, {len(wrong)} wrong in {time.monotonic() - began:.0f} s (wrong/kills: {shown}; {again} typed again);"
        f" seed {options.seed}"
    )
    return 1 if wrong else 0


def _tell(kill: Kill) -> None:
    if kill.wrong:
        how = "typed again" if kill.again else "the agent"
        print(f"{kill.verb}, killed at {kill.where}, {how}: {'; '.join(kill.wrong)}", flush=True)


def _all(options: argparse.Namespace) -> list[Kill]:
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in range(options.kills):
        verbs = options.verb or VERBS
        todo.put(verbs[number % len(verbs)])
    over = threading.Event()
    timer = threading.Timer(60 * options.minutes, over.set)
    timer.daemon = True
    timer.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())  # in good order: namespaces and images go
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as folder,
        docker_registry(Path(folder) / "registry") as registry,
        ThreadPoolExecutor(options.lanes) as pool,
    ):
        lanes = [pool.submit(_lane, Path(folder), registry, number, todo, options.seed, over) for number in range(options.lanes)]
        return [kill for lane in lanes for kill in lane.result()]


def _lane(folder: Path, registry: str, number: int, todo: queue.SimpleQueue, seed: int, over: threading.Event) -> list[Kill]:
    app, found = f"app-{number}", []
    settings = {
        "KUBECONFIG": os.environ[KUBECONFIG],
        "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes",
        NAMESPACE: f"kills-{os.getpid()}-{number}",
        "KELVIN_PROVISION_RUNTIME__ADDRESS": os.environ[CONTAINERD],
    }
    push_versions(registry, app)
    (own := folder / str(number)).mkdir()
    box = Box(own, registry, settings, app)
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    lane = Lane(box, f"pump-{number}", random.Random(f"{seed} {number}"))  # noqa: S311  (chance is enough)
    try:
        with lane.alive() as ctx, contextlib.suppress(queue.Empty):
            while not over.is_set():
                verb = todo.get_nowait()
                kill = lane.kill(ctx, verb)
                if kill is None:
                    todo.put(verb)
                else:
                    found.append(kill)
                    _tell(kill)
    finally:
        box.end()
    return found


if __name__ == "__main__":
    sys.exit(main())
