"""What waiting cannot heal, and what only time can tell."""

import pytest

from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.cluster.kubernetes.judge.failures import controller_failures, current_pods, exit_count, last_exit, pod_failures
from kelvin_provision.cluster.labels import SPEC_HASH


def pod(*statuses, conditions=(), name="m-1", **metadata):
    status = {"containerStatuses": list(statuses), "conditions": list(conditions)}
    return {"kind": "Pod", "metadata": {"name": name, "uid": "u1", **metadata}, "status": status}


def waiting(reason, message=None, **more):
    return {"name": "c", "restartCount": 0, "state": {"waiting": {"reason": reason} | ({"message": message} if message else {})}, **more}


def ended(code=3, reason="Error", **more):
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def event(reason, message, uid="u1"):
    return {"reason": reason, "message": message, "involvedObject": {"uid": uid}}


def failures_of(result, events=(), patience=None):
    return [(failure.why, failure.final) for failure in pod_failures([result], events, patience or WaitPolicy())]


@pytest.mark.parametrize(
    ("reason", "message", "final"),
    [
        ("ErrImagePull", 'failed to resolve "x:1": not found', True),
        ("ErrImagePull", "pull access denied", True),
        ("ErrImagePull", "dial tcp: i/o timeout", False),
        ("ImagePullBackOff", 'Back-off pulling image "x:1"', False),
        ("ErrImageNeverPull", "image is not present", True),
        ("InvalidImageName", "couldn't parse", True),
        ("CreateContainerConfigError", 'secret "x" not found', True),
        ("CreateContainerConfigError", "failed to sync configmap cache: timed out waiting for the condition", False),
        ("CreateContainerError", "context deadline exceeded", False),
        ("RunContainerError", "no such file", True),
    ],
)
def test_a_container_that_cannot_begin(reason, message, final):
    assert failures_of(pod(waiting(reason, message))) == [(f"pod m-1: {reason}: {message}", final)]


def test_the_back_off_says_why_with_the_word_of_the_event():
    events = [
        event("Failed", 'Failed to pull image "x:1": not found'),
        event("Failed", "Error: ImagePullBackOff"),
        event("Failed", "no", "u2"),
    ]
    (result,) = failures_of(pod(waiting("ImagePullBackOff", 'Back-off pulling image "x:1"')), events)
    assert result == ('pod m-1: ImagePullBackOff: Back-off pulling image "x:1": Failed to pull image "x:1": not found', True)


def test_a_cause_that_the_kubelet_says_in_the_state_and_in_an_event_is_said_once():
    """Kubelets write it into the state since 1.31."""
    cause = 'failed to pull and unpack image "x:1": failed to resolve reference "x:1": not found'
    events = [event("Failed", f'Failed to pull image "x:1": {cause}')]
    message = f'Back-off pulling image "x:1": ErrImagePull: {cause}'
    (result,) = failures_of(pod(waiting("ImagePullBackOff", message)), events)
    assert result == (f"pod m-1: ImagePullBackOff: {message}", True)


def test_error_and_back_off_of_one_image_are_one_failure():
    one, two = (next(pod_failures([pod(waiting(reason, "x"))], (), WaitPolicy())) for reason in ("ErrImagePull", "ImagePullBackOff"))
    assert one.key == two.key


@pytest.mark.parametrize(
    ("status", "count"),
    [
        ({"restartCount": 0, "state": {"running": {}}}, 0),
        ({"restartCount": 0, "state": ended()}, 1),
        ({"restartCount": 1, "state": {"running": {}}, "lastState": ended()}, 1),
        ({"restartCount": 1, "state": ended(), "lastState": ended()}, 2),
        ({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended()}, 2),
        ({"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}, 0),
    ],
)
def test_ends_are_counted_before_the_restart_that_follows(status, count):
    assert exit_count(status) == count


def test_a_second_end_is_final_and_says_how():
    status = {"name": "c", "restartCount": 1, "state": ended(137, "OOMKilled", message=" too much \n")}
    assert failures_of(pod(status)) == [("pod m-1: container c exited 2 times, last with exit code 137 (OOMKilled): too much", True)]


def test_one_end_is_not_enough():
    assert failures_of(pod({"name": "c", "restartCount": 0, "state": ended()})) == []


def test_a_container_that_has_done_its_work_is_no_failure():
    assert failures_of(pod({"name": "c", "restartCount": 2, "state": ended(0, "Completed")})) == []


def test_a_ready_pod_is_no_trouble_however_often_it_was_restarted():
    status = {"name": "c", "restartCount": 9, "state": {"running": {}}}
    assert failures_of(pod(status, conditions=[{"type": "Ready", "status": "True"}])) == []


def test_init_containers_count_too():
    result = pod()
    result["status"]["initContainerStatuses"] = [waiting("ErrImageNeverPull", "absent")]
    assert failures_of(result) == [("pod m-1: ErrImageNeverPull: absent", True)]


def test_an_unschedulable_pod_may_find_its_place():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    assert failures_of(pod(conditions=[condition])) == [("pod m-1: Unschedulable: 0/1 nodes are available", False)]


@pytest.mark.parametrize(("reason", "found"), [("SysctlForbidden", True), ("Evicted", False)])
def test_a_pod_that_the_kubelet_refuses_is_final_and_one_that_it_evicted_is_not(reason, found):
    refused = pod()
    refused["status"] |= {"phase": "Failed", "reason": reason, "message": "forbidden sysctl"}
    assert failures_of(refused) == ([(f"pod m-1: {reason}: forbidden sysctl", True)] if found else [])


def test_a_mount_that_does_not_work_is_told_while_nothing_has_begun():
    events = [event("FailedMount", 'configmap "x" not found'), event("Killing", "no matter")]
    assert failures_of(pod(waiting("ContainerCreating")), events) == [('pod m-1: FailedMount: configmap "x" not found', False)]
    assert failures_of(pod({"name": "c", "state": {"running": {}}}), events) == []


def test_how_a_container_ended():
    assert last_exit({"state": {"running": {}}, "lastState": ended(1)}) == "exit code 1 (Error)"
    assert last_exit({"state": {"running": {}}}) == "no exit code"


def test_only_pods_of_this_version_count():
    notes = {"annotations": {SPEC_HASH: "new"}}
    new, old = pod(name="new", **notes), pod(name="old", annotations={SPEC_HASH: "old"})
    going = pod(name="going", deletionTimestamp="2026-01-01T00:00:00Z", **notes)
    elsewhere = pod(name="new", namespace="other", **notes)
    item = {"kind": "Deployment", "metadata": {"name": "m"}, "spec": {"template": {"metadata": notes}}}
    assert current_pods([new, old, going, elsewhere], item) == [new]
    assert current_pods([new, old, going, elsewhere], {"kind": "Deployment", "metadata": {"name": "m"}}) == [new, old]


def test_a_busy_api_server_is_no_failure_to_create_pods():
    busy = "The POST operation against Pod could not be completed at this time, please try again."
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": busy}
    deployment = {"kind": "Deployment", "metadata": {"name": "m"}, "status": {"conditions": [condition]}}
    stateful = {"kind": "StatefulSet", "metadata": {"name": "d", "uid": "u1"}}
    assert [*controller_failures(deployment, ()), *controller_failures(stateful, [event("FailedCreate", busy)])] == []


def test_a_controller_that_may_make_no_pods():
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    deployment = {"kind": "Deployment", "metadata": {"name": "m", "uid": "u1"}, "status": {"conditions": [failure]}}
    assert [failure.why for failure in controller_failures(deployment, ())] == ["Deployment/m: FailedCreate: exceeded quota"]
    daemon = {"kind": "DaemonSet", "metadata": {"name": "d", "uid": "u1"}}
    events = [event("FailedCreate", "forbidden"), event("FailedCreate", "other", "u2"), event("Failed", "x")]
    assert [(failure.why, failure.final) for failure in controller_failures(daemon, events)] == [
        ("DaemonSet/d: FailedCreate: forbidden", False)
    ]
