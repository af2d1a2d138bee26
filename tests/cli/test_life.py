"""rollback, history, start, stop and the ways to apply: whole outputs, on a fake cluster."""

import json
import sqlite3

import pytest

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from tests.kit.box import two_versions
from tests.kit.cli import run
from tests.kit.ledgers import migrated


def template(path):
    """What the commands find: two versions of `pump` that ran, and their outside world in memory."""
    found = two_versions(path, "pump")
    found.cluster.calls.clear()
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def up(box, version, *names):
    box.up(version, *(names or ("pump",)))


def stage(box, version, *names):
    box.deploy(*(names or ("pump",)), version=version)
    box.turn()


def say(box, *words, **more):
    result = box.run("workloads", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def items(result):
    return [(item["name"], item["outcome"], item["detail"]) for item in json.loads(result.stdout)["items"]]


def error(result):
    return json.loads(result.stdout)["error"]


# --- rollback -------------------------------------------------------------------------------------


def test_rollback_says_where_it_went_and_where_it_came_from(box):
    result = say(box, "rollback", "-n", "pump", "--quiet")
    result.check(stderr="")
    assert result.stdout == "workload pump: running, pump 1.0.0 (revision 1), before 2.0.0 (revision 2)\n"
    assert items(say(box, "rollback", "-n", "pump", "--to", "1", "--json")) == [("pump", "unchanged", "it runs revision 1 already")]
    assert items(say(box, "rollback", "-n", "pump", "--to", "2", "--json")) == [
        ("pump", "running", "pump 2.0.0 (revision 2), before 1.0.0 (revision 1)")
    ]


def test_a_dry_run_of_rollback_touches_nothing(box):
    result = say(box, "rollback", "-n", "pump", "--dry-run", "--json")
    assert items(result) == [("pump: Thing/pump", "update", "spec differs")]
    assert [verb for verb, _ in box.cluster.calls] == ["plan", "survey", "drift"]


def test_rollback_refuses_with_its_own_codes(box):
    unknown = say(box, "rollback", "-n", "pump", "--to", "9", "--json")
    assert (unknown.exit_code, error(unknown)) == (
        66,
        {
            "code": "revision-unknown",
            "message": "pump has no revision 9 that came up and is kept on this box",
            "hint": "kelvin-provision workloads history -n pump",
            "evidence": ["revision 2: version 2.0.0", "revision 1: version 1.0.0"],
        },
    )
    say(box, "rollback", "-n", "pump")
    earliest = say(box, "rollback", "-n", "pump")
    earliest.check(exit_code=66, stdout="")
    assert earliest.stderr == (
        "error: no version of pump earlier than 1.0.0 is kept on this box\n"
        "  later and kept: revision 2, version 2.0.0; --to goes there\n"
        " hint: kelvin-provision workloads history -n pump\n"
    )
    assert say(box, "rollback", "-n", "nobody").exit_code == 66
    assert say(box, "rollback", "-n", "pump", "-n", "other", "--to", "1").exit_code == 2


# --- apply ----------------------------------------------------------------------------------------


def test_an_apply_that_is_left_says_so_and_how_to_get_back(box):
    stage(box, "3.0.0")
    box.cluster.broken = {"pump": "exit code 3"}
    result = say(box, "apply", "-n", "pump", "--no-rollback", "--quiet")
    result.check(exit_code=1, stdout="")
    assert result.stderr == (
        "error: pump: exit code 3; kept as it is\n  pump: pump: exit code 3\n hint: kelvin-provision workloads rollback -n pump\n"
    )
    box.cluster.broken = {}
    assert items(say(box, "rollback", "-n", "pump", "--json")) == [("pump", "running", "pump 2.0.0 (revision 2)")]


def test_an_apply_that_nobody_waits_for_does_not_claim_that_it_runs(box):
    stage(box, "3.0.0")
    assert items(say(box, "apply", "-n", "pump", "--no-wait", "--json")) == [
        ("pump", "applied", "pump 3.0.0, before 2.0.0; not waited for")
    ]
    assert ("wait", "pump") not in box.cluster.calls


def test_not_waiting_and_not_going_back_contradict_each_other(box):
    result = say(box, "apply", "-n", "pump", "--no-wait", "--no-rollback", "--json")
    assert (result.exit_code, error(result)["code"]) == (2, "usage")
    assert box.cluster.calls == []


# --- stop and start -------------------------------------------------------------------------------


def test_stop_and_start_say_what_they_did(box):
    assert items(say(box, "stop", "-n", "pump", "--yes", "--json")) == [("pump", "stopped", "")]
    listed = json.loads(say(box, "list", "--json").stdout)["data"][0]
    assert (listed["status"]["state"], listed["status"]["message"], listed["enabled"]) == ("stopped", "Stopped", False)
    assert items(say(box, "stop", "-n", "pump", "--yes", "--json")) == [("pump", "unchanged", "it was stopped already")]
    assert items(say(box, "rollback", "-n", "pump", "--to", "2", "--json")) == [
        ("pump", "unchanged", "revision 2 is stopped: kelvin-provision workloads start -n pump")
    ]
    result = say(box, "start", "-n", "pump", "--quiet")
    result.check(stdout="workload pump: running, pump 2.0.0\n", stderr="")
    assert items(say(box, "start", "-n", "pump", "--json")) == [("pump", "unchanged", "it runs already")]
    stage(box, "1.0.0", "fan")
    assert items(say(box, "stop", "-n", "fan", "--yes", "--json")) == [("fan", "unchanged", "nothing of it runs")]


def test_stop_asks_and_refuses_where_nobody_can_be_asked(box):
    result = say(box, "stop", "-n", "pump", "--json")
    assert (result.exit_code, error(result)["code"]) == (2, "confirmation-needed")
    assert error(result)["message"] == "this will stop pump; persistent data is kept"
    assert box.cluster.stopped == set()
    asked = say(box, "stop", "-n", "pump", stdin="n\n", terminal=True)
    assert "this will stop pump; persistent data is kept\nContinue? [y/N] " in asked.stderr
    assert (asked.exit_code, box.cluster.stopped) == (130, set())
    assert say(box, "stop", "-n", "pump", stdin="y\n", terminal=True).exit_code == 0
    assert box.cluster.stopped == {"pump"}


def test_start_and_stop_refuse_with_their_own_codes(box):
    assert say(box, "stop", "-n", "nobody", "--yes").exit_code == 66
    assert say(box, "start", "-n", "nobody").exit_code == 66
    stage(box, "1.0.0", "fan")
    bare = say(box, "start", "-n", "fan", "--json")
    assert (bare.exit_code, error(bare)["code"], error(bare)["hint"]) == (66, "nothing-applied", "kelvin-provision workloads apply -n fan")
    say(box, "stop", "-n", "pump", "--yes")
    box.cluster.broken = {"pump": "exit code 3"}
    failed = say(box, "start", "-n", "pump", "--json")
    assert (failed.exit_code, error(failed)["code"], error(failed)["message"]) == (1, "start-failed", "pump: exit code 3; left started")


# --- history --------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path):
    """Three lines written by hand."""
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        digest = "sha256:0123456789abcdef" + "0" * 48
        history.record(
            ledger, Entry("2026-11-20T00:00:01.000000Z", "anna", "deploy", "pump", 1, "accepted", "motor 1.0, staged-only", "1.0")
        )
        history.record(ledger, Entry("2026-11-20T00:00:02.000000Z", "agent", "apply", "pump", 1, "undone", "exit code 3", "1.0", digest))
        history.record(ledger, Entry("2026-11-20T00:00:03.000000Z", "bert", "undeploy", "fan", None, "done"))
    return tmp_path


def test_history_shows_failures_too(state):
    result = run("workloads", "history", "--state-dir", str(state), "-o", "wide")
    result.check(stderr="Total: 3 lines\n")
    assert result.stdout == (
        "TIME                       WHO    ACTION    NAME  REVISION  VERSION  DIGEST        OUTCOME   DETAIL\n"
        "2026-11-20 00:00:01+00:00  anna   deploy    pump  1         1.0      -             accepted  motor 1.0, staged-only\n"
        "2026-11-20 00:00:02+00:00  agent  apply     pump  1         1.0      0123456789ab  undone    exit code 3\n"
        "2026-11-20 00:00:03+00:00  bert   undeploy  fan   -         -        -             done      -\n"
    )


def test_history_of_one_workload_as_a_document(state):
    assert json.loads(run("workloads", "history", "-n", "fan", "--json", "--state-dir", str(state)).stdout) == {
        "schema": 1,
        "command": "workloads history",
        "sealed": None,
        "entries": [
            {
                "time": "2026-11-20T00:00:03.000000Z",
                "who": "bert",
                "action": "undeploy",
                "workload": "fan",
                "revision": None,
                "outcome": "done",
                "detail": "",
                "version": "",
                "digest": "",
                "evidence": [],
            }
        ],
    }
    result = run("workloads", "history", "-n", "nobody", "--state-dir", str(state))
    assert (result.exit_code, result.stderr.splitlines()[0]) == (66, "error: nothing was ever done to nobody on this box")


def test_a_whole_history_is_said_to_be_whole_with_its_last_hash(state):
    with Ledger(state / "ledger.db") as ledger:
        head = history.head(ledger)
    result = run("workloads", "history", "--verify", "--state-dir", str(state))
    result.check(stderr=f"The history is intact: 3 lines, the last hash is {head}\n")
    document = json.loads(run("workloads", "history", "--verify", "--json", "--state-dir", str(state)).stdout)
    assert document["verified"] == {"lines": 3, "head": head}


def test_a_changed_history_names_the_line(state):
    raw = sqlite3.connect(state / "ledger.db")
    raw.execute("UPDATE history SET outcome = 'done' WHERE seq = 2")
    raw.commit()
    raw.close()
    assert run("workloads", "history", "--state-dir", str(state)).exit_code == 0
    result = run("workloads", "history", "--verify", "-n", "fan", "--json", "--state-dir", str(state))
    assert (result.exit_code, error(result)) == (
        65,
        {
            "code": "history-broken",
            "message": "line 2 of the history does not match its hash: it was changed, or a line before it is missing",
            "hint": "keep a copy of the ledger; workloads and images are not affected",
            "evidence": [],
        },
    )
