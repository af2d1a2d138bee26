"""What a second reader found: races with other commands, refusals in the middle, boxes that are offline for weeks."""

import itertools

import pytest

from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import (
    ApplyFailed,
    ClusterRefused,
    ClusterUnreachable,
    NoSpace,
    NotReady,
    PlanRefused,
    RegistryDenied,
    RegistryUnreachable,
    UndoFailed,
)
from kelvin_provision.images.prune import collect_garbage
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.queries.items import item_of
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box, reconcile
from tests.kit.crash import crash_at


@pytest.fixture
def box(tmp_path, monkeypatch):
    found = Box(tmp_path)
    yield found
    found.close()


def refuse(box, *verbs, error=None):
    """These verbs of the cluster are refused from now on."""

    def before(verb, workload):
        if verb in verbs or (verb, workload) in verbs:
            raise error or ClusterRefused("no")

    box.cluster.before = before


def peace(box):
    box.cluster.before = lambda verb, workload: None


def test_a_request_that_arrives_while_the_plan_is_made_takes_nothing_from_the_ledger(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()

    def before(verb, workload):
        if verb == "plan":
            peace(box)
            box.deploy("a", version="3.0.0")

    box.cluster.before = before
    with pytest.raises(NotReady, match="a: its staged version was replaced in the meantime"):
        box.command_apply("a")
    found = box.ledger.workload("a")
    assert (found.running.spec.app_version, found.staged.spec.app_version) == ("1.0.0", "3.0.0")
    assert ("put", "a") not in box.cluster.calls[-3:]


def test_a_request_that_arrives_during_an_undeploy_is_kept(box):
    box.up("1.0.0", "a")

    def before(verb, workload):
        if verb == "remove":
            peace(box)
            box.deploy("a", version="2.0.0")

    box.cluster.before = before
    box.undeploy("a")
    found = box.ledger.workload("a")
    assert (found.running, found.staged.spec.app_version) == (None, "2.0.0")
    assert journal.unfinished(box.ledger) is None


def test_an_undeploy_takes_the_waiting_version_with_it(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.undeploy("a")
    assert box.ledger.names() == []


def test_what_cannot_be_tidied_is_written_down_and_keeps_nobody_from_work(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    refuse(box, "finish")
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}
    assert history.history(box.ledger, "a")[-1].outcome == "done, not tidied"
    assert journal.unfinished(box.ledger) is None


def test_one_that_cannot_go_back_does_not_keep_the_others_from_it(box):
    box.up("1.0.0", "a", "b")
    box.deploy("a", "b", version="2.0.0")
    box.turn()
    box.cluster.next_healths = {"a": [Health(Phase.FAILED, "exit 3")] * 2}
    refuse(box, ("revert", "b"))
    with pytest.raises(UndoFailed, match="a: exit 3; the earlier version does not come up again") as caught:
        box.command_apply("a", "b")
    assert "b: not certain: it may be the old version, the new one or both (no)" in caught.value.evidence
    assert "a: certain: the earlier version is up" in caught.value.evidence
    assert box.cluster.image_of("a").startswith("r.io/a:1.0.0")
    assert journal.unfinished(box.ledger) is None


def test_one_whose_earlier_objects_are_not_known_does_not_keep_the_others_from_giving_back_their_ports(box, monkeypatch):
    box.up("1.0.0", "a", "b")
    box.deploy("a", "b", version="2.0.0")
    box.turn()
    given_back = []
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET objects = NULL WHERE workload = 'a' AND number = 1")
    box.cluster.broken = {"b": "exit 3"}
    wait = box.cluster.wait

    def waited(*arguments):
        monkeypatch.setattr(box.cluster, "release", lambda desired: given_back.append(sorted(desired)))
        return wait(*arguments)

    monkeypatch.setattr(box.cluster, "wait", waited)
    with pytest.raises(UndoFailed):
        box.command_apply("a", "b")
    assert given_back == [["b"]]


def test_an_earlier_version_that_is_not_known_any_more_is_never_taken_for_none(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET objects = NULL WHERE number = 1")
    box.cluster.broken = {"a": "exit 3"}
    with pytest.raises(UndoFailed) as caught:
        box.command_apply("a")
    assert any("the objects of revision 1 of a are no longer known" in line for line in caught.value.evidence)
    assert box.cluster.image_of("a") is not None
    assert ("remove", "a") not in box.cluster.calls


def test_a_ledger_that_cannot_be_written_at_the_commit_undoes_it(box, monkeypatch):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()

    def full(*_):
        raise NoSpace("no space left for ledger.db")

    monkeypatch.setattr(journal, "commit", full)
    with pytest.raises(ApplyFailed, match="no space left"):
        box.command_apply("a")
    assert box.cluster.image_of("a").startswith("r.io/a:1.0.0")


def test_a_cluster_that_goes_away_blocks_nothing(box):
    box.deploy("a", method=Method.STANDARD)
    refuse(box, "wait", error=ClusterUnreachable("no answer"))
    box.turn()
    peace(box)
    with box.operation("anything"):
        pass
    assert box.turn() is True
    assert box.states() == {"a": ("running", None)}


def test_a_plan_that_cannot_be_asked_for_leaves_its_cause_in_the_list(box):
    box.deploy("a", method=Method.STANDARD)
    refuse(box, "plan", error=ClusterUnreachable("no answer"))
    assert box.turn() is False
    assert box.warnings("a") == ["version 1.0.0 was not applied: no answer"]
    peace(box)
    box.turn()
    assert box.states() == {"a": ("running", None)}


def test_a_living_agent_recovers_a_command_that_was_killed(box, monkeypatch):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    with crash_at(box.cluster, verb="wait"):
        box.command_apply("a")
    box.work(lambda: False, until_idle=True)
    assert box.states() == {"a": ("running", "ready")}
    assert box.cluster.image_of("a").startswith("r.io/a:1.0.0")


def test_an_agent_that_came_before_its_cluster_recovers_when_that_is_up(box, monkeypatch):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    with crash_at(box.cluster, verb="wait"):
        box.command_apply("a")
    asked = itertools.count()

    def before(verb, workload):
        if verb == "revert" and next(asked) < 2:
            raise ClusterUnreachable("not up yet")

    box.cluster.before = before
    box.work(lambda: False, until_idle=True)
    assert journal.unfinished(box.ledger) is None
    assert box.states() == {"a": ("running", "ready")}


def test_a_box_that_is_offline_for_weeks_writes_its_cause_once(box):
    box.deploy("a")
    box.source.down = RegistryUnreachable("r.io: no route to host")
    box.turn()
    said, before = len(box.said), box.ledger.version()
    for _ in range(20):
        box.turn()
    assert box.ledger.version() == before
    assert [event for event in box.said[said:] if type(event).__name__ == "Note"] == []


def test_the_cause_goes_with_the_first_bytes(box):
    box.deploy("a")
    box.source.down = RegistryUnreachable("r.io: no route to host")
    box.turn()
    box.source.down = None
    seen = []
    box.progress = lambda event: seen.append(item_of(box.ledger.workload("a")).download_error)
    box.turn()
    assert seen[0] == "r.io: no route to host"
    assert seen[-1] is None


def test_a_ready_member_of_a_held_group_says_for_whom_it_waits(box):
    box.deploy("a", "b", method=Method.INSTANT)
    box.source.images.pop("r.io/b:1.0.0")
    assert box.turn() is True  # nothing that time alone would heal
    assert box.warnings("a") == ["waits for b of the same group: r.io/b:1.0.0: not found"]


def test_a_group_that_is_whole_goes_before_the_next_download(box):
    box.deploy("big")
    box.deploy("small", method=Method.STANDARD)
    order = []
    inner = box.source.resolve

    def resolve(reference, platform, support):
        order.append(box.states()["small"][0])
        return inner(reference, platform)

    box.source.resolve = resolve
    box.turn()
    assert order == ["running"]


def test_images_of_forgotten_revisions_are_freed(box):
    for number in range(1, 6):
        box.up(f"{number}.0.0", "a")
    kept = {lock.name for lock in box.ledger.kept_locks()}
    with box.operation("anything"):
        pass
    assert box.runtime.owned() == kept
    assert len(kept) == 3


def test_an_image_that_could_not_be_freed_is_freed_later(box):
    box.up("1.0.0", "a")
    box.runtime.in_use = set(box.runtime.owned())
    box.undeploy("a")
    collect_garbage(box.ledger, box.store, lambda: box.runtime)
    assert len(box.runtime.owned()) == 1
    box.runtime.in_use = set()
    collect_garbage(box.ledger, box.store, lambda: box.runtime)
    assert box.runtime.owned() == frozenset()
    assert box.ledger.unneeded_images() == ()


def test_a_signal_before_the_first_change_changes_nothing(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    box.cluster.calls.clear()
    from kelvin_provision.errors import Interrupted

    with pytest.raises(Interrupted, match="stopped by a signal; nothing was changed"):
        box.command_apply("a", stop=lambda: True)
    assert {verb for verb, _ in box.cluster.calls} <= {"plan", "survey", "observe"}


def test_tending_goes_on_after_trouble(box):
    box.up("1.0.0", "a")
    box.runtime.error = ClusterUnreachable("no answer")
    reconcile(box)
    with Ledger(box.ledger.path) as other:
        assert other.names() == ["a"]


@pytest.mark.parametrize(
    ("codes", "error", "exit_code"),
    [
        (["immutable-field"], "immutable-field", 65),
        (["not-ours", "not-ours"], "not-ours", 65),
        (["field-conflict"], "field-conflict", 65),
        (["invalid-object"], "invalid-object", 65),
        (["unknown-kind"], "unknown-kind", 65),
        (["denied"], "denied", 65),
        (["namespace-terminating"], "namespace-terminating", 75),
        (["port-taken"], "port-taken", 65),
        (["image-missing"], "image-missing", 65),
        (["never-up"], "never-up", 65),
        (["immutable-field", "not-ours"], "plan-refused", 65),
        (["registry-denied"], "plan-refused", 65),
    ],
)
def test_findings_of_one_kind_have_an_error_of_their_own(box, codes, error, exit_code):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    box.cluster.findings = [Finding(code, "a", f"Thing/{number}", "it cannot be") for number, code in enumerate(codes)]
    with pytest.raises(PlanRefused) as caught:
        box.command_apply("a")
    assert (caught.value.code, caught.value.exit_code) == (error, exit_code)
    assert caught.value.hint
    assert len(caught.value.evidence) == len(codes)
    assert box.states() == {"a": ("running", "ready")}


def test_what_this_box_cannot_now_is_said_and_starves_nobody(box):
    box.deploy("a")
    box.deploy("b", method=Method.STANDARD)
    box.source = RegistryDenied("r.io: the login in /root/.docker/config.json cannot be read")
    assert box.turn() is False
    assert box.states() == {"a": ("staged", "received"), "b": ("running", None)}
    assert box.warnings("a") == ["r.io: the login in /root/.docker/config.json cannot be read"]
