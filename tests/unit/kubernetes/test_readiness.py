"""Three answers, from documents as Kubernetes writes them."""

import pytest

from kelvin_provision.cluster.kubernetes.judge.readiness import health


def live_object(kind, spec=None, status=None, generation=2):
    result = {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}}
    return result if status is None else result | {"status": status}


def condition(kind, status, reason="Because", message="so it is"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


DONE = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
SET = {"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}
DAEMON = {"observedGeneration": 2, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}


@pytest.mark.parametrize(
    ("value", "phase", "why"),
    [
        (live_object("Deployment"), "waiting", "Deployment/x: the controller has not observed this version yet"),
        (
            live_object("Deployment", status=DONE | {"observedGeneration": 1}),
            "waiting",
            "Deployment/x: the controller has not observed this version yet",
        ),
        (live_object("Deployment", status=DONE), "ready", ""),
        (live_object("Deployment", {"replicas": 2}, DONE), "waiting", "Deployment/x: 1 of 2 new pods created"),
        (live_object("Deployment", status=DONE | {"replicas": 2}), "waiting", "Deployment/x: 1 old pods still running"),
        (live_object("Deployment", status=DONE | {"availableReplicas": 0}), "waiting", "Deployment/x: 0 of 1 pods available"),
        (live_object("Deployment", {"replicas": 0}, {"observedGeneration": 2}), "ready", ""),
        (
            live_object("Deployment", {"paused": True}, {"observedGeneration": 2}),
            "failed",
            "Deployment/x: paused (spec.paused is true), so no pod of this version starts; remove `paused: true`, or: kubectl rollout resume deployment/x",
        ),
        (live_object("Deployment", {"paused": True}, DONE), "ready", ""),
        (live_object("Deployment", {"paused": False}, {"observedGeneration": 2}), "waiting", "Deployment/x: 0 of 1 new pods created"),
        (
            live_object("Job", {"suspend": True}, {}),
            "failed",
            "Job/x: suspended (spec.suspend is true), so it does not run; remove `suspend: true`",
        ),
        (live_object("Widget", status="anything"), "ready", ""),
        (
            live_object("Deployment", status=DONE | {"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]}),
            "failed",
            "Deployment/x: ProgressDeadlineExceeded: so it is",
        ),
        (live_object("Deployment", status=DONE | {"conditions": [condition("Progressing", "True")]}), "ready", ""),
        (live_object("StatefulSet", status=SET), "ready", ""),
        (live_object("StatefulSet", status=SET | {"readyReplicas": 0}), "waiting", "StatefulSet/x: 0 of 1 pods ready"),
        (live_object("StatefulSet", status=SET | {"updateRevision": "b"}), "waiting", "StatefulSet/x: 0 of 1 new pods created"),
        (live_object("StatefulSet", status=SET | {"updateRevision": "b", "updatedReplicas": 1}), "ready", ""),
        (live_object("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, SET | {"updateRevision": "b"}), "ready", ""),
        (live_object("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, SET | {"updateRevision": "b"}), "ready", ""),
        (live_object("DaemonSet", status=DAEMON), "ready", ""),
        (live_object("DaemonSet", status=DAEMON | {"updatedNumberScheduled": 0}), "waiting", "DaemonSet/x: 0 of 1 new pods created"),
        (live_object("DaemonSet", status=DAEMON | {"numberAvailable": 0}), "waiting", "DaemonSet/x: 0 of 1 pods available"),
        (live_object("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, DAEMON | {"updatedNumberScheduled": 0}), "ready", ""),
        (live_object("ReplicaSet", status=DONE), "ready", ""),
        (live_object("ReplicaSet", status={"observedGeneration": 2}), "waiting", "ReplicaSet/x: 0 of 1 pods available"),
        (live_object("Job", status={}), "waiting", "Job/x: not complete yet"),
        (live_object("Job", status={"conditions": [condition("Complete", "True")]}), "ready", ""),
        (live_object("Job", status={"conditions": [condition("Failed", "True")]}), "failed", "Job/x: Because: so it is"),
        (live_object("Pod"), "waiting", "Pod/x: Pending, not ready"),
        (live_object("Pod", status={"phase": "Running", "conditions": [condition("Ready", "True")]}), "ready", ""),
        (
            live_object("Pod", status={"phase": "Running", "conditions": [condition("Ready", "False")]}),
            "waiting",
            "Pod/x: Running, not ready",
        ),
        (live_object("Pod", {"restartPolicy": "Never"}, {"phase": "Succeeded"}), "ready", ""),
        (
            live_object("Pod", status={"phase": "Failed", "reason": "Evicted", "message": "low on disk"}),
            "failed",
            "Pod/x: Evicted: low on disk",
        ),
        (live_object("Pod", status={"phase": "Failed"}), "failed", "Pod/x: no reason given"),
        (live_object("PersistentVolumeClaim", status={"phase": "Bound"}), "ready", ""),
        (live_object("PersistentVolumeClaim", status={"phase": "Pending"}), "ready", ""),
        (live_object("PersistentVolumeClaim", status={"phase": "Lost"}), "failed", "PersistentVolumeClaim/x: its volume is lost"),
        (live_object("CustomResourceDefinition"), "waiting", "CustomResourceDefinition/x: not established yet"),
        (live_object("CustomResourceDefinition", status={"conditions": [condition("Established", "True")]}), "ready", ""),
        (
            live_object("CustomResourceDefinition", status={"conditions": [condition("NamesAccepted", "False")]}),
            "failed",
            "CustomResourceDefinition/x: Because: so it is",
        ),
        (live_object("Widget"), "ready", ""),
        (live_object("Widget", status={"observedGeneration": 1}), "waiting", "Widget/x: the controller has not observed this version yet"),
    ],
)
def test_readiness_of_one_object(value, phase, why):
    result = health(value)
    assert (result.phase.value, result.why) == (phase, why)
