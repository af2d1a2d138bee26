"""What every Cluster promises. Subclass ClusterContract and give it a `bench`: the suite knows no backend.

The fake passes it, and so do Kubernetes and Docker Engine: that is what makes the fake worth anything.
"""

import itertools
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.plan import Op
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.cluster.rehearsal import RehearsalTerms
from kelvin_provision.context import silent
from kelvin_provision.errors import ProvisionError, SecretMissing
from kelvin_provision.observation import Observed
from kelvin_provision.spec.enums import Method, VolumeKind
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec, System, Variable, Volume
from kelvin_provision.status import RehearsalOutcome
from tests.kit.changes_listener import listening
from tests.kit.images import TALK
from tests.kit.waiting import until

POLICY = WaitPolicy(timeout=200.0, settle=3.0)
"""`dying` lives for a second: it must not pass as settled. A backend that holds workloads itself takes the same 3 seconds."""

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Picture:
    """An image that the backend can start: what a request would say, and its lock if this backend needs one."""

    image: str
    locks: tuple[ImageLock, ...] = ()


class Bench(Protocol):
    """What a backend brings along. It cleans up after itself when the test ends.

    It may have a `end_pods(workload)`, called before a test's last `remove`, that ends containers without grace.
    """

    cluster: Cluster

    def picture(self, what: str) -> Picture:
        """`one` and `two` answer with that word; `dying` says so and ends with exit code 3 after a second; `talking` writes TALK.

        `missing` exists nowhere.
        """
        ...

    def answer(self, workload: str) -> str | None:
        """What a client of the workload gets now, without white space; None without an answer."""
        ...

    def environment(self, workload: str, name: str) -> str | None:
        """The value of a variable in the workload as the cluster will start it, secrets resolved."""
        ...

    def neighbour(self) -> str:
        """Make something that is not ours; returns its name, which may be taken for a workload's."""
        ...

    def neighbour_is_untouched(self, name: str) -> bool:
        """Whether it is exactly as it was made."""
        ...


def no_secrets(name: str) -> str:
    raise SecretMissing(f"{name}: the test has no secrets")


def never() -> bool:
    return False


def spec(name: str, picture: Picture, version: str = "1.0.0", **more) -> Spec:
    return Spec(
        name=name,
        title="A workload of the contract suite",
        app_name="contract-app",
        app_version=version,
        cluster_name="contract",
        method=Method.STAGED if picture.locks else Method.STANDARD,
        image=picture.image,
        payload={"spec_version": "5.0.0", "name": "contract-app", "version": version},
        **more,
    )


class ClusterContract:
    @pytest.fixture
    def cluster(self, bench) -> Cluster:
        return bench.cluster

    @pytest.fixture
    def name(self, bench):
        """A name that no other test uses; the workload is gone when the test ends."""
        name = f"contract-{os.getpid()}-{next(_NUMBERS)}"
        yield name
        getattr(bench, "end_pods", lambda _name: None)(name)
        bench.cluster.remove(name)

    def objects(self, bench, name, what, revision=1, **more):
        picture = bench.picture(what)
        version = {"one": "1.0.0", "two": "2.0.0"}.get(what, "3.0.0")
        return bench.cluster.render(spec(name, picture, version, **more), picture.locks, revision)

    def bring_up(self, cluster, name, objects, lookup=no_secrets):
        cluster.put(name, objects, lookup)
        health = cluster.wait({name: objects}, POLICY, silent, never)
        assert health[name].phase is Phase.READY, (health, cluster.evidence(name))
        cluster.finish(name, objects)

    # --- coming up ---------------------------------------------------------------------------------

    def test_info_names_type_platform_and_node(self, cluster):
        info = cluster.info()
        assert info.type == cluster.type
        assert info.platform.os == "linux"
        assert info.node

    def test_our_node_is_one_of_its_nodes_and_may_run_what_is_rendered(self, bench, cluster, name):
        here = cluster.info().node
        (ours,) = [node for node in cluster.nodes() if node.name == here]
        assert (ours.ready, ours.schedulable, ours.platform.os) == (True, True, "linux")
        objects = self.objects(bench, name, "one")
        places = cluster.places({name: objects})
        assert [place.workload for place in places] == [name]
        assert here in places[0].nodes
        assert len(places[0].images) == 1

    def test_nodes_have_exactly_the_marks_that_were_set_last(self, cluster):
        here = cluster.info().node
        for marks in ({f"{MARK}a", f"{MARK}b"}, {f"{MARK}b"}, set()):
            for _ in range(2):
                cluster.mark_nodes({here: marks, "no-such-node": marks})
            assert all(self.marks(node) == (marks if node.name == here else set()) for node in cluster.nodes())

    def marks(self, node):
        """Of this suite: others may use the cluster at the same time."""
        return {label for label in node.labels if label in {f"{MARK}a", f"{MARK}b"}}

    def test_state_and_survey_describe_cluster_and_desired_objects_and_change_nothing(self, bench, cluster, name):
        objects = self.objects(bench, name, "one")
        state, survey = cluster.state(), cluster.survey({name: objects})
        assert (state.info, state.identity != "") == (cluster.info(), True)
        assert [use.workload for use in survey.images] == [name]
        assert (survey.denied, survey.port_conflicts) == ((), ())
        assert all(port in range(1, 65536) and taker for port, taker in cluster.node_ports().items())
        assert all(demand.requested <= demand.available for demand in survey.resources)
        assert name not in cluster.observe()

    def test_rendering_the_same_revision_twice_gives_the_same_objects(self, bench, name):
        assert self.objects(bench, name, "one") == self.objects(bench, name, "one")

    def test_the_waves_have_every_object_once(self, bench, cluster, name):
        desired = {name: self.objects(bench, name, "one"), f"{name}-b": self.objects(bench, f"{name}-b", "two")}
        waves = cluster.waves(desired)
        for workload, objects in desired.items():
            assert tuple(item for wave in waves for item in wave.get(workload, ())) == objects
        assert len(cluster.waves({})) == 1

    def test_a_first_version_comes_up_and_is_seen_running(self, bench, cluster, name):
        objects = self.objects(bench, name, "one", revision=4)
        plan = cluster.plan({name: objects}, no_secrets)
        assert plan.findings == ()
        assert {change.op for change in plan.changes} == {Op.CREATE}
        assert {change.workload for change in plan.changes} == {name}
        assert all(change.why for change in plan.changes)
        self.bring_up(cluster, name, objects)
        assert bench.answer(name) == "one"
        observation = cluster.observe()[name]
        assert (observation.observed, observation.revision) == (Observed.RUNNING, 4)

    def test_a_plan_touches_nothing(self, bench, cluster, name):
        cluster.plan({name: self.objects(bench, name, "one")}, no_secrets)
        assert name not in cluster.observe()
        assert bench.answer(name) is None

    def test_the_plan_of_what_runs_already_is_empty(self, bench, cluster, name):
        objects = self.objects(bench, name, "one")
        self.bring_up(cluster, name, objects)
        plan = cluster.plan({name: objects}, no_secrets)
        assert plan.findings == ()
        assert plan.empty, plan.changes
        assert cluster.drift({name: objects}) == ()

    def test_a_new_revision_number_alone_is_no_change(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "one", revision=1))
        plan = cluster.plan({name: self.objects(bench, name, "one", revision=2)}, no_secrets)
        assert plan.empty, plan.changes

    # --- going on ----------------------------------------------------------------------------------

    def test_the_old_version_answers_until_the_new_one_is_ready(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "one"))
        new = self.objects(bench, name, "two", revision=2)
        assert not cluster.plan({name: new}, no_secrets).empty
        cluster.put(name, new, no_secrets)
        assert bench.answer(name) == "one"
        health = cluster.wait({name: new}, POLICY, silent, never)
        assert health[name].phase is Phase.READY, health
        cluster.finish(name, new)
        assert bench.answer(name) == "two"
        assert cluster.observe()[name].revision == 2

    def test_a_changed_configuration_is_a_change(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "one", configuration={"speed": 1}))
        new = self.objects(bench, name, "one", revision=2, configuration={"speed": 2})
        assert not cluster.plan({name: new}, no_secrets).empty
        self.bring_up(cluster, name, new)
        assert cluster.plan({name: new}, no_secrets).empty
        assert cluster.drift({name: new}) == ()
        assert bench.answer(name) == "one"

    def test_every_verb_may_be_repeated(self, bench, cluster, name):
        old, new = self.objects(bench, name, "one"), self.objects(bench, name, "two", revision=2)
        self.bring_up(cluster, name, old)
        for _ in range(2):
            cluster.put(name, new, no_secrets)
        for _ in range(2):
            assert cluster.wait({name: new}, POLICY, silent, never)[name].phase is Phase.READY
        for _ in range(2):
            cluster.retry_stuck_pods(name)  # nothing waits
        for _ in range(2):
            cluster.finish(name, new)
        assert bench.answer(name) == "two"
        for _ in range(2):
            cluster.revert(name, old, no_secrets)
        assert cluster.wait({name: old}, POLICY, silent, never)[name].phase is Phase.READY
        assert bench.answer(name) == "one"
        assert cluster.remove(name)
        assert cluster.remove(name) == ()
        assert name not in cluster.observe()
        assert {(drift.workload, drift.path) for drift in cluster.drift({name: old})} == {(name, "")}

    def test_a_workload_that_finishes_without_objects_goes_and_can_come_again(self, bench, cluster, name):
        objects = self.objects(bench, name, "one")
        self.bring_up(cluster, name, objects)
        plan = cluster.plan({name: ()}, no_secrets)
        assert (plan.findings, {change.op for change in plan.changes}) == ((), {Op.DELETE})
        for _ in range(2):
            cluster.finish(name, ())
        until(lambda: bench.answer(name) is None)  # a cluster may end its containers after the objects are gone
        self.bring_up(cluster, name, objects)
        assert bench.answer(name) == "one"

    # --- stopped -----------------------------------------------------------------------------------

    def test_a_stopped_workload_is_kept_and_comes_back_as_it_was(self, bench, cluster, name):
        objects = self.objects(bench, name, "one", revision=3)
        self.bring_up(cluster, name, objects)
        for _ in range(2):
            cluster.stop(name)
        observation = cluster.observe()[name]
        assert (observation.observed, observation.revision, observation.warnings) == (Observed.STOPPED, 3, ())
        assert bench.answer(name) is None
        plan = cluster.plan({name: objects}, no_secrets)
        assert plan.findings == ()
        self.bring_up(cluster, name, objects)
        assert bench.answer(name) == "one"
        assert cluster.observe()[name].observed is Observed.RUNNING
        assert cluster.plan({name: objects}, no_secrets).empty

    def test_a_new_version_of_a_stopped_workload_comes_up(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "one"))
        cluster.stop(name)
        self.bring_up(cluster, name, self.objects(bench, name, "two", revision=2))
        assert bench.answer(name) == "two"
        assert cluster.observe()[name].observed is Observed.RUNNING

    def test_what_was_stopped_before_a_failed_version_can_be_stopped_again(self, bench, cluster, name):
        old, new = self.objects(bench, name, "one"), self.objects(bench, name, "dying", revision=2)
        self.bring_up(cluster, name, old)
        cluster.stop(name)
        cluster.put(name, new, no_secrets)
        assert cluster.wait({name: new}, POLICY, silent, never)[name].phase is Phase.FAILED
        cluster.revert(name, old, no_secrets)
        cluster.stop(name)
        until(lambda: cluster.observe()[name].observed is Observed.STOPPED)  # pods of the version that failed may be on their way out
        self.bring_up(cluster, name, old)
        assert bench.answer(name) == "one"

    def test_stopping_what_is_not_there_is_fine(self, cluster):
        cluster.stop("no-such-workload")
        assert "no-such-workload" not in cluster.observe()

    # --- failing -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("what", ["dying", "missing"])
    def test_a_version_that_cannot_run_fails_early_with_the_reason_and_the_old_one_comes_back(self, bench, cluster, name, what):
        old, new = self.objects(bench, name, "one"), self.objects(bench, name, what, revision=2)
        self.bring_up(cluster, name, old)
        began = time.monotonic()
        refused = ""
        try:
            cluster.put(name, new, no_secrets)
        except ProvisionError as error:
            refused = str(error)
        if refused:  # an engine that looks for the image before it makes anything may say so here
            assert what == "missing"
        else:
            health = cluster.wait({name: new}, POLICY, silent, never)[name]
            assert health.phase is Phase.FAILED
            assert health.why
            assert time.monotonic() - began < POLICY.timeout / 2
            assert cluster.evidence(name)
        cluster.revert(name, old, no_secrets)
        assert cluster.wait({name: old}, POLICY, silent, never)[name].phase is Phase.READY
        assert bench.answer(name) == "one"
        assert cluster.plan({name: old}, no_secrets).empty
        assert cluster.observe()[name].revision == 1

    def test_a_new_workload_that_fails_is_taken_away_again(self, bench, cluster, name):
        objects = self.objects(bench, name, "dying")
        cluster.put(name, objects, no_secrets)
        assert cluster.wait({name: objects}, POLICY, silent, never)[name].phase is Phase.FAILED
        cluster.revert(name, (), no_secrets)
        assert name not in cluster.observe()
        cluster.revert(name, (), no_secrets)

    def test_one_failure_ends_the_wait_for_all(self, bench, cluster, name):
        other = f"{name}-b"
        good, bad = self.objects(bench, name, "one"), self.objects(bench, other, "dying")
        try:
            cluster.put(name, good, no_secrets)
            cluster.put(other, bad, no_secrets)
            began = time.monotonic()
            health = cluster.wait({name: good, other: bad}, POLICY, silent, never)
            assert health[other].phase is Phase.FAILED
            assert set(health) == {name, other}
            assert time.monotonic() - began < POLICY.timeout / 2
        finally:
            cluster.remove(other)

    def test_time_that_runs_out_says_what_it_waited_for(self, bench, cluster, name):
        objects = self.objects(bench, name, "one")
        cluster.put(name, objects, no_secrets)
        health = cluster.wait({name: objects}, replace(POLICY, timeout=0.2, settle=30.0), silent, never)[name]
        assert health.phase is Phase.WAITING
        assert health.why

    def test_a_wait_can_be_stopped(self, bench, cluster, name):
        objects = self.objects(bench, name, "one")
        cluster.put(name, objects, no_secrets)
        began = time.monotonic()
        health = cluster.wait({name: objects}, replace(POLICY, settle=180.0), silent, lambda: True)
        assert set(health) == {name}
        assert time.monotonic() - began < 60

    def test_evidence_of_nothing_is_nothing_and_never_raises(self, cluster):
        assert cluster.evidence("no-such-workload") == ()

    # --- what is not ours --------------------------------------------------------------------------

    def test_removing_what_is_not_there_is_fine(self, cluster):
        assert cluster.remove("no-such-workload") == ()

    def test_workloads_do_not_touch_each_other(self, bench, cluster, name):
        other = f"{name}-b"
        mine, theirs = self.objects(bench, name, "one"), self.objects(bench, other, "two")
        try:
            self.bring_up(cluster, name, mine)
            self.bring_up(cluster, other, theirs)
            cluster.finish(name, mine)
            assert cluster.plan({other: theirs}, no_secrets).empty
            assert cluster.remove(name)
            assert bench.answer(other) == "two"
            assert cluster.plan({other: theirs}, no_secrets).empty
            assert set(cluster.observe()) >= {other}
            assert name not in cluster.observe()
        finally:
            cluster.remove(other)

    def test_what_is_not_ours_is_refused_and_stays_as_it_is(self, bench, cluster):
        name = bench.neighbour()
        objects = self.objects(bench, name, "one")
        findings = cluster.plan({name: objects}, no_secrets).findings
        assert [finding.code for finding in findings] == ["not-ours"]
        assert findings[0].workload == name
        cluster.remove(name)
        cluster.finish(name, ())
        assert name not in cluster.observe()
        assert bench.neighbour_is_untouched(name)

    # --- hearing of changes ------------------------------------------------------------------------

    def test_changes_of_ours_are_heard_and_those_of_others_are_not(self, bench, cluster, name):
        with listening(cluster) as heard:
            assert heard.soon(), "it says so when it begins to listen"
            objects = self.objects(bench, name, "one")
            heard.quiet()
            cluster.put(name, objects, no_secrets)
            assert heard.soon()
            cluster.wait({name: objects}, POLICY, silent, never)
            cluster.finish(name, objects)
            until(lambda: self.unheard(bench, heard))
            cluster.remove(name)
            assert heard.soon()
        assert heard.ended

    def unheard(self, bench, heard):
        """Once: a container of ours may still be on its way out, and is heard of."""
        heard.quiet()
        bench.neighbour()
        return not heard.soon(seconds=1.5)

    # --- rehearsals --------------------------------------------------------------------------------

    def rehearse(self, cluster, name, objects, stop=never, **terms):
        """Not cut off: what a backend must have for that is a matter of its own tests."""
        return cluster.rehearse(name, objects, RehearsalTerms(POLICY, allow_network=True, **terms), no_secrets, progress=silent, stop=stop)

    def test_a_rehearsal_beside_the_running_version_touches_nothing_and_leaves_nothing(self, bench, cluster, name):
        before = self.objects(bench, name, "one")
        self.bring_up(cluster, name, before)
        volume = Volume("data", VolumeKind.PERSISTENT, "/data")
        staged = self.objects(bench, name, "two", revision=2, system=System(volumes=(volume,)))
        answers, over = [], threading.Event()

        def ask():
            while not over.is_set():
                answers.append(bench.answer(name))
                over.wait(0.1)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            result = self.rehearse(cluster, name, staged)
        finally:
            over.set()
            asking.join()
        assert (result.outcome, result.reason) == (RehearsalOutcome.OK, "")
        assert set(answers) == {"one"}
        assert cluster.plan({name: before}, no_secrets).empty
        assert cluster.drift({name: before}) == ()
        assert cluster.observe()[name].revision == 1
        assert cluster.end_rehearsals() == ()

    def test_a_rehearsal_of_a_version_that_dies_has_its_evidence(self, bench, cluster, name):
        result = self.rehearse(cluster, name, self.objects(bench, name, "dying"))
        assert result.outcome is RehearsalOutcome.FAILED
        assert "exit code 3" in result.reason
        assert "going down" in " ".join(result.evidence) or result.evidence
        assert name not in cluster.observe()
        assert cluster.end_rehearsals() == ()

    def test_a_rehearsal_that_is_ended_leaves_nothing(self, bench, cluster, name):
        result = self.rehearse(cluster, name, self.objects(bench, name, "two"), stop=lambda: True)
        assert result.outcome is RehearsalOutcome.ENDED
        assert cluster.end_rehearsals() == ()

    # --- who leads ---------------------------------------------------------------------------------

    def test_of_several_that_take_the_lease_at_once_one_has_it_and_is_replaced_only_by_name(self, cluster, name):
        before = cluster.lease()
        if before is None:  # one machine
            assert cluster.take_lease(name) is None
            return
        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(lambda number: cluster.take_lease(f"{name}-{number}", over=before.holder), range(4)))
        (holder,) = {lease.holder for lease in found}
        held = cluster.lease()
        assert (held.holder, held.term) == (holder, before.term + 1)
        assert holder.startswith(name)
        assert cluster.take_lease(f"{name}-late").holder == holder
        assert cluster.take_lease(f"{name}-late", over=f"{name}-another").holder == holder
        renewed = cluster.take_lease(holder)
        assert (renewed.holder, renewed.term) == (holder, held.term)
        moved = cluster.take_lease(f"{name}-late", term=held.term + 7, over=holder)
        assert (moved.holder, moved.term) == (f"{name}-late", held.term + 7)
        assert cluster.take_lease(holder) == cluster.lease() == moved

    # --- secrets -----------------------------------------------------------------------------------

    def test_secrets_are_filled_in_on_the_wire_only(self, bench, cluster, name):
        references = []

        def lookup(reference: str) -> str:
            references.append(reference)
            return "hunter2"

        system = System(
            environment=(Variable("PASSWORD", "<% secrets.contract %>"),),
            volumes=(Volume("login", VolumeKind.SECRET, "/run/login", secret="user:<% secrets.contract %>"),),
        )
        objects = self.objects(bench, name, "one", system=system)
        assert "hunter2" not in str(objects)
        assert "secrets.contract" in str(objects)
        self.bring_up(cluster, name, objects, lookup)
        assert set(references) == {"secrets.contract"}
        assert bench.environment(name, "PASSWORD") == "hunter2"
        plan = cluster.plan({name: objects}, lookup)
        assert plan.empty, plan.changes
        assert "hunter2" not in str(plan)

    def test_a_missing_secret_is_named(self, bench, cluster, name):
        system = System(environment=(Variable("PASSWORD", "<% secrets.contract %>"),))
        objects = self.objects(bench, name, "one", system=system)
        with pytest.raises(SecretMissing, match=r"secrets\.contract"):
            cluster.put(name, objects, no_secrets)

    # --- logs --------------------------------------------------------------------------------------

    def texts(self, cluster, name, **options):
        return [line.text for line in cluster.logs(name, **({"follow": False, "stop": never} | options))]

    def talking(self, bench, cluster, name):
        """It is up, and has said all that it has to say."""
        self.bring_up(cluster, name, self.objects(bench, name, "talking"))
        until(lambda: len(self.texts(cluster, name)) >= len(TALK))

    def test_the_log_says_what_was_written_and_when(self, bench, cluster, name):
        self.talking(bench, cluster, name)
        lines = list(cluster.logs(name, follow=False, stop=never))
        assert [line.text for line in lines] == TALK
        assert [line.time for line in lines] == sorted(line.time for line in lines)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line.time) for line in lines)
        assert len({(line.source, line.container) for line in lines}) == 1
        assert self.texts(cluster, name, tail=2) == TALK[-2:]
        assert self.texts(cluster, name, tail=0) == []
        assert self.texts(cluster, name, since=lines[1].time) == TALK[1:]
        assert self.texts(cluster, name, since="2099-01-01T00:00:00Z") == []
        assert self.texts(cluster, name, previous=True) == []

    def test_a_workload_that_is_not_there_has_no_log(self, cluster):
        assert self.texts(cluster, "no-such-workload") == []
        assert self.texts(cluster, "no-such-workload", follow=True) == []

    def test_what_a_container_wrote_is_there_when_it_has_died(self, bench, cluster, name):
        objects = self.objects(bench, name, "dying")
        cluster.put(name, objects, no_secrets)
        assert cluster.wait({name: objects}, POLICY, silent, never)[name].phase is Phase.FAILED
        # A cluster may drop what ran earlier as soon as there is something newer; nothing else may stand in for it.
        runs = [self.texts(cluster, name, previous=True), self.texts(cluster, name)]
        assert {text for texts in runs for text in texts} == {"going down"}

    def test_following_a_log_ends_when_told_to(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "talking"))
        heard = []

        def enough():
            return len(heard) == len(TALK)

        for line in cluster.logs(name, follow=True, stop=enough):
            heard += [line.text]
        assert heard == TALK

    def test_following_a_log_ends_with_its_workload(self, bench, cluster, name):
        self.talking(bench, cluster, name)
        remover = threading.Timer(1.0, lambda: cluster.remove(name))
        remover.start()
        try:
            assert self.texts(cluster, name, follow=True, tail=1) == TALK[-1:]
        finally:
            remover.join()
