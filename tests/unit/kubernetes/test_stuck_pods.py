"""The pod that a StatefulSet is stuck on: taken away, and not before the controller would make the right one."""

from kelvin_provision.cluster.kubernetes.deletion.stuck_pods import replace_stuck_pods, retry_stuck_pods
from kelvin_provision.cluster.labels import SPEC_HASH


def stateful_set(version, *, observed=None):
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "generation": 3}}
    template = {"metadata": {"annotations": {SPEC_HASH: version}}, "spec": {}}
    return made | {"spec": {"template": template}, "status": {"observedGeneration": observed} if observed else {}}


def pod(name, version, *, ready=False, going=False, kind="StatefulSet", state="waiting"):
    metadata = {"name": name, "uid": f"uid-{name}", "annotations": {SPEC_HASH: version}, "ownerReferences": [{"kind": kind}]}
    if going:
        metadata["deletionTimestamp"] = "2026-11-23T06:10:31Z"
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": [{"name": "c", "state": {state: {}}}]}
    return {"kind": "Pod", "metadata": metadata, "status": status}


class Server:
    """The controller sees a new generation after so many looks."""

    def __init__(self, *pods, after=0):
        self.pods, self.after, self.requests = list(pods), after, []

    def list_objects(self, version, kind, namespace, selector, fields, *, metadata):
        return self.pods

    def get(self, version, kind, name, namespace):
        if kind == "ConfigMap":
            return None
        self.requests.append("look")
        self.after -= 1
        return stateful_set("good", observed=3 if self.after < 0 else 2)

    def delete(self, version, kind, name, namespace, *, uid, grace):
        self.requests.append(f"delete {kind}/{name} {uid} within {grace}")


def test_a_stuck_pod_goes_only_after_the_controller_has_seen_what_it_goes_back_to():
    server = Server(pod("db-0", "bad"), after=2)
    replace_stuck_pods(server, "app", "db", [stateful_set("good")])
    assert server.requests == ["look", "look", "look", "delete Pod/db-0 uid-db-0 within 1"]


def test_a_controller_that_stays_silent_is_not_waited_for_without_end():
    server = Server(pod("db-0", "bad"), after=10**9)
    replace_stuck_pods(server, "app", "db", [stateful_set("good")], timeout=0.0)
    assert server.requests == ["look", "delete Pod/db-0 uid-db-0 within 1"]


def test_a_pod_in_which_something_runs_gets_the_time_that_it_asks_for():
    server = Server(pod("db-0", "bad", state="running"))
    replace_stuck_pods(server, "app", "db", [stateful_set("good")])
    assert server.requests == ["look", "delete Pod/db-0 uid-db-0 within None"]


def test_what_is_right_or_ready_or_going_or_of_another_kind_stays():
    server = Server(
        pod("db-0", "good"), pod("db-1", "bad", ready=True), pod("db-2", "bad", going=True), pod("web-1", "bad", kind="ReplicaSet")
    )
    replace_stuck_pods(server, "app", "db", [stateful_set("good")])
    assert server.requests == ["look"]


def test_what_waits_for_an_image_is_taken_away_and_nothing_else():
    def waiting(name, reason, **more):
        result = pod(name, "good", kind="ReplicaSet", **more)
        result["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason}}
        return result

    bare = waiting("bare", "ImagePullBackOff")
    del bare["metadata"]["ownerReferences"]
    server = Server(
        waiting("back-off", "ImagePullBackOff"), waiting("err", "ErrImagePull"), waiting("going", "ErrImagePull", going=True),
        waiting("creating", "ContainerCreating"), pod("runs", "good", ready=True, state="running"), bare,
    )  # fmt: skip
    retry_stuck_pods(server, "app", "web")
    assert server.requests == ["delete Pod/back-off uid-back-off within 1", "delete Pod/err uid-err within 1"]


def test_without_a_stateful_set_nobody_is_asked():
    replace_stuck_pods(None, "app", "db", [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}}])
