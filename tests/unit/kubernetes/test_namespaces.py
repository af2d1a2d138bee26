"""Objects of a workload in several namespaces: what is rendered, recorded, found again, pruned and removed."""

import pytest

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.applying import put, put_back
from kelvin_provision.cluster.kubernetes.deletion.removal import delete, remove
from kelvin_provision.cluster.kubernetes.judge.observation import observations
from kelvin_provision.cluster.kubernetes.render.objects import Context, Key
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.labels import HOME, NAMESPACES, OWNER, REVISION, STOPPED
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from tests.kit.fakes.kubernetes_server import Crash, MemoryApi

HOME_LABELS = {OWNER: "w", HOME: "app"}


def rendered(*manifests, name="w", hosts=()):
    spec = Spec(name, "W", "w", "1.0", "c", Method.STANDARD, manifests=manifests)
    return render(spec, (), 1, Context(namespace="app", node_name="edge-1", pull_hosts=frozenset(hosts)))


def obj(kind, name, namespace=None, version="v1", **more):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def deployment(name, namespace=None, image="reg.example/web:1"):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return obj("Deployment", name, namespace, "apps/v1", spec={"selector": {"matchLabels": {"app": name}}, "template": template})


def names(objects):
    return [describe(item) for item in objects]


def only(objects, kind):
    (item,) = [item for item in objects if item["kind"] == kind]
    return item


# --- rendering ------------------------------------------------------------------------------------


def test_an_object_lies_where_it_says_or_in_the_boxs_namespace_and_a_named_namespace_is_made():
    objects = rendered(deployment("a"), deployment("a", "mqtt"), obj("ConfigMap", "c", "app"))
    assert names(objects) == ["Namespace/mqtt", "ConfigMap/c", "Deployment/a", "Deployment/mqtt/a"]
    assert [item["metadata"].get("namespace") for item in objects] == [None, "app", "app", "mqtt"]
    assert len({Key.of(item) for item in objects}) == len(objects)
    pods = [item["spec"]["template"]["metadata"]["labels"] for item in objects if item["kind"] == "Deployment"]
    assert pods == [{"app": "a", OWNER: "w"}, {"app": "a", OWNER: "w", HOME: "app"}]
    assert objects[0]["metadata"]["labels"].items() >= HOME_LABELS.items()
    assert HOME not in objects[1]["metadata"]["labels"]


def test_a_namespace_of_the_request_keeps_its_labels_and_what_every_cluster_has_is_not_made():
    namespace = obj("Namespace", "mqtt")
    namespace["metadata"]["labels"] = {"istio-injection": "enabled"}
    objects = rendered(namespace, obj("ConfigMap", "c", "mqtt"), obj("ConfigMap", "d", "kube-system"))
    assert names(objects) == ["Namespace/mqtt", "ConfigMap/mqtt/c", "ConfigMap/kube-system/d"]
    assert objects[0]["metadata"]["labels"]["istio-injection"] == "enabled"


def test_objects_of_the_cluster_have_no_namespace_also_where_a_definition_of_the_set_says_so():
    spec = {"group": "x.example", "scope": "Cluster", "names": {"kind": "Issuer"}, "versions": [{"name": "v1"}]}
    definition = obj("CustomResourceDefinition", "issuers.x.example", None, "apiextensions.k8s.io/v1", spec=spec)
    role = obj("ClusterRole", "r", "mqtt", "rbac.authorization.k8s.io/v1")
    objects = rendered(definition, obj("Issuer", "i", "mqtt", "x.example/v1"), role)
    assert "namespace" not in only(objects, "Issuer")["metadata"]
    assert "namespace" not in only(objects, "ClusterRole")["metadata"]


def test_claims_and_pull_secrets_are_made_in_every_namespace_with_pods():
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    stateful = deployment("db", "mqtt") | {"kind": "StatefulSet"}
    stateful["spec"]["volumeClaimTemplates"] = claims
    objects = rendered(deployment("a"), stateful, hosts=["reg.example"])
    assert [item["metadata"]["namespace"] for item in objects if item["kind"] == "Secret"] == ["app", "mqtt"]
    assert only(objects, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["metadata"]["labels"] == HOME_LABELS


@pytest.mark.parametrize(
    ("account", "binding", "named", "expected"),
    [
        (None, "ClusterRoleBinding", "monitoring", "app"),  # written for `kubectl apply -n monitoring`
        (None, "ClusterRoleBinding", None, "app"),
        (None, "ClusterRoleBinding", "app", "app"),
        ("mqtt", "ClusterRoleBinding", None, "mqtt"),
        ("mqtt", "ClusterRoleBinding", "mqtt", "mqtt"),
        ("mqtt", "ClusterRoleBinding", "other", "other"),
        ("app", "ClusterRoleBinding", "other", "other"),
        (None, "RoleBinding", None, "app"),
        ("none of this set", "RoleBinding", None, "app"),
        ("none of this set", "ClusterRoleBinding", "monitoring", "monitoring"),
    ],
)
def test_a_subject_follows_its_service_account(account, binding, named, expected):
    subject = {"kind": "ServiceAccount", "name": "reader"} | ({"namespace": named} if named else {})
    accounts = [] if account == "none of this set" else [obj("ServiceAccount", "reader", account)]
    others = [{"kind": "User", "name": "reader"}, {"kind": "Group", "name": "g"}]
    objects = rendered(*accounts, obj(binding, "b", None, "rbac.authorization.k8s.io/v1", subjects=[*others, subject]))
    assert only(objects, binding)["subjects"] == [*others, {"kind": "ServiceAccount", "name": "reader", "namespace": expected}]


def test_a_subject_without_a_namespace_means_the_account_beside_its_binding():
    accounts = [obj("ServiceAccount", "reader", namespace) for namespace in ("x", "y")]
    binding = obj("RoleBinding", "b", "y", "rbac.authorization.k8s.io/v1", subjects=[{"kind": "ServiceAccount", "name": "reader"}])
    assert only(rendered(*accounts, binding), "RoleBinding")["subjects"][0]["namespace"] == "y"


def test_services_of_webhooks_and_apis_are_followed_as_well():
    service, wrong = obj("Service", "hook"), {"name": "hook", "namespace": "operators", "path": "/"}
    hook = obj(
        "ValidatingWebhookConfiguration", "h", None, "admissionregistration.k8s.io/v1", webhooks=[{"clientConfig": {"service": wrong}}]
    )
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": wrong}}}
    definition = obj("CustomResourceDefinition", "d", None, "apiextensions.k8s.io/v1", spec={"conversion": conversion})
    api = obj("APIService", "v1.x", None, "apiregistration.k8s.io/v1", spec={"service": wrong})
    objects = rendered(service, hook, definition, api)
    assert only(objects, "ValidatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["service"]["namespace"] == "app"
    assert only(objects, "CustomResourceDefinition")["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["namespace"] == "app"
    assert only(objects, "APIService")["spec"]["service"]["namespace"] == "app"
    assert wrong["namespace"] == "operators"


# --- the record -----------------------------------------------------------------------------------


def test_the_record_of_an_earlier_version_is_read_and_kept():
    api = MemoryApi("app", "mqtt")
    old = obj("ConfigMap", inventory.record_name("w"), "app", data={"kinds": "batch/v1 Job\nnot understood at all"})
    old["metadata"]["labels"] = {OWNER: "w"}
    api.create(old, "app")
    assert inventory.recorded(api, "app", "w") == inventory.Record(frozenset({("batch/v1", "Job")}))
    assert inventory.namespaces(api, "app", "w") == ["app"]
    inventory.record_kinds(api, "app", "w", rendered(obj("ConfigMap", "c", "mqtt")))
    record = api.get("v1", "ConfigMap", inventory.record_name("w"), "app")
    assert record["data"] == {"kinds": "batch/v1 Job\nv1 Namespace", "elsewhere": "v1 ConfigMap mqtt"}
    assert record["metadata"]["annotations"] == {NAMESPACES: "mqtt"}
    assert inventory.all_namespaces([record, {"metadata": {}}], "app") == ["app", "mqtt"]


def test_a_workload_in_one_namespace_is_recorded_as_before():
    api = MemoryApi("app")
    inventory.record_kinds(api, "app", "w", rendered(obj("ConfigMap", "c"), deployment("a")))
    assert api.names == ["Namespace/app"]
    inventory.record_kinds(api, "app", "w", rendered(deployment("a")))
    record = api.get("v1", "ConfigMap", inventory.record_name("w"), "app")
    assert (record["data"], "annotations" in record["metadata"]) == ({"kinds": ""}, False)


def test_a_stop_keeps_what_the_record_knows():
    api = MemoryApi("app", "mqtt")
    inventory.record_kinds(api, "app", "w", rendered(obj("Job", "j", "mqtt", "batch/v1")))
    inventory.record_stopped(api, "app", "w", ["Job/mqtt/j"])
    record = api.get("v1", "ConfigMap", inventory.record_name("w"), "app")
    assert record["metadata"]["annotations"] == {STOPPED: "Job/mqtt/j", NAMESPACES: "mqtt"}
    assert inventory.namespaces(api, "app", "w") == ["app", "mqtt"]


# --- putting, pruning, removing -------------------------------------------------------------------

SET = (deployment("a"), obj("ConfigMap", "c"), deployment("a", "mqtt"), obj("Secret", "s", "mqtt"), obj("ConfigMap", "c", "data"))


def finish(api, objects):
    """As `Kubernetes.finish`."""
    for item in inventory.prunable(inventory.owned(api, "app", "w", objects), objects):
        delete(api, "app", item)


def test_what_a_version_does_not_have_any_more_is_pruned_in_its_namespace_only():
    api = MemoryApi("app")
    put(api, "app", "w", rendered(*SET), str)
    new = rendered(deployment("a"), obj("ConfigMap", "c", "data"), obj("Secret", "s", "mqtt"))
    put(api, "app", "w", new, str)
    api.requests.clear()
    finish(api, new)
    assert api.requests == ["delete Deployment/mqtt/a", "delete ConfigMap/app/c"]


def test_an_object_of_another_version_of_its_kind_is_the_same_object():
    live = obj("Ingress", "i", "app", "networking.k8s.io/v1beta1")
    live["metadata"]["uid"] = "1"
    assert (
        inventory.prunable([live, live | {"apiVersion": "networking.k8s.io/v1"}], [obj("Ingress", "i", "app", "networking.k8s.io/v1")])
        == []
    )


def test_a_custom_object_of_the_cluster_is_recognized_although_its_scope_is_not_known_here():
    assert inventory.prunable([obj("Issuer", "i", None, "x.example/v1")], [obj("Issuer", "i", "app", "x.example/v1")]) == []


def test_undeploy_leaves_nothing_and_the_namespaces_go_last():
    api = MemoryApi("app")
    put(api, "app", "w", rendered(*SET), str)
    api.requests.clear()
    removed = remove(api, "app", "w", timeout=1.0)
    assert set(removed[-2:]) == {"Namespace/data", "Namespace/mqtt"}
    assert {"Deployment/a", "Deployment/mqtt/a", "Secret/mqtt/s", "ConfigMap/data/c"} <= set(removed)
    assert api.names == ["Namespace/app"]
    assert remove(api, "app", "w", timeout=1.0) == ()


def test_undeploy_takes_the_claims_that_a_stateful_set_made_in_another_namespace_and_a_new_version_does_not():
    api, stateful = MemoryApi("app", "mqtt"), deployment("db", "mqtt") | {"kind": "StatefulSet"}
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {}}]
    objects = rendered(stateful)
    put(api, "app", "w", objects, str)
    made = only(objects, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["metadata"]
    claim = obj("PersistentVolumeClaim", "data-db-0", "mqtt")
    api.create(claim | {"metadata": claim["metadata"] | {"labels": made["labels"]}}, "")
    api.add("PersistentVolumeClaim", "theirs", "mqtt")
    finish(api, rendered(obj("ConfigMap", "c", "mqtt")))
    assert "PersistentVolumeClaim/mqtt/data-db-0" in api.names
    assert remove(api, "app", "w", timeout=0.0) == ("PersistentVolumeClaim/mqtt/data-db-0",)
    assert api.names == ["Namespace/app", "Namespace/mqtt", "PersistentVolumeClaim/mqtt/theirs"]


def test_a_namespace_that_was_there_is_used_and_neither_changed_nor_deleted():
    api = MemoryApi("app", "mqtt")
    put(api, "app", "w", rendered(*SET), str)
    assert "labels" not in api.get("v1", "Namespace", "mqtt")["metadata"]
    assert "Namespace/mqtt" not in remove(api, "app", "w", timeout=1.0)
    assert api.names == ["Namespace/app", "Namespace/mqtt"]


@pytest.mark.parametrize("kind", ["ConfigMap", "PersistentVolumeClaim", "Widget"])
def test_a_namespace_with_an_object_of_another_is_kept_and_said(kind):
    api = MemoryApi("app")
    put(api, "app", "w", rendered(*SET), str)
    for made in ("ServiceAccount/default", "ConfigMap/kube-root-ca.crt", "Event/e", "Endpoints/e"):
        api.add(*made.split("/"), "mqtt")
    api.add("Secret", "default-token-x", "mqtt", annotations={"kubernetes.io/service-account.name": "default"})
    api.add(
        "ReplicaSet", "r", "mqtt", ownerReferences=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "deleted just now"}]
    )
    api.add(kind, "theirs", "mqtt")
    assert remove(api, "app", "w", timeout=1.0)[-2:] == ("Namespace/data", f"Namespace/mqtt (kept: {kind}/theirs would be deleted with it)")
    assert f"{kind}/mqtt/theirs" in api.names


@pytest.mark.parametrize(("owner", "counts"), [("ClusterRole", True), ("ConfigMap", False)])
def test_what_an_object_of_the_cluster_owns_is_data_of_others_and_what_one_of_the_namespace_owns_goes_with_that(owner, counts):
    api = MemoryApi("app")
    put(api, "app", "w", rendered(obj("ConfigMap", "c", "mqtt")), str)
    api.add(owner, "owner", "mqtt")
    uid = api.get("v1", owner, "owner", "mqtt")["metadata"]["uid"]
    api.add("Secret", "theirs", "mqtt", ownerReferences=[{"apiVersion": "v1", "kind": owner, "name": "owner", "uid": uid}])
    kept = "Secret/theirs" if counts else f"{owner}/owner"
    assert remove(api, "app", "w", timeout=1.0)[-1] == f"Namespace/mqtt (kept: {kept} would be deleted with it)"
    assert "Secret/mqtt/theirs" in api.names


def test_two_workloads_may_share_a_namespace_and_the_first_made_it():
    api = MemoryApi("app")
    put(api, "app", "w", rendered(obj("ConfigMap", "c", "mqtt")), str)
    put(api, "app", "v", rendered(obj("ConfigMap", "d", "mqtt"), name="v"), str)
    assert remove(api, "app", "w", timeout=1.0) == ("ConfigMap/mqtt/c", "Namespace/mqtt (kept: ConfigMap/mqtt/d would be deleted with it)")
    assert remove(api, "app", "v", timeout=1.0) == ("ConfigMap/mqtt/d",)


def test_objects_of_another_box_in_a_shared_namespace_are_not_ours():
    api = MemoryApi("app", "mqtt")
    api.add("ConfigMap", "c", "mqtt", labels={OWNER: "w", HOME: "another-box"})
    api.add("ConfigMap", "at-home", "app", labels={OWNER: "w", HOME: "another-box"})
    put(api, "app", "w", rendered(obj("Secret", "s", "mqtt")), str)
    finish(api, ())
    remove(api, "app", "w", timeout=1.0)
    assert {"ConfigMap/mqtt/c", "ConfigMap/app/at-home"} <= set(api.names)
    assert [type(error).__name__ for error in put_back(api, "app", "w", rendered(obj("ConfigMap", "c", "mqtt")), str)] == ["ClusterRefused"]


def test_objects_of_the_cluster_of_another_box_are_not_ours_and_those_of_an_earlier_version_are():
    api, rbac = MemoryApi("app"), "rbac.authorization.k8s.io/v1"
    for name, labels in (("theirs", {OWNER: "w", HOME: "another-box"}), ("earlier", {OWNER: "w"})):
        api.create(obj("ClusterRole", name, None, rbac) | {"metadata": {"name": name, "labels": labels}}, "")
    objects = rendered(*(obj("ClusterRole", name, None, rbac) for name in ("theirs", "earlier", "new")))
    assert [str(error) for error in put_back(api, "app", "w", objects, str)] == [
        "w: ClusterRole/theirs: ClusterRole/theirs already exists and belongs to workload w"
    ]
    earlier = only([item for item in objects if item["metadata"]["name"] == "new"], "ClusterRole")
    del earlier["metadata"]["labels"][HOME]
    put(api, "app", "w", [earlier], str)  # on the way back to a revision that was rendered by an earlier version
    assert set(remove(api, "app", "w", timeout=1.0)) == {"ClusterRole/earlier", "ClusterRole/new"}
    assert api.names == ["ClusterRole/theirs", "Namespace/app"]


@pytest.mark.parametrize("verb", ["put", "finish", "remove"])
def test_after_a_crash_at_any_request_a_repetition_ends_in_the_same_place(verb):
    old, new = rendered(*SET), rendered(deployment("a", "mqtt"), obj("ConfigMap", "d", "more"))

    def begun():
        api = MemoryApi("app")
        put(api, "app", "w", old, str)
        if verb == "finish":
            put(api, "app", "w", new, str)
        return api

    def run(api):
        {
            "put": lambda: put(api, "app", "w", new, str),
            "finish": lambda: finish(api, new),
            "remove": lambda: remove(api, "app", "w", timeout=1.0),
        }[verb]()
        return api

    expected = run(begun()).names
    for step in range(1000):
        api = begun()
        api.crash_after(step)
        try:
            run(api)
            break
        except Crash:
            api.crash_at = None
        assert run(api).names == expected, f"crash at request {step}"
    assert step > 5


# --- observing ------------------------------------------------------------------------------------


def test_an_observation_has_all_namespaces_and_keeps_equal_pods_apart():
    up = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    here, elsewhere = [item for item in rendered(deployment("a"), deployment("a", "mqtt")) if item["kind"] == "Deployment"]
    live = [here | {"status": up}, elsewhere | {"status": up | {"availableReplicas": 0}}]
    assert observations(live, [], [], "2026-01-02T03:04:05Z")["w"].observed.value == "deploying"
    annotations = elsewhere["spec"]["template"]["metadata"]["annotations"]
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "mqtt", "labels": HOME_LABELS, "annotations": annotations}}
    pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet"}]
    assert observations(live, [pod], [], "2026-01-02T03:04:05Z")["w"].observed.value == "starting"


def test_endpoints_that_follow_a_service_are_not_ours_though_they_have_its_labels():
    api = MemoryApi("app")

    def endpoints(name, **metadata):
        item = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": "app", "labels": {OWNER: "w"}} | metadata}
        api.create(item, "app")
        return item

    own = endpoints("own", annotations={REVISION: "1"})
    endpoints("followed")
    assert [item["metadata"]["name"] for item in inventory.owned(api, "app", "w", [own])] == ["own"]
