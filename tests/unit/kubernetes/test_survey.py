"""Permissions, capacity, pull policies and ports, from documents as the server gives them."""

import pytest

from kelvin_provision.cluster.kubernetes.identity import at_least, cluster_info, node_conditions, our_node
from kelvin_provision.cluster.kubernetes.judge import capacity, permissions
from kelvin_provision.cluster.kubernetes.judge.images import always_verified, image_uses
from kelvin_provision.cluster.kubernetes.judge.ports import conflicts_on_node
from kelvin_provision.cluster.kubernetes.judge.scheduling import unplaceable
from kelvin_provision.cluster.kubernetes.survey import survey
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.cluster.survey import ClusterInfo, Condition, ImageUse, ResourceDemand, Unplaceable
from kelvin_provision.errors import ClusterDenied, ClusterRefused
from kelvin_provision.hints import system
from kelvin_provision.refs import Platform
from tests.kit.fakes.kubernetes_api import ObjectApi

NODE = {"status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10"}}}


def deployment(name="pump", *, replicas=1, strategy=None, policy="IfNotPresent", image="r.io/pump@sha256:" + "0" * 64, cpu="500m", **pod):
    container = {"name": "c", "image": image, "imagePullPolicy": policy, "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}}}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container], **pod}}}
    if strategy:
        spec["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pod(workload, cpu="500m", memory="256Mi", phase="Running"):
    container = {"resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {"metadata": {"labels": {OWNER: workload}}, "spec": {"containers": [container]}, "status": {"phase": phase}}


def test_quantities_are_read_and_what_is_none_counts_nothing():
    requests = {"cpu": "100m", "memory": "1Gi", "ephemeral-storage": "nonsense"}
    assert capacity.pod_requests({"containers": [{"resources": {"requests": requests}}]}) == {
        "cpu": 0.1,
        "memory": 1073741824.0,
        "ephemeral-storage": 0.0,
        "pods": 1.0,
    }


def test_containers_that_prepare_count_when_they_ask_for_more():
    def asks(cpu):
        return {"resources": {"limits": {"cpu": cpu}}}

    assert capacity.pod_requests({"containers": [asks("100m"), asks("200m")], "initContainers": [asks("1")]}) == {"cpu": 1.0, "pods": 1.0}
    assert capacity.pod_requests({"containers": [asks("1"), asks("1")], "initContainers": [asks("1")]}) == {"cpu": 2.0, "pods": 1.0}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_rolling_update_needs_room_for_one_more_pod():
    demands = capacity.resource_demands(
        {"pump": [deployment(strategy=ROLLING)]}, [pod("pump"), pod("fan"), pod("old", phase="Succeeded")], NODE
    )
    assert demands == (
        ResourceDemand("cpu", 0.5, 1.0),
        ResourceDemand("memory", 256 * 2**20, 512 * 2**20),
        ResourceDemand("pods", 1.0, 8.0),
    )


def test_one_that_replaces_its_pod_needs_only_what_is_more_than_before():
    objects = [deployment(strategy={"type": "Recreate"}, cpu="700m")]
    assert capacity.resource_demands({"pump": objects}, [pod("pump")], NODE)[0] == ResourceDemand("cpu", pytest.approx(0.2), 1.5)


def test_a_new_workload_needs_all_its_pods_and_a_share_of_them_is_rounded_up():
    assert capacity.resource_demands({"pump": [deployment(replicas=3)]}, [], NODE)[0] == ResourceDemand("cpu", 1.5, 2.0)
    assert capacity.resource_demands({"pump": [deployment(replicas=5)]}, [pod("pump")], NODE)[2] == ResourceDemand("pods", 2.0, 9.0)


def test_a_list_of_rules_is_read_as_the_server_means_it():
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    some = [{"verbs": ["get", "list"], "apiGroups": ["apps"], "resources": ["deployments"]}]
    named = [{"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]}]
    patch = permissions.Permission("apps", "deployments", "patch")
    assert (permissions.granted(patch, everything), permissions.granted(patch, some)) == (True, False)
    assert permissions.granted(permissions.Permission("apps", "deployments", "list"), some)
    assert not permissions.granted(permissions.Permission("", "secrets", "get"), named)


def test_missing_rights_are_gathered_by_resource():
    missing = [
        permissions.Permission("apps", "deployments", "patch"),
        permissions.Permission("apps", "deployments", "create"),
        permissions.Permission("", "pods", "get"),
    ]
    assert list(permissions.describe_permissions(missing)) == ["get pods", "create, patch deployments.apps"]
    assert permissions.access_review(permissions.Permission("", "pods/log", "get"), "app")["spec"] == {
        "resourceAttributes": {"group": "", "resource": "pods", "subresource": "log", "verb": "get", "namespace": "app"}
    }


@pytest.mark.parametrize(
    ("given", "policy", "pinned"),
    [
        ({}, "missing", True),
        ({"policy": "Always"}, "always", True),
        ({"policy": None, "image": "r.io/pump:1"}, "missing", False),
        ({"policy": None, "image": "r.io/pump"}, "always", False),
    ],
)
def test_the_policy_that_the_server_would_give_counts(given, policy, pinned):
    (use,) = image_uses("pump", [deployment(**given)])
    assert (use.pull_policy, use.pinned, use.host, use.has_login) == (policy, pinned, "r.io", False)


def test_a_login_of_the_pod_is_seen():
    (use,) = image_uses("pump", [deployment(imagePullSecrets=[{"name": "x"}])])
    assert use == ImageUse("pump", "Deployment/pump/c", "r.io/pump@sha256:" + "0" * 64, "missing", pinned=True, host="r.io", has_login=True)


def service(number, workload="pump"):
    metadata = {"name": workload, "labels": {OWNER: workload}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"nodePort": number}]}}


def test_a_port_that_a_program_listens_on_is_taken_unless_it_listens_for_us():
    wanted = {"pump": [service(30080)]}
    message = "node port 30080/TCP is taken by another program on this box"
    assert list(conflicts_on_node(wanted, [], {(30080, "tcp")})) == [Finding("port-taken", "pump", "Service/pump", message)]
    assert list(conflicts_on_node(wanted, [service(30080)], {(30080, "tcp")})) == []
    assert list(conflicts_on_node(wanted, [], {(30080, "udp")})) == []


def test_conditions_are_judged_by_what_they_mean():
    node = {
        "metadata": {"name": "edge"},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "DiskPressure", "status": "True", "message": "full"}, {"type": "Ready", "status": "True"}]},
    }
    assert list(node_conditions(node)) == [
        Condition("Ready", healthy=True, hint=system("kubectl", "describe", "node", "edge")),
        Condition("DiskPressure", healthy=False, message="full", hint=system("kubectl", "describe", "node", "edge")),
        Condition(
            "Schedulable",
            healthy=False,
            message="it is cordoned: no new pod is scheduled on it",
            critical=False,
            hint=system("kubectl", "uncordon", "edge"),
        ),
    ]


def test_a_version_is_compared_by_numbers():
    assert at_least("v1.33.1+k3s1", (1, 33))
    assert not at_least("v1.9.9", (1, 33))
    assert not at_least("", (1, 33))


def node_document(name, hostname):
    labels = {"kubernetes.io/hostname": hostname} if hostname else {}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}},
    }


@pytest.mark.parametrize(
    ("configured", "labels", "host", "name"),
    [
        (None, {"edge": "edge"}, "edge", "edge"),
        (None, {"edge": "edge", "other": "other"}, "edge.example.com", "edge"),
        (None, {"i-07": "edge", "i-08": "other"}, "edge", "i-07"),
        (None, {"i-07": ""}, "edge", "i-07"),
        ("i-08", {"i-07": "edge", "i-08": "other"}, "edge", "i-08"),
        (None, {"edge": "other", "other": "edge"}, "edge", "edge"),
    ],
)
def test_our_node_is_known_by_its_name_or_by_the_label_with_the_hosts_name(configured, labels, host, name):
    assert our_node(configured, labels, host) == name


def test_a_box_that_is_no_node_is_refused_with_the_nodes_that_there_are():
    with pytest.raises(ClusterRefused, match=r"this box \(edge\) is not a node of the cluster; the nodes of the cluster are a, b"):
        our_node(None, {"a": "a", "b": ""}, "edge")


@pytest.mark.parametrize("hostname", ["box-7", ""])
def test_pods_are_pinned_by_the_label_of_the_node_and_not_by_its_name(hostname):
    api = ObjectApi(node_document("i-07", hostname))
    api.version = lambda: {"gitVersion": "v1.30.0"}
    info = cluster_info(api, "i-07")
    assert (info.node, info.node_label) == ("i-07", hostname)


@pytest.mark.parametrize(
    ("settings", "verified"),
    [
        ({}, []),
        ({"imagePullCredentialsVerificationPolicy": "NeverVerifyPreloadedImages"}, []),
        ({"imagePullCredentialsVerificationPolicy": "AlwaysVerify"}, ["r.io/a/pump:1"]),
        ({"imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages"}, ["r.io/a/pump:1"]),
        (
            {
                "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
                "preloadedImagesVerificationAllowlist": ["r.io/a/*"],
            },
            [],
        ),
        (
            {
                "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
                "preloadedImagesVerificationAllowlist": ["r.io/a/pump"],
            },
            [],
        ),
        (
            {
                "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
                "preloadedImagesVerificationAllowlist": ["r.io/b/*", "r.io/a"],
            },
            ["r.io/a/pump:1"],
        ),
    ],
)
def test_images_that_the_kubelet_verifies_at_every_start_are_known_from_its_settings(settings, verified):
    use = ImageUse("pump", "Deployment/pump/c", "r.io/a/pump:1", "missing", pinned=False)
    assert sorted(always_verified([use], settings)) == verified


class SurveyedApi(ObjectApi):
    """Allows everything; has the kubelet's settings, or the error that reading them ends with."""

    settings = None

    def plural(self, version, kind):
        return f"{kind.lower()}s", True

    def create(self, item, namespace, *, dry_run=False):
        return {"status": {"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}}

    def node_settings(self, node):
        if isinstance(self.settings, Exception):
            raise self.settings
        return self.settings


def surveyed(version, settings, taints=()):
    node = node_document("edge", "edge") | {"spec": {"taints": list(taints)}}
    api = SurveyedApi(node)
    api.settings = settings
    info = ClusterInfo("kubernetes", version, "edge", Platform("linux", "amd64"), "edge")
    return survey(api, "app", info, {"pump": [deployment()]}, lambda: ())


def test_the_kubelets_settings_are_asked_where_it_can_verify_and_what_cannot_be_read_is_not_judged():
    always = {"imagePullCredentialsVerificationPolicy": "AlwaysVerify"}
    assert len(surveyed("v1.33.0", always).always_verified) == 1
    assert surveyed("v1.32.0", always).always_verified == frozenset()
    assert surveyed("v1.35.0", ClusterDenied("no")).always_verified == frozenset()


def test_a_taint_of_the_node_is_seen_against_the_tolerations_of_the_pods():
    assert surveyed("v1.30.0", {}).unplaceable == ()
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    assert surveyed("v1.30.0", {}, [taint]).unplaceable == (Unplaceable("pump", "Deployment/pump", "edge", ("dedicated=db:NoSchedule",)),)
    nowhere = unplaceable("pump", deployment(nodeSelector={"disk": "large"}), [node_document("edge", "edge")])
    assert nowhere == Unplaceable("pump", "Deployment/pump")
