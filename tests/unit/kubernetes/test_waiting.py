"""A rollout judged over time, on a clock that the test holds; and whole waits."""

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.judge.rollout import Rollout, watched_kinds
from kelvin_provision.cluster.kubernetes.watching.waiting import WaitCallbacks, wait
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.events import Finished, Started
from tests.kit.fakes.kubernetes_api import ScriptedApi

POLICY = WaitPolicy(timeout=0.0, settle=5.0, unschedulable=15.0)
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def deployment(held=0, **status):
    template = {"metadata": {"annotations": {SPEC_HASH: "new"}}, "spec": {}}
    metadata = {"name": "m", "uid": "d", "generation": 1, "resourceVersion": "1"}
    spec = {"minReadySeconds": held, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": DONE | status}


def pod(*conditions, restarts=0, state=None):
    about = {"name": "m-1", "uid": "p", "labels": {OWNER: "m"}, "annotations": {SPEC_HASH: "new"}}
    statuses = [{"name": "c", "restartCount": restarts, "state": state or {"running": {}}}]
    return {"kind": "Pod", "metadata": about, "status": {"conditions": list(conditions), "containerStatuses": statuses}}


def store_of(*objects):
    store = Store()
    for kind in ("Deployment", "Pod"):
        store.apply(WatchEvent(kind, listed=tuple(item for item in objects if item["kind"] == kind)))
    return store


READY = {"type": "Ready", "status": "True"}
UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}


def test_what_is_not_there_is_waited_for():
    health = Rollout("m", [deployment()], POLICY).health(Store(), 0)
    assert (health.phase, health.why) == (Phase.WAITING, "Deployment/m: not created yet")


def test_what_the_cluster_holds_itself_is_up_as_soon_as_it_says_so():
    assert Rollout("m", [deployment(held=5)], POLICY).health(store_of(deployment(held=5), pod(READY)), 0).phase is Phase.READY


def test_what_it_does_not_hold_must_stay_up_for_as_long():
    rollout, store = Rollout("m", [deployment()], POLICY), store_of(deployment(), pod(READY))
    assert rollout.health(store, 100).why == "m: ready, settling for 5 more seconds"
    assert rollout.health(store, 104.9).phase is Phase.WAITING
    assert rollout.health(store, 105).phase is Phase.READY


def test_a_restart_begins_the_settling_anew():
    rollout = Rollout("m", [deployment()], POLICY)
    rollout.health(store_of(deployment(), pod(READY)), 100)
    assert rollout.health(store_of(deployment(), pod(READY, restarts=1)), 104).phase is Phase.WAITING
    assert rollout.health(store_of(deployment(), pod(READY, restarts=1)), 108).phase is Phase.WAITING
    assert rollout.health(store_of(deployment(), pod(READY, restarts=1)), 109).phase is Phase.READY


def test_nothing_is_ready_before_its_pods_were_listed():
    here = deployment()
    here["metadata"]["namespace"] = "app"
    store = Store()
    store.apply(WatchEvent("Deployment", listed=(here,), namespace="app"))
    store.apply(WatchEvent("Pod", listed=(), namespace="x"))
    health = Rollout("m", [here], POLICY).health(store, 0)
    assert (health.phase, health.why) == (Phase.WAITING, "Deployment/m: its pods are not listed yet")
    store.apply(WatchEvent("Pod", listed=(), namespace="app"))
    assert Rollout("m", [here], POLICY).health(store, 0).phase is Phase.READY


def test_nothing_is_ready_while_the_cluster_does_not_answer():
    rollout, store = Rollout("m", [deployment()], POLICY), store_of(deployment(), pod(READY))
    assert rollout.health(store, 100).why == "m: ready, settling for 5 more seconds"
    store.apply(WatchEvent("Pod", unreachable="connection refused"))
    health = rollout.health(store, 200)
    assert (health.phase, health.why) == (Phase.WAITING, "connection refused")
    store.apply(WatchEvent("Pod", listed=(pod(READY, restarts=1),)))
    assert rollout.health(store, 201).why == "m: ready, settling for 5 more seconds"


def test_a_trouble_that_may_heal_has_its_time_and_no_more():
    rollout, store = Rollout("m", [deployment()], POLICY), store_of(deployment(availableReplicas=0), pod(UNPLACED))
    assert rollout.health(store, 0).why == "pod m-1: Unschedulable: no room"
    assert rollout.health(store, 14).phase is Phase.WAITING
    assert rollout.health(store, 15).phase is Phase.FAILED


@pytest.mark.parametrize(
    ("reason", "message", "seconds"),
    [
        ("FailedMount", "MountVolume.SetUp failed: timed out waiting for the condition", 60),
        ("FailedAttachVolume", "the volume is still attached elsewhere", 60),
        ("FailedMount", 'MountVolume.SetUp failed: secret "s" not found', 15),
        ("FailedCreatePodSandBox", "no network", 15),
    ],
)
def test_a_volume_is_waited_for_longer_than_what_does_not_appear_by_itself(reason, message, seconds):
    event = {"kind": "Event", "metadata": {"name": "e"}, "reason": reason, "message": message, "involvedObject": {"uid": "p"}}
    store = store_of(deployment(availableReplicas=0), pod(state={"waiting": {"reason": "ContainerCreating"}}))
    store.apply(WatchEvent("Event", listed=(event,)))
    rollout = Rollout("m", [deployment()], POLICY)
    assert rollout.health(store, 100).phase is Phase.WAITING
    assert rollout.health(store, 100 + seconds - 0.1).phase is Phase.WAITING
    assert rollout.health(store, 100 + seconds).phase is Phase.FAILED


def test_a_claim_without_a_volume_is_waited_for_as_long():
    unbound = UNPLACED | {"message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."}
    rollout = Rollout("m", [deployment()], POLICY)
    store = store_of(deployment(availableReplicas=0), pod(unbound))
    assert rollout.health(store, 100).phase is Phase.WAITING
    assert rollout.health(store, 159).phase is Phase.WAITING
    assert rollout.health(store, 160).phase is Phase.FAILED


def test_a_trouble_that_healed_is_forgotten():
    rollout, store = Rollout("m", [deployment()], POLICY), store_of(deployment(availableReplicas=0), pod(UNPLACED))
    rollout.health(store, 0)
    rollout.health(store_of(deployment(availableReplicas=0), pod()), 10)
    assert rollout.health(store, 16).phase is Phase.WAITING


def test_a_final_trouble_ends_it_at_once():
    died = {"terminated": {"exitCode": 3, "reason": "Error"}}
    store = store_of(deployment(availableReplicas=0), pod(restarts=1, state=died))
    health = Rollout("m", [deployment()], POLICY).health(store, 0)
    assert (health.phase, health.why) == (Phase.FAILED, "pod m-1: container c exited 2 times, last with exit code 3 (Error)")


def test_a_rollout_that_took_too_long_names_the_pods_own_reason():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
    health = Rollout("m", [deployment()], POLICY).health(store_of(deployment(conditions=[late]), pod(UNPLACED)), 0)
    assert health.why == "Deployment/m: ProgressDeadlineExceeded: late; pod m-1: Unschedulable: no room"


def test_objects_that_nobody_judges_are_ready_when_they_are_applied():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    assert Rollout("m", [config], POLICY).health(Store(), 0).phase is Phase.READY
    pods, events = ("v1", "Pod", "app"), ("v1", "Event", "app")
    assert watched_kinds({"m": [config, deployment()]}, "app") == [("apps/v1", "Deployment", "app"), pods, events]


def test_each_namespace_is_watched_for_what_is_in_it():
    elsewhere = deployment() | {"metadata": {"name": "m", "namespace": "x"}}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "c"}}
    kinds = watched_kinds({"m": [definition, elsewhere]}, "app")
    assert kinds[:2] == [("apiextensions.k8s.io/v1", "CustomResourceDefinition", ""), ("apps/v1", "Deployment", "x")]
    assert sorted(kinds[2:]) == [("v1", kind, place) for kind in ("Event", "Pod") for place in ("app", "x")]


def test_pods_of_another_namespace_say_nothing_although_their_template_is_the_same():
    here, elsewhere = deployment(availableReplicas=0), deployment()
    here["metadata"]["namespace"], elsewhere["metadata"]["namespace"] = "app", "x"
    failing = pod(restarts=2, state={"terminated": {"exitCode": 3, "reason": "Error"}})
    failing["metadata"]["namespace"] = "app"
    store = store_of(here, elsewhere, failing)
    assert Rollout("m", [elsewhere], POLICY).health(store, 0).phase is Phase.READY
    assert Rollout("m", [here], POLICY).health(store, 0).phase is Phase.FAILED


def test_a_wait_says_when_it_begins_and_ends():
    progress = []
    wanted = {"m": [deployment(held=5)]}
    policy = WaitPolicy(timeout=5.0, settle=5.0)
    health = wait(ScriptedApi(items=[deployment(held=5), pod(READY)]), "app", wanted, policy, WaitCallbacks(progress.append, lambda: False))
    assert health["m"].phase is Phase.READY
    assert progress == [Started("m", "starting"), Finished("m", "running")]


def test_a_pod_whose_controller_is_put_in_a_later_wave_is_not_leaving_and_nothing_waits_for_its_room():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    other = deployment() | {"metadata": {"name": "other", "uid": "o"}}
    unchanged = pod(READY)
    unchanged["metadata"] |= {"name": "other-1", "uid": "q", "labels": {OWNER: "other"}}
    api = ScriptedApi(items=[deployment(availableReplicas=0), pod(UNPLACED), unchanged])
    policy = WaitPolicy(timeout=3.0, unschedulable=0.0)
    wave, callbacks = {"m": [deployment()], "other": [config]}, WaitCallbacks(lambda event: None, lambda: False)
    assert wait(api, "app", wave, policy, callbacks, whole=wave | {"other": [config, other]})["m"].phase is Phase.FAILED


def test_a_wait_that_runs_out_says_what_for():
    health = wait(ScriptedApi(), "app", {"m": [deployment()]}, POLICY, WaitCallbacks(lambda event: None, lambda: False))
    assert (health["m"].phase, health["m"].why) == (Phase.WAITING, "Deployment/m: not created yet")
