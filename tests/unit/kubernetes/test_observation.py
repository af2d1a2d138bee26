"""One look at live objects: which state, which revision, which warnings."""

from kelvin_provision.cluster.kubernetes.judge.observation import observations
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.observation import Observation, Observed

SEEN = "2026-01-02T03:04:05Z"
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def deployment(status=None, replicas=1, **metadata):
    about = {"name": "m", "generation": 1, "labels": {OWNER: "m"}, "annotations": {REVISION: "7"}, **metadata}
    template = {"metadata": {"annotations": {SPEC_HASH: "new"}}}
    return {"kind": "Deployment", "metadata": about, "spec": {"replicas": replicas, "template": template}, "status": status or {}}


def pod(status=None, version="new", owned=True, **conditions):
    about = {"name": f"m-{version}", "uid": version, "labels": {OWNER: "m"}, "annotations": {SPEC_HASH: version}}
    if owned:
        about["ownerReferences"] = [{"kind": "ReplicaSet", "controller": True}]
    listed = [{"type": kind, "status": value} for kind, value in conditions.items()]
    return {"kind": "Pod", "metadata": about, "spec": {}, "status": {"containerStatuses": [status] if status else [], "conditions": listed}}


def observe_workload(objects, pods=(), events=()):
    result = observations(objects, pods, events, SEEN)
    return result["m"] if result else None


CRASHED = {
    "name": "c",
    "restartCount": 2,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
}


def test_nothing_of_ours_is_nothing():
    assert observations([{"kind": "Deployment", "metadata": {"name": "x"}}], [], [], SEEN) == {}


def test_a_deployment_that_is_up_runs():
    assert observe_workload([deployment(DONE)], [pod(Ready="True")]) == Observation(Observed.RUNNING, (), SEEN, 7)


def test_one_that_the_controller_has_not_seen_is_deploying():
    assert observe_workload([deployment()], [pod(version="old", Ready="True")]).observed is Observed.DEPLOYING


def test_one_whose_new_pods_are_there_is_starting():
    assert observe_workload([deployment(DONE | {"availableReplicas": 0})], [pod()]).observed is Observed.STARTING


def test_one_that_dies_again_and_again_has_failed_and_says_why():
    result = observe_workload([deployment(DONE | {"availableReplicas": 0})], [pod(CRASHED)])
    assert result.observed is Observed.FAILED
    assert result.warnings == (
        "pod m-new: CrashLoopBackOff: back-off 10s",
        "pod m-new: container c exited 3 times, last with exit code 3 (Error)",
    )


def test_an_old_pod_that_dies_is_not_the_new_version_failing():
    result = observe_workload([deployment(DONE | {"availableReplicas": 0})], [pod(CRASHED, version="old"), pod()])
    assert result.observed is Observed.STARTING


def test_a_rollout_that_took_too_long_has_failed():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    result = observe_workload([deployment(DONE | {"availableReplicas": 0, "conditions": [late]})], [pod()])
    assert (result.observed, result.warnings) == (Observed.FAILED, ("Deployment/m: ProgressDeadlineExceeded: timed out",))


def test_scaled_to_nothing_it_is_stopping_then_stopped():
    stopped = {"observedGeneration": 1}
    assert observe_workload([deployment(stopped, replicas=0)], [pod(Ready="True")]).observed is Observed.STOPPING
    assert observe_workload([deployment(stopped, replicas=0)]).observed is Observed.STOPPED


def test_one_that_is_being_deleted_is_stopping():
    assert observe_workload([deployment(DONE, deletionTimestamp=SEEN)]).observed is Observed.STOPPING


def test_pods_that_outlive_their_workload_are_stopping():
    assert observe_workload([], [pod(Ready="True")]).observed is Observed.STOPPING


def test_a_workload_without_anything_that_runs_is_running_when_it_is_there():
    record = {"kind": "ConfigMap", "metadata": {"name": "c", "labels": {OWNER: "m"}}}
    assert observe_workload([record]) == Observation(Observed.RUNNING, (), SEEN, None)


def test_a_pod_that_stands_alone_is_judged_itself():
    assert observe_workload([], [pod(owned=False, Ready="True")]).observed is Observed.RUNNING
    result = pod(owned=False)
    result["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}
    assert observe_workload([], [result]) == Observation(Observed.FAILED, ("Pod/m-new: Evicted: low on disk",), SEEN, None)
