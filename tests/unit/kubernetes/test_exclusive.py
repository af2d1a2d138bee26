"""Pods that wait for each other are found before anything is touched, with what to write."""

import pytest

from kelvin_provision.cluster.kubernetes.judge.exclusive import Deadlock, deadlock, listens_unseen
from kelvin_provision.cluster.kubernetes.judge.ports import conflicts_in_cluster, port_claims
from kelvin_provision.cluster.kubernetes.judge.scheduling import fitting, matches, untolerated
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.hints import command
from tests.kit.fakes.kubernetes_api import ObjectApi

RECREATE = "write `strategy: {type: Recreate}` in Deployment/m"


def node(name="edge", taints=(), **labels):
    about = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    return {"kind": "Node", "metadata": about, "spec": {"taints": list(taints)}}


def workload(version, kind="Deployment", ports=({"containerPort": 80, "hostPort": 80},), pod=None, **spec):
    about = {"labels": {"app": "m"}, "annotations": {SPEC_HASH: version}}
    containers = [{"name": "c", "image": "i", "ports": list(ports)}]
    template = {"metadata": about, "spec": {"containers": containers} | (pod or {})}
    metadata = {"name": "m", "labels": {OWNER: "m"}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template, **spec}}


def rolling(surge, unavailable, replicas=1):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {"strategy": strategy, "replicas": replicas}


def updated(nodes=1, **more):
    return deadlock(workload("2", **more), workload("1", **more), [node(f"n{number}") for number in range(nodes)])


def test_a_rolling_update_with_a_host_port_on_one_node_waits_for_itself():
    why = "a new pod starts before the old one stops, but at most one pod can use host port 80/TCP on the only suitable node: the new pod would wait forever"
    assert updated() == Deadlock(why, RECREATE)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (rolling("25%", "25%"), True),
        (rolling(1, 0), True),
        (rolling("100%", "99%"), True),
        (rolling(0, 1), False),
        (rolling(1, 1), False),
        ({"strategy": {"type": "Recreate"}}, False),
        (rolling("25%", "25%") | {"replicas": 0}, False),
        ({"ports": [{"containerPort": 80}]}, False),
        ({"ports": [{"containerPort": 80}], "pod": {"hostNetwork": True}}, True),
        ({"ports": [{"containerPort": 80}], "pod": {"hostNetwork": True}, "strategy": {"type": "Recreate"}}, False),
        ({"ports": [], "pod": {"initContainers": [{"ports": [{"hostPort": 80}]}]}}, False),
        ({"ports": [], "pod": {"initContainers": [{"restartPolicy": "Always", "ports": [{"hostPort": 80}]}]}}, True),
        ({"kind": "StatefulSet"}, False),
        ({"kind": "DaemonSet"}, False),
        ({"kind": "DaemonSet", "updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, True),
        ({"kind": "DaemonSet", "updateStrategy": {"rollingUpdate": {"maxSurge": "10%"}}}, True),
        ({"nodes": 2}, False),
        ({"nodes": 2, "replicas": 2}, True),
        ({"nodes": 2, "pod": {"nodeSelector": {"kubernetes.io/hostname": "n1"}}}, True),
        ({"nodes": 0}, False),
        ({"kind": "ConfigMap"}, False),
    ],
)
def test_only_what_cannot_come_up_is_found(given, found):
    assert (updated(**given) is not None) is found


def test_a_port_that_changes_and_a_version_that_stays_and_a_new_workload_can_come_up():
    other = workload("1", ports=[{"containerPort": 80, "hostPort": 81}])
    for live in (other, workload("2"), None, workload("1", replicas=0)):
        assert deadlock(workload("2", replicas=1), live, [node()]) is None


def test_more_pods_than_nodes_for_their_port_can_never_come_up():
    found = deadlock(workload("1", replicas=3, kind="StatefulSet"), None, [node("a"), node("b")])
    why = "3 pods cannot run side by side: at most one pod can use host port 80/TCP on each of the 2 suitable nodes"
    assert found == Deadlock(why, "write `replicas: 2` in StatefulSet/m")


def affine(topology="kubernetes.io/hostname", labels=None):
    term = {"topologyKey": topology, "labelSelector": {"matchLabels": labels or {"app": "m"}}}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def test_pods_that_keep_their_place_to_themselves_wait_for_each_other_too():
    why = "a new pod starts before the old one stops, but at most one pod can run, because of its podAntiAffinity, on the only suitable node: the new pod would wait forever"
    assert updated(ports=(), pod=affine()) == Deadlock(why, RECREATE)
    assert updated(ports=(), pod=affine(labels={"app": "other"})) is None
    assert updated(nodes=2, ports=(), pod=affine()) is None
    assert deadlock(workload("1", ports=(), pod=affine("zone"), replicas=2), None, [node("a", zone="x"), node("b", zone="x")]) is not None


def test_a_claim_for_a_single_pod_is_not_shared_either():
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOncePod"]}}
    pod = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
    old, new = workload("1", ports=(), pod=pod), workload("2", ports=(), pod=pod)
    assert "claim data (ReadWriteOncePod)" in deadlock(new, old, [node(), node("b")], [claim]).why
    shared = claim | {"spec": {"accessModes": ["ReadWriteOnce"]}}
    assert deadlock(new, old, [node()], [shared]) is None


def test_ports_of_the_nodes_network_are_claimed_and_a_pod_that_names_none_is_known():
    silent = workload("1", ports=(), pod={"hostNetwork": True})
    assert list(port_claims(workload("1", ports=[{"containerPort": 80}], pod={"hostNetwork": True}))) == [("host", "TCP", 80)]
    assert (listens_unseen(silent), listens_unseen(workload("1"))) == (True, False)


def holder(on, workload=None):
    labels = {OWNER: workload} if workload else {}
    spec = {"nodeName": on, "containers": [{"ports": [{"hostPort": 80}]}]}
    return {"kind": "Pod", "metadata": {"name": "other", "namespace": "x", "labels": labels}, "spec": spec}


def test_a_host_port_is_taken_where_no_node_is_left_for_it():
    wanted, nodes = {"m": [workload("1")]}, [node("a"), node("b")]
    assert list(conflicts_in_cluster(wanted, [holder("a")], nodes)) == []
    assert len(list(conflicts_in_cluster(wanted, [holder("a")]))) == 1
    pinned = {"m": [workload("1", pod={"nodeSelector": {"kubernetes.io/hostname": "a"}})]}
    assert len(list(conflicts_in_cluster(pinned, [holder("a")], nodes))) == 1
    assert list(conflicts_in_cluster(pinned, [holder("b")], nodes)) == []


def test_what_frees_a_port_of_another_workload_is_to_undeploy_it():
    (found,) = conflicts_in_cluster({"m": [workload("1")]}, [holder("a", "old")])
    assert found.hint == command("workloads undeploy", names=("old",), note="or deploy with another port")


def plan_of(api, *objects):
    return Planner(api, "app", {"m": objects}, str, {}).run()


def test_the_plan_finds_it_before_anything_is_touched():
    api = ObjectApi(node(), workload("1"))
    (found,) = plan_of(api, workload("2")).findings
    assert (found.code, found.object, found.hint, api.calls) == ("never-up", "Deployment/m", RECREATE, [])
    assert plan_of(ObjectApi(node(), workload("1")), workload("2", strategy={"type": "Recreate"})).findings == ()


def test_the_plan_remarks_on_a_port_that_nobody_names():
    silent = {"ports": (), "pod": {"hostNetwork": True}}
    (remark,) = plan_of(ObjectApi(node(), workload("1", **silent)), workload("2", **silent)).remarks
    assert remark.startswith("m: Deployment/m has `hostNetwork` and declares no port: if it listens")


DISK = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("tolerations", "kind", "kept_away"),
    [
        ([], "", ["node.kubernetes.io/disk-pressure:NoSchedule", "role=db:NoExecute"]),
        ([{"operator": "Exists"}], "", []),
        ([{"key": "role", "value": "db"}], "", ["node.kubernetes.io/disk-pressure:NoSchedule"]),
        ([{"key": "role", "value": "web"}], "DaemonSet", ["role=db:NoExecute"]),
        ([{"key": "role", "operator": "Exists", "effect": "NoSchedule"}], "DaemonSet", ["role=db:NoExecute"]),
        ([{"key": "role", "operator": "Exists"}], "DaemonSet", []),
    ],
)
def test_taints_that_a_pod_does_not_tolerate_keep_it_away(tolerations, kind, kept_away):
    soft = {"key": "soft", "effect": "PreferNoSchedule"}
    gone = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    tainted = node(taints=[DISK, {"key": "role", "value": "db", "effect": "NoExecute"}, soft, gone])
    assert list(untolerated(tainted, {"tolerations": tolerations}, kind)) == kept_away


def test_a_pod_that_asks_for_memory_tolerates_its_shortage():
    tainted = node(taints=[{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}])
    assert list(untolerated(tainted, {"containers": [{"resources": {"requests": {"memory": "1Mi"}}}]})) == []
    assert len(list(untolerated(tainted, {"containers": [{}]}))) == 1


def test_a_cordoned_node_repels_before_its_taint_is_there():
    cordoned = node() | {"spec": {"unschedulable": True}}
    assert list(untolerated(cordoned, {})) == ["node.kubernetes.io/unschedulable:NoSchedule"]


def names(nodes):
    return [item["metadata"]["name"] for item in nodes]


def test_nodes_are_selected_as_the_scheduler_does():
    nodes = [node("a", cores="4"), node("b", taints=[DISK], cores="8")]

    def required(*rules, fields=()):
        term = {"matchExpressions": list(rules), "matchFields": list(fields)}
        return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}}

    assert names(fitting(nodes, {})) == ["a"]
    assert names(fitting(nodes, {"nodeName": "b"})) == ["b"]
    assert names(fitting(nodes, required({"key": "cores", "operator": "Gt", "values": ["4"]}))) == ["b"]
    assert names(fitting(nodes, required({"key": "cores", "operator": "NotIn", "values": ["8"]}))) == ["a"]
    assert names(fitting(nodes, required(fields=[{"key": "metadata.name", "operator": "In", "values": ["a"]}]))) == ["a"]
    assert names(fitting(nodes, required({"key": "gpu", "operator": "Exists"}))) == []


def test_label_selectors_mean_what_the_server_means():
    assert matches({"matchExpressions": [{"key": "app", "operator": "In", "values": ["m"]}]}, {"app": "m"})
    assert not matches({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {"app": "m"})
    assert (matches({}, {"app": "m"}), matches(None, {"app": "m"})) == (True, False)
