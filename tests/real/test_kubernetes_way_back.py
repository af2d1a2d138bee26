"""What a way back must not lose or stop at, on a real Kubernetes: sizes of claims, objects beside a refused one."""

import pytest

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from tests.kit.kubernetes_bench import bench, no_secrets, shared_bench
from tests.kit.real_box import NAMESPACE, Box, kubernetes_settings, push_versions
from tests.kit.servers.kubernetes import kubeconfig

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


@pytest.fixture
def expandable(bench):
    """A class whose claims can grow."""
    name = f"{bench.namespace}-grows"
    body = {"provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": True}
    bench.api.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}, **body}, "", force=False)
    yield name
    bench.api.delete("storage.k8s.io/v1", "StorageClass", name, None)


@pytest.fixture
def disk(bench):
    """Makes a volume for a claim."""
    made = []

    def make(claim, storage_class):
        made.append(f"{bench.namespace}-{claim}")
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}}
        spec |= {"storageClassName": storage_class, "claimRef": {"namespace": bench.namespace, "name": claim}}
        bench.api.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": made[-1]}, "spec": spec}, "", force=False)

    yield make
    for name in made:
        bench.api.delete("v1", "PersistentVolume", name, None)


def claim(name, size, storage_class):
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def deployment(name, image, **spec):
    container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    body = {"selector": {"matchLabels": {"app": name}}, "template": pod, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def with_claim(name, image):
    item = deployment(name, image)
    pod = item["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": f"{name}-data"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return item


def version(bench, name, number, *manifests):
    return bench.cluster.render(Spec(name, "T", "app", f"{number}.0.0", "real", Method.STANDARD, manifests=manifests), (), number)


def image_of(bench, name):
    live = bench.api.get("apps/v1", "Deployment", name, bench.namespace)
    return live["spec"]["template"]["spec"]["containers"][0]["image"]


def size_of(bench, name):
    return bench.api.get("v1", "PersistentVolumeClaim", name, bench.namespace)["spec"]["resources"]["requests"]["storage"]


def test_a_version_that_grew_a_claim_is_undone_and_the_claim_stays_as_it_is(bench, expandable, disk):
    disk("grown-data", expandable)
    old = version(bench, "grown", 1, claim("grown-data", "1Gi", expandable), with_claim("grown", bench.images["one"]))
    new = version(bench, "grown", 2, claim("grown-data", "2Gi", expandable), with_claim("grown", bench.images["dying"]))
    bench.up("grown", old)
    plan = bench.cluster.plan({"grown": new}, no_secrets)
    assert plan.findings == ()
    assert "grown: PersistentVolumeClaim/grown-data grows from 1Gi to 2Gi; this cannot be undone" in plan.remarks
    bench.cluster.put("grown", new, no_secrets)
    assert size_of(bench, "grown-data") == "2Gi"
    bench.cluster.revert("grown", old, no_secrets)
    assert (image_of(bench, "grown"), size_of(bench, "grown-data")) == (bench.images["one"], "2Gi")
    bench.up("grown", old)
    after = bench.cluster.plan({"grown": old}, no_secrets)
    assert (after.findings, after.empty) == ((), True)
    assert after.remarks == ("grown: PersistentVolumeClaim/grown-data keeps 2Gi: a claim cannot shrink to 1Gi",)


def test_a_claim_grown_by_hand_blocks_neither_a_new_version_nor_a_start(bench, expandable, disk):
    disk("hand-data", expandable)
    old = version(bench, "hand", 1, claim("hand-data", "1Gi", expandable), with_claim("hand", bench.images["one"]))
    new = version(bench, "hand", 2, claim("hand-data", "1Gi", expandable), with_claim("hand", bench.images["two"]))
    bench.up("hand", old)
    patch = {"metadata": {"name": "hand-data"}, "spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    bench.api.patch({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **patch}, bench.namespace)
    plan = bench.cluster.plan({"hand": new}, no_secrets)
    assert plan.findings == ()
    (why,) = [change.why for change in plan.changes if change.object == "PersistentVolumeClaim/hand-data"]
    assert "spec" not in why
    bench.up("hand", new)
    bench.cluster.stop("hand")
    bench.up("hand", new)
    bench.up("hand", old)
    assert size_of(bench, "hand-data") == "3Gi"


def test_a_claim_that_cannot_grow_is_a_finding_of_the_request(bench, disk):
    disk("fixed-data", "")
    old = version(bench, "fixed", 1, claim("fixed-data", "1Gi", ""), with_claim("fixed", bench.images["one"]))
    new = version(bench, "fixed", 2, claim("fixed-data", "2Gi", ""), with_claim("fixed", bench.images["one"]))
    bench.up("fixed", old)
    (finding,) = bench.cluster.plan({"fixed": new}, no_secrets).findings
    assert (finding.code, finding.object, finding.hint) == ("immutable-field", "PersistentVolumeClaim/fixed-data", "keep 1Gi")
    assert finding.message.startswith("cannot be expanded; keep 1Gi: ")


def test_what_the_cluster_refuses_on_the_way_back_does_not_keep_the_rest_from_it(bench):
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sealed"}, "immutable": True}
    old = version(bench, "past", 1, settings | {"data": {"a": "1"}}, deployment("past", bench.images["one"]))
    new = version(bench, "past", 2, deployment("past", bench.images["dying"]), {**settings, "metadata": {"name": "extra"}})
    bench.up("past", old)
    bench.cluster.put("past", new, no_secrets)
    bench.api.delete("v1", "ConfigMap", "sealed", bench.namespace)
    other = settings | {"metadata": {"name": "sealed", "labels": {OWNER: "past"}}, "data": {"a": "2"}}
    bench.api.create(other, bench.namespace)
    with pytest.raises(ClusterRefused, match=r"past: ConfigMap/sealed: .*data cannot change"):
        bench.cluster.revert("past", old, no_secrets)
    assert image_of(bench, "past") == bench.images["one"]
    assert "extra" not in bench.names("ConfigMap")
    bench.api.delete("v1", "ConfigMap", "sealed", bench.namespace)
    bench.cluster.revert("past", old, no_secrets)
    bench.up("past", old)


def scaled(bench, name, replicas):
    """As `kubectl scale` does, which is recorded as an update of the object on old servers and as one of its scale on newer ones."""
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": replicas}}
    bench.api.patch(item, bench.namespace)


def replicas_of(bench, name):
    return bench.api.get("apps/v1", "Deployment", name, bench.namespace)["spec"]["replicas"]


@pytest.mark.parametrize("own", [{}, {"replicas": 2}], ids=["unset", "set"])
@pytest.mark.parametrize("next_own", [{}, {"replicas": 4}], ids=["next-unset", "next-set"])
def test_a_number_of_replicas_set_by_hand_comes_back_on_the_way_back(bench, own, next_own):
    name = f"scaled-{len(own)}{len(next_own)}"
    old = version(bench, name, 1, deployment(name, bench.images["one"], **own))
    new = version(bench, name, 2, deployment(name, bench.images["dying"], **next_own))
    third = version(bench, name, 3, deployment(name, bench.images["two"]))
    bench.cluster.put(name, old, no_secrets)
    scaled(bench, name, 3)
    scale = bench.cluster.scales({name: old})[name]
    assert scale == {f"Deployment/{name}": 3}
    plan = bench.cluster.plan({name: new}, no_secrets)
    said = [remark for remark in plan.remarks if "replicas" in remark]
    bench.cluster.put(name, new, no_secrets)
    after = replicas_of(bench, name)
    assert said == ([f"{name}: Deployment/{name} has 3 replicas now, {after} after"] if after != 3 else [])
    assert after == (4 if next_own else after)
    for _ in range(2):  # an undo may be repeated
        bench.cluster.revert(name, old, no_secrets, scale)
        assert replicas_of(bench, name) == 3
    bench.up(name, old)
    if not own:
        bench.cluster.put(name, third, no_secrets)
        assert replicas_of(bench, name) == 3


def test_commands_say_and_restore_what_was_scaled_by_hand(request, tmp_path, registry):
    push_versions(registry)
    box = Box(tmp_path, registry, kubernetes_settings(request))
    api, namespace = Api(kubeconfig=kubeconfig(), context=None), box.settings[NAMESPACE]

    def replicas():
        return api.get("apps/v1", "Deployment", "motor", namespace)["spec"]["replicas"]

    try:
        box.stage("motor", "1.0.0")
        box.run("workloads", "apply", "-n", "motor")
        api.patch({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "motor"}, "spec": {"replicas": 3}}, namespace)
        box.stage("motor", "3.0.0")
        assert "motor: Deployment/motor has 3 replicas now, 1 after" in "".join(box.run("workloads", "diff", "-n", "motor"))
        box.run("workloads", "apply", "-n", "motor", code=1)
        assert replicas() == 3
        box.stage("motor", "2.0.0")
        box.run("workloads", "apply", "-n", "motor")
        assert replicas() == 1
        box.run("workloads", "rollback", "-n", "motor")
        assert replicas() == 3
    finally:
        box.end()
