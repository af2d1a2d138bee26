"""Objects and the shapes of their kinds: what is found without a cluster, and what is left out."""

import pytest

from kelvin_provision.spec.kinds import shapes
from kelvin_provision.spec.kinds.cleaning import without_nulls, without_server_fields
from kelvin_provision.spec.kinds.exported import without_assigned
from kelvin_provision.spec.kinds.shapes import misshapes, quantities_as_text, unknown_keys
from tests import kind_shapes


def obj(kind="ConfigMap", version="v1", **more):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}} | more


def deployment(**spec):
    template = {"spec": {"containers": [{"name": "c", "image": "a"}]}}
    return obj("Deployment", "apps/v1", spec={"selector": {}, "template": template} | spec)


def container(**more):
    return deployment(template={"spec": {"containers": [{"name": "c"} | more]}})


@pytest.mark.slow
def test_the_data_is_that_of_the_models():
    import kubernetes

    if shapes._data()["from"] != kubernetes.__version__:
        pytest.skip("other models are installed here")
    assert kind_shapes.text() == kind_shapes.FILE.read_text(), "python -m tests.kind_shapes"


C = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (deployment(strategy="Recreate"), ["spec.strategy must be a mapping, not text"]),
        (deployment(replicas="2"), ["spec.replicas must be an integer, not text; remove the quotes"]),
        (deployment(replicas="two"), ["spec.replicas must be an integer, not text"]),
        (deployment(replicas=2.5), ["spec.replicas must be an integer, not a number with a fraction"]),
        (deployment(replicas=True), ["spec.replicas must be an integer, not true or false"]),
        (deployment(paused="yes"), ["spec.paused must be true or false, not text; remove the quotes"]),
        (deployment(template=None, selector=None), ["spec.selector is missing", "spec.template is missing"]),
        (obj("Deployment", "apps/v1"), ["spec is missing"]),
        (obj("Deployment", "apps/v1", spec=[]), ["spec must be a mapping, not a list"]),
        (obj(metadata={"name": "x", "labels": ["a"]}), ["metadata.labels must be a mapping, not a list"]),
        (obj(metadata={"name": "x", "annotations": {"a": True}}), ["metadata.annotations.a must be text, not true or false; put it in quotes"]),
        (obj("Service", spec={"ports": [80]}), ["spec.ports[0] must be a mapping, not a number"]),
        (obj("Service", spec={"ports": {"port": 80}}), ["spec.ports must be a list, not a mapping"]),
        (obj("Service", spec={"ports": [{"name": "a"}]}), ["spec.ports[0].port is missing"]),
        (container(ports=[{"containerPort": "80"}]), [f"{C}.ports[0].containerPort must be an integer, not text; remove the quotes"]),
        (container(env=[{"name": "A", "value": 5}]), [f"{C}.env[0].value must be text, not a number; put it in quotes"]),
        (container(env={"A": "b"}), [f"{C}.env must be a list, not a mapping"]),
        (container(command="sh"), [f"{C}.command must be a list, not text"]),
        (container(resources={"limits": {"cpu": True}}), [f"{C}.resources.limits.cpu must be a quantity, not true or false"]),
        (container(resources={"limits": {"cpu": 1, "memory": "1Gi"}}), []),
        (container(readinessProbe={"httpGet": {"port": "http"}}, livenessProbe={"httpGet": {"port": 80}}), []),
        (container(readinessProbe={"tcpSocket": {"port": 1.5}}), [f"{C}.readinessProbe.tcpSocket.port must be an integer or text, not a number"]),
        (deployment(template={"spec": {"containers": {}}}), ["spec.template.spec.containers must be a list, not a mapping"]),
        (deployment(template={"spec": {"containers": [None]}}), ["spec.template.spec.containers[0] must be a mapping, not null"]),
        (obj("Secret", data={"a": "hunter2!"}), ["data.a must be base64; put plain text under stringData, or in a ConfigMap under data"]),
        (obj("Secret", data={"a": "aHVu\ndGVyMg==", "b": "<% secrets.b %>"}), []),
        (obj("Widget", "e.example/v1", spec="x", data=[1]), []),
        (obj("Widget", "e.example/v1", metadata=["x"]), ["metadata must be a mapping, not a list"]),
        (obj("Ingress", "v1"), ["apiVersion must be networking.k8s.io/v1, not v1"]),
        (obj("Event", "v1", message=5), []),
        (obj("Deployment", "foreign.example/v1", spec="x"), ["spec must be a mapping, not text"]),
        (obj("Deployment", "foreign.example/v1", spec={"template": {}}), []),
        (obj("Role", "foreign.example/v1", rules="x"), []),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_told_with_its_path(item, expected):
    assert [str(misshape) for misshape in misshapes(item)] == expected


def test_at_most_twenty_findings_of_one_object():
    assert len(misshapes(obj("Service", spec={"ports": list(range(50))}))) == 20


def test_every_field_of_every_shape_refuses_what_it_is_not():
    values = {"s": "x", "i": 1, "b": True, "n": 1.5, "p": "x", "q": 1, "y": "aGk=", "*": 1}
    for name, fields in shapes._data()["types"].items():
        for key, marked in fields.items():
            code = marked.lstrip("!")
            right = [] if code[0] == "[" else values.get(code, {})
            wrong = {"x": 1} if not isinstance(right, dict) else ["x"]
            for value, count in ((right, 0), (wrong, 0 if code == "*" else 1)):
                found = [one for one in shapes._mapping({key: value}, name, ()) if one.path == (key,)]
                assert len(found) == count, (name, key, value)


def test_unknown_keys_are_told_where_the_kind_is_known():
    item = container(strategy={}, imagePullPolicies="x") | {"sepc": 1}
    assert [str(found) for found in unknown_keys(item)] == [
        f"{C}.strategy is unknown",
        f"{C}.imagePullPolicies is unknown; did you mean imagePullPolicy?",
        "sepc is unknown; did you mean spec?",
    ]
    assert unknown_keys(obj("Widget", "e.example/v1", spec={"a": 1})) == []
    assert unknown_keys(obj("Service", "serving.example/v1", spec={"template": 1})) == []
    assert unknown_keys(obj("Deployment", "extensions/v1beta1", spec={"rollbackTo": {}})) == []


def test_a_key_with_null_is_absent_at_every_depth_and_whole_numbers_are_integers():
    given = {"a": None, "b": {"c": None, "d": [None, {"e": None, "f": 1.0}]}, "g": [], "h": -0.0, "i": 1.5, "j": 1e300, "k": True}
    cleaned = without_nulls(given)
    assert cleaned == {"b": {"d": [None, {"f": 1}]}, "g": [], "h": 0, "i": 1.5, "j": 1e300, "k": True}
    assert [type(cleaned["b"]["d"][1]["f"]), type(cleaned["h"]), type(cleaned["k"])] == [int, int, bool]
    assert given["b"]["c"] is None


def test_fields_of_the_server_are_left_out_and_named():
    metadata = {
        "name": "x",
        "uid": "1",
        "resourceVersion": "5",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 3,
        "selfLink": "/x",
        "managedFields": [{"manager": "kubectl"}],
        "ownerReferences": [{"kind": "ReplicaSet", "controller": True}, {"kind": "Node"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "deployment.kubernetes.io/revision": "2", "mine": "x"},
    }
    item, made = without_server_fields(obj(metadata=metadata, status={"phase": "Bound"}, data={"a": "b"}))
    assert item == obj(metadata={"name": "x", "ownerReferences": [{"kind": "Node"}], "annotations": {"mine": "x"}}, data={"a": "b"})
    assert made == (
        "status",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.creationTimestamp",
        "metadata.generation",
        "metadata.selfLink",
        "metadata.managedFields",
        "metadata.ownerReferences",
        "the annotation kubectl.kubernetes.io/last-applied-configuration",
        "the annotation deployment.kubernetes.io/revision",
    )
    assert metadata["uid"] == "1"


def test_what_generators_write_empty_is_left_out_without_a_word():
    empty = {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}
    item, made = without_server_fields(obj("CustomResourceDefinition", "apiextensions.k8s.io/v1", spec={}, status=empty))
    assert (item, made) == (obj("CustomResourceDefinition", "apiextensions.k8s.io/v1", spec={}), ())


def test_templates_and_claims_lose_theirs_too():
    claim = {"metadata": {"name": "data", "creationTimestamp": "x"}, "spec": {"a": 1}, "status": {"phase": "Pending"}}
    template = {"metadata": {"creationTimestamp": "x", "labels": {"a": "b"}}, "spec": {"status": 1}}
    item, made = without_server_fields(obj("StatefulSet", "apps/v1", spec={"template": template, "volumeClaimTemplates": [claim, "x"]}))
    assert item["spec"] == {
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"status": 1}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"a": 1}}, "x"],
    }
    assert made == ("metadata.creationTimestamp",)
    assert without_server_fields({"kind": "x", "spec": "x", "metadata": "x"}) == ({"kind": "x", "spec": "x", "metadata": "x"}, ())


# --- exported objects --------------------------------------------------------------------------------


def exported(kind, version="v1", metadata=None, **rest):
    return obj(kind, version, metadata={"name": "x", "uid": "1"} | (metadata or {}), **rest)


TOKEN = "default-token-x2x4z"
BOUND = {"pv.kubernetes.io/bound-by-controller": "yes", "pv.kubernetes.io/bind-completed": "yes", "mine": "kept"}


@pytest.mark.parametrize(
    ("item", "kept", "dropped"),
    [
        (
            exported("Service", spec={"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "healthCheckNodePort": 31000, "ports": []}),
            {"spec": {"ports": []}},
            ("spec.healthCheckNodePort", "spec.clusterIP", "spec.clusterIPs"),
        ),
        (exported("Service", spec={"clusterIP": "None"}), {"spec": {"clusterIP": "None"}}, ()),
        (
            exported("Service", spec={"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "ports": []}),
            {"spec": {"ports": []}},
            ("spec.ipFamilies", "spec.ipFamilyPolicy"),
        ),
        (
            exported("Service", spec={"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}),
            {"spec": {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}},
            (),
        ),
        (
            exported("PersistentVolumeClaim", metadata={"annotations": BOUND}, spec={"volumeName": "pvc-1", "storageClassName": "a"}),
            {"metadata": {"name": "x", "uid": "1", "annotations": {"mine": "kept"}}, "spec": {"storageClassName": "a"}},
            ("spec.volumeName", *(f"metadata.annotations.{name}" for name in list(BOUND)[:2])),
        ),
        (exported("PersistentVolumeClaim", spec={"volumeName": "chosen"}), {"spec": {"volumeName": "chosen"}}, ()),
        (
            exported(
                "PersistentVolume",
                metadata={"finalizers": ["kubernetes.io/pv-protection"]},
                spec={"claimRef": {"name": "c", "uid": "2", "resourceVersion": "3"}},
            ),
            {"metadata": {"name": "x", "uid": "1"}, "spec": {"claimRef": {"name": "c"}}},
            ("spec.claimRef.uid", "spec.claimRef.resourceVersion", "metadata.finalizers"),
        ),
        (exported("ServiceAccount", secrets=[{"name": TOKEN}, {"name": "mine"}]), {"secrets": [{"name": "mine"}]}, ("secrets",)),
        (
            exported(
                "Job",
                "batch/v1",
                {"labels": {"job-name": "x"}},
                spec={
                    "selector": {"matchLabels": {"controller-uid": "1"}},
                    "template": {"metadata": {"labels": {"a": "b", "controller-uid": "1"}}},
                },
            ),
            {"metadata": {"name": "x", "uid": "1", "labels": {}}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}},
            ("spec.selector", "metadata.labels.job-name", "spec.template.metadata.labels.controller-uid"),
        ),
        (
            exported("Job", "batch/v1", spec={"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}}),
            {"spec": {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}}},
            (),
        ),
        (
            exported(
                "Pod",
                spec={
                    "nodeName": "n",
                    "volumes": [{"name": TOKEN}],
                    "containers": [{"name": "c", "volumeMounts": [{"name": TOKEN}, {"name": "data"}]}, "x"],
                },
            ),
            {"spec": {"containers": [{"name": "c", "volumeMounts": [{"name": "data"}]}, "x"]}},
            ("spec.nodeName", "spec.volumes", "spec.containers.volumeMounts"),
        ),
    ],
)
def test_what_a_cluster_assigned_is_left_out_of_an_exported_object(item, kept, dropped):
    before = repr(item)
    assert without_assigned(item) == (item | kept, dropped)
    assert repr(item) == before
    written = item | {"metadata": {"name": "x"}}
    assert without_assigned(written) == (written, ())


def test_the_generation_of_apps_that_no_cluster_has_any_more_is_named():
    found = misshapes(obj("Deployment", "extensions/v1beta1", spec={"template": {}}))
    assert [str(one) for one in found] == ["apiVersion must be apps/v1, not extensions/v1beta1, which Kubernetes 1.16 removed"]
    assert misshapes(obj("Ingress", "extensions/v1beta1", spec={})) == []


def test_claim_templates_may_say_their_kind():
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": {"sice": 1}}
    item = obj("StatefulSet", "apps/v1", spec={"selector": {}, "template": {"apiVersion": "v1"}, "volumeClaimTemplates": [claim]})
    assert [str(one) for one in unknown_keys(item)] == [
        "spec.template.apiVersion is unknown",
        "spec.volumeClaimTemplates[0].spec.sice is unknown",
    ]


def test_quantities_that_are_numbers_become_text_and_nothing_else_does():
    item = container(resources={"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": 0.5}}, ports=[{"containerPort": 80}])
    made = quantities_as_text(item)
    assert made["spec"]["template"]["spec"]["containers"] == [
        {"name": "c", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "0.5"}}, "ports": [{"containerPort": 80}]}
    ]
    assert quantities_as_text(obj("ResourceQuota", spec={"hard": {"pods": 4}}))["spec"] == {"hard": {"pods": "4"}}
    custom = obj("Widget", "a.example/v1", spec={"resources": {"limits": {"cpu": 1}}})
    assert quantities_as_text(custom) == custom
