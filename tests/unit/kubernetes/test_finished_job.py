"""A finished Job counts as finished after its removal; a pod needs the sum of what its containers request at the same time."""

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.judge.capacity import pod_requests
from kelvin_provision.cluster.kubernetes.judge.drift import drift
from kelvin_provision.cluster.kubernetes.judge.rollout import Rollout

POLICY = WaitPolicy(settle=0.0)
STARTING = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "m", "uid": "d", "generation": 1},
    "spec": {"template": {"spec": {}}},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 0},
}


def job(*conditions, ttl=0):
    spec = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    listed = [{"type": kind, "status": "True", "reason": "Because"} for kind in conditions]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "uid": "j"}, "spec": spec, "status": {"conditions": listed}}


def health(*events, item=None):
    """With a Deployment beside it that is not up yet."""
    store = Store()
    store.apply(WatchEvent("Deployment", listed=(STARTING,)))
    for event in events:
        store.apply(event)
    result = Rollout("m", [item or job(), STARTING], POLICY).health(store, 0)
    return result.phase, result.why


def listed(*items):
    return WatchEvent("Job", listed=items)


def changed(kind, item):
    return WatchEvent("Job", changed=(kind, item))


UP = (Phase.WAITING, "Deployment/m: 0 of 1 pods available")
MISSING = (Phase.WAITING, "Job/j: not created yet")


@pytest.mark.parametrize(
    "events",
    [
        (listed(job()), changed("MODIFIED", job("Complete")), changed("DELETED", job("Complete"))),
        (listed(job()), changed("DELETED", job("Complete"))),
        (listed(job("Complete")), listed()),
        (listed(),),
    ],
)
def test_one_that_its_ttl_removed_while_others_come_up_is_complete(events):
    assert health(*events) == UP


def test_one_without_a_ttl_that_was_seen_complete_is_complete():
    assert health(listed(job("Complete", ttl=None)), changed("DELETED", job("Complete", ttl=None)), item=job(ttl=None)) == UP


def test_one_that_was_removed_while_it_ran_or_was_never_there_is_missing():
    assert health(listed(job()), changed("DELETED", job())) == MISSING
    assert health(listed(), item=job(ttl=None)) == MISSING
    assert health() == MISSING


def test_one_that_failed_and_was_removed_has_failed():
    assert health(listed(job()), changed("DELETED", job("Failed"))) == (Phase.FAILED, "Job/j: Because")
    event = {
        "involvedObject": {"kind": "Job", "name": "j"},
        "reason": "BackoffLimitExceeded",
        "message": "too often",
        "metadata": {"name": "e"},
    }
    other = event | {"involvedObject": {"kind": "Job", "name": "other"}, "metadata": {"name": "f"}}
    assert health(listed(), WatchEvent("Event", listed=(event, other))) == (Phase.FAILED, "Job/j: BackoffLimitExceeded: too often")
    assert health(listed(), WatchEvent("Event", listed=(other,))) == UP


def test_one_that_its_ttl_removed_is_no_drift():
    assert list(drift("m", job(), None)) == []
    assert len(list(drift("m", job(ttl=None), None))) == 1


def requests(cpu, **more):
    return {"resources": {"requests": {"cpu": cpu}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [requests("1")], "initContainers": [requests("500m", **SIDECAR)]}, 1.5),
        ({"containers": [requests("1")], "initContainers": [requests("500m", **SIDECAR), requests("2")]}, 2.5),
        ({"containers": [requests("1")], "initContainers": [requests("2"), requests("500m", **SIDECAR)]}, 2.0),
        ({"containers": [requests("1")], "initContainers": [requests("1", **SIDECAR), requests("1", **SIDECAR)]}, 3.0),
        ({"containers": [requests("1"), requests("1")], "resources": {"requests": {"cpu": "500m"}}}, 0.5),
        ({"containers": [{}], "resources": {"limits": {"cpu": "3"}}}, 3.0),
        ({"containers": [requests("1")], "resources": {"limits": {"cpu": "3"}}}, 1.0),
        ({"containers": [requests("1")], "resources": {"requests": {"cpu": "2"}}, "overhead": {"cpu": "250m"}}, 2.25),
    ],
)
def test_a_pod_requests_what_the_scheduler_counts(spec, cpu):
    assert pod_requests(spec) == {"cpu": cpu, "pods": 1.0}
