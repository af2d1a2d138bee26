"""Rehearsals on a box with fakes: choosing, recording, ending, tidying up, and what the agent does on its own."""

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.checks.admission import rehearsed
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.cluster.rehearsal import Rehearsed, is_device
from kelvin_provision.context import separate, silent
from kelvin_provision.errors import ClusterUnreachable, Interrupted, NotReady, RehearsalEnded
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.rehearsing import lock
from kelvin_provision.rehearsing.rehearse import RehearseRequest, rehearse
from kelvin_provision.settings.model import StagingSettings
from kelvin_provision.status import RehearsalOutcome, Verb
from kelvin_provision.usecases.order import Change, order
from tests.kit.box import Box


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.deploy("pump", version="2.0.0")
    made.turn()
    made.cluster.calls.clear()
    yield made
    made.close()


def rehearsal_of(box, name="pump"):
    return box.ledger.workload(name).rehearsal


def go(box, *names, **options):
    return rehearse(box.ctx, RehearseRequest(names, **options), "workloads rehearse")


def test_the_result_stands_with_the_revision_until_another_is_staged(box):
    assert rehearsal_of(box) is None
    ((workload, result),) = go(box, "pump").rehearsals
    assert (workload.name, result.outcome, result.revision) == ("pump", RehearsalOutcome.OK, 1)
    assert rehearsal_of(box) == result
    assert [entry.action for entry in history.history(box.ledger, "pump")][-1] == "rehearse"
    box.deploy("pump", version="2.1.0")
    box.turn()
    assert rehearsal_of(box) is None
    with box.ledger.reading() as db:
        assert db.execute("SELECT count(*) FROM rehearsals").fetchone()[0] == 0


def test_a_failure_is_recorded_with_its_evidence_and_the_next_result_takes_its_place(box):
    box.cluster.broken["pump"] = "exit code 3"
    go(box, "pump")
    assert (str(rehearsal_of(box)), rehearsal_of(box).evidence) == ("failed: exit code 3", ("pump: exit code 3",))
    box.cluster.broken.clear()
    go(box, "pump")
    assert str(rehearsal_of(box)) == "ok"


def test_all_takes_what_is_ready_and_names_the_rest(box):
    box.deploy("fan")
    result = go(box)
    assert [workload.name for workload, _ in result.rehearsals] == ["pump"]
    assert result.warnings == ("left out: fan: not ready",)
    with pytest.raises(NotReady):
        go(box, "fan")


def test_the_terms_are_those_of_the_request_and_the_settings(box):
    go(box, "pump", hold=30.0, allow_network=True, real_volumes=True, jobs=True)
    terms = box.cluster.rehearsal_terms
    assert (terms.policy.settle, terms.allow_network, terms.real_volumes, terms.jobs, terms.proven) == (30.0, True, True, True, False)


def test_that_the_cluster_enforces_is_remembered_for_this_cluster(box):
    box.cluster.rehearsed["pump"] = Rehearsed(RehearsalOutcome.OK, isolated=True)
    go(box, "pump")
    go(box, "pump")
    assert box.cluster.rehearsal_terms.proven
    box.cluster.identity = "another"
    box.cluster.rehearsed.clear()
    go(box, "pump")
    assert not box.cluster.rehearsal_terms.proven


def test_plain_objects_that_the_dry_run_refuses_are_not_started(box):
    manifest = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {}}
    (revision,) = box.deploy("fan")
    box.turn()
    spec = replace(revision.spec, manifests=(manifest,))
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = ? WHERE workload = 'fan'", (json.dumps(spec.to_json()),))
    box.cluster.findings.append(Finding("unknown-kind", "fan", "Thing/x", "no such kind"))
    go(box, "fan")
    assert rehearsal_of(box, "fan").outcome is RehearsalOutcome.FAILED
    assert ("rehearse", "fan") not in box.cluster.calls


# --- it gives way ---------------------------------------------------------------------------------


def test_a_change_ends_a_rehearsal_waits_until_nothing_is_left_of_it_and_takes_place(box):
    begun, errors = threading.Event(), []

    def hold():
        begun.set()
        assert box.cluster.changed.wait(60)

    def run():
        with separate(box.ctx, progress=silent, stop=lambda: False) as ctx:
            try:
                rehearse(ctx, RehearseRequest(("pump",)), "workloads rehearse")
            except RehearsalEnded as error:
                errors.append(error)

    box.cluster.rehearsing = hold
    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    request = box.settings.state_dir / "rehearsal.end"

    def release():
        while not request.exists():
            pass
        box.cluster.changed.set()

    releasing = threading.Thread(target=release)
    releasing.start()
    box.command_apply("pump")
    thread.join()
    releasing.join()
    assert len(errors) == 1
    assert (request.exists(), box.cluster.rehearsals) == (False, set())
    assert box.ledger.workload("pump").running.number == 1
    assert [verb for verb, _ in box.cluster.calls if verb in {"rehearse", "put"}] == ["rehearse", "put"]


def test_while_a_change_is_under_way_no_rehearsal_begins(box):
    with exclusive(box.settings.state_dir / "lock", command="workloads apply"), pytest.raises(Exception, match="workloads apply"):
        go(box, "pump")
    assert ("rehearse", "pump") not in box.cluster.calls


def test_a_signal_ends_it_and_nothing_is_recorded(box):
    with pytest.raises(Interrupted):
        rehearse(replace(box.ctx, stop=lambda: True), RehearseRequest(("pump",)), "workloads rehearse")
    assert rehearsal_of(box) is None


class Killed(BaseException):
    """As `kill -9`: nothing of ours runs afterwards."""


@pytest.mark.parametrize("next_one", ["apply", "rehearse", "agent"])
def test_what_a_kill_left_is_taken_away_by_whatever_comes_next(box, next_one):
    def kill():
        raise Killed

    box.cluster.rehearsing = kill
    with pytest.raises(Killed):
        go(box, "pump")
    assert box.cluster.rehearsals == {"pump"}
    box.cluster.rehearsing = lambda: None
    {"apply": lambda: box.command_apply("pump"), "rehearse": lambda: go(box, "pump"), "agent": box.turn}[next_one]()
    assert box.cluster.rehearsals == set()
    assert box.ledger.fact(lock.FACT) == ""


def test_a_cluster_that_is_away_keeps_nobody_from_ending_what_a_kill_left_later(box):
    box.ledger.remember(lock.FACT, "pump")
    box.cluster.rehearsals.add("pump")
    box.cluster.unreachable = True
    box.turn()
    with pytest.raises(ClusterUnreachable):
        box.command_apply("pump")
    box.cluster.unreachable = False
    box.turn()
    assert box.cluster.rehearsals == set()


# --- orders, and the end of staging ---------------------------------------------------------------


def test_an_order_is_carried_out_by_the_agent_and_ends_with_the_result(box):
    ordered = order(box.ctx, Change(Verb.REHEARSE, ("pump",), "digest", arguments={"seconds": 7, "jobs": True})).order
    box.turn()
    ended = orders.find(box.ledger, ordered.id)
    assert (ended.outcome, ended.note) == (Outcome.DONE, "pump: ok")
    assert (box.cluster.rehearsal_terms.policy.settle, box.cluster.rehearsal_terms.jobs) == (7.0, True)
    box.cluster.broken["pump"] = "exit code 3"
    ordered = order(box.ctx, Change(Verb.REHEARSE, ("pump",), "another")).order
    box.turn()
    ended = orders.find(box.ledger, ordered.id)
    assert (ended.outcome, ended.note, ended.evidence) == (Outcome.FAILED, "pump: failed: exit code 3", ("pump: exit code 3",))


def test_the_agent_lets_an_apply_go_first(box):
    order(box.ctx, Change(Verb.REHEARSE, ("pump",), "digest"))
    order(box.ctx, Change(Verb.APPLY, ("pump",), "another"))
    box.turn()
    verbs = [verb for verb, _ in box.cluster.calls]
    assert "put" in verbs
    assert orders.pending(box.ledger) == ()
    assert box.ledger.workload("pump").running.number == 1


def test_a_version_is_rehearsed_once_at_the_end_of_its_staging_where_the_site_says_so(tmp_path):
    box = Box(tmp_path, staging=StagingSettings(rehearse=True))
    with closing(box):
        box.deploy("pump")
        box.turn()
        box.turn()
        assert rehearsal_of(box).outcome is RehearsalOutcome.OK
        assert [verb for verb, _ in box.cluster.calls].count("rehearse") == 1


# --- what is shown --------------------------------------------------------------------------------


def test_the_check_tells_of_each_version_and_is_never_an_error(box):
    def found():
        (finding,) = rehearsed({"pump": rehearsal_of(box)})
        return finding.status.value, finding.text.partition(" at ")[0], finding.hint.action

    assert found() == ("skipped", "this version was not rehearsed", "workloads rehearse")
    go(box, "pump")
    assert found() == ("ok", "it came up", "")
    box.cluster.broken["pump"] = "exit code 3"
    go(box, "pump")
    assert found() == ("warning", "it failed", "workloads show")


def test_the_command_fails_for_what_did_not_come_up_and_show_says_why(box):
    assert box.ended("workloads", "rehearse", "pump").stdout
    box.cluster.broken["pump"] = "exit code 3"
    result = box.ended("workloads", "rehearse", "pump", "--for", "1s", "--json", code=1)
    document = json.loads(result.stdout)
    assert (document["error"]["code"], document["items"][0]["outcome"]) == ("rehearsal-failed", "failed")
    shown = json.loads(box.ended("workloads", "show", "pump", "--json").stdout)
    assert (shown["rehearsal"]["outcome"], shown["rehearsal"]["revision"]) == ("failed", 1)
    assert "Rehearsal:  failed: exit code 3" in box.ended("workloads", "show", "pump").stdout


def test_a_ledger_of_the_schema_before_gets_the_table(tmp_path):
    raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    number = next(at for at, text in enumerate(schema.MIGRATIONS) if "CREATE TABLE rehearsals" in text)
    for migration in schema.MIGRATIONS[:number]:
        for statement in migration.split(";\n"):
            raw.execute(statement)
    raw.execute(f"PRAGMA user_version = {number}")
    raw.close()
    with Ledger(tmp_path / "ledger.db") as opened, opened.reading() as db:
        assert db.execute("SELECT count(*) FROM rehearsals").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/dev", True),
        ("/dev/", True),
        ("/dev/ttyS0", True),
        ("/dev/shm/../mem", True),
        ("/dev/shmem", True),
        ("/dev/shm", False),
        ("/dev/shm/a", False),
        ("/developer", False),
        ("", False),
    ],
)
def test_what_lies_below_dev_is_a_device_but_for_shared_memory(path, device):
    assert is_device(path) is device
