"""What `running` means where no controller replaces the pods: that pods of this version run; else what is left to do."""

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.judge.interruptions import interruptions
from kelvin_provision.cluster.kubernetes.judge.observation import observe
from kelvin_provision.cluster.kubernetes.judge.outdated import Outdated, outdated
from kelvin_provision.cluster.kubernetes.judge.rollout import Rollout
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.kubernetes.watching.waiting import WaitCallbacks, wait
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.events import Finished, Started
from kelvin_provision.observation import Observed
from tests.kit.fakes.kubernetes_api import ObjectApi, ScriptedApi

ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
UPDATING = {"observedGeneration": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}
DAEMON = {"observedGeneration": 1, "desiredNumberScheduled": 1, "numberAvailable": 1}
TODO = "StatefulSet/m: 1 of 1 pods still run the previous version (updateStrategy OnDelete); to update: kubectl -n app delete pod m-0"


def live(kind, spec, status):
    metadata = {"name": "m", "namespace": "app", "generation": 1, "labels": {OWNER: "m"}, "annotations": {REVISION: "2"}, "uid": "u"}
    template = {"metadata": {"annotations": {SPEC_HASH: "new"}}, "spec": {"containers": []}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template, **spec}, "status": status}


def pod(version="old", **more):
    owner = {"kind": "StatefulSet", "name": "m", "controller": True}
    metadata = {"name": "m-0", "namespace": "app", "uid": "p", "labels": {OWNER: "m"}, "annotations": {SPEC_HASH: version}}
    metadata |= {"ownerReferences": [owner], **more}
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": []}
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": ready}


@pytest.mark.parametrize(
    ("item", "state"),
    [
        (live("StatefulSet", ON_DELETE, UPDATING), Outdated(1, 1, "updateStrategy OnDelete")),
        (live("StatefulSet", ON_DELETE | {"replicas": 3}, UPDATING | {"updatedReplicas": 1}), Outdated(2, 3, "updateStrategy OnDelete")),
        (live("StatefulSet", ON_DELETE, UPDATING | {"updatedReplicas": 1}), None),
        (live("StatefulSet", ON_DELETE, UPDATING | {"updateRevision": "a"}), None),
        (live("StatefulSet", ON_DELETE, UPDATING | {"observedGeneration": 0}), None),
        (live("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, UPDATING), Outdated(1, 1, "partition 1")),
        (live("StatefulSet", {}, UPDATING), None),
        (live("DaemonSet", ON_DELETE, DAEMON), Outdated(1, 1, "updateStrategy OnDelete")),
        (live("DaemonSet", ON_DELETE, DAEMON | {"updatedNumberScheduled": 1}), None),
        (live("DaemonSet", {}, DAEMON), None),
        (live("Deployment", ON_DELETE, UPDATING), None),
    ],
)
def test_pods_of_the_version_before_are_counted(item, state):
    assert outdated(item) == state


def test_it_is_not_running_while_the_old_pod_serves_and_says_what_to_delete():
    result = observe([live("StatefulSet", ON_DELETE, UPDATING)], [pod()], [], "")
    assert (result.observed, result.warnings) == (Observed.DEPLOYING, (TODO,))
    result = observe([live("StatefulSet", ON_DELETE, UPDATING | {"updatedReplicas": 1})], [pod("new")], [], "")
    assert (result.observed, result.warnings) == (Observed.RUNNING, ())


def test_a_pod_that_goes_already_and_one_of_another_controller_are_not_to_be_deleted():
    others = [pod(deletionTimestamp="now"), pod(ownerReferences=[{"kind": "StatefulSet", "name": "other"}])]
    (warning,) = observe([live("StatefulSet", ON_DELETE, UPDATING)], others, [], "").warnings
    assert warning.endswith("kubectl -n app delete pod NAME")


POLICY = WaitPolicy(timeout=5.0, settle=0.0)


def test_a_wait_ends_and_does_not_say_that_it_runs():
    item = live("StatefulSet", ON_DELETE, UPDATING)
    progress = []
    health = wait(ScriptedApi(items=[item, pod()]), "app", {"m": [item]}, POLICY, WaitCallbacks(progress.append, lambda: False))
    assert (health["m"].phase, health["m"].why) == (Phase.READY, TODO)
    assert progress == [Started("m", "starting"), Finished("m", "applied", TODO)]


def test_what_is_complete_is_ready_without_a_word():
    store = Store()
    for item in (pod("new"), live("StatefulSet", ON_DELETE, UPDATING | {"updatedReplicas": 1})):
        store.apply(WatchEvent(item["kind"], listed=(item,), namespace="app"))
    health = Rollout("m", [live("StatefulSet", ON_DELETE, {})], POLICY).health(store, 0)
    assert (health.phase, health.why) == (Phase.READY, "")


def planned(**spec):
    before, after = live("StatefulSet", spec, {}), live("StatefulSet", spec, {})
    before["spec"]["template"]["metadata"] = {"annotations": {SPEC_HASH: "old"}}
    return Planner(ObjectApi(before), "app", {"m": [after]}, str, {}).run()


def test_the_plan_says_it_before_and_promises_no_interruption_that_does_not_come():
    plan = planned(**ON_DELETE)
    remark = "m: StatefulSet/m: each pod keeps running the previous version until it is deleted (updateStrategy OnDelete)"
    assert (plan.notes, plan.findings) == ((remark,), ())
    assert any("partition 2" in note for note in planned(updateStrategy={"rollingUpdate": {"partition": 2}}).notes)
    assert len(list(interruptions("m", live("StatefulSet", {}, {}), has_service=False))) == 1
