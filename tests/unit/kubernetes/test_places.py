"""Where pods may run, how they are kept to nodes that have their images, and ports that are reckoned per node."""

from dataclasses import replace

import pytest

from kelvin_provision.cluster.kubernetes import identity
from kelvin_provision.cluster.kubernetes.judge.capacity import resource_demands
from kelvin_provision.cluster.kubernetes.judge.places import bound, may_run, places
from kelvin_provision.cluster.kubernetes.judge.ports import conflicts_in_cluster, conflicts_on_node
from kelvin_provision.cluster.kubernetes.render.objects import HOSTNAME, Context
from kelvin_provision.cluster.kubernetes.render.placing import at_home, mark_of
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.nodes import ClusterNode
from kelvin_provision.errors import RequestRefused
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Method, VolumeKind
from kelvin_provision.spec.workload import Spec, System, Volume
from tests.kit.fakes.kubernetes_api import ObjectApi

IMAGE = "r.io/pump:1"
SITE = {"node-a": "host-a", "node-b": "host-b"}
CONTEXT = Context(namespace="app", node_name="node-a", node_label="host-a", site=SITE)
SPEC = Spec("pump", "Pump", "pump", "1.0.0", "c", Method.STAGED, manifests=())


def node(name, *taints, labels=None, cordoned=False, ready="True", arch="amd64"):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name.replace("node", "host"), **(labels or {})}},
        "spec": {
            "taints": [{"key": key, "effect": effect} for key, _, effect in (taint.partition(":") for taint in taints)],
            **({"unschedulable": True} if cordoned else {}),
        },
        "status": {
            "nodeInfo": {"operatingSystem": "linux", "architecture": arch},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def workload(kind="Deployment", name="pump", port=None, **pod):
    container = {"name": "c", "image": IMAGE, **({"ports": [{"hostPort": port, "containerPort": port}]} if port else {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def names(item, nodes, volumes=None):
    (place,) = places({"w": [item]}, nodes, volumes or {}, "app")
    return place.nodes


NODES = [
    node("node-a", labels={"disk": "ssd", "cores": "4"}),
    node("node-b", "gpu:NoSchedule", labels={"disk": "hdd", "cores": "8"}),
    node("node-c", "slow:PreferNoSchedule"),
]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(*terms):
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}}


def rule(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({}, ("node-a", "node-c")),
        ({"tolerations": [{"operator": "Exists"}]}, ("node-a", "node-b", "node-c")),
        ({"tolerations": [{"key": "gpu", "effect": "NoSchedule", "operator": "Exists"}]}, ("node-a", "node-b", "node-c")),
        ({"tolerations": [{"key": "gpu", "value": "x"}]}, ("node-a", "node-c")),
        ({"nodeSelector": {"disk": "ssd"}}, ("node-a",)),
        ({"nodeSelector": {"disk": "tape"}}, ()),
        ({"nodeName": "node-c"}, ("node-c",)),
        (affinity(rule("disk", "In", "ssd"), rule("disk", "DoesNotExist")), ("node-a", "node-c")),
        (affinity(rule("disk", "NotIn", "ssd")), ("node-c",)),
        (affinity(rule("cores", "Gt", "3")), ("node-a",)),
        (affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-c"]}]}), ("node-c",)),
        (affinity(), ()),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, ("node-a", "node-c")),
        ({"nodeSelector": {f"{MARK}0": "app"}}, ("node-a", "node-c")),
    ],
)
def test_selectors_affinity_and_taints_say_where_pods_may_run(pod, expected):
    assert names(workload(**pod), NODES) == expected


def test_what_passes_by_itself_or_is_a_pause_keeps_no_node_out():
    away = node("node-a", "node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule", ready="Unknown")
    full, paused = node("node-b", "node.kubernetes.io/disk-pressure:NoSchedule"), node("node-c", cordoned=True)
    assert names(workload(), [away, full, paused]) == ("node-a", "node-b", "node-c")


def test_a_daemonset_needs_its_images_on_each_node_that_it_may_run_on():
    assert names(workload("DaemonSet"), NODES) == ("node-a", "node-c")


def test_a_bound_volume_keeps_its_pods_to_its_nodes():
    claim = {"metadata": {"name": "data", "namespace": "app"}, "spec": {"volumeName": "pv-1"}}
    loose = {"metadata": {"name": "loose", "namespace": "app"}, "spec": {}}
    term = {"nodeSelectorTerms": [rule(HOSTNAME, "In", "host-c")]}
    volume = {"metadata": {"name": "pv-1"}, "spec": {"nodeAffinity": {"required": term}}}
    anywhere = {"metadata": {"name": "pv-2"}, "spec": {}}
    volumes = bound([claim, loose], [volume, anywhere])
    assert names(workload(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]), NODES, volumes) == ("node-c",)
    assert names(workload(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "loose"}}]), NODES, volumes) == ("node-a", "node-c")
    assert may_run(NODES[0], workload(), [anywhere])


def test_each_object_is_a_place_of_its_own_with_its_images_and_its_mark():
    objects = render(replace(SPEC, manifests=(workload(), workload("DaemonSet", "agent", nodeSelector={"disk": "ssd"}))), (), 1, CONTEXT)
    found = places({"pump": objects}, NODES, {}, "app")
    assert [(place.object, place.images, place.nodes) for place in found] == [
        ("Deployment/pump", (IMAGE,), ("node-a", "node-c")),
        ("DaemonSet/agent", (IMAGE,), ("node-a",)),
    ]
    assert {place.mark for place in found} == {mark_of([IMAGE], "app")}
    assert places({"pump": [{"kind": "ConfigMap", "metadata": {"name": "c"}}]}, NODES, {}, "app") == ()


# --- rendering ------------------------------------------------------------------------------------


def selector(spec, context=CONTEXT):
    for item in render(spec, (), 1, context):
        if item["kind"] in {"Deployment", "DaemonSet"}:
            return item["spec"]["template"]["spec"].get("nodeSelector")
    raise AssertionError


ON_MARKED = {mark_of([IMAGE], "app"): "app"}


def test_with_members_pods_are_kept_to_nodes_that_have_their_images():
    assert selector(replace(SPEC, manifests=(workload(),))) == ON_MARKED
    assert selector(replace(SPEC, manifests=(workload(nodeSelector={"disk": "ssd"}),))) == {**ON_MARKED, "disk": "ssd"}
    assert mark_of([IMAGE, "r.io/b:1"], "app") == mark_of(["r.io/b:1", IMAGE, IMAGE], "app") != mark_of([IMAGE, "r.io/b:1"], "other")


def test_without_members_nothing_is_rendered_differently():
    alone = replace(CONTEXT, site={})
    assert selector(replace(SPEC, manifests=(workload(),)), alone) == {HOSTNAME: "host-a"}


def test_another_node_is_accepted_by_its_name_and_a_stranger_is_refused():
    spec = replace(SPEC, manifests=(workload(),), node_name="node-b")
    assert selector(spec) == {HOSTNAME: "host-b", **ON_MARKED}
    assert selector(replace(spec, method=Method.STANDARD)) == {HOSTNAME: "host-b"}
    with pytest.raises(RequestRefused) as refused:
        render(replace(spec, node_name="node-x"), (), 1, CONTEXT)
    assert refused.value.evidence == ("node_name: node-x has not joined this site; its nodes are node-a, node-b",)
    with pytest.raises(RequestRefused, match="not possible") as refused:
        render(spec, (), 1, replace(CONTEXT, site={"node-a": "host-a", "node-b": ""}))
    assert "has no label" in refused.value.evidence[0]


def test_folders_of_a_node_stay_on_the_node_that_has_them():
    on_disk = {"volumes": [{"name": "v", "hostPath": {"path": "/data"}}]}
    assert selector(replace(SPEC, manifests=(workload(**on_disk),))) == {HOSTNAME: "host-a", **ON_MARKED}
    assert selector(replace(SPEC, manifests=(workload(**on_disk),), node_name="node-b")) == {HOSTNAME: "host-b", **ON_MARKED}
    assert selector(replace(SPEC, manifests=(workload(nodeSelector={"disk": "hdd"}, **on_disk),))) == {**ON_MARKED, "disk": "hdd"}
    assert selector(replace(SPEC, manifests=(workload("DaemonSet", **on_disk),))) == ON_MARKED
    host = System(volumes=(Volume("v", VolumeKind.HOST, "/data", source="/data"),))
    plain = replace(SPEC, image=IMAGE, payload={"name": "pump", "version": "1"}, system=host)
    assert selector(plain) == {HOSTNAME: "host-a", **ON_MARKED}
    assert selector(replace(plain, system=System())) == ON_MARKED


def test_a_rehearsal_is_started_on_this_node_or_not_at_all():
    objects = render(replace(SPEC, manifests=(workload(),)), (), 1, CONTEXT)
    moved, elsewhere = at_home(objects, "host-a")
    assert elsewhere == ""
    assert moved[0]["spec"]["template"]["spec"]["nodeSelector"] == {HOSTNAME: "host-a"}
    assert objects[0]["spec"]["template"]["spec"]["nodeSelector"] == ON_MARKED
    other = render(replace(SPEC, manifests=(workload(),), node_name="node-b"), (), 1, CONTEXT)
    assert at_home(other, "host-a") == ([], "Deployment/pump")
    alone = render(replace(SPEC, manifests=(workload(),)), (), 1, replace(CONTEXT, site={}))
    assert at_home(alone, "host-a") == (list(alone), "")


# --- the nodes themselves ---------------------------------------------------------------------------


def test_nodes_are_read_with_what_they_are():
    api = ObjectApi(node("node-b", "gpu:NoSchedule", arch="arm64"), node("node-a", cordoned=True, ready="Unknown"))
    first, second = identity.nodes(api, "app")
    assert first == ClusterNode(
        "node-a",
        Platform("linux", "amd64"),
        {HOSTNAME: "host-a"},
        "host-a",
        ready=False,
        schedulable=False,
        taints=("node.kubernetes.io/unschedulable:NoSchedule",),
    )
    assert (second.platform.architecture, second.ready, second.schedulable, second.taints) == ("arm64", True, True, ("gpu:NoSchedule",))


class LabelApi(ObjectApi):
    def patch(self, value, namespace):
        self.calls.append(("patch", value["metadata"]["name"]))
        labels = self.live["Node", value["metadata"]["name"]]["metadata"]["labels"]
        labels.update(value["metadata"]["labels"])
        for key in [key for key, value in labels.items() if value is None]:
            del labels[key]


def test_marks_are_set_and_taken_back_and_those_of_other_boxes_stay():
    api = LabelApi(node("node-a", labels={f"{MARK}other": "line-2"}), node("node-b"))
    identity.mark_nodes(api, "app", {"node-a": {f"{MARK}1"}, "node-b": {f"{MARK}1", f"{MARK}2"}, "gone": {f"{MARK}1"}})
    identity.mark_nodes(api, "app", {"node-a": {f"{MARK}1"}, "node-b": {f"{MARK}2"}})
    labels = {each.name: {key: value for key, value in each.labels.items() if key.startswith(MARK)} for each in identity.nodes(api, "app")}
    assert labels == {"node-a": {f"{MARK}other": "line-2", f"{MARK}1": "app"}, "node-b": {f"{MARK}2": "app"}}
    assert api.calls == [("patch", "node-a"), ("patch", "node-b"), ("patch", "node-b")]
    assert [each.marks for each in identity.nodes(api, "app")] == [(f"{MARK}1",), (f"{MARK}2",)]
    api.live["Node", "node-a"]["metadata"]["labels"][f"{MARK}1"] = "true"  # another program: pods find it no more
    assert identity.nodes(api, "app")[0].marks == ()
    identity.mark_nodes(api, "app", {"node-a": {f"{MARK}1"}})
    assert identity.nodes(api, "app")[0].marks == (f"{MARK}1",)


# --- ports ------------------------------------------------------------------------------------------


def taken(nodes, **desired):
    return [finding.workload for finding in conflicts_in_cluster({name: [item] for name, item in desired.items()}, [], nodes)]


def test_a_host_port_is_one_for_each_node():
    two = [node("node-a"), node("node-b")]
    on_a, on_b = {"nodeSelector": {HOSTNAME: "host-a"}}, {"nodeSelector": {HOSTNAME: "host-b"}}
    assert taken(two, a=workload(port=80, **on_a), b=workload(port=80, **on_b)) == []
    assert taken(two, a=workload(port=80, **on_a), b=workload(port=80, **on_a)) == ["b"]
    assert taken(two, a=workload(port=80), b=workload(port=80)) == []
    assert taken(two, a=workload(port=80), b=workload(port=80, **on_a), c=workload(port=80, **on_b)) == ["c"]
    assert taken(two, a=workload(port=80), b=workload(port=80), c=workload(port=80)) == ["c"]
    assert taken(two, a=workload("DaemonSet", port=80), b=workload(port=80)) == ["b"]
    assert taken(two[:1], a=workload(port=80), b=workload(port=80)) == ["b"]


def test_a_program_of_this_node_is_in_the_way_of_pods_that_may_come_here():
    two = [node("node-a"), node("node-b")]

    def found(**pod):
        return [each.workload for each in conflicts_on_node({"w": [workload(port=80, **pod)]}, [], {(80, "tcp")}, "node-a", two)]

    assert found() == ["w"]
    assert found(nodeSelector={HOSTNAME: "host-a"}) == ["w"]
    assert found(nodeSelector={HOSTNAME: "host-b"}) == []


def test_room_is_reckoned_on_the_nodes_that_may_take_the_pods():
    def sized(name, cpu):
        return node(name) | {"status": {"allocatable": {"cpu": cpu}}}

    pods = [{"spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}, "status": {"phase": "Running"}}]
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "3"}}
    (alone, *_) = resource_demands({"w": [item]}, pods, sized("node-a", "2"))
    (both, *_) = resource_demands({"w": [item]}, pods, sized("node-a", "2"), sized("node-b", "4"))
    assert ((alone.requested, alone.available), (both.requested, both.available)) == ((3.0, 1.0), (3.0, 5.0))
