"""The life of a workload whose objects lie in three namespaces, on a real Kubernetes: two of its own beside the box's."""

import itertools
import json
from dataclasses import replace

import pytest

from kelvin_provision.cluster.health import Phase
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import HOME, OWNER
from kelvin_provision.cluster.plan import Op
from kelvin_provision.context import silent
from kelvin_provision.observation import Observed
from tests.kit.kubernetes_bench import PATIENCE, bench, never, no_secrets, shared_bench
from tests.kit.real_box import NAMESPACE, Box, kubernetes_settings, push_versions, remove_namespaces
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
_NUMBERS = itertools.count(1)


def obj(kind, name, namespace=None, version="v1", **more):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def deployment(name, image, namespace=None, **pod):
    container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **pod}}
    return obj("Deployment", name, namespace, "apps/v1", spec={"selector": {"matchLabels": {"app": name}}, "template": template})


@pytest.fixture
def places(bench):
    """Names of two namespaces that do not exist, and do not afterwards."""
    number = next(_NUMBERS)
    names = (f"{bench.namespace}-x{number}", f"{bench.namespace}-y{number}")
    yield names
    for name in names:
        bench.api.delete("v1", "Namespace", name, None)


def in_three(bench, places, image, *, more=()):
    x, y = places
    rbac = "rbac.authorization.k8s.io/v1"
    role = obj("Role", "reader", x, rbac, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "monitoring"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    binding = obj("RoleBinding", "reader", x, rbac, roleRef=reference, subjects=[subject])
    return bench.plain(
        "wide",
        obj("ServiceAccount", "reader"),
        role,
        binding,
        deployment("web", image, serviceAccountName="reader"),
        deployment("web", image, x),
        obj("ConfigMap", "settings", x, data={"a": "1"}),
        obj("Namespace", y),
        obj("Secret", "s", y, stringData={"a": "1"}),
        *more,
    )


def everything_of_ours(bench, places):
    kinds = (("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "ServiceAccount"))
    found = [item for kind in kinds for place in (bench.namespace, *places) for item in bench.api.list_objects(*kind, place, OWNER)]
    return [f"{item['kind']}/{item['metadata']['namespace']}/{item['metadata']['name']}" for item in found]


def test_a_whole_life_in_three_namespaces(bench, places):
    x, y = places
    cluster, old = bench.cluster, in_three(bench, places, bench.images["one"])
    plan = cluster.plan({"wide": old}, no_secrets)
    assert (plan.findings, {change.op for change in plan.changes}) == ((), {Op.CREATE})
    assert {f"Namespace/{x}", f"Namespace/{y}", f"Deployment/{x}/web", "Deployment/web"} <= {change.object for change in plan.changes}
    assert cluster.survey({"wide": old}).denied == ()

    bench.up("wide", old)
    cluster.finish("wide", old)
    plan = cluster.plan({"wide": old}, no_secrets)
    assert (plan.findings, plan.empty, cluster.drift({"wide": old})) == ((), True, ()), plan.changes
    assert cluster.observe()["wide"].observed is Observed.RUNNING
    account = bench.api.get("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", x)["subjects"][0]
    assert account["namespace"] == bench.namespace
    pods = bench.api.list_objects("v1", "Pod", x, f"{OWNER}=wide,{HOME}={bench.namespace}")
    assert len(pods) == 1

    # drift and a scale by hand, elsewhere
    bench.api.patch(obj("ConfigMap", "settings", x, data={"a": "2"}), x, manager="kubectl-edit")
    bench.api.patch(obj("Deployment", "web", x, "apps/v1", spec={"replicas": 2}), x, manager="kubectl-scale")
    (drift,) = [drift for drift in cluster.drift({"wide": old}) if drift.path == "data.a"]
    assert (drift.object, drift.applied, drift.live, drift.by) == (f"ConfigMap/{x}/settings", "1", "2", "kubectl-edit")
    scale = cluster.scales({"wide": old})["wide"]
    assert scale == {f"Deployment/{x}/web": 2}

    # an update that fails elsewhere is undone everywhere
    failing = in_three(bench, places, bench.images["one"], more=[deployment("bad", bench.images["dying"], y), obj("ConfigMap", "late", x)])
    cluster.put("wide", failing, no_secrets)
    health = cluster.wait({"wide": failing}, replace(PATIENCE, settle=10.0), silent, never)["wide"]
    assert health.phase is Phase.FAILED, health
    assert any("container c" in line or "log of c" in line for line in cluster.evidence("wide"))
    assert any(line.source.startswith(f"{y}/bad-") for line in cluster.logs("wide", follow=False, stop=never))
    cluster.revert("wide", old, no_secrets, scale)
    assert cluster.wait({"wide": old}, PATIENCE, silent, never)["wide"].phase is Phase.READY
    assert bench.api.get("apps/v1", "Deployment", "bad", y) is None
    assert bench.api.get("v1", "ConfigMap", "late", x) is None
    assert bench.api.get("v1", "ConfigMap", "settings", x)["data"] == {"a": "1"}
    assert bench.api.get("apps/v1", "Deployment", "web", x)["spec"]["replicas"] == 2

    # stopped and started again
    cluster.stop("wide")
    assert bench.api.list_objects("v1", "Pod", x, OWNER) == []
    assert cluster.observe()["wide"].observed is Observed.STOPPED
    bench.up("wide", old)

    # a version without one of them is pruned there
    new = bench.plain("wide", deployment("web", bench.images["two"], x), obj("ConfigMap", "settings", x, data={"a": "3"}))
    deleted = {change.object for change in cluster.plan({"wide": new}, no_secrets).changes if change.op is Op.DELETE}
    assert deleted == {"ServiceAccount/reader", f"Role/{x}/reader", f"RoleBinding/{x}/reader", "Deployment/web", f"Secret/{y}/s"}
    bench.up("wide", new)
    cluster.finish("wide", new)
    assert bench.api.get("v1", "Secret", "s", y) is None
    assert bench.api.get("v1", "Namespace", y) is not None  # with what may have been put there; until undeploy

    removed = cluster.remove("wide")
    assert {f"Namespace/{x}", f"Namespace/{y}"} <= set(removed)
    assert [bench.api.get("v1", "Namespace", place) for place in places] == [None, None]
    assert everything_of_ours(bench, ()) == []
    assert "wide" not in cluster.observe()
    assert cluster.remove("wide") == ()


def test_a_namespace_of_others_is_used_and_left_as_it_is(bench, places):
    x, y = places
    bench.api.create(obj("Namespace", x), "")
    objects = bench.plain("guest", obj("Namespace", x), obj("ConfigMap", "c", x), obj("ConfigMap", "c", y))
    (change,) = [change for change in bench.cluster.plan({"guest": objects}, no_secrets).changes if change.object == f"Namespace/{x}"]
    assert (change.op, change.why) == (Op.KEEP, "used as it is: it was not created for this workload")
    bench.cluster.put("guest", objects, no_secrets)
    assert OWNER not in (bench.api.get("v1", "Namespace", x)["metadata"].get("labels") or {})
    bench.api.create(obj("ConfigMap", "theirs", y), y)
    removed = bench.cluster.remove("guest")
    assert removed[-1] == f"Namespace/{y} (kept: ConfigMap/theirs would be deleted with it)"
    assert bench.api.get("v1", "Namespace", x)["status"]["phase"] == "Active"
    assert bench.api.get("v1", "ConfigMap", "theirs", y) is not None
    bench.api.delete("v1", "ConfigMap", "theirs", y)
    bench.cluster.put("guest", objects, no_secrets)  # what was kept is still the workload's
    assert f"Namespace/{y}" in bench.cluster.remove("guest")


def test_a_namespace_that_is_being_deleted_is_a_finding_of_who_needs_it(bench, places):
    x, _ = places
    bench.api.create(obj("Namespace", x), "")
    bench.api.create(obj("ConfigMap", "holds", x) | {"metadata": {"name": "holds", "finalizers": ["example.com/hold"]}}, x)
    bench.api.delete("v1", "Namespace", x, None)
    objects = {"needs": bench.plain("needs", obj("ConfigMap", "c", x)), "other": bench.plain("other", obj("ConfigMap", "c"))}
    findings = bench.cluster.plan(objects, no_secrets).findings
    assert [(finding.code, finding.workload, finding.object) for finding in findings] == [
        ("namespace-terminating", "needs", f"Namespace/{x}")
    ]
    bench.api.patch({**obj("ConfigMap", "holds", x), "metadata": {"name": "holds", "finalizers": None}}, x)


def test_commands_show_and_follow_what_lies_elsewhere(request, tmp_path, registry):
    push_versions(registry)
    box = Box(tmp_path, registry, kubernetes_settings(request))
    api, elsewhere = Api(kubeconfig=kubeconfig(), context=None), f"{box.settings[NAMESPACE]}-x"
    try:
        for number in (1, 2):
            image = f"{registry}/web:{number}.0.0"
            body = {"name": "wide", "app_name": "web", "app_version": f"{number}.0.0", "deployment_type": "staged-only"}
            body["manifests"] = [deployment("web", image, elsewhere), obj("ConfigMap", "c", data={"n": str(number)})]
            (tmp_path / "wide.json").write_text(json.dumps(body))
            box.run("workloads", "deploy", "-f", str(tmp_path / "wide.json"), "--wait", "--timeout", "110")
            diff = box.run("workloads", "diff", "-n", "wide")[0]
            assert f"Deployment/{elsewhere}/web" in diff
            box.run("workloads", "apply", "-n", "wide")
        assert box.states()["wide"][1] == "running"
        box.run("workloads", "rollback", "-n", "wide")
        live = api.get("apps/v1", "Deployment", "web", elsewhere)
        assert live["metadata"]["annotations"]["kelvin-provision/app-version"] == "1.0.0"
        box.undeploy("wide")
        assert api.get("v1", "Namespace", elsewhere) is None
    finally:
        box.end()


def test_what_a_test_leaves_is_removed_with_the_namespaces_of_boxes_beside_it_and_no_other(request):
    name, api = fresh_namespace(), Api(kubeconfig=kubeconfig(), context=None)
    names = [name, f"{name}-1", f"{name}-1-x", f"{name}0"]
    for each in names:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}}, each)
    try:
        remove_namespaces(kubeconfig(), name)
        left = [
            each for each in names if (found := api.get("v1", "Namespace", each, None)) and "deletionTimestamp" not in found["metadata"]
        ]
        assert left == [f"{name}0"]
    finally:
        remove_namespaces(kubeconfig(), f"{name}0")
