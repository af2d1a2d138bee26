"""What an undeploy must wait for and must not take with it, on a real Kubernetes: finalizers, definitions that others use."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ClusterRefused, RemovalUnfinished
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.threads import SIDE_BY_SIDE, side_by_side
from tests.kit.kubernetes_bench import KubernetesBench, no_secrets
from tests.kit.servers.kubernetes import fresh_namespace
from tests.kit.waiting import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def bench(cluster_images):
    bench = KubernetesBench(fresh_namespace(), cluster_images)
    bench.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}}, bench.namespace, force=False)
    yield bench
    bench.api.delete("v1", "Namespace", bench.namespace, None)


def definition(group, plural, kind):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
        "versions": [version],
    }
    metadata = {"name": f"{plural}.{group}"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "spec": spec}


def custom(group, kind, name, **metadata):
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": {"a": 1}}


def controller(name, image, grace=1):
    container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": grace}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def rendered(bench, name, *manifests):
    return bench.cluster.render(Spec(name, "T", "app", "1.0.0", "real", Method.STANDARD, manifests=manifests), (), 1)


def test_a_custom_resource_with_a_finalizer_goes_before_its_controller_and_is_named_while_it_hangs(bench):
    group = f"pools-{bench.namespace}.example"
    pool = custom(group, "Pool", "p1", finalizers=["example.com/cleanup"])
    crd = definition(group, "pools", "Pool")
    objects = rendered(bench, "pools", crd, pool, controller("controller", bench.images["one"]))
    bench.up("pools", objects)
    impatient = bench.cluster_with(removal_timeout=2.0)
    for _ in range(2):
        with pytest.raises(RemovalUnfinished, match="pools: still being deleted: Pool/p1") as caught:
            impatient.remove("pools")
        assert caught.value.evidence[0].endswith("held by finalizer example.com/cleanup")
        assert bench.names("Deployment", "apps/v1") == ["controller"]
    bench.api.patch({"apiVersion": f"{group}/v1", "kind": "Pool", "metadata": {"name": "p1", "finalizers": None}}, bench.namespace)
    assert set(bench.cluster.remove("pools")) >= {"Deployment/controller", f"CustomResourceDefinition/pools.{group}"}
    assert bench.api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"pools.{group}") is None
    assert "pools" not in bench.cluster.observe()
    assert bench.cluster.remove("pools") == ()


def test_a_definition_that_another_workload_uses_is_not_removed(bench):
    group = f"widgets-{bench.namespace}.example"
    owner = rendered(bench, "owner", definition(group, "widgets", "Widget"), custom(group, "Widget", "w1"))
    user = rendered(bench, "user", custom(group, "Widget", "w2"))
    bench.cluster.put("owner", owner, no_secrets)
    bench.cluster.put("user", user, no_secrets)
    with pytest.raises(
        ClusterRefused, match=r"CustomResourceDefinition/widgets\..* is used by Widget/w2 of workload user; undeploy that first"
    ):
        bench.cluster.remove("owner")
    for name in ("w1", "w2"):
        assert bench.api.get(f"{group}/v1", "Widget", name, bench.namespace)["metadata"].get("deletionTimestamp") is None
    assert bench.cluster.remove("user") == ("Widget/w2",)
    assert bench.cluster.remove("owner") == ("Widget/w1", f"CustomResourceDefinition/widgets.{group}")


def test_a_definition_with_an_object_of_a_stranger_is_kept(bench):
    group = f"tanks-{bench.namespace}.example"
    bench.cluster.put("tanks", rendered(bench, "tanks", definition(group, "tanks", "Tank"), custom(group, "Tank", "t1")), no_secrets)
    bench.api.create(custom(group, "Tank", "theirs"), bench.namespace)
    kept = f"CustomResourceDefinition/tanks.{group} (kept: Tank/theirs would be deleted with it)"
    assert bench.cluster.remove("tanks") == ("Tank/t1", kept)
    assert bench.api.get(f"{group}/v1", "Tank", "theirs", bench.namespace) is not None
    bench.api.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"tanks.{group}", None)


def test_many_are_deleted_side_by_side(bench):
    """One after the other, no two of them would be at their end at the same time."""
    names, grace = [f"slow-{number}" for number in range(6)], 6

    def pods():
        return bench.api.list_objects("v1", "Pod", bench.namespace, OWNER)

    for name in names:
        bench.cluster.put(name, rendered(bench, name, controller(name, bench.images["one"], grace)), no_secrets)
    until(lambda: sum(pod["status"].get("phase") == "Running" for pod in pods()) >= len(names))
    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(side_by_side, bench.cluster.remove, names, limit=SIDE_BY_SIDE)
        until(lambda: sum("deletionTimestamp" in pod["metadata"] for pod in pods()) == len(names))
        assert removing.result() == {name: (f"Deployment/{name}",) for name in names}
