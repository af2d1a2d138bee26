"""What a failed attempt leaves: a line of history with its evidence, once, and no secret in anything that is shown or stored."""

from contextlib import suppress
from dataclasses import replace

import pytest

from kelvin_provision.applying.observe import observe
from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import (
    ClusterRefused,
    ClusterUnreachable,
    HookFailed,
    NothingStaged,
    ProvisionError,
    RuntimeUnreachable,
    UndoFailed,
)
from kelvin_provision.events import Note
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec, System, Variable
from kelvin_provision.usecases import deploy
from tests.kit.box import Box
from tests.kit.crash import Crash, crash_at
from tests.kit.images import random_image

pytestmark = pytest.mark.slow

SECRET = "hunter2-hunter2"


class SecretiveBox(Box):
    """Its workloads get a secret, which the cluster then quotes."""

    def deploy_secretive(self, *names, version="1.0.0"):
        specs = []
        for name in names:
            image = f"r.io/{name}:{version}"
            self.source.images.setdefault(image, random_image([3000]))
            spec = Spec(name=name, title=name, app_name=name, app_version=version, cluster_name="c", method=Method.STAGED, image=image)
            specs.append(replace(spec, system=System(environment=(Variable("TOKEN", "<% secrets.token %>"),))))
        deploy.store(self.ctx, specs)
        self.turn()

    def fail(self, *verbs, error=ClusterRefused):
        def quote(verb, name):
            if verb in verbs:
                raise error(f"invalid: {verb} got TOKEN={SECRET}", evidence=[f"{verb} sent {SECRET}"])

        self.cluster.before = quote

    def everything(self):
        """All that is stored and all that was shown."""
        lines = [(line.detail, line.evidence) for line in history.history(self.ledger, evidence=True)]
        shown = [event.text for event in self.said if isinstance(event, Note)]
        revisions = [(revision.failure, revision.cause) for revision in self.ledger.revisions()]
        return repr([lines, shown, revisions])


@pytest.fixture
def box(tmp_path):
    """`a` runs, and has a newer version staged."""
    found = SecretiveBox(tmp_path)
    found.look_up = lambda name: SECRET
    for version in ("1.0.0", "2.0.0"):
        found.deploy_secretive("a", version=version)
        found.command_apply("a")
    found.deploy_secretive("a", version="3.0.0")
    yield found
    found.close()


def last(box):
    line = history.history(box.ledger, "a", evidence=True)[-1]
    return line.action, line.outcome


@pytest.mark.parametrize(
    ("work", "verbs", "line"),
    [
        (lambda box: box.stop("a"), ("stop",), ("stop", "failed")),
        (lambda box: (box.stop("a"), box.fail("put"), box.start("a")), (), ("start", "failed")),
        (lambda box: (box.stop("a"), box.fail("plan"), box.start("a")), (), ("start", "refused")),
        (lambda box: box.undeploy("a"), ("remove",), ("undeploy", "failed")),
        (lambda box: box.rollback("a"), ("put",), ("rollback", "undone")),
        (lambda box: box.rollback("a"), ("put", "revert"), ("rollback", "undo failed")),
        (lambda box: box.rollback("a"), ("plan",), ("rollback", "refused")),
        (lambda box: box.command_apply("a"), ("put",), ("apply", "undone")),
        (lambda box: box.command_apply("a"), ("put", "revert"), ("apply", "undo failed")),
        (lambda box: box.command_apply("a"), ("plan",), ("apply", "refused")),
        (lambda box: box.command_apply("a", on_failure=OnFailure.KEEP), ("put",), ("apply", "failed, left as it is")),
    ],
)
def test_a_secret_that_the_cluster_quotes_is_masked_and_the_attempt_has_its_evidence(box, work, verbs, line):
    box.fail(*verbs)
    with pytest.raises(ProvisionError) as raised:
        work(box)
    assert SECRET not in repr((str(raised.value), raised.value.evidence))
    assert SECRET not in box.everything()
    assert last(box) == line
    failure = history.last_failure(box.ledger, "a")
    assert (failure.action, failure.outcome) == line
    assert any("sent " in text for text in failure.evidence)


def test_a_secret_in_what_cannot_be_made_final_is_masked(box):
    box.fail("finish")
    box.command_apply("a")
    assert last(box) == ("apply", "done, not tidied")
    assert SECRET not in box.everything()


def test_a_secret_in_the_words_of_an_earlier_version_that_does_not_come_up_is_masked(box):
    box.cluster.next_healths = {"a": [Health(Phase.FAILED, f"crashed with {SECRET}")] * 4}
    with pytest.raises(UndoFailed) as raised:
        box.command_apply("a")
    assert SECRET not in repr((str(raised.value), raised.value.evidence, box.everything()))


def test_a_secret_that_a_hook_prints_is_masked_and_the_final_hook_has_its_evidence(box):
    class Hooks:
        def any(self):
            return True

        def inspect(self):
            return 1, ()

        def run(self, event, document, progress, stop):
            if event == "post-apply":
                raise HookFailed(f"{event} ended with {SECRET}", evidence=[f"curl -H {SECRET}"])

    box.hooks = Hooks()
    result = box.command_apply("a")
    assert SECRET not in repr((result.warnings, box.everything()))
    failure = history.last_failure(box.ledger, "a")
    assert (failure.action, failure.outcome, len(failure.evidence)) == ("hook post-apply", "failed", 1)


def test_what_is_committed_and_not_finished_yet_is_no_refusal(box):
    box.fail("finish", error=ClusterUnreachable)
    with pytest.raises(ClusterUnreachable):
        box.command_apply("a")
    box.cluster.before = lambda verb, name: None
    with box.operation():
        pass
    lines = [(line.action, line.revision, line.outcome) for line in history.history(box.ledger, "a")]
    assert [line for line in lines if line[1] == 3 and line[0] == "apply"] == [("apply", 3, "done")]
    assert box.ledger.revision("a", 3).failure is None


def test_evidence_is_kept_when_the_undo_has_to_wait_for_the_cluster(box):
    box.cluster.broken = {"a": "exit code 3"}
    lost = []

    def lose_the_connection(verb, name):
        if verb == "revert" or lost:
            lost.append(verb)
            raise ClusterUnreachable("no route to host")

    box.cluster.before = lose_the_connection
    for _ in range(2):
        with pytest.raises(UndoFailed):
            box.command_apply("a")
    box.cluster.before, box.cluster.broken = lambda verb, name: None, {}
    with box.operation():
        pass
    lines = [line for line in history.history(box.ledger, "a", evidence=True) if line.revision == 3 and line.action == "apply"]
    assert [(line.outcome, bool(line.evidence)) for line in lines] == [("failed, not undone yet", True), ("undone", False)]


@pytest.mark.parametrize(
    ("work", "line"),
    [
        (lambda box: box.command_apply("a"), ("apply", "refused")),
        (lambda box: box.rollback("a"), ("rollback", "refused")),
        (lambda box: (box.cluster.stop("a"), box.start("a")), ("start", "refused")),
    ],
)
def test_a_refusal_is_kept_with_all_findings_once(box, work, line):
    box.cluster.findings = [Finding("port-taken", "a", "Service/a", f"port 80 is taken by {SECRET}")]
    for _ in range(2):
        with pytest.raises(ProvisionError):
            work(box)
    lines = [entry for entry in history.history(box.ledger, "a", evidence=True) if entry.outcome == "refused"]
    assert [(entry.action, entry.outcome, len(entry.evidence)) for entry in lines] == [(*line, 1)]
    assert SECRET not in box.everything()


def test_a_stop_that_was_carried_out_before_another_failed_has_no_evidence_of_it(box):
    box.deploy_secretive("b")
    box.command_apply("b")

    def refuse(verb, name):
        if (verb, name) == ("stop", "b"):
            raise ClusterRefused("no", evidence=["because"])

    box.cluster.before = refuse
    with pytest.raises(ClusterRefused):
        box.stop("a", "b")
    stops = [(line.workload, line.outcome, line.evidence) for line in history.history(box.ledger, evidence=True) if line.action == "stop"]
    assert stops == [("a", "done", ()), ("b", "failed", ("because",))]


def test_a_secret_in_what_is_observed_and_in_the_progress_is_masked(box):
    box.cluster.broken = {"a": f"container: TOKEN={SECRET} is refused"}
    with pytest.raises(UndoFailed):
        box.command_apply("a")
    assert SECRET not in repr((box.said, box.ledger.workload("a").observation, box.warnings("a")))
    before = box.ledger.version()
    observe(box.ctx, ["a"])
    assert box.ledger.version() == before, "what is the same is not written again"


def test_the_agents_log_has_no_login_that_a_registry_quotes(box):
    box.runtime = RuntimeUnreachable("https://anna:swordfish@r.io/v2/: 401")
    box.deploy("b")
    box.work(stop=lambda: any("staging b waits" in event.text for event in box.said if isinstance(event, Note)), until_idle=True)
    assert "swordfish" not in repr(box.said)


@pytest.mark.parametrize(
    ("verbs", "ends"),
    [(("finish",), ["pre-apply", "post-apply"]), (("put",), ["pre-apply", "on-failure"]), ((), ["pre-apply", "post-apply"])],
)
def test_a_cluster_that_goes_away_after_the_point_of_no_return_is_no_failure_for_the_hooks(box, verbs, ends):
    events = []

    class Hooks:
        def any(self):
            return True

        def inspect(self):
            return 1, ()

        def run(self, event, document, progress, stop):
            events.append(event)

    box.hooks = Hooks()
    box.fail(*verbs, error=ClusterUnreachable)
    with suppress(ProvisionError):
        box.command_apply("a")
    box.cluster.before = lambda verb, name: None
    with box.operation():
        pass
    assert events == ends


class DyingHooks:
    """The process is killed when the final hook is to run."""

    alive = False

    def any(self):
        return True

    def inspect(self):
        return 1, ()

    def run(self, event, document, progress, stop):
        if event != "pre-apply" and not self.alive:
            raise Crash


def test_an_apply_that_was_killed_before_its_final_hook_and_is_asked_for_again_is_done(box):
    box.hooks = DyingHooks()
    with pytest.raises(Crash):
        box.command_apply("a")
    box.hooks.alive = True
    result = box.command_apply("a")
    assert (result.applied, result.warnings) == ((), ("the hooks of an interrupted apply of a were ended with post-apply",))


def test_recovery_of_another_change_is_no_answer_to_an_apply_with_nothing_staged(box):
    box.command_apply("a")
    box.deploy_secretive("b")

    with crash_at(box.cluster, verb="wait", workload="b"):
        box.command_apply("b")
    with pytest.raises(NothingStaged, match="nothing is staged for a"):
        box.command_apply("a")
