"""Two boxes that could change one cluster: the one with the lease does, and only a person moves it."""

import contextlib

import pytest

from kelvin_provision.agent import turn
from kelvin_provision.errors import LeadElsewhere, ProvisionError, StateDamaged
from kelvin_provision.foreign.cluster import SanitizedCluster
from kelvin_provision.leading import identity
from kelvin_provision.leading.identity import Leader
from kelvin_provision.spec.enums import Method
from kelvin_provision.usecases import deploy
from tests.kit.box import Box

CHANGING = {"retry_stuck_pods", "release", "put", "finish", "revert", "stop", "remove", "rehearse", "end_rehearsals", "mark_nodes"}
"""Verbs of the protocol that change something on the cluster, besides taking the lease."""

READING = {
    "info", "state", "node_ports", "nodes", "places", "survey", "render", "plan", "scales", "drift", "waves", "wait", "evidence", "observe",
    "logs", "watch", "lease",
}  # fmt: skip


@pytest.fixture
def boxes(tmp_path):
    """The leader, with a workload that runs, and another box on the same cluster."""
    first = Box(tmp_path / "first")
    second = Box(tmp_path / "second")
    second.cluster = first.cluster
    identity.ensure(first.settings.state_dir)
    first.up("1.0.0", "a")
    yield first, second
    first.close()
    second.close()


def test_a_box_of_one_node_asks_for_no_lease(tmp_path):
    box = Box(tmp_path / "box")
    box.up("1.0.0", "a")
    assert not {verb for verb, _ in box.cluster.calls} & {"lease", "take_lease"}
    assert not identity.path(box.settings.state_dir).exists()
    box.close()


def test_a_leader_takes_the_lease_with_its_first_change(boxes):
    first, _ = boxes
    own = identity.read(first.settings.state_dir)
    assert first.cluster.leases[0].holder == own.holder
    assert first.cluster.leases[0].term == own.term == 1


def test_another_leader_is_refused_before_anything_is_recorded(boxes):
    first, second = boxes
    second.deploy("b")
    second.turn()
    identity.ensure(second.settings.state_dir)
    with pytest.raises(LeadElsewhere, match="this box does not lead the cluster"):
        second.command_apply("b")
    with pytest.raises(LeadElsewhere):
        deploy.deploy_accepted(second.ctx, [])
    assert second.ledger.workload("b").running is None
    assert set(first.cluster.live) == {"a"}
    first.up("2.0.0", "a")


def test_the_lead_moves_to_the_box_that_was_told_to_take_it_and_the_old_leader_changes_nothing(boxes):
    first, second = boxes
    first.deploy("a", version="2.0.0")
    first.turn()
    before = identity.read(first.settings.state_dir)
    identity.write(second.settings.state_dir, Leader(identity.new_holder(), before.term + 1, over=before.holder))
    second.up("1.0.0", "b")
    after = identity.read(second.settings.state_dir)
    assert (after.term, after.over) == (2, "")
    for change in (lambda: first.command_apply("a"), lambda: first.undeploy("a"), lambda: first.stop("a")):
        with pytest.raises(LeadElsewhere):
            change()
    assert set(first.cluster.live) == {"a", "b"}
    assert first.cluster.serving["a"] == "r.io/a:1.0.0" or "a:1.0.0" in str(first.cluster.live["a"])


def test_the_agent_of_an_old_leader_stages_and_applies_nothing_and_says_so_once(boxes):
    first, _ = boxes
    own = identity.read(first.settings.state_dir)
    first.cluster.take_lease("node-b_0123456789abcdef", over=own.holder)
    first.deploy("b", method=Method.INSTANT)
    memory = turn.Memory.of(first.agent())
    first.cluster.calls.clear()
    assert not turn.take(first.agent(), memory)
    assert not turn.take(first.agent(), memory)
    told = [event.text for event in first.said if "nothing is staged or applied here" in getattr(event, "text", "")]
    assert len(told) == 1
    assert {verb for verb, _ in first.cluster.calls} == {"lease"}
    assert first.ledger.workload("b").staged.locks is None
    first.cluster.take_lease(own.holder, over="node-b_0123456789abcdef")
    turn.take(first.agent(), memory)
    assert set(first.cluster.live) == {"a", "b"}


@pytest.mark.parametrize("at", ["plan", "wait"])
def test_a_box_that_loses_the_lead_in_the_middle_of_an_apply_changes_nothing_more(boxes, at):
    first, _ = boxes
    own = identity.read(first.settings.state_dir)
    first.deploy("a", version="2.0.0")
    first.turn()
    calls = []

    def moved(verb, workload):
        calls.append(verb)
        if verb == at:
            first.cluster.before = lambda verb, workload: calls.append(verb)
            first.cluster.take_lease("node-b_0123456789abcdef", over=own.holder)
            calls.clear()

    first.cluster.before = moved
    with contextlib.suppress(ProvisionError):
        first.command_apply("a")
    first.turn()
    assert calls
    assert not CHANGING.intersection(calls)


def test_every_verb_that_changes_something_asks_first(boxes):
    first, _ = boxes
    first.cluster.take_lease("node-b_0123456789abcdef", over=first.cluster.leases[0].holder)
    cluster, arguments = first.ctx.cluster, {"release": ({},), "mark_nodes": ({},), "end_rehearsals": ()}
    for verb in sorted(CHANGING):
        more = {"progress": print, "stop": bool} if verb == "rehearse" else {}
        extra = {"put": ((), None), "finish": ((),), "revert": ((), None), "rehearse": ((), None, None)}.get(verb, ())
        with pytest.raises(LeadElsewhere):
            getattr(cluster, verb)(*arguments.get(verb, ("a", *extra)), **more)
    reading = {name for name in vars(SanitizedCluster) if not name.startswith("_")} - CHANGING - {"take_lease"}
    assert reading == READING, "a new verb reads, or is among those that change something"


def test_a_name_in_the_lease_is_of_this_state_directory_and_a_damaged_one_is_not_guessed(tmp_path):
    one, two = identity.ensure(tmp_path / "one"), identity.ensure(tmp_path / "two")
    assert one.holder != two.holder
    assert identity.ensure(tmp_path / "one") == one
    assert identity.path(tmp_path / "one").stat().st_mode & 0o777 == 0o600
    for damage in (b"", b"{}", b'{"schema": 1, "holder": "Ab", "term": 1, "over": ""}', b"[" * 100_000):
        identity.path(tmp_path / "one").write_bytes(damage)
        with pytest.raises(StateDamaged):
            identity.read(tmp_path / "one")
