"""Numbers of replicas that were set on the cluster: which are, who holds them, and what is said of a change."""

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.applying import put
from kelvin_provision.cluster.kubernetes.scaling import applied_by_us, autoscaled, changed_scale, remarks, scales, with_replicas
from kelvin_provision.cluster.labels import MANAGER, OWNER, STOPPED
from kelvin_provision.errors import ClusterDenied


def deployment(replicas=None, *, kind="Deployment", stopped=None, applied=False):
    metadata = {"name": "web", "labels": {OWNER: "w"}}
    if stopped is not None:
        metadata["annotations"] = {STOPPED: stopped}
    if applied:
        metadata["managedFields"] = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    spec = {"selector": {}} | ({} if replicas is None else {"replicas": replicas})
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("applied", "live", "changed"),
    [
        (deployment(), deployment(3), 3),
        (deployment(2), deployment(3), 3),
        (deployment(2), deployment(0), 0),
        (deployment(), deployment(1), None),
        (deployment(2), deployment(2), None),
        (deployment(2), None, None),
        (deployment(), deployment(0, stopped="3"), 3),
        (deployment(), deployment(0, stopped="1"), None),
        (deployment(), deployment(0, stopped="\u00b2"), None),
        (deployment(kind="DaemonSet"), deployment(3, kind="DaemonSet"), None),
        (deployment(kind="StatefulSet"), deployment(3, kind="StatefulSet"), 3),
    ],
)
def test_what_differs_from_what_was_applied_was_scaled(applied, live, changed):
    assert changed_scale(applied, live) == changed


def test_only_an_object_that_sets_replicas_gets_another_number():
    assert with_replicas(deployment(2), 3) == deployment(3)
    assert with_replicas(deployment(2), None) == deployment(2)
    assert with_replicas(deployment(), 3) == deployment()


def test_a_change_of_the_number_is_said():
    assert list(remarks("w", deployment(3), deployment(2))) == ["w: Deployment/web has 3 replicas now, 2 after"]
    assert list(remarks("w", deployment(3), deployment())) == ["w: Deployment/web has 3 replicas now, 1 after"]
    assert list(remarks("w", deployment(2), deployment(2))) == []
    assert list(remarks("w", deployment(0, stopped="2"), deployment(2))) == []
    assert list(remarks("w", None, deployment(2))) == []


class Server:
    def __init__(self, live, autoscalers=()):
        self.live, self.sent, self.autoscalers, self.listed = live, [], autoscalers, 0

    def list_objects(self, version, kind, namespace):
        self.listed += 1
        if isinstance(self.autoscalers, Exception):
            raise self.autoscalers
        return [{"spec": {"scaleTargetRef": {"kind": kind, "name": name}}} for kind, name in self.autoscalers]

    def get(self, version, kind, name, namespace=None):
        return self.live if kind == "Deployment" else None

    def apply(self, item, namespace, *, force, dry_run=False, manager=MANAGER):
        if item["kind"] == "Deployment":
            self.sent.append((manager, item["spec"].get("replicas")))
        return item


def test_a_number_that_we_applied_is_first_held_by_another_manager():
    assert (applied_by_us(deployment(2, applied=True)), applied_by_us(deployment(2))) == (True, False)
    server = Server(deployment(2, applied=True))
    put(server, "app", "w", [deployment()], str, scale={"Deployment/web": 3})
    assert server.sent == [("kelvin-provision-scale", 3), ("kelvin-provision", None)]


def test_a_number_that_is_not_ours_stays_by_itself_and_one_that_the_object_sets_is_replaced():
    server = Server(deployment(3))
    put(server, "app", "w", [deployment()], str, scale={"Deployment/web": 3})
    assert server.sent == [("kelvin-provision", None)]
    server = Server(deployment(1, applied=True))
    put(server, "app", "w", [deployment(2)], str, scale={"Deployment/web": 3})
    put(server, "app", "w", [deployment(2)], str)
    assert server.sent == [("kelvin-provision", 3), ("kelvin-provision", 2)]


AUTOSCALED = [("StatefulSet", "web"), ("Deployment", "web")]


def test_an_autoscaler_sets_the_number_and_no_apply_does():
    server = Server(deployment(3), AUTOSCALED)
    put(server, "app", "w", [deployment(1)], str)
    assert server.sent == [("kelvin-provision", None)]
    server = Server(deployment(3, applied=True), AUTOSCALED)  # as after an undo, which applied it
    put(server, "app", "w", [deployment(1)], str)
    assert server.sent == [("kelvin-provision-scale", 3), ("kelvin-provision", None)]


@pytest.mark.parametrize(
    ("live", "autoscalers", "number", "listed"),
    [
        (deployment(3), AUTOSCALED, 3, 1),
        (deployment(0, stopped="3"), AUTOSCALED, 3, 1),
        (deployment(3), [("Deployment", "other"), ("StatefulSet", "web")], None, 1),
        (deployment(3), Rejected("denied", "no"), None, 1),
        (deployment(3), ClusterDenied("may not list autoscalers"), None, 1),
        (deployment(3), [], None, 1),
        (deployment(1), AUTOSCALED, None, 0),
        (deployment(0), AUTOSCALED, None, 0),  # scaled to nothing by hand: an autoscaler does not touch it
        (None, AUTOSCALED, None, 0),
    ],
)
def test_where_an_autoscaler_is_at_work(live, autoscalers, number, listed):
    server = Server(live, autoscalers)
    assert (autoscaled(server, "app", deployment(1), live), server.listed) == (number, listed)
    assert autoscaled(server, "app", deployment(), live) is None


def test_objects_of_others_are_not_looked_at():
    assert scales(Server(deployment(3)), "app", [deployment()], "w") == {"Deployment/web": 3}
    assert scales(Server(deployment(3)), "app", [deployment()], "other") == {}
