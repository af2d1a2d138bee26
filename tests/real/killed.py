"""Run one change in this process and kill it with SIGKILL before its Nth step. A step is a verb of the cluster or a durable write.

`python -m tests.real.killed N apply|rollback|turn|undeploy NAME` with the settings in the environment. Exit code 0: it had fewer steps.
"""

import os
import signal
import sys
from contextlib import contextmanager

from kelvin_provision.agent import turn
from kelvin_provision.applying import apply, rollback, undeploy
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.node import Node
from kelvin_provision.settings.load import load

VERBS = {"plan", "put", "wait", "finish", "revert", "remove", "observe", "evidence", "stop"}


class Steps:
    """Counts steps over the whole process; at the fatal one nothing of ours runs any more."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.count = 0

    def step(self, name: str) -> None:
        self.count += 1
        if self.count == self.fatal:
            print(name, flush=True)
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
    steps = Steps(fatal)
    node = Node(load(environ=os.environ, is_root=os.geteuid() == 0).settings)
    node.ledger.names()
    cluster = node.cluster
    if action == "turn":
        watch_ledger(steps)
        node.__dict__["cluster"] = Watched(cluster, steps)
        turn.take(node, lambda: False)
        return
    with node.changing(f"killed {action}"):
        watch_ledger(steps)
        node.__dict__["cluster"] = Watched(cluster, steps)
        if action == "apply":
            try:
                node.apply(apply.choose(node.ledger, [name], everything=False), who="test", stop=lambda: False)
            except Exception as error:  # noqa: BLE001  (a version that dies is one of the cases)
                print(error)
        elif action == "rollback":
            rollback.run(node.tools, rollback.choose(node.ledger, [name]), lambda: False)
        else:
            undeploy.run(node.ledger, lambda: node.cluster, [name], who="test")


if __name__ == "__main__":
    main()
