"""The window, holds and appointments as a technician meets them: whole outputs, on a fake cluster."""

import itertools
import json
import re
import time
from dataclasses import replace
from datetime import datetime

import pytest

from kelvin_provision.agent import preemption, scheduler, turn
from kelvin_provision.agent.reconcile import observe_running
from kelvin_provision.events import Note
from kelvin_provision.ledger import history, orders
from kelvin_provision.observation import Hold
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Method
from kelvin_provision.timestamps import local
from tests.kit.box import Box

NIGHT = "2026-11-23T02:30:00Z"
NOON = "2026-11-23T12:00:00Z"


@pytest.fixture
def clock(monkeypatch):
    """The time of every ledger, in the box's own zone, which is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    told = [NOON]
    yield told
    monkeypatch.delenv("TZ")
    time.tzset()


def template(path):
    """`pump` 1.0.0 runs and 2.0.0 is staged, as is `fan` 2.0.0; whoever runs these is anna."""
    found = Box(path)
    found.clock = lambda: NOON
    found.deploy("pump")
    found.turn()
    found.command_apply("pump")
    found.deploy("pump", "fan", version="2.0.0")
    found.turn()
    found.cluster.calls.clear()
    return found


@pytest.fixture
def box(copy_of, clock):
    found = copy_of(template)
    found.clock = lambda: clock[0]
    return found


def say(box, *words, **more):
    result = box.run("workloads", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def error(result):
    return result.exit_code, json.loads(result.stdout)["error"]


def lines(box, action):
    return [(entry.workload, entry.who, entry.outcome, entry.detail) for entry in history.history(box.ledger) if entry.action == action]


def states(box):
    return {name: state for name, (state, _) in box.states().items()}


# --- the window -----------------------------------------------------------------------------------


def test_outside_the_window_an_apply_is_refused_with_the_next_opening(box, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "22:00-05:00")
    result = say(box, "apply", "-n", "pump", "--quiet")
    result.check(exit_code=75, stdout="")
    assert result.stderr == (
        "error: apply.window is 22:00-05:00: it opens at 2026-11-23 22:00+00:00\n"
        " hint: kelvin-provision workloads apply -n pump --at 22:00, or --force\n"
    )
    assert error(say(box, "apply", "-n", "pump", "--json"))[1]["code"] == "outside-window"
    assert ("put", "pump") not in box.cluster.calls
    assert box.warnings("pump") == []


def test_inside_the_window_and_with_force_it_is_applied(box, clock, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "22:00-05:00")
    assert say(box, "apply", "-n", "pump", "--force", "--quiet").stdout == "workload pump: running, pump 2.0.0, before 1.0.0\n"
    clock[0] = NIGHT
    assert say(box, "apply", "-n", "fan", "--quiet").exit_code == 0


def test_a_plan_and_the_way_back_ask_no_window_and_no_hold(box, monkeypatch):
    say(box, "apply", "-n", "pump", "--quiet")
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "22:00-05:00")
    box.cluster.holds = {"pump": Hold("drilling", "itself")}
    assert say(box, "apply", "-n", "fan", "--dry-run").exit_code == 0
    assert (
        say(box, "rollback", "-n", "pump", "--quiet").stdout
        == "workload pump: running, pump 1.0.0 (revision 1), before 2.0.0 (revision 2)\n"
    )


def test_a_window_that_never_opens_is_no_setting(box, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "02:00-02:00")
    code, found = error(say(box, "apply", "-n", "pump", "--json"))
    assert (code, found["code"]) == (78, "settings-invalid")
    assert found["evidence"] == [
        (
            "KELVIN_PROVISION_APPLY__WINDOW, apply.window: expected different start and end times in a span; for always, 00:00-24:00,"
            " got '02:00-02:00'"
        )
    ]


def test_the_agent_waits_for_the_window_and_says_so(box, clock):
    box.settings = replace(box.settings, apply=replace(box.settings.apply, window=Window.parse("22:00-05:00")))
    box.deploy("valve", method=Method.INSTANT)
    assert box.turn() is False
    assert states(box)["valve"] == "received"
    assert box.warnings("valve") == ["waits for the apply window 22:00-05:00, which opens at 2026-11-23 22:00+00:00"]
    before = box.ledger.version()
    box.turn()
    assert box.ledger.version() == before  # nothing is written while it waits: flash wears out
    clock[0] = NIGHT
    assert box.turn() is True
    assert states(box)["valve"] == "running"


def test_a_download_makes_way_when_the_window_opens(box, clock, monkeypatch):
    box.settings = replace(box.settings, apply=replace(box.settings.apply, window=Window.parse("02:00-05:00")))
    box.deploy("valve", method=Method.INSTANT)
    box.turn()
    seconds = iter(range(10, 100, 10))
    monkeypatch.setattr(preemption.time, "monotonic", lambda: next(seconds))
    halted = preemption.Preemption(turn._Turn(box.agent(), turn.Memory.of(box.ctx)), "valve")
    assert halted() is False
    clock[0] = NIGHT
    assert halted() is True


# --- holds ----------------------------------------------------------------------------------------


def test_a_person_holds_a_workload_and_lets_it_go(box, clock):
    assert say(box, "hold", "-n", "pump", "--reason", "line 3\nproduces", "--quiet").stdout == "workload pump: held, line 3 produces\n"
    clock[0] = "2026-11-23T15:00:00Z"
    result = say(box, "apply", "-n", "pump", "--quiet")
    result.check(
        exit_code=75,
        stderr=f"error: pump is held by anna since {local(NOON)}: line 3 produces (for 3 h)\n"
        " hint: kelvin-provision workloads show -n pump; --force applies it anyway\n",
    )
    assert box.warnings("pump") == [f"held by anna since {NOON}: line 3 produces"]
    assert "Held:       by anna, " in say(box, "show", "-n", "pump").stdout
    assert say(box, "release", "-n", "pump", "-n", "fan", "--quiet").stdout == (
        "workload pump: released, line 3 produces\nworkload fan: unchanged, it was not held\n"
    )
    assert say(box, "apply", "-n", "pump", "--quiet").exit_code == 0
    assert lines(box, "hold") == [("pump", "anna", "done", "line 3 produces")]
    assert lines(box, "release") == [("pump", "anna", "done", "line 3 produces")]


def test_a_hold_needs_a_reason_and_a_workload(box):
    assert error(say(box, "hold", "-n", "pump", "--reason", " ", "--json")) == (
        2,
        {"code": "usage", "message": "a hold needs a reason, for others to read", "hint": "--reason TEXT", "evidence": []},
    )
    assert say(box, "hold", "-n", "nobody", "--reason", "x").exit_code == 66


def test_a_workload_that_holds_itself_is_asked_at_the_apply(box):
    box.cluster.holds = {"pump": Hold("drilling", "Deployment/pump", "2026-11-23T11:30:00Z")}
    result = say(box, "apply", "-n", "pump", "-n", "fan", "--json")
    assert error(result)[1] == {
        "code": "held",
        "message": "pump is held by Deployment/pump since 2026-11-23T11:30:00Z: drilling (for 30 min)",
        "hint": "kelvin-provision workloads show -n pump; --force applies it anyway",
        "evidence": [],
    }
    assert ("put", "fan") not in box.cluster.calls
    assert say(box, "release", "-n", "pump", "--json").exit_code == 0
    assert json.loads(say(box, "release", "-n", "pump", "--json").stdout)["warnings"] == [
        "pump is still held by Deployment/pump since 2026-11-23T11:30:00Z: drilling"
    ]
    assert say(box, "apply", "-n", "pump", "--force", "--quiet").exit_code == 0


def test_a_hold_that_is_gone_by_now_keeps_nobody(box):
    box.cluster.holds = {"pump": Hold("drilling", "itself")}
    assert say(box, "apply", "-n", "pump").exit_code == 75
    box.cluster.holds = {}
    assert say(box, "apply", "-n", "pump", "--quiet").exit_code == 0


def test_the_agent_waits_for_a_hold_and_says_so(box):
    box.cluster.holds = {"pump": Hold("drilling", "itself")}
    box.deploy("pump", "fan", version="3.0.0", method=Method.INSTANT)
    observe_running(box.agent())
    assert box.turn() is True  # until a release, which is a change of the ledger
    assert box.warnings("fan") == ["waits until pump is released"]
    assert box.warnings("pump") == ["waits until pump is released", "held by itself: drilling"]
    assert ("put", "pump") not in box.cluster.calls
    box.cluster.holds = {}
    observe_running(box.agent())
    assert box.turn() is True
    assert states(box) == {"fan": "running", "pump": "running"}


def test_a_hold_goes_with_its_workload(box):
    say(box, "hold", "-n", "fan", "--reason", "x")
    say(box, "undeploy", "-n", "fan", "--yes")
    box.deploy("fan")
    assert box.ledger.workload("fan").holds == ()


# --- at a time ------------------------------------------------------------------------------------


def test_an_apply_is_asked_for_shown_and_done_in_time_as_one_transaction(box, clock):
    result = say(box, "apply", "-n", "pump", "-n", "fan", "--at", "2026-11-24 02:00")
    result.check(
        stdout="workload pump: accepted, will be applied at 2026-11-24 02:00+00:00\nworkload fan: accepted, will be applied at 2026-11-24 02:00+00:00\n"
    )
    assert states(box) == {"fan": "staged", "pump": "running"}
    assert re.search(r"^fan .*  staged   2\.0\.0 ready, (02:00|2026-11-24 02:00\+00:00)  -$", say(box, "list").stdout, re.MULTILINE)
    assert re.search(r"^Staged:     2\.0\.0 ready, (02:00|2026-11-24 02:00\+00:00)$", say(box, "show", "-n", "pump").stdout, re.MULTILINE)
    assert box.warnings("pump") == ["apply at 2026-11-24T02:00:00Z, requested by anna"]
    assert "Apply:      2026-11-24 02:00+00:00, requested by anna, together with fan\n" in say(box, "show", "-n", "pump").stdout
    status = box.run("agent", "status", "--json")
    assert json.loads(status.stdout)["appointed"] == [{"at": "2026-11-24T02:00:00Z", "names": ["pump", "fan"], "who": "anna", "note": ""}]
    clock[0] = "2026-11-24T01:59:59Z"
    box.turn()
    assert ("put", "pump") not in box.cluster.calls
    clock[0] = "2026-11-24T02:00:00Z"
    box.turn()
    assert states(box) == {"fan": "running", "pump": "running"}
    assert orders.pending(box.ledger) == ()
    assert lines(box, "apply --at") == [
        ("pump", "anna", "accepted", "2026-11-24T02:00:00Z"),
        ("fan", "anna", "accepted", "2026-11-24T02:00:00Z"),
        ("pump", "anna", "begun", "2026-11-24T02:00:00Z"),
        ("fan", "anna", "begun", "2026-11-24T02:00:00Z"),
    ]
    operations = box.ledger._connection.execute("SELECT count(*) FROM operations WHERE json_array_length(steps) = 2").fetchone()[0]
    assert operations == 1


def test_a_time_is_kept_through_a_restart(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    again = Box(box.settings.state_dir, like=box)
    again.clock = box.clock
    clock[0] = "2026-11-23T13:10:00Z"
    again.turn()
    assert states(again)["pump"] == "running"
    assert again.ledger.workload("pump").running.spec.app_version == "2.0.0"
    again.close()


def test_an_agent_that_has_nothing_else_to_do_looks_at_its_clock(box, clock, monkeypatch):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    asked = itertools.count()

    def stop():
        if next(asked) == 20:
            clock[0] = "2026-11-23T13:00:00Z"
        return box.ledger.workload("pump").staged is None

    box.work(stop)
    assert states(box)["pump"] == "running"


def test_an_agent_that_is_stopped_before_it_begins_leaves_it_to_the_next(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    clock[0] = "2026-11-23T13:00:00Z"
    (due,) = scheduler.due(box.agent())
    scheduler.carry_out(box.agent(stop=lambda: True), due)
    assert ("put", "pump") not in box.cluster.calls
    box.turn()
    assert states(box)["pump"] == "running"
    assert orders.pending(box.ledger) == ()


def test_a_time_that_was_slept_through_is_not_made_up_for(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    clock[0] = "2026-11-23T13:15:01Z"
    box.turn()
    assert ("put", "pump") not in box.cluster.calls
    assert states(box)["pump"] == "running"
    assert box.warnings("pump") == [
        "the apply that anna asked for at 2026-11-23T13:00:00Z was missed: the box or the agent was not up in time, or the clock was wrong"
    ]
    assert lines(box, "apply --at")[-1][1:3] == ("agent", "missed")


@pytest.mark.parametrize("clock_shows", ["1970-01-01T00:00:10Z", "2026-11-23T11:00:00Z", "2030-01-01T00:00:00Z"])
def test_a_clock_that_jumps_never_applies(box, clock, clock_shows):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    clock[0] = clock_shows
    box.turn()
    assert ("put", "pump") not in box.cluster.calls


def test_with_a_clock_in_1970_nothing_is_asked_for(box, clock):
    clock[0] = "1970-01-01T00:05:00Z"
    code, found = error(say(box, "apply", "-n", "pump", "--at", "02:00", "--json"))
    assert (code, found["code"]) == (75, "clock-behind")
    assert found["message"] == f"the clock of this box shows 1970-01-01 00:05+00:00, and pump was staged at {NOON}"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--at", "2026-11-23 11:59"), "time-refused", "--at 2026-11-23 11:59 is past: it is 2026-11-23 12:00:00+00:00 here"),
        (("--at", "soon"), "time-refused", "--at soon is no time"),
        (("--at", "13:00", "--no-wait"), "usage", "--at can be combined with --force only, and --cancel with nothing"),
        (("--at", "13:00", "--cancel"), "usage", "--at can be combined with --force only, and --cancel with nothing"),
    ],
)  # fmt: skip
def test_each_refusal_of_a_time(box, words, code, message):
    exit_code, found = error(say(box, "apply", "-n", "pump", *words, "--json"))
    assert (exit_code, found["code"], found["message"]) == (2, code, message)
    assert orders.pending(box.ledger) == ()


def test_a_time_outside_the_window_is_refused_when_it_is_asked_for(box, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "22:00-05:00")
    code, found = error(say(box, "apply", "-n", "pump", "--at", "13:00", "--json"))
    assert (code, found["message"]) == (
        75,
        "2026-11-23 13:00+00:00 cannot be the time of an apply: apply.window is 22:00-05:00: it opens at 2026-11-23 22:00+00:00",
    )
    assert say(box, "apply", "-n", "pump", "--at", "22:00").exit_code == 0
    assert say(box, "apply", "-n", "pump", "--at", "13:00", "--force").exit_code == 0


def test_what_applies_itself_is_not_asked_for(box):
    box.deploy("valve", method=Method.INSTANT)
    code, found = error(say(box, "apply", "-n", "valve", "--at", "13:00", "--json"))
    assert (code, found["message"]) == (2, "valve: applied by the agent as soon as it is ready, so a time has no effect")


def test_a_hold_is_waited_for_as_long_as_the_grace_lasts(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    box.cluster.holds = {"pump": Hold("drilling", "itself")}
    clock[0] = "2026-11-23T13:05:00Z"
    box.turn()
    assert box.warnings("pump") == ["apply at 2026-11-23T13:00:00Z, requested by anna; waits: held", "held by itself: drilling"]
    clock[0] = "2026-11-23T13:16:00Z"
    box.turn()
    assert "the apply that anna asked for at 2026-11-23T13:00:00Z was missed: held" in box.warnings("pump")


def test_what_is_not_ready_in_time_is_waited_for_too(box, clock):
    box.deploy("valve")
    assert json.loads(say(box, "apply", "-n", "valve", "--at", "13:00", "--json").stdout)["warnings"][0] == (
        "valve: not ready yet; workloads that are not ready at that time are not applied"
    )
    clock[0] = "2026-11-23T13:00:00Z"
    scheduler.expire(box.agent())
    assert orders.pending(box.ledger)[0].note == "valve not ready"
    box.turn()
    assert states(box)["valve"] == "running"


def test_a_plan_that_cannot_work_ends_it(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    box.cluster.foreign = {"pump"}
    clock[0] = "2026-11-23T13:00:00Z"
    box.turn()
    assert orders.pending(box.ledger) == ()
    assert lines(box, "apply --at")[-1] == ("pump", "agent", "failed", "2026-11-23T13:00:00Z: 1 finding, nothing was changed")
    assert Note("applying pump: 1 finding, nothing was changed") in box.said


def test_an_apply_that_does_not_come_up_is_not_tried_again(box, clock):
    say(box, "apply", "-n", "pump", "--at", "13:00")
    box.cluster.broken = {"pump": "exit code 3"}
    clock[0] = "2026-11-23T13:00:00Z"
    box.turn()
    assert orders.pending(box.ledger) == ()
    calls = box.cluster.calls.count(("put", "pump"))
    box.turn()
    assert box.cluster.calls.count(("put", "pump")) == calls == 1


def test_cancel_takes_it_back_for_all_that_were_asked_for_together(box):
    say(box, "apply", "-n", "pump", "-n", "fan", "--at", "13:00")
    assert say(box, "apply", "-n", "fan", "--cancel", "--quiet").stdout == "workload pump: cancelled\nworkload fan: cancelled\n"
    assert say(box, "apply", "-n", "fan", "--cancel", "--quiet").stdout == "workload fan: unchanged, no apply of it is scheduled\n"
    assert say(box, "apply", "--all", "--cancel").stderr == "Nothing to do.\n"
    assert states(box) == {"fan": "staged", "pump": "running"}
    assert lines(box, "apply --at")[-2:] == [
        ("pump", "anna", "cancelled", "2026-11-23T13:00:00Z"),
        ("fan", "anna", "cancelled", "2026-11-23T13:00:00Z"),
    ]


def test_a_new_time_takes_the_place_of_the_old_one_and_says_whom_it_leaves_out(box):
    say(box, "apply", "-n", "pump", "-n", "fan", "--at", "13:00")
    again = json.loads(say(box, "apply", "-n", "pump", "--at", "14:00", "--json").stdout)
    assert again["warnings"][0] == "fan was scheduled together with one of these; its apply is cancelled, too"
    assert [(one.at, one.names) for one in orders.pending(box.ledger)] == [("2026-11-23T14:00:00Z", ("pump",))]


def test_an_apply_by_hand_takes_it_back(box):
    say(box, "apply", "-n", "pump", "-n", "fan", "--at", "13:00")
    say(box, "apply", "-n", "pump")
    assert orders.pending(box.ledger) == ()
    assert lines(box, "apply --at")[-2:] == [
        ("pump", "anna", "begun", "2026-11-23T13:00:00Z"),
        ("fan", "anna", "cancelled", "2026-11-23T13:00:00Z"),
    ]


def test_a_new_deploy_takes_it_back_in_the_same_commit(box, clock):
    say(box, "apply", "-n", "pump", "-n", "fan", "--at", "13:00")
    result = say(
        box, "deploy", "--name", "pump", "--app-name", "pump", "--app-version", "3.0.0", "--staged", "--no-instantly-apply", "--json"
    )
    assert result.exit_code in {0, 65}
    box.deploy("pump", version="3.0.0")
    assert states(box)["fan"] == "staged"
    assert lines(box, "apply --at")[-1] == ("fan", "anna", "cancelled", "2026-11-23T13:00:00Z: pump changed since")
    clock[0] = "2026-11-23T13:00:00Z"
    box.turn()
    assert ("put", "pump") not in box.cluster.calls


def test_the_clock_of_a_node_is_its_ledgers(box):
    assert box.ctx.now == datetime.fromisoformat(NOON)
