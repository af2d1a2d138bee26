"""Run one change in this process and kill it with SIGKILL before its Nth step. A step is a verb of the cluster or a durable write.

`python -m tests.real.killed N apply|rollback|start|stop|turn|undeploy NAME [SECONDS]` with the settings in the environment; with seconds,
so long after the step has begun. Exit code 0: it was done before; then its number of steps is printed. 75: a busy kubelet takes longer to
end a pod than a change waits; as for a person, it is done when it is run again.
"""

import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

from kelvin_provision import wiring
from kelvin_provision.agent import turn
from kelvin_provision.context import opened
from kelvin_provision.errors import RemovalUnfinished
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.load import load
from kelvin_provision.usecases import start_stop
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.rollback import RollbackRequest, rollback
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy

VERBS = {"plan", "put", "wait", "finish", "revert", "remove", "observe", "evidence", "stop"}


class Steps:
    """Counts steps over the whole process; at the fatal one nothing of ours runs any more."""

    def __init__(self, fatal: int, delay: float) -> None:
        self.fatal = fatal
        self.delay = delay
        self.count = 0

    def step(self, name: str) -> None:
        self.count += 1
        if self.count == self.fatal:
            print(name, flush=True)
            if not self.delay:
                _kill()
            timer = threading.Timer(self.delay, _kill)
            timer.daemon = True
            timer.start()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A cluster whose verbs are steps."""

    def __init__(self, cluster, steps: Steps) -> None:
        self._cluster = cluster
        self._steps = steps

    def __getattr__(self, name):
        found = getattr(self._cluster, name)
        if name not in VERBS:
            return found

        def verb(*args, **kwargs):
            self._steps.step(name)
            return found(*args, **kwargs)

        return verb


def watch_ledger(steps: Steps) -> None:
    plain = Ledger.writing

    @contextmanager
    def writing(self):
        steps.step("write")
        with plain(self) as db:
            yield db

    Ledger.writing = writing


def main() -> None:
    fatal, action, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    steps = Steps(fatal, float(sys.argv[4]) if len(sys.argv) > 4 else 0.0)
    real = wiring.default()
    watched = replace(real, cluster=lambda settings, choice: Watched(real.cluster(settings, choice), steps), actor=lambda: "test")
    with opened(load(environ=os.environ, is_root=os.geteuid() == 0).settings, watched) as ctx:
        ctx.ledger.names()
        ctx.cluster.info()
        watch_ledger(steps)
        try:
            play(ctx, action, name)
        except RemovalUnfinished:
            sys.exit(os.EX_TEMPFAIL)
    print(steps.count)


def play(ctx, action: str, name: str) -> None:
    if action == "turn":
        turn.take(ctx, turn.Memory.of(ctx))
    elif action == "apply":
        try:
            apply(ctx, ApplyRequest((name,)))
        except Exception as error:  # noqa: BLE001  (a version that dies is one of the cases)
            print(error)
    elif action == "rollback":
        rollback(ctx, RollbackRequest((name,)))
    elif action in {"start", "stop"}:
        getattr(start_stop, action)(ctx, (name,))
    else:
        undeploy(ctx, UndeployRequest((name,)))


if __name__ == "__main__":
    main()
