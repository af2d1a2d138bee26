from kelvin_provision.cluster.kubernetes.evidence import pod_evidence
from kelvin_provision.cluster.kubernetes.judge.failures import pod_failures
from kelvin_provision.cluster.protocol import WaitPolicy

POD = {"metadata": {"name": "w-1", "uid": "u"}, "status": {}}


def event(reason):
    return {"involvedObject": {"uid": "u"}, "reason": reason, "message": "words", "count": 2}


def test_a_pause_that_the_image_does_not_know_is_no_failure():
    events = [event("FailedPreStopHook"), event("FailedMount")]
    assert list(pod_evidence(POD, events)) == ["event of pod w-1: FailedMount: words (2 times)"]
    assert [failure.key for failure in pod_failures([POD], events, WaitPolicy())] == ["pod w-1 FailedMount"]
