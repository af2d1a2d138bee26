"""Where the images of a version are needed, who has them, and when it is ready: a leader with members that report."""

from dataclasses import replace

import pytest

from kelvin_provision.agent import turn
from kelvin_provision.agent.staging import delta_mode
from kelvin_provision.applying.selection import appliable
from kelvin_provision.checks import before_apply
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.nodes import Place
from kelvin_provision.errors import ClusterUnreachable
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes import membership, places, reading, reports
from kelvin_provision.ledger.nodes.model import NodeImageState, PlaceRow
from kelvin_provision.ledger.staging_state import Ready, Spread, StagingState, Tried, transition
from kelvin_provision.nodes.protocol import LEADER
from kelvin_provision.nodes.serving import documents as serving_documents
from kelvin_provision.nodes.serving.documents import Documents
from kelvin_provision.nodes.wanting import site, wanted_by
from kelvin_provision.nodes.where.needs import needs
from kelvin_provision.nodes.where.placement import Placed
from kelvin_provision.nodes.where.standing import NOWHERE, NodeView, judge
from kelvin_provision.queries.items import item_of
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.refs import Platform
from kelvin_provision.serving.messages import Refused
from kelvin_provision.settings.model import NodesSettings, StagingSettings
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.enums import Download
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe, describe_with_name
from tests.kit.images import random_image
from tests.kit.leader import Leader, cluster_node
from tests.kit.locks import lock_of

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
SINCE = "2026-11-28T14:02:00Z"

# --- pure -----------------------------------------------------------------------------------------

PUMP, SIDE = (lock_of(random_image([100]), f"r.io/{name}:1") for name in ("pump", "side"))


def test_each_node_needs_the_images_of_the_pods_that_it_may_run():
    found = [Place("w", "Deployment/w", (PUMP.pinned_reference,), ("a", "b", "stranger"), "m-1")]
    site = {"a": AMD64, "b": AMD64, "c": AMD64}
    assert needs([PUMP], found, site) == {PlaceRow("a", PUMP.name, "m-1"), PlaceRow("b", PUMP.name, "m-1")}


def test_an_image_that_no_container_names_is_needed_everywhere():
    found = [Place("w", "Deployment/w", (PUMP.pinned_reference,), ("a",), "m-1")]
    assert needs([PUMP, SIDE], found, {"a": AMD64, "b": AMD64}) == {
        PlaceRow("a", PUMP.name, "m-1"), PlaceRow("a", SIDE.name), PlaceRow("b", SIDE.name),
    }  # fmt: skip


HAS = frozenset({"x", "y"})
ALL = [PlaceRow(node, image) for node in "abc" for image in "xy"]


def views(**others):
    return {name: others.get(name, NodeView(name, HAS)) for name in "abc"}


AWAY = NodeView("b", frozenset("x"), away=SINCE)
FULL = NodeView("c", frozenset(), {"y": "no space left"})
LATE = NodeView("c", frozenset("x"))


@pytest.mark.parametrize(
    ("others", "policy", "ready", "detail"),
    [
        ({}, "all", True, None),
        ({"b": AWAY}, "all", False, f"2/3, b away since {SINCE}"),
        ({"b": AWAY}, "available", True, f"2/3, b away since {SINCE}"),
        ({"b": AWAY, "c": LATE}, "available", False, f"1/3, b away since {SINCE}; c is downloading"),
        ({"b": AWAY, "c": FULL}, 1, True, f"1/3, b away since {SINCE}; c: no space left"),
        ({"b": AWAY, "c": FULL}, 2, False, f"1/3, b away since {SINCE}; c: no space left"),
        ({"b": AWAY._replace(draining=True)}, "all", True, None),
        ({"b": AWAY._replace(images=HAS)}, "all", True, None),
        ({}, 9, True, None),
        (
            {name: NodeView(name, away=SINCE) for name in "abc"},
            "available",
            False,
            "0/3, " + "; ".join(f"{n} away since {SINCE}" for n in "abc"),
        ),
    ],
)
def test_how_many_nodes_must_have_it(others, policy, ready, detail):
    standing = judge(ALL, views(**others), policy)
    assert standing.ready is ready
    assert (standing.reason.detail if standing.reason else None) == detail


def test_what_may_run_nowhere_is_not_ready_and_says_so():
    standing = judge([PlaceRow("stranger", "x")], views(), "all")
    assert (standing.ready, standing.reason) == (False, WaitReason(WaitKind.NODES, NOWHERE))


def test_the_reason_is_told_in_local_time_and_stays_the_same_in_the_ledger():
    reason = WaitReason(WaitKind.NODES, "1/3, node-b away since 2026-01-02T14:02:00Z; c: no space, 310 MiB free; d")
    text = describe(reason)
    assert text.startswith("ready 1/3, node-b away since 2026-01-0")
    assert text.endswith("; c: no space, 310 MiB free; d")
    assert "T14" not in text
    assert describe_with_name("pump", reason) == f"pump: {text}"
    assert not reason.is_retry
    assert describe(WaitReason(WaitKind.NODES, "1/2, b away since 2026-99-99T99:99:99Z")) == "ready 1/2, b away since 2026-99-99T99:99:99Z"


def test_what_other_nodes_lack_is_said_of_a_ready_version_and_hides_nothing():
    lacking = WaitReason(WaitKind.NODES, "1/2, b is downloading")
    ready = transition(StagingState(Download.DOWNLOADING), Ready(nodes=lacking))
    assert ready == StagingState(Download.READY, waiting=lacking)
    assert transition(ready, Tried("")) == ready
    assert transition(ready, Spread(None)) == StagingState(Download.READY)
    refused = transition(ready, Tried("no such kind"))
    assert refused.refused
    assert transition(refused, Spread(lacking)) == refused
    downloading = StagingState(Download.DOWNLOADING)
    assert transition(downloading, Spread(lacking)) == downloading


# --- a leader -------------------------------------------------------------------------------------


@pytest.fixture
def leader(tmp_path):
    made = Leader(tmp_path / "state")
    yield made
    made.close()


def test_a_box_that_leads_no_others_asks_the_cluster_nothing_new(tmp_path):
    box = Leader(tmp_path / "state", nodes=NodesSettings())
    box.deploy("pump")
    box.turn()
    assert appliable(box.staged("pump"))
    assert not {verb for verb, _ in box.cluster.calls} & {"nodes", "places", "mark_nodes"}
    assert told(box) == []
    box.close()


def test_a_leader_without_members_yet_is_a_node_of_its_own(leader):
    leader.deploy("pump")
    leader.turn()
    assert (appliable(leader.staged("pump")), leader.staged("pump").cause) == (True, None)
    assert told(leader) == [("ok", "pump: on its node")]


def test_a_version_is_ready_when_each_node_that_may_run_it_has_said_so(leader):
    leader.join("node-b", "node-c")
    leader.deploy("pump")
    leader.turn()
    (image,) = leader.images("pump")
    assert places.images_of(leader.ledger, "node-b") == {image}
    assert not appliable(leader.staged("pump"))
    assert item_of(leader.ledger.workload("pump")).staged.status.warnings == ("ready 1/3, node-b is downloading; node-c is downloading",)
    leader.report("node-b", image)
    leader.turn()
    assert leader.staged("pump").cause == "ready 2/3, node-c is downloading"
    assert leader.cluster.marks == {name: {leader.mark("pump")} for name in ("fake-node", "node-b")}
    leader.report("node-c", image, state=NodeImageState.FAILED, why="no space left")
    leader.turn()
    assert leader.staged("pump").cause == "ready 2/3, node-c: no space left"
    leader.report("node-c", image)
    leader.turn()
    assert (appliable(leader.staged("pump")), leader.staged("pump").cause) == (True, None)
    assert set(leader.cluster.marks) == {"fake-node", "node-b", "node-c"}


def test_a_node_that_is_away_is_waited_for_or_named(leader):
    leader.join("node-b")
    leader.deploy("pump")
    leader.turn()
    reports.silent(leader.ledger, ["node-b"], SINCE)
    leader.turn()
    assert not appliable(leader.staged("pump"))
    assert "node-b away since" in leader.staged("pump").cause
    assert overview(leader.ctx, OverviewRequest()).percents == {}, "99% would say that the end is near"
    assert "is not ready (downloading): ready 1/2, node-b away" in leader.run("workloads", "apply", "pump").check(exit_code=75).stderr
    leader.settings = replace(leader.settings, staging=StagingSettings(nodes="available"))
    leader._connections = None
    leader.turn()
    assert appliable(leader.staged("pump"))
    assert leader.staged("pump").waiting == WaitReason(WaitKind.NODES, f"1/2, node-b away since {SINCE}")
    leader.report("node-b", *leader.images("pump"))
    leader.turn()
    assert leader.staged("pump").cause is None


def test_a_version_needs_only_the_nodes_that_may_run_it(leader):
    leader.join("node-b", "node-c")
    leader.cluster.placing["pump"] = ("node-b",)
    leader.deploy("pump")
    leader.turn()
    assert [places.images_of(leader.ledger, name) for name in ("fake-node", "node-c")] == [frozenset(), frozenset()]
    assert leader.staged("pump").cause == "ready 0/1, node-b is downloading"
    leader.report("node-b", *leader.images("pump"))
    leader.turn()
    assert appliable(leader.staged("pump"))
    assert set(leader.cluster.marks) == {"node-b"}


def test_a_member_shall_have_what_it_may_run_and_everything_before_the_cluster_knows_it(leader):
    leader.join("node-b", "node-c")
    leader.cluster.placing["pump"] = ("node-b",)
    leader.deploy("pump", "fan")
    leader.turn()
    pump, fan = leader.images("pump") + leader.images("fan")
    by_name = {member.name: member for member in reading.nodes(leader.ledger)}
    shall = {
        name: {lock.name for lock in Placed().images(leader.ledger, member, leader.ledger.kept_locks())} for name, member in by_name.items()
    }
    assert shall == {"node-b": {pump, fan}, "node-c": {fan}}
    assert len(list(Placed().images(leader.ledger, replace(by_name["node-c"], cluster_node=""), leader.ledger.kept_locks()))) == 2
    assert list(Placed().images(leader.ledger, replace(by_name["node-b"], platform=ARM64), leader.ledger.kept_locks())) == []


def test_what_is_kept_is_read_once_for_all_members_and_reports_are_no_news_to_them(leader, monkeypatch):
    names = ("node-b", "node-c", "node-d")
    leader.join(*names)
    leader.deploy("pump")
    leader.turn()
    readings, kept_locks = [], Ledger.kept_locks
    monkeypatch.setattr(Ledger, "kept_locks", lambda *words, **more: readings.append(words) or kept_locks(*words, **more))
    documents = Documents(leader.ctx, Placed())
    made = {name: documents.known(name) for name in names}
    assert len(readings) == 1
    (image,) = leader.images("pump")
    leader.report("node-b", image)
    assert all(documents.known(name) is made[name] for name in names)
    assert documents.newest("node-c").images[0].sources == ("node-b", LEADER), "what is sent has the sources of this moment"
    assert len(readings) == 2
    leader.deploy("fan")
    leader.turn()
    assert documents.state() != made["node-b"].state
    assert all(len(documents.known(name).document.images) == 2 for name in names)
    membership.drain(leader.ledger, "node-d", draining=True, actor="anna")
    assert documents.known("node-d").document.draining
    membership.remove(leader.ledger, "node-d", actor="anna")
    with pytest.raises(Refused):
        documents.known("node-d")
    assert set(documents._made) <= {"node-b", "node-c"}


def test_a_document_that_is_sent_is_made_once(leader, monkeypatch):
    leader.join("node-b")
    leader.deploy("pump")
    leader.turn()
    made = []
    monkeypatch.setattr(serving_documents, "wanted_by", lambda *words: made.append(words) or wanted_by(*words))
    documents = Documents(leader.ctx, Placed())
    assert documents.newest("node-b") is documents.known("node-b").document
    assert len(made) == 1


def test_a_member_loses_nothing_by_a_row_of_the_ledger_that_cannot_be_read(leader):
    leader.join("node-b")
    leader.deploy("pump", "fan")
    leader.turn()
    member = reading.node(leader.ledger, "node-b")

    def told():
        return wanted_by(leader.ledger, member, site(leader.ledger), leader.settings.nodes, Placed())

    assert (len(told().images), told().keep) == (2, False)
    with leader.ledger.writing() as db:
        db.execute("UPDATE revisions SET locks = '[{' WHERE workload = 'fan'")
    assert (len(told().images), told().keep) == (1, True)


def test_a_new_node_gets_what_is_staged_and_what_runs_before_it_is_used(leader):
    leader.join("node-b")
    leader.deploy("pump")
    leader.turn()
    leader.report("node-b", *leader.images("pump"))
    leader.turn()
    apply(leader.ctx, ApplyRequest(("pump",)))
    leader.deploy("pump", version="2.0.0")
    leader.turn()
    leader.report("node-b", *leader.images("pump"), leader.ledger.workload("pump").running.locks[0].name)
    leader.turn()
    leader.join("node-c")
    leader.turn()
    both = {leader.images("pump")[0], leader.ledger.workload("pump").running.locks[0].name}
    assert places.images_of(leader.ledger, "node-c") == both
    assert "node-c" not in leader.cluster.marks
    assert appliable(leader.staged("pump")), "what was ready stays so"
    assert leader.staged("pump").cause == "ready 2/3, node-c is downloading"
    leader.report("node-c", *both)
    leader.turn()
    assert len(leader.cluster.marks["node-c"]) == 2


def test_a_node_loses_its_mark_with_its_image_and_when_it_is_removed(leader):
    leader.join("node-b", "node-c")
    leader.deploy("pump")
    leader.turn()
    for name in ("node-b", "node-c"):
        leader.report(name, *leader.images("pump"))
    leader.turn()
    leader.report("node-b")
    membership.remove(leader.ledger, "node-c", actor="anna")
    leader.turn()
    assert set(leader.cluster.marks) == {"fake-node"}


def test_a_mark_that_another_program_changed_is_set_again_and_those_of_other_boxes_cost_nothing(leader):
    leader.deploy("pump")
    memory = turn.Memory.of(leader.agent())
    turn.take(leader.agent(), memory)
    turn.take(leader.agent(), memory)
    (ours,) = leader.cluster.site
    leader.cluster.site = (ours._replace(labels={**ours.labels, f"{MARK}0000": "line-2"}),)
    before = leader.cluster.calls.count(("mark_nodes", ""))
    turn.take(leader.agent(), memory)
    assert leader.cluster.calls.count(("mark_nodes", "")) == before
    leader.cluster.marks = {}
    turn.take(leader.agent(), memory)
    assert leader.cluster.marks == {"fake-node": {leader.mark("pump")}}


def test_a_change_of_the_nodes_places_all_versions_again_and_nothing_else_does(leader):
    leader.join("node-b")
    leader.deploy("pump")
    memory = turn.Memory.of(leader.agent())
    turn.take(leader.agent(), memory)
    leader.report("node-b", *leader.images("pump"))
    turn.take(leader.agent(), memory)
    before = leader.cluster.calls.count(("places", "pump/1"))
    turn.take(leader.agent(), memory)
    assert leader.cluster.calls.count(("places", "pump/1")) == before
    leader.cluster.site = (leader.cluster.site[0], cluster_node("node-b", zone="2"))
    leader.cluster.placing["pump"] = ("fake-node",)
    turn.take(leader.agent(), memory)
    assert places.images_of(leader.ledger, "node-b") == frozenset()


def test_a_cluster_that_does_not_answer_leaves_all_as_it_is(leader):
    leader.join("node-b")
    leader.deploy("pump")
    leader.turn()

    def silent(verb, _workload):
        if verb in {"nodes", "places"}:
            raise ClusterUnreachable("no answer")

    leader.cluster.before = silent
    leader.report("node-b", *leader.images("pump"))
    leader.turn()
    assert leader.staged("pump").waiting.kind is WaitKind.CLUSTER_UNREACHABLE
    leader.cluster.before = lambda _verb, _workload: None
    leader.turn()
    assert appliable(leader.staged("pump"))


def test_a_leader_downloads_layers_as_they_are_published(leader):
    assert delta_mode(leader.ctx) is DeltaMode.AUTO
    leader.join("node-b")
    assert delta_mode(leader.ctx) is DeltaMode.OFF


# --- what check says ------------------------------------------------------------------------------


def told(leader):
    return [(each.status, each.text) for each in before_apply.run(leader.ctx, leader.ledger.workloads()) if each.id == "nodes"]


def test_check_names_the_nodes_that_lack_images(leader):
    leader.join("node-b")
    leader.deploy("pump")
    leader.turn()
    assert told(leader) == [("error", "ready 1/2, node-b is downloading")]
    leader.report("node-b", *leader.images("pump"))
    leader.turn()
    assert told(leader) == [("ok", "pump: on all 2 nodes that may run it")]
    leader.join("node-c")
    leader.settings = replace(leader.settings, staging=StagingSettings(nodes=1))
    leader._connections = None
    leader.turn()
    assert told(leader) == [("warning", "ready 2/3, node-c is downloading; its pods are kept to the others")]
