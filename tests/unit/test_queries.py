"""Queries on a box in this process: typed results, one source of events, and nothing of a command line."""

import subprocess
import sys
from dataclasses import replace

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import Interrupted, NotReady, UsageRefused, WaitFailed
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.ledger.staging_state import Ready, Waiting
from kelvin_provision.queries.agent import agent
from kelvin_provision.queries.changes import looks, watch
from kelvin_provision.queries.explaining.explain import explain, words
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.queries.listing import Query
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.queries.workload import WorkloadRequest, workload
from kelvin_provision.spec.enums import Method, State
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import Box

IMPORTS = """
import importlib, pkgutil, sys
import kelvin_provision.queries as queries
for module in pkgutil.iter_modules(queries.__path__):
    importlib.import_module(f"kelvin_provision.queries.{module.name}")
print(sorted(name for name in sys.modules if name.partition(".")[0] in {"typer", "rich", "click"} or name.startswith("kelvin_provision.cli")))
"""


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path)
    yield opened
    opened.close()


def test_importing_them_all_imports_nothing_of_a_command_line():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- one source of events -------------------------------------------------------------------------


def test_a_look_reads_the_ledger_only_when_it_has_changed(box):
    box.deploy("pump", "fan")
    source = looks(box.ctx, ["pump", "nobody"])
    first, second = next(source), next(source)
    assert (list(first.workloads), first.changed, second.changed) == (["pump"], True, False)
    assert second.workloads is first.workloads
    box.deploy("nobody")
    third = next(source)
    assert (list(third.workloads), third.changed) == (["nobody", "pump"], True)
    assert list(next(looks(box.ctx)).workloads) == ["fan", "nobody", "pump"]


def test_looks_end_with_a_last_one_at_the_deadline(box):
    assert len(list(looks(box.ctx, timeout=0))) == 1
    assert len(list(looks(box.ctx, interval=60.0, timeout=0.02))) == 2


def test_looks_end_when_it_is_to_stop(box):
    answers = iter([False, True])
    assert len(list(looks(replace(box.ctx, stop=lambda: next(answers)), interval=0.001))) == 2
    assert len(list(looks(replace(box.ctx, stop=lambda: True), interval=60.0))) == 1


def test_watching_begins_with_what_there_is_and_goes_on_with_what_changes(box):
    (pump,) = box.deploy("pump")
    source = watch(box.ctx, OverviewRequest(Query(staged=True)))
    first = next(source)
    assert [(change.name, change.before, change.after) for change in first.changes] == [("pump", None, "received")]
    assert next(source).changes == ()
    box.ledger.advance(pump, Ready())
    (change,) = next(source).changes
    assert (change.before, change.after, change.item.staged.ready) == ("received", "ready", True)
    box.undeploy("pump", staged=True)
    (change,) = next(source).changes
    assert (change.before, change.after, change.item) == ("ready", None, None)


# --- following a deploy ---------------------------------------------------------------------------


def following(box, *revisions, **more):
    return follow(box.ctx, FollowRequest(revisions, timeout=5.0), **more)


def test_following_ends_when_each_is_ready_or_runs(box):
    (pump,) = box.deploy("pump")
    (fan,) = box.deploy("fan", method=Method.INSTANT)
    assert following(box, pump, fan, each_look=box.turn) == {"pump": "ready", "fan": "running"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda box: box.deploy("pump", version="2.0.0"), "pump: version 1.0.0 was replaced by version 2.0.0"),
        (lambda box: box.undeploy("pump"), "pump: version 1.0.0 was removed"),
    ],
)
def test_what_was_replaced_or_removed_is_no_success(box, change, message):
    (pump,) = box.deploy("pump")
    with pytest.raises(WaitFailed) as caught:
        following(box, pump, each_look=lambda: change(box))
    assert (str(caught.value), caught.value.exit_code) == (message, 1)
    assert shell_line(caught.value.hint) == "kelvin-provision workloads history -n pump"


def test_following_ends_with_its_time_and_with_a_signal_and_the_work_goes_on(box):
    (pump,) = box.deploy("pump")
    with pytest.raises(NotReady, match=r"^pump: not done yet; the agent continues in the background$"):
        follow(box.ctx, FollowRequest((pump,), timeout=0.02))
    with pytest.raises(Interrupted, match=r"^stopped by a signal; the agent continues the download$"):
        follow(replace(box.ctx, stop=lambda: True), FollowRequest((pump,)))


# --- lists ----------------------------------------------------------------------------------------


def test_an_overview_knows_whether_there_is_work_and_nobody_to_do_it(box):
    assert (overview(box.ctx, OverviewRequest()).unused, overview(box.ctx, OverviewRequest()).unattended) == (True, False)
    box.deploy("pump")
    found = overview(box.ctx, OverviewRequest())
    assert (found.unused, found.unattended, [item.name for item in found.page.items]) == (False, True, ["pump"])
    box.undeploy("pump")
    assert overview(box.ctx, OverviewRequest()).unused is False


# --- evidence -------------------------------------------------------------------------------------


def fail(box, name="pump", lines=("pump-0: exit code 3", "panic: no pump"), time="2026-11-23T02:00:00Z"):
    entry = Entry(time, "anna", "apply", name, None, "undone", "pump: exit code 3", version="2.0.0", evidence=tuple(lines))
    history.record(box.ledger, entry)


def test_the_last_failure_of_a_workload_comes_with_its_evidence(box):
    box.deploy("pump", "fan")
    fail(box)
    found = workload(box.ctx, WorkloadRequest("pump"))
    assert (found.last_failure.evidence, found.recovered) == (("pump-0: exit code 3", "panic: no pump"), False)
    assert found.to_json()["last_failure"] == {
        "time": "2026-11-23T02:00:00Z",
        "who": "anna",
        "action": "apply",
        "workload": "pump",
        "revision": None,
        "outcome": "undone",
        "detail": "pump: exit code 3",
        "version": "2.0.0",
        "digest": "",
        "evidence": ("pump-0: exit code 3", "panic: no pump"),
    }
    assert workload(box.ctx, WorkloadRequest("fan")).last_failure is None


def test_a_later_success_makes_it_a_thing_of_the_past(box):
    box.deploy("pump")
    fail(box)
    box.turn()
    box.command_apply("pump")
    found = workload(box.ctx, WorkloadRequest("pump"))
    assert (found.last_failure.outcome, found.recovered) == ("undone", True)


# --- the agent ------------------------------------------------------------------------------------


def test_the_agents_status_has_orders_of_every_verb_and_those_with_a_time_also_as_appointed(box):
    box.deploy("pump")
    orders.place(box.ledger, orders.apply_of([box.ledger.workload("pump")], actor="anna", at="2026-11-24T02:00:00Z", key="once"))
    document = agent(box.ctx).to_json()
    (order,) = document["orders"]
    asked = order.pop("asked")
    assert asked.endswith("Z")
    assert order == {
        "id": 1,
        "code": "1-YHX",
        "verb": "apply",
        "names": ["pump"],
        "actor": "anna",
        "at": "2026-11-24T02:00:00Z",
        "begun": None,
        "ended": None,
        "outcome": None,
        "note": "",
    }
    assert document["appointed"] == [{"at": "2026-11-24T02:00:00Z", "names": ["pump"], "who": "anna", "note": ""}]
    orders.end(box.ledger, orders.pending(box.ledger)[0], Outcome.CANCELLED, actor="anna")
    assert agent(box.ctx).to_json()["orders"] == []


def test_what_the_agent_waits_for_is_data_until_it_is_shown(box):
    (pump,) = box.deploy("pump", method=Method.INSTANT)
    box.ledger.advance(pump, Ready())
    box.ledger.advance(pump, Waiting(WaitReason(WaitKind.APPLY_WINDOW, "22:00-05:00", "2026-11-23T22:00:00Z")))
    (revision,) = agent(box.ctx).waiting
    assert revision.waiting.kind is WaitKind.APPLY_WINDOW


# --- explanations ---------------------------------------------------------------------------------


def test_every_word_can_be_explained():
    assert [entry.word for entry in words() if explain(entry.word).word != entry.word] == []
    assert explain("Pending deploy").to_json(shell_line)["then"] == "Wait. If it stays in this state: kelvin-provision agent status"
    assert (explain("75").kind, explain("not_ready").exit_code) == ("exit code", 75)
    with pytest.raises(UsageRefused, match="no state or code is called redy") as caught:
        explain("redy")
    assert shell_line(caught.value.hint) == f"kelvin-provision explain {State.READY}"
