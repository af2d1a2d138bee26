"""Which staged versions an apply takes: a table, and what the commands say of it."""

import json
from datetime import timedelta

import pytest

from kelvin_provision import timestamps
from kelvin_provision.applying.selection import select
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import ApplyFailed, RegistryUnreachable, StagingFailed, VersionRefused
from kelvin_provision.events import Note
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.ledger.staging_state import Ready
from kelvin_provision.spec.enums import Download
from kelvin_provision.usecases.schedule import ScheduleRequest, schedule
from tests.kit.box import Box
from tests.kit.staging import reach

READY, LOADING = (Download.READY, None, False), (Download.DOWNLOADING, None, False)
GONE = (Download.FAILED, "r.io/x:1: not found", True)
DOWN = (Download.READY, "version 1.0.0 was not applied: it crashed", True)
NOT_APPLIED = (Download.READY, "version 1.0.0 was not applied: 1 finding", False)
LEFT_GONE = "x: version 1.0.0 cannot be staged: r.io/x:1: not found"
LEFT_DOWN = "x: version 1.0.0 was not applied: it crashed; `workloads apply -n x` tries it"
TRIED = "the cluster would refuse this version: Job/x: no [invalid-object]"
LEFT_REFUSED = f"x: {TRIED}; `workloads apply -n x` tries it"

TABLE = [
    # state of x, the call; whether x is applied, why it is left out (beside `ready`, which is ready)
    (READY, {"everything": True}, True, ()),
    (LOADING, {"everything": True}, True, ()),  # and then refused: still downloading
    (NOT_APPLIED, {"everything": True}, True, ()),
    (TRIED, {"everything": True}, False, (LEFT_REFUSED,)),
    (TRIED, {"everything": True, "retry_failed": True}, False, (LEFT_REFUSED,)),
    (TRIED, {"everything": False}, True, ()),
    (GONE, {"everything": True}, False, (LEFT_GONE,)),
    (GONE, {"everything": True, "retry_failed": True}, False, (LEFT_GONE,)),
    (DOWN, {"everything": True}, False, (LEFT_DOWN,)),
    (DOWN, {"everything": True, "retry_failed": True}, True, ()),
    (READY, {"everything": False}, True, ()),
    (LOADING, {"everything": False}, True, ()),
    (DOWN, {"everything": False}, True, ()),
]


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def staged(box, name, state):
    (revision,) = box.deploy(name)
    if state == TRIED:
        box.ledger.advance(revision, Ready("Job/x: no [invalid-object]"))
        return
    download, failure, blocked = state
    reach(box.ledger, revision, download, failure, blocked=blocked)


@pytest.mark.parametrize(("state", "call", "taken", "left_out"), TABLE)
def test_what_is_taken_and_why_not(box, state, call, taken, left_out):
    staged(box, "ready", READY)
    staged(box, "x", state)
    selection = select(box.ledger.workloads(), **call)
    assert [workload.name for workload in selection.workloads] == (["ready", "x"] if taken else ["ready"])
    assert selection.left_out == left_out


def test_a_named_version_that_cannot_be_staged_is_a_failure(box):
    staged(box, "ready", READY)
    staged(box, "x", GONE)
    with pytest.raises(StagingFailed, match=f"^{LEFT_GONE}; nothing was changed$"):
        select(box.ledger.workloads(), everything=False)


@pytest.mark.parametrize(("state", "error"), [(GONE, StagingFailed), (DOWN, ApplyFailed), (TRIED, VersionRefused)])
def test_nothing_but_failed_versions_is_a_failure(box, state, error):
    staged(box, "x", state)
    with pytest.raises(error, match=r"; nothing was changed$"):
        select(box.ledger.workloads(), everything=True)


def test_a_failed_staging_does_not_block_the_others(box):
    box.deploy("pump")
    box.turn()
    staged(box, "x", GONE)
    result = box.run("workloads", "apply", "--all", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert [(item["name"], item["outcome"]) for item in document["items"]] == [("pump", "running")]
    assert document["warnings"] == [f"left out: {LEFT_GONE}"]
    calls = list(box.cluster.calls)
    for words in (("--all",), ("-n", "x"), ("--all", "--dry-run"), ("--all", "--retry-failed")):
        box.run("workloads", "apply", *words).check(
            exit_code=1,
            stdout="",
            stderr=f"error: {LEFT_GONE}; nothing was changed\n hint: fix what the message names, then deploy again\n",
        )
    assert [call for call in box.cluster.calls[len(calls) :] if call[0] == "put"] == []


def test_what_still_downloads_touches_nothing(box):
    staged(box, "x", LOADING)
    staged(box, "y", GONE)
    box.deploy("pump")
    box.turn(stop=lambda: True)
    reach(box.ledger, box.ledger.workload("pump").staged, Download.READY)
    result = box.run("workloads", "apply", "--all")
    assert (result.exit_code, "x is not ready (downloading" in result.stderr) == (75, True)
    assert box.cluster.calls == []


def test_what_did_not_come_up_is_left_out_until_it_is_asked_for(box):
    box.deploy("pump")
    box.turn()
    box.cluster.broken = {"pump": "it crashed"}
    assert box.run("workloads", "apply", "--all").exit_code == 1
    assert box.states() == {"pump": ("staged", "failed")}
    box.run("workloads", "apply", "--all").check(
        exit_code=1,
        stdout="",
        stderr="error: pump: version 1.0.0 was not applied: pump: it crashed; nothing was changed\n"
        " hint: kelvin-provision workloads apply --all --retry-failed\n",
    )
    box.cluster.broken = {}
    assert box.run("workloads", "apply", "--all", "--retry-failed").exit_code == 0
    assert box.states() == {"pump": ("running", None)}


def test_retry_failed_needs_all(box):
    assert box.run("workloads", "apply", "-n", "x", "--retry-failed").exit_code == 2
    assert box.run("workloads", "apply", "--all", "--retry-failed", "--at", "02:00").exit_code == 2


def ordered(box, *names):
    """An apply for a moment that has come by the next turn, of these or of everything."""
    request = ScheduleRequest(box.ctx.now + timedelta(seconds=60), names)
    result = schedule(box.ctx, request)
    box.clock = lambda: timestamps.rfc3339(request.at)
    return result


def test_an_order_for_everything_leaves_out_what_fails_after_it_was_placed(box):
    box.deploy("pump", "x")
    assert ordered(box).names == ("pump", "x")
    del box.source.images["r.io/x:1.0.0"]
    box.turn()
    assert box.states() == {"pump": ("running", None), "x": ("staged", "failed")}
    (order,) = orders.recent(box.ledger)
    assert (order.outcome, order.note) == (Outcome.DONE, "failed or refused, so left out: x")
    reason = "x: version 1.0.0 cannot be staged: r.io/x:1.0.0: not found"
    assert Note(f"applying pump, x: left out: {reason}") in box.said
    lines = {line.workload: line.outcome for line in history.history(box.ledger) if line.action == "apply --at"}
    assert lines == {"pump": "begun", "x": "left out"}


def test_an_order_that_names_what_fails_ends_at_once_with_the_reason(box):
    box.deploy("pump", "x")
    ordered(box, "pump", "x")
    del box.source.images["r.io/x:1.0.0"]
    box.turn()
    (order,) = orders.recent(box.ledger)
    assert (order.outcome, order.note) == (
        Outcome.FAILED,
        "x: version 1.0.0 cannot be staged: r.io/x:1.0.0: not found; nothing was changed",
    )
    assert {verb for verb, *_ in box.cluster.calls} <= {"plan"}  # the dry run at the end of staging


def test_an_order_waits_for_what_still_downloads(box):
    box.deploy("pump", "x")
    ordered(box)
    box.source.down = RegistryUnreachable("no route to host")
    box.turn()
    box.turn()
    (order,) = orders.recent(box.ledger)
    assert (order.pending, order.note) == (True, "pump, x not ready")


def test_a_failure_of_both_kinds_names_all(box):
    staged(box, "x", GONE)
    staged(box, "y", DOWN)
    with pytest.raises(StagingFailed, match=f"^{LEFT_GONE}; y: {DOWN[1]}; nothing was changed$"):
        select(box.ledger.workloads(), everything=True)


def test_at_leaves_out_what_has_failed_already(box):
    staged(box, "x", GONE)
    with pytest.raises(StagingFailed):
        ordered(box)
    box.deploy("pump")
    result = ordered(box)
    assert (result.names, result.warnings[0]) == (("pump",), f"left out: {LEFT_GONE}")


def refused_by_the_cluster(box, *names):
    box.cluster.findings = [Finding("invalid-object", name, f"Job/{name}", "no") for name in names]


def test_what_the_cluster_would_refuse_does_not_hinder_the_others(box):
    refused_by_the_cluster(box, "x")
    box.deploy("pump", "x")
    box.turn()
    refused_by_the_cluster(box)  # the plan of the rest is accepted
    for words in (("--dry-run",), ("--retry-failed", "--dry-run"), ()):
        result = box.run("workloads", "apply", "--all", *words, "--json")
        assert (result.exit_code, json.loads(result.stdout)["warnings"]) == (0, [f"left out: {LEFT_REFUSED}"])
    assert box.states() == {"pump": ("running", None), "x": ("staged", "failed")}


def test_nothing_but_refused_versions_is_said_with_the_commands_that_help(box):
    refused_by_the_cluster(box, "x", "y")
    box.deploy("x", "y")
    box.turn()
    text = f"{LEFT_REFUSED.partition(';')[0]}; y: {TRIED.replace('/x', '/y')}; nothing was changed"
    hint = "deploy a corrected version; if the cluster has been corrected: kelvin-provision workloads apply -n x -n y"
    for words in (("--all",), ("--all", "--dry-run"), ("--all", "--at", "02:00")):
        box.run("workloads", "apply", *words).check(exit_code=1, stdout="", stderr=f"error: {text}\n hint: {hint}\n")
    assert {verb for verb, *_ in box.cluster.calls} == {"plan"}


def test_a_refused_version_is_left_out_until_an_apply_that_names_it_is_accepted(box):
    refused_by_the_cluster(box, "x")
    box.deploy("x")
    box.turn()
    assert box.run("workloads", "apply", "-n", "x").exit_code == 65
    assert box.warnings("x") == ["version 1.0.0 was not applied: 1 finding, nothing was changed", TRIED]
    assert box.run("workloads", "apply", "--all").exit_code == 1
    refused_by_the_cluster(box)
    box.cluster.unreachable = True
    assert box.run("workloads", "apply", "-n", "x").exit_code == 69
    assert box.run("workloads", "apply", "--all").exit_code == 1
    box.cluster.unreachable = False
    box.cluster.broken = {"x": "it crashed"}
    assert box.run("workloads", "apply", "-n", "x").exit_code == 1
    assert box.warnings("x") == ["version 1.0.0 was not applied: x: it crashed"]
    box.cluster.broken = {}
    assert box.run("workloads", "apply", "--all", "--retry-failed").exit_code == 0
    assert box.states() == {"x": ("running", None)}


def test_an_order_for_everything_leaves_out_what_the_cluster_would_refuse_by_then(box):
    box.deploy("pump", "x")
    ordered(box)
    box.clock, later = lambda: "2026-01-01T00:00:00Z", box.clock
    refused_by_the_cluster(box, "x")
    box.turn()
    assert box.states() == {"pump": ("staged", "ready"), "x": ("staged", "failed")}
    refused_by_the_cluster(box)
    box.clock = later
    box.turn()
    assert box.states() == {"pump": ("running", None), "x": ("staged", "failed")}
    (order,) = orders.recent(box.ledger)
    assert (order.outcome, order.note) == (Outcome.DONE, "failed or refused, so left out: x")
    assert Note(f"applying pump, x: left out: {LEFT_REFUSED}") in box.said
