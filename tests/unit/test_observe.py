"""An answer of the cluster from before a change has ended is not what is recorded after it."""

import pytest

from kelvin_provision.agent.reconcile import observe_running
from kelvin_provision.spec.enums import State
from kelvin_provision.status import derive
from tests.kit.box import Box


class Slow:
    """A cluster whose first answer is on its way while something happens."""

    def __init__(self, cluster, meanwhile):
        self.cluster, self.meanwhile = cluster, [meanwhile]

    def __getattr__(self, name):
        return getattr(self.cluster, name)

    def observe(self):
        answer = self.cluster.observe()
        if self.meanwhile:
            self.meanwhile.pop()()
        return answer


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.up("1.0.0", "pump")
    yield made
    made.close()


def state(box):
    return derive(box.ledger.workload("pump").situation).state


def late(box, meanwhile):
    """A round of the agent whose answer comes only after `meanwhile`, which another process does."""
    box.ledger.observe({"pump": None})
    other = Box(box.settings.state_dir, like=box)
    try:
        agent = box.agent()
        agent.connections.cluster = Slow(box.cluster, lambda: meanwhile(other))
        observe_running(agent)
    finally:
        other.close()


def test_what_a_change_has_left_stands_after_a_round_that_began_before_it(box):
    late(box, lambda other: other.stop("pump"))
    assert state(box) is State.STOPPED


def test_what_was_asked_live_stands_after_a_round_that_began_before_it(box):
    def ended(other):
        box.cluster.stopped.add("pump")
        other.run("workloads", "list", "--live")

    late(box, ended)
    assert state(box) is State.STOPPED


def test_changes_without_end_do_not_keep_it_from_being_recorded(box):
    class Busy(Slow):
        def observe(self):
            self.meanwhile.append(lambda: self.other.ledger.observe({"pump": None}) or self.other.stop("pump") or self.other.start("pump"))
            return super().observe()

    busy = Busy(box.cluster, lambda: None)
    busy.other = Box(box.settings.state_dir, like=box)
    agent = box.agent()
    agent.connections.cluster = busy
    observe_running(agent)
    busy.other.close()
    assert state(box) is State.RUNNING
