from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.cluster.kubernetes.judge.failures import pod_failures
from kelvin_provision.cluster.kubernetes.reading.evidence import node_evidence, pod_evidence

POD = {"metadata": {"name": "w-1", "uid": "u"}, "status": {}}


def event(reason):
    return {"involvedObject": {"uid": "u"}, "reason": reason, "message": "words", "count": 2}


def test_a_pause_that_the_image_does_not_know_is_no_failure():
    events = [event("FailedPreStopHook"), event("FailedMount")]
    assert list(pod_evidence(POD, events)) == ["event of pod w-1: FailedMount: words (2 times)"]
    assert [failure.key for failure in pod_failures([POD], events, WaitPolicy())] == ["pod w-1 FailedMount"]


def test_the_taint_that_keeps_a_pod_away_is_named_with_its_cause():
    taint = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}
    status = {"conditions": [{"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"}]}
    node = {"metadata": {"name": "edge"}, "spec": {"taints": [taint]}, "status": status}
    assert list(node_evidence(node, [POD])) == [
        "node edge: taint node.kubernetes.io/disk-pressure:NoSchedule is not tolerated",
        "node edge: DiskPressure: kubelet has disk pressure",
    ]
    tolerant = POD | {"spec": {"tolerations": [{"operator": "Exists"}]}}
    assert list(node_evidence(node, [tolerant])) == []
    elsewhere = POD | {"spec": {"nodeSelector": {"disk": "large"}}}
    assert list(node_evidence(node, [elsewhere])) == []


def test_an_event_that_says_what_the_state_says_is_left_out():
    cause = 'failed to resolve reference "x:1": not found'
    waiting = {
        "name": "c",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "x:1": ErrImagePull: {cause}'}},
    }
    messages = [
        f'Failed to pull image "x:1": {cause}',
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
        'Back-off pulling image "x:1"',
        "other",
    ]
    events = [event("Failed") | {"message": message} for message in messages]
    assert list(pod_evidence(POD | {"status": {"containerStatuses": [waiting]}}, events)) == [
        f'pod w-1, container c: waiting: ImagePullBackOff: Back-off pulling image "x:1": ErrImagePull: {cause}',
        "event of pod w-1: Failed: other (2 times)",
    ]
    before = {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'}}}
    assert list(pod_evidence(POD | {"status": {"containerStatuses": [before]}}, events[:1]))[1:] == [
        f'event of pod w-1: Failed: Failed to pull image "x:1": {cause} (2 times)'
    ], "older kubelets have it in the event alone"


def test_a_pod_that_was_evicted_says_so():
    evicted = POD | {"status": {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}}
    assert list(pod_evidence(evicted, [])) == ["pod w-1: Evicted: low on disk"]
