"""Undeploy and stop of many workloads: side by side, with one wait; custom resources before the workloads that may have their controller."""

import json
import threading

import pytest

from kelvin_provision.errors import ClusterRefused, ClusterUnreachable, RemovalUnfinished
from kelvin_provision.events import Finished, Started
from kelvin_provision.staging.threads import SIDE_BY_SIDE
from tests.kit.box import Box
from tests.kit.waiting import PATIENCE

NAMES = tuple(f"pump-{number:02d}" for number in range(SIDE_BY_SIDE))


def template(path):
    found = Box(path)
    found.deploy(*NAMES)
    found.turn()
    found.command_apply(*NAMES)
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def test_all_are_waited_for_at_the_same_time(box):
    together = threading.Barrier(len(NAMES), timeout=PATIENCE)
    box.cluster.before = lambda verb, name: together.wait() if verb == "remove" else None
    result = box.run("workloads", "undeploy", *NAMES, "--yes", "--json")
    assert result.exit_code == 0
    gone = [item["name"] for item in json.loads(result.stdout)["items"] if item["outcome"] == "undeployed"]
    assert (gone, box.cluster.live, box.ledger.names()) == (list(NAMES), {}, [])


def test_so_are_those_that_are_stopped(box):
    together = threading.Barrier(len(NAMES), timeout=PATIENCE)
    box.cluster.before = lambda verb, name: together.wait() if verb == "stop" else None
    assert box.run("workloads", "stop", *NAMES, "--yes").exit_code == 0
    assert box.cluster.stopped == set(NAMES)


def test_one_that_cannot_be_stopped_does_not_keep_the_others_running(box):
    def refused(verb, name):
        if (verb, name) == ("stop", "pump-03"):
            raise ClusterRefused("no")

    box.cluster.before = refused
    with pytest.raises(ClusterRefused):
        box.stop(*NAMES)
    assert box.cluster.stopped == set(NAMES) - {"pump-03"}


def test_each_is_shown_while_it_goes(box):
    box.said.clear()
    box.undeploy("pump-00", "pump-01")
    shown = [event for event in box.said if isinstance(event, Started | Finished)]
    assert set(shown) == {event for name in ("pump-00", "pump-01") for event in (Started(name, "removing"), Finished(name, "removed"))}


def test_one_that_hangs_does_not_hold_the_others(box):
    def hangs(verb, name):
        if (verb, name) == ("remove", "pump-03"):
            raise RemovalUnfinished("pump-03: still being deleted: Pod/pump-03")

    box.cluster.before = hangs
    with pytest.raises(RemovalUnfinished):
        box.undeploy(*NAMES)
    assert box.ledger.names() == ["pump-03"]
    box.cluster.before = lambda verb, name: None
    assert box.undeploy("pump-03").removed == ("pump-03",)


def test_one_that_another_one_uses_is_tried_again_after_that(box):
    def used(verb, name):
        if (verb, name) == ("remove", "pump-00") and "pump-01" in box.cluster.live:
            raise ClusterRefused("CustomResourceDefinition/x is used by X/x of workload pump-01")

    box.cluster.before = used
    assert box.undeploy("pump-00", "pump-01").removed == ("pump-00", "pump-01")


def test_a_cluster_that_falls_silent_leaves_the_change_to_recovery(box):
    def silent(verb, name):
        if (verb, name) == ("remove", "pump-05"):
            raise ClusterUnreachable("no answer")

    box.cluster.before = silent
    with pytest.raises(ClusterUnreachable):
        box.undeploy(*NAMES)
    box.cluster.before = lambda verb, name: None
    assert box.interrupted
    box.undeploy(*NAMES)
    assert box.ledger.names() == []


def test_what_is_put_last_goes_first(box):
    order = []
    box.cluster.waves = lambda desired: ({"pump-00": ["operator"]}, {"pump-01": ["custom resource"]})
    box.cluster.before = lambda verb, name: order.append(name) if verb == "remove" else None
    box.undeploy("pump-00", "pump-01")
    assert order == ["pump-01", "pump-00"]
