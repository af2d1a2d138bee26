"""A set with a new member is rolled back as one: what had no version before goes off the cluster, and is staged again (ADR 0033)."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import ApplyFailed, NothingToRollBack
from kelvin_provision.ledger import history
from kelvin_provision.ledger.reading.left import left_revisions, left_workloads
from kelvin_provision.ledger.staging_state import Received
from kelvin_provision.spec.enums import Method, State, VolumeKind
from kelvin_provision.spec.workload import System, Volume
from kelvin_provision.status import Trouble
from kelvin_provision.usecases.undeploy import lost_volumes
from tests.kit.box import Box
from tests.kit.crash import crash_at

GONE = "version 1.0.0 was rolled back, so it is applied only by its name"


def template(path):
    """`old` 1.0.0 ran; then `old` 2.0.0 and the first version of `new` came up together."""
    found = Box(path)
    found.up("1.0.0", "old")
    rename(found)
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def rename(box):
    box.deploy("old", version="2.0.0")
    box.deploy("new")
    box.turn()
    box.command_apply("old", "new")


def versions(box, *names):
    found = [box.ledger.workload(name) for name in names]
    return [tuple(slot and slot.spec.app_version for slot in (one.running, one.staged)) for one in found]


def put_and_taken(box, verbs=("release", "put", "finish", "revert", "remove")):
    return [(verb, name) for verb, name in box.cluster.calls if verb in verbs]


BEFORE, AFTER = [("2.0.0", None), ("1.0.0", None)], [("1.0.0", None), (None, "1.0.0")]


def test_it_goes_with_the_version_that_came_with_it_and_is_staged_again(box):
    box.cluster.calls.clear()
    result = box.run("workloads", "rollback", "old", "new")
    result.check(
        stdout="workload old: running, old 1.0.0 (revision 1), before 2.0.0 (revision 2)\n"
        "workload new: staged, new 1.0.0 (revision 1) runs no more, as before it was applied; its data is kept\n"
    )
    assert versions(box, "old", "new") == AFTER
    assert ("new" in box.cluster.live, box.states()) == (False, {"new": ("staged", "ready"), "old": ("running", None)})
    assert put_and_taken(box) == [("put", "old"), ("finish", "old"), ("finish", "new")]
    line = history.history(box.ledger, "new")[-1]
    assert (line.action, line.revision, line.outcome, line.detail) == (
        "rollback", 1, "done", "no version runs; this one is staged again",
    )  # fmt: skip
    assert "1.0.0 rolled back" in box.run("workloads", "list").stdout
    assert box.warnings("new") == [GONE]


def test_all_leaves_it_out_and_its_name_applies_it_again(box):
    box.rollback("old", "new")
    assert box.turn() is True
    result = box.run("workloads", "apply", "--all")
    assert (result.exit_code, f"new: {GONE}" in result.stderr) == (1, True)
    assert box.run("workloads", "apply", "new").exit_code == 0
    assert versions(box, "old", "new") == [("1.0.0", None), ("1.0.0", None)]
    assert left_workloads(box.ledger) == frozenset()


def test_an_apply_by_its_name_that_is_refused_leaves_it_out_of_all_as_before(box):
    box.rollback("old", "new")
    box.cluster.findings = [Finding("port-taken", "new", "Thing/new", "taken by old")]
    assert box.run("workloads", "apply", "new").exit_code == 65
    box.cluster.findings = []
    assert box.warnings("new") == ["version 1.0.0 was not applied: 1 finding, nothing was changed", GONE]
    result = box.run("workloads", "apply", "--all")
    assert (result.exit_code, f"new: {GONE}" in result.stderr) == (1, True)
    assert box.run("workloads", "apply", "--all", "--retry-failed").exit_code == 0


@pytest.mark.parametrize("method", [Method.INSTANT, Method.STANDARD])
def test_the_agent_does_not_apply_again_what_was_rolled_back(tmp_path, method):
    box = Box(tmp_path)
    box.up("1.0.0", "old")
    box.deploy("old", "new", version="2.0.0", method=method)
    box.turn()
    assert versions(box, "old", "new") == [("2.0.0", None), ("2.0.0", None)]
    box.rollback("old", "new")
    assert box.turn() is True
    assert versions(box, "old", "new") == [("1.0.0", None), (None, "2.0.0")]
    assert box.states()["new"][0] == State.STAGED
    box.close()


def test_a_dry_run_says_what_goes_and_changes_nothing(box):
    result = box.run("workloads", "rollback", "old", "new", "--dry-run", "--json")
    document = json.loads(result.stdout)
    assert "new goes off the cluster (Thing/new): version 1.0.0 is staged again, its data is kept" in document["warnings"]
    assert versions(box, "old", "new") == BEFORE


def test_ports_are_given_back_before_anything_is_put(box):
    seen = []
    box.cluster.release = lambda desired: seen.append({name: len(objects) for name, objects in desired.items()})
    box.rollback("old", "new")
    assert seen == [{"old": 1, "new": 0}]


def test_what_does_not_come_up_again_leaves_all_as_they_were(box):
    down = Health(Phase.FAILED, "exit code 3")
    box.cluster.next_healths = {"old": [down]}
    with pytest.raises(ApplyFailed, match="old: exit code 3; rolled back to what ran before"):
        box.rollback("old", "new")
    assert (versions(box, "old", "new"), box.states()) == (BEFORE, {"new": ("running", None), "old": ("running", None)})


@pytest.mark.parametrize(
    ("verb", "name", "after"),
    [("put", "old", BEFORE), ("wait", "old", BEFORE), ("finish", "old", AFTER), ("finish", "new", AFTER)],
)
def test_a_rollback_that_was_cut_off_is_undone_or_finished_as_one(box, verb, name, after):
    with crash_at(box.cluster, verb=verb, workload=name):
        box.rollback("old", "new")
    with box.operation("workloads list"):
        pass
    assert versions(box, "old", "new") == after
    assert ("new" in box.cluster.live) is (after == BEFORE)


def test_one_that_was_cut_off_and_is_asked_for_again_is_done(box):
    with crash_at(box.cluster, verb="finish", workload="new"):
        box.rollback("old", "new")
    result = box.run("workloads", "rollback", "old", "new")
    assert (result.exit_code, "workload new: unchanged, no version of it runs\n" in result.stdout) == (0, True)
    assert versions(box, "old", "new") == AFTER


@pytest.mark.parametrize(
    ("names", "words"),
    [(("new",), "no version of new earlier than 1.0.0"), (("new", "other"), "no version of new earlier than 1.0.0")],
)
def test_it_is_not_taken_away_without_the_one_that_it_came_with(box, names, words):
    for version in ("1.0.0", "2.0.0"):
        box.up(version, "other")
    with pytest.raises(NothingToRollBack, match=words):
        box.rollback(*names)
    assert versions(box, "new") == [("1.0.0", None)]


def test_it_is_not_taken_away_when_the_other_one_has_moved_on(box):
    box.up("3.0.0", "old")
    with pytest.raises(NothingToRollBack, match=r"no version of new earlier than 1\.0\.0"):
        box.rollback("old", "new")


def test_a_set_of_new_members_alone_has_nothing_to_go_back_to(tmp_path):
    box = Box(tmp_path)
    box.up("1.0.0", "a", "b")
    with pytest.raises(NothingToRollBack):
        box.rollback("a", "b")
    box.close()


def test_one_whose_earlier_versions_are_forgotten_is_not_new(box):
    box.settings = replace(box.settings, keep_revisions=1)
    box.up("2.0.0", "new")
    box.up("3.0.0", "old", "new")
    with box.ledger.writing() as db:
        db.execute("DELETE FROM revisions WHERE workload = 'new' AND number < 3")
    with pytest.raises(NothingToRollBack, match=r"no version of new earlier than 3\.0\.0"):
        box.rollback("old", "new")


def test_a_second_time_says_that_it_was_rolled_back(box):
    box.rollback("old", "new")
    with pytest.raises(NothingToRollBack, match=r"new does not run: its version 1\.0\.0 was rolled back already"):
        box.rollback("new")


def test_a_version_that_was_staged_since_stays_the_staged_one(box):
    box.deploy("new", version="1.1.0")
    box.turn()
    box.rollback("old", "new")
    assert versions(box, "old", "new") == [("1.0.0", None), (None, "1.1.0")]
    assert box.ledger.workload("new").staged.slot.trouble is None
    assert box.run("workloads", "apply", "--all").exit_code == 0
    assert versions(box, "new") == [("1.1.0", None)]


def test_what_it_left_on_the_cluster_goes_with_its_staged_version(box):
    box.rollback("old", "new")
    box.cluster.calls.clear()
    box.undeploy("new", staged=True)
    assert ("remove", "new") in box.cluster.calls
    assert "new" not in box.ledger.names()


def test_what_went_is_not_on_the_cluster_with_any_version(box):
    box.rollback("old", "new")
    assert (left_workloads(box.ledger), left_revisions(box.ledger)) == ({"new"}, {})


def test_an_undeploy_names_the_data_that_a_rollback_kept(box):
    box.rollback("old", "new")
    workload = box.ledger.workload("new")
    volume = Volume("data", VolumeKind.PERSISTENT, "/data")
    staged = replace(workload.staged, spec=replace(workload.staged.spec, system=System(volumes=(volume,))))
    assert lost_volumes(replace(workload, staged=staged)) == ("data",)
    assert lost_volumes(replace(workload, staged=replace(staged, applied=None))) == ()


def test_a_version_that_lost_an_image_since_is_staged_once_more(box):
    box.rollback("old", "new")
    staged = box.ledger.workload("new").staged
    assert staged.slot.trouble is Trouble.ROLLED_BACK
    box.ledger.advance(staged, Received())
    box.turn()
    assert box.states()["new"] == ("staged", "ready")
