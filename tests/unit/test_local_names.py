"""Images of a request besides those of its containers: staged with the workload, named in the runtime while it is on the cluster."""

import itertools

import pytest

from kelvin_provision.errors import ApplyFailed, ApplyLeft, RuntimeUnreachable
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.local_names import local_names
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.ledger.rows.inspection import damage
from kelvin_provision.refusals import ImageNameTaken
from kelvin_provision.registry.protocol import Resolved
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy
from tests.kit.box import Box as FakeBox
from tests.kit.box import reconcile
from tests.kit.crash import crash_at, crashing
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.images import index_of, random_image, sha256
from tests.kit.locks import lock_of

HELPER = "r.io/helper:1"


class Runtime(FakeRuntime):
    """`before` is called with each change of a name before and after it is made."""

    before = staticmethod(lambda verb, name: None)

    def set_name(self, name, lock):
        self.before("set", name)
        super().set_name(name, lock)
        self.before("was set", name)

    def clear_name(self, name, lock):
        self.before("clear", name)
        super().clear_name(name, lock)
        self.before("was cleared", name)


class Box(FakeBox):
    """A push moves the tag of the helper; `helpers` has every digest that it was moved to."""

    def __init__(self, path):
        super().__init__(path)
        self.runtime, self.helpers = Runtime(), []

    def push(self, name=HELPER):
        self.source.images[name] = random_image([2000])
        self.helpers.append(self.source.images[name].digest)

    def stage(self, version, *names, images=(HELPER,)):
        specs = []
        for name in names:
            image = f"r.io/{name}:{version}"
            self.source.images.setdefault(image, random_image([3000]))
            specs.append(
                Spec(
                    name=name,
                    title=name,
                    app_name=name,
                    app_version=version,
                    cluster_name="c",
                    method=Method.STAGED,
                    image=image,
                    images=tuple(images),
                )
            )
        deploy.store(self.ctx, specs)
        self.turn()

    def up(self, version, *names, images=(HELPER,)):
        self.stage(version, *names, images=images)
        self.command_apply(*names)

    def break_staged(self, name):
        """The staged version will not come up."""
        self.cluster.broken = {self.ledger.workload(name).staged.locks[0].pinned_reference: "exit code 3"}

    def helper(self):
        """The push that the helper's name stands for, None for none."""
        digest = self.runtime.names.get(HELPER)
        return None if digest is None else self.helpers.index(digest)

    def recover(self):
        self.runtime.before = lambda verb, name: None
        with self.operation("workloads list"):
            pass

    def version(self, name):
        running = self.ledger.workload(name).running
        return running and running.spec.app_version


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path)
    opened.push()
    yield opened
    opened.close()


def test_a_name_is_set_at_apply_moved_by_an_update_and_a_rollback_and_cleared_by_undeploy(box):
    box.source.images["r.io/tool:2"] = random_image([2000])
    box.stage("1", "pump", images=(HELPER, "r.io/tool:2"))
    assert box.helper() is None
    assert {name.partition("@")[0] for name in box.runtime.pinned} == {"r.io/pump", "r.io/helper", "r.io/tool"}
    box.command_apply("pump")
    assert (box.helper(), "r.io/tool:2" in box.runtime.names) == (0, True)
    box.push()
    box.stage("2", "pump")
    assert box.helper() == 0
    box.command_apply("pump")
    assert (box.helper(), "r.io/tool:2" in box.runtime.names) == (1, False)
    assert len(box.runtime.pinned) == 5
    box.rollback("pump")
    assert (box.helper(), "r.io/tool:2" in box.runtime.names) == (0, True)
    box.undeploy("pump")
    assert (box.runtime.names, local_names(box.ledger)) == ({}, ())


def test_a_failed_update_gives_the_name_back_and_clears_what_only_the_new_version_had(box):
    box.up("1", "pump")
    box.push()
    box.push("r.io/tool:2")
    box.stage("2", "pump", images=(HELPER, "r.io/tool:2"))
    box.break_staged("pump")
    with pytest.raises(ApplyFailed):
        box.command_apply("pump")
    assert (box.helper(), "r.io/tool:2" in box.runtime.names) == (0, False)


def test_a_first_version_that_fails_leaves_no_name(box):
    box.stage("1", "pump")
    box.break_staged("pump")
    with pytest.raises(ApplyFailed):
        box.command_apply("pump")
    assert box.helper() is None


def test_a_name_that_two_workloads_need_stays_until_the_last_of_them_is_gone(box):
    box.up("1", "pump", "fan")
    box.undeploy("pump")
    assert box.helper() == 0
    box.up("2", "fan", images=())
    assert box.helper() is None


def test_a_name_that_a_set_handed_to_a_new_member_goes_back_with_it(box):
    box.up("1", "pump")
    box.push()
    box.stage("2", "pump", images=())
    box.stage("1", "fan")
    box.command_apply("pump", "fan")
    assert box.helper() == 1
    box.rollback("pump", "fan")
    assert (box.helper(), box.version("pump"), box.version("fan")) == (0, "1", None)
    box.up("2", "pump", images=())
    assert box.helper() is None


def test_a_stopped_workload_keeps_its_names(box):
    box.up("1", "pump")
    box.stop("pump")
    box.up("1", "fan", images=())
    assert box.helper() == 0


@pytest.mark.parametrize("together", [True, False])
def test_two_workloads_that_need_different_images_of_one_name_are_a_finding(box, together):
    box.stage("1", "pump")
    if not together:
        box.command_apply("pump")
    box.push()
    box.stage("1", "fan")
    with pytest.raises(ImageNameTaken) as caught:
        box.command_apply(*(["pump", "fan"] if together else ["fan"]))
    (line,) = caught.value.evidence
    assert line.startswith(f"fan: {HELPER}: fan needs {box.helpers[1]} under this name, and pump needs {box.helpers[0]}")
    shown = box.run("workloads", "diff", *(["pump", "fan"] if together else ["fan"]))
    assert "[image-name-taken]" in shown.stdout
    checked = box.run("workloads", "check", *(["pump", "fan"] if together else ["fan"]))
    assert (checked.exit_code, f"{HELPER}: fan needs" in checked.stdout) == (1, True)
    assert box.helper() == (None if together else 0)


def test_a_name_that_another_client_gave_to_another_image_is_not_taken_from_it(box):
    box.stage("1", "pump")
    box.push()
    box.runtime.names[HELPER] = box.helpers[1]
    with pytest.raises(ImageNameTaken, match="nothing was changed"):
        box.command_apply("pump")
    assert box.helper() == 1
    box.runtime.names[HELPER] = box.helpers[0]
    box.command_apply("pump")
    assert box.version("pump") == "1"


def test_a_name_that_was_pulled_as_the_index_of_the_same_image_is_ours_from_the_apply_on(box, monkeypatch):
    image, resolve = box.source.images[HELPER], box.source.resolve
    index = index_of({"linux/amd64": image, "linux/s390x": random_image([10])})

    def with_index(reference, platform, support):
        found = resolve(reference, platform, support)
        if str(reference) != HELPER:
            return found
        return Resolved(lock_of(image, HELPER, platform, index=index), found.documents | {sha256(index): index})

    monkeypatch.setattr(box.source, "resolve", with_index)
    box.stage("1", "pump")
    box.runtime.names[HELPER] = sha256(index)
    box.command_apply("pump")
    assert box.helper() == 0
    box.undeploy("pump")
    assert (box.runtime.names, local_names(box.ledger)) == ({}, ())


def test_a_name_of_ours_that_another_client_moved_is_no_finding(box):
    box.up("1", "pump")
    box.stage("2", "pump")
    box.push()
    box.runtime.names[HELPER] = box.helpers[1]
    box.command_apply("pump")
    assert (box.version("pump"), box.helper()) == ("2", 0)


def test_the_name_of_a_version_that_was_kept_after_a_failure_is_not_taken_from_it(box):
    box.up("1", "pump", images=())
    box.stage("2", "pump")
    box.break_staged("pump")
    with pytest.raises(ApplyLeft):
        box.command_apply("pump", on_failure=OnFailure.KEEP)
    box.push()
    box.stage("1", "fan")
    with pytest.raises(ImageNameTaken):
        box.command_apply("fan")


def test_the_agent_sets_a_name_again_that_was_removed_or_moved(box):
    box.up("1", "pump")
    box.push()
    for change in (lambda: box.runtime.names.pop(HELPER), lambda: box.runtime.names.update({HELPER: box.helpers[1]})):
        change()
        reconcile(box)
        assert box.helper() == 0


def test_the_agent_that_read_an_older_name_ends_with_the_new_one(box):
    box.up("1", "pump")
    box.push()
    box.stage("2", "pump")
    del box.runtime.names[HELPER]

    def meanwhile(verb, name):
        box.runtime.before = lambda verb, name: None
        box.command_apply("pump")

    box.runtime.before = meanwhile
    reconcile(box)
    assert (box.version("pump"), box.helper()) == ("2", 1)


def test_what_was_kept_after_a_failure_keeps_its_names(box):
    box.up("1", "pump")
    box.push()
    box.stage("2", "pump")
    box.break_staged("pump")
    with pytest.raises(ApplyLeft):
        box.command_apply("pump", on_failure=OnFailure.KEEP)
    box.up("1", "fan", images=())
    assert box.helper() == 1
    box.stage("3", "pump", images=())
    box.up("2", "fan", images=())
    assert box.helper() == 1
    box.rollback("pump")
    assert box.helper() == 0


def test_a_runtime_that_does_not_answer_while_names_are_cleared_is_a_warning_and_they_go_later(box):
    box.up("1", "pump")

    def down(verb, name):
        raise RuntimeUnreachable("no answer")

    box.runtime.before = down
    result = box.undeploy("pump")
    assert (box.helper(), len(result.warnings)) == (0, 1)
    assert "no answer" in result.warnings[0]
    box.runtime.before = lambda verb, name: None
    box.up("1", "fan", images=())
    assert (box.helper(), local_names(box.ledger)) == (None, ())


STEPS = [("set", HELPER), ("was set", HELPER), ("put", "pump"), ("wait", "pump"), ("clear", "r.io/tool:2"), ("was cleared", "r.io/tool:2")]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_after_a_crash_the_names_are_those_of_the_version_that_runs(box, step):
    box.source.images["r.io/tool:2"] = random_image([2000])
    box.up("1", "pump", images=(HELPER, "r.io/tool:2"))
    box.push()
    box.stage("2", "pump")
    with crash_at(box.cluster, box.runtime, verb=step[0], workload=step[1]):
        box.command_apply("pump")
    box.recover()
    expected = {"1": (0, True), "2": (1, False)}[box.version("pump")]
    assert (box.helper(), "r.io/tool:2" in box.runtime.names) == expected
    assert (box.version("pump") == "2") == ("clear" in step[0])
    assert {row.required for row in local_names(box.ledger)} == {True}


@pytest.mark.slow
@pytest.mark.parametrize("step", [("set", HELPER), ("was set", HELPER), ("revert", "pump")])
def test_a_crash_during_an_undo_ends_with_the_earlier_names(box, step):
    box.up("1", "pump")
    box.push()
    box.stage("2", "pump")
    box.break_staged("pump")
    sets = itertools.count(1)

    with crashing(box.cluster, box.runtime, when=lambda at, name: (at, name) == step and (at == "revert" or next(sets) == 2)):
        box.command_apply("pump")
    box.recover()
    assert (box.version("pump"), box.helper(), journal.unfinished(box.ledger)) == ("1", 0, None)


@pytest.mark.slow
@pytest.mark.parametrize("step", [("remove", "pump"), ("clear", HELPER), ("was cleared", HELPER)])
def test_a_crash_during_an_undeploy_ends_without_the_name(box, step):
    box.up("1", "pump")
    with crash_at(box.cluster, box.runtime, verb=step[0], workload=step[1]):
        box.undeploy("pump")
    box.recover()
    assert (box.runtime.names, local_names(box.ledger)) == ({}, ())


@pytest.mark.parametrize("column", ["name", "image", "lock", "required"])
def test_a_damaged_name_is_left_alone_and_written_again_by_the_next_apply(box, column):
    box.up("1", "pump")
    with box.ledger.writing() as db:
        db.execute(f"UPDATE local_names SET {column} = '7'")  # noqa: S608  (names of our own)
    assert local_names(box.ledger) == ()
    assert [str(error) for error in damage(box.ledger)] != []
    reconcile(box)
    assert box.helper() == 0
    box.up("2", "pump")
    assert [row.name for row in local_names(box.ledger)] == [HELPER]
