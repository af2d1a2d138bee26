"""Three answers, from documents as Kubernetes writes them."""

import pytest

from kelvin_provision.cluster.kubernetes.judge.readiness import health


def thing(kind, spec=None, status=None, generation=2):
    found = {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}}
    return found if status is None else found | {"status": status}


def condition(kind, status, reason="Because", message="so it is"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


DONE = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
SET = {"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}
DAEMON = {"observedGeneration": 2, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}


@pytest.mark.parametrize(
    ("value", "phase", "why"),
    [
        (thing("Deployment"), "waiting", "Deployment/x: the controller has not observed this version yet"),
        (
            thing("Deployment", status=DONE | {"observedGeneration": 1}),
            "waiting",
            "Deployment/x: the controller has not observed this version yet",
        ),
        (thing("Deployment", status=DONE), "ready", ""),
        (thing("Deployment", {"replicas": 2}, DONE), "waiting", "Deployment/x: 1 of 2 new pods created"),
        (thing("Deployment", status=DONE | {"replicas": 2}), "waiting", "Deployment/x: 1 old pods still running"),
        (thing("Deployment", status=DONE | {"availableReplicas": 0}), "waiting", "Deployment/x: 0 of 1 pods available"),
        (thing("Deployment", {"replicas": 0}, {"observedGeneration": 2}), "ready", ""),
        (
            thing("Deployment", status=DONE | {"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]}),
            "failed",
            "Deployment/x: ProgressDeadlineExceeded: so it is",
        ),
        (thing("Deployment", status=DONE | {"conditions": [condition("Progressing", "True")]}), "ready", ""),
        (thing("StatefulSet", status=SET), "ready", ""),
        (thing("StatefulSet", status=SET | {"readyReplicas": 0}), "waiting", "StatefulSet/x: 0 of 1 pods ready"),
        (thing("StatefulSet", status=SET | {"updateRevision": "b"}), "waiting", "StatefulSet/x: 0 of 1 new pods created"),
        (thing("StatefulSet", status=SET | {"updateRevision": "b", "updatedReplicas": 1}), "ready", ""),
        (thing("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, SET | {"updateRevision": "b"}), "ready", ""),
        (thing("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, SET | {"updateRevision": "b"}), "ready", ""),
        (thing("DaemonSet", status=DAEMON), "ready", ""),
        (thing("DaemonSet", status=DAEMON | {"updatedNumberScheduled": 0}), "waiting", "DaemonSet/x: 0 of 1 new pods created"),
        (thing("DaemonSet", status=DAEMON | {"numberAvailable": 0}), "waiting", "DaemonSet/x: 0 of 1 pods available"),
        (thing("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, DAEMON | {"updatedNumberScheduled": 0}), "ready", ""),
        (thing("ReplicaSet", status=DONE), "ready", ""),
        (thing("ReplicaSet", status={"observedGeneration": 2}), "waiting", "ReplicaSet/x: 0 of 1 pods available"),
        (thing("Job", status={}), "waiting", "Job/x: not complete yet"),
        (thing("Job", status={"conditions": [condition("Complete", "True")]}), "ready", ""),
        (thing("Job", status={"conditions": [condition("Failed", "True")]}), "failed", "Job/x: Because: so it is"),
        (thing("Pod"), "waiting", "Pod/x: Pending, not ready"),
        (thing("Pod", status={"phase": "Running", "conditions": [condition("Ready", "True")]}), "ready", ""),
        (thing("Pod", status={"phase": "Running", "conditions": [condition("Ready", "False")]}), "waiting", "Pod/x: Running, not ready"),
        (thing("Pod", {"restartPolicy": "Never"}, {"phase": "Succeeded"}), "ready", ""),
        (thing("Pod", status={"phase": "Failed", "reason": "Evicted", "message": "low on disk"}), "failed", "Pod/x: Evicted: low on disk"),
        (thing("Pod", status={"phase": "Failed"}), "failed", "Pod/x: no reason given"),
        (thing("PersistentVolumeClaim", status={"phase": "Bound"}), "ready", ""),
        (thing("PersistentVolumeClaim", status={"phase": "Pending"}), "ready", ""),
        (thing("PersistentVolumeClaim", status={"phase": "Lost"}), "failed", "PersistentVolumeClaim/x: its volume is lost"),
        (thing("CustomResourceDefinition"), "waiting", "CustomResourceDefinition/x: not established yet"),
        (thing("CustomResourceDefinition", status={"conditions": [condition("Established", "True")]}), "ready", ""),
        (
            thing("CustomResourceDefinition", status={"conditions": [condition("NamesAccepted", "False")]}),
            "failed",
            "CustomResourceDefinition/x: Because: so it is",
        ),
        (thing("Widget"), "ready", ""),
        (thing("Widget", status={"observedGeneration": 1}), "waiting", "Widget/x: the controller has not observed this version yet"),
    ],
)
def test_readiness_of_one_object(value, phase, why):
    found = health(value)
    assert (found.phase.value, found.why) == (phase, why)
