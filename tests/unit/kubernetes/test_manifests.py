"""Plain objects: as they are, but for what we promise to change."""

from dataclasses import replace

import pytest

from kelvin_provision.cluster.kubernetes.render.objects import Context
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.errors import RequestRefused
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec

D = "sha256:" + "a" * 64
CONTEXT = Context(namespace="app", node_name="edge-1", node_label="host-1")
LOCK = ImageLock(
    Reference.parse("reg.example/web:1"),
    Platform("linux", "amd64"),
    Descriptor("application/vnd.oci.image.manifest.v1+json", D, 1),
    Descriptor("application/vnd.oci.image.config.v1+json", "sha256:" + "b" * 64, 1),
    (),
)


def template(image="reg.example/web:1", **spec):
    container = {"name": "c", "image": image, "imagePullPolicy": "Always"}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], **spec}}


def manifest(kind="Deployment", version="apps/v1", **spec):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}


def rendered(*source, method=Method.STAGED, locks=(LOCK,), context=CONTEXT):
    spec = Spec("web", "Web", "web", "1.0", "c", method, manifests=source)
    return render(spec, locks if method.staged else (), 1, context)


def refused(*source):
    with pytest.raises(RequestRefused) as error:
        rendered(*source)
    return error.value.evidence


def test_staged_pods_are_pinned_kept_on_this_node_and_labelled():
    source = manifest(replicas=2, selector={"matchLabels": {"app": "web"}}, template=template())
    before = repr(source)
    (result,) = rendered(source)
    assert repr(source) == before
    pod = result["spec"]["template"]
    assert pod["metadata"]["labels"] == {"app": "web", OWNER: "web"}
    assert len(pod["metadata"]["annotations"][SPEC_HASH]) == 64
    assert pod["spec"] == {
        "containers": [{"name": "c", "image": f"reg.example/web:1@{D}", "imagePullPolicy": "IfNotPresent"}],
        "nodeSelector": {"kubernetes.io/hostname": "host-1"},
    }
    assert result["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert result["metadata"]["namespace"] == "app"
    assert result["metadata"]["labels"][OWNER] == "web"


def test_a_standard_request_keeps_images_and_pull_policy():
    (result,) = rendered(manifest(template=template()), method=Method.STANDARD)
    pod = result["spec"]["template"]["spec"]
    assert pod == {"containers": [{"name": "c", "image": "reg.example/web:1", "imagePullPolicy": "Always"}]}


def test_both_limits_of_a_rolling_update_are_written():
    (result,) = rendered(manifest(template=template()))
    assert result["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    (result,) = rendered(manifest(template=template(), strategy={"rollingUpdate": {"maxSurge": 2}}))
    assert result["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "25%"}}
    (result,) = rendered(manifest(template=template(), strategy={"type": "Recreate", "rollingUpdate": None}))
    assert result["spec"]["strategy"] == {"type": "Recreate"}


def test_service_ports_get_their_protocol():
    (result,) = rendered(manifest("Service", "v1", ports=[{"port": 80}, {"port": 53, "protocol": "UDP"}]))
    assert result["spec"]["ports"] == [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]


def test_lists_are_opened_and_sorted_by_what_leans_on_what():
    nested = {"apiVersion": "v1", "kind": "List", "items": [manifest(template=template()), manifest("Widget", "example.com/v1")]}
    result = rendered(nested, manifest("Service", "v1"), manifest("CustomResourceDefinition", "apiextensions.k8s.io/v1"))
    assert [item["kind"] for item in result] == ["CustomResourceDefinition", "Service", "Deployment", "Widget"]


def test_what_belongs_to_the_whole_cluster_gets_no_namespace():
    (result,) = rendered(manifest("ClusterRole", "rbac.authorization.k8s.io/v1"))
    assert "namespace" not in result["metadata"]


def test_the_namespace_of_the_box_is_not_the_workloads():
    ours = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}
    assert [item["kind"] for item in rendered(ours, manifest("Service", "v1"))] == ["Service"]


def test_what_cannot_be_found_again_or_hides_a_secret_is_refused():
    nameless = {"kind": "Service", "metadata": {"generateName": "x-"}}
    open_secret = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "<% secrets.b %>"}}
    assert refused(nameless, open_secret) == (
        "Service/?: apiVersion and kind are required",
        "Service/?: metadata.name is required; an object with a generated name cannot be updated",
        "ConfigMap/c: a ConfigMap must not refer to secrets; use a Secret",
    )


def test_images_that_were_not_staged_are_named():
    assert refused(manifest(template=template("reg.example/other:1")), manifest("DaemonSet", template=template("UPPER"))) == (
        "Deployment/web: reg.example/other:1 is not staged",
        "DaemonSet/web: UPPER is not staged",
    )


def test_a_pod_and_a_cron_job_are_rewritten_too():
    alone = {"apiVersion": "v1", "kind": "Pod"} | template() | {"metadata": {"name": "p"}}
    cron = manifest("CronJob", "batch/v1", jobTemplate={"spec": {"template": template()}})
    first, second = rendered(alone, cron)
    assert first["spec"]["containers"][0]["image"] == f"reg.example/web:1@{D}"
    assert first["metadata"]["labels"][OWNER] == "web"
    inner = second["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert inner["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_logins_are_added_to_those_that_are_there():
    context = replace(CONTEXT, pull_hosts=frozenset({"reg.example"}))
    secret, result = rendered(manifest(template=template(imagePullSecrets=[{"name": "mine"}])), context=context)
    name = secret["metadata"]["name"]
    assert result["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "mine"}, {"name": name}]


def test_an_image_that_nobody_can_read_is_left_to_the_cluster():
    (result,) = rendered(manifest(template=template("UPPER")), method=Method.STANDARD)
    assert result["spec"]["template"]["spec"]["containers"][0]["image"] == "UPPER"


def test_claims_of_a_stateful_set_carry_our_label_so_that_undeploy_finds_them():
    source = manifest("StatefulSet", template=template(), volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    (result,) = rendered(source)
    assert result["spec"]["volumeClaimTemplates"] == [{"metadata": {"name": "data", "labels": {OWNER: "web"}}}]
