"""diff on a real engine and a real Kubernetes: what would change, what somebody else has changed, and nothing touched."""

import docker
import pytest

from kelvin_provision.cluster.kubernetes.api import verbs as kubernetes_api
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.spec.enums import Method, VolumeKind
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.workload import Port, Probe, ProbeKind, Resources, Spec, System, Variable, Volume
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]


def looked(box, *words, code=0):
    """What diff tells of the one workload, and that a dry run tells the same."""
    told = box.json("workloads", *words, code=code)
    (found,) = told["workloads"]
    return found, told["warnings"]


def interfere(box):
    """Somebody else's hand; the path that it leaves behind."""
    if "DOCKER_HOST" in box.environment:
        client = docker.DockerClient(base_url=box.environment["DOCKER_HOST"])
        client.containers.get("motor").update(cpu_shares=77)
        client.close()
        return "spec.resources.cpu_shares", 77
    api = kubernetes_api.Api(kubeconfig=kubeconfig(), context=None)
    namespace = box.environment["KELVIN_PROVISION_CLUSTER__NAMESPACE"]
    api.patch(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "motor"}, "spec": {"replicas": 2}},
        namespace,
        manager="somebody",
    )
    return "spec.replicas", 2


def test_diff_tells_both_versions_and_what_somebody_else_did(box):
    variables = [{"name": "OPTIONS", "value": "hidden"}]
    box.stage("motor", "1.0.0")
    new = looked(box, "diff", "-n", "motor", "--exit-code", code=3)[0]
    assert (new["old"], {item["op"] for item in new["objects"]}, new["drift"]) == (None, {"create"}, [])
    box.run("workloads", "apply", "-n", "motor")
    box.stage("motor", "2.0.0", environment_vars=variables)
    before = box.states()

    found, warnings = looked(box, "diff", "-n", "motor", "--exit-code", code=3)
    assert (found["old"]["app_version"], found["new"]["app_version"], warnings) == ("1.0.0", "2.0.0", [])
    (image,) = found["images"]
    assert (image["old"]["reference"], image["new"]["reference"]) == (f"{box.registry}/web:1.0.0", f"{box.registry}/web:2.0.0")
    assert image["new_bytes"] < 10_000 < image["shared_bytes"]  # busybox is there already, the page is new
    assert [(one["old"], one["path"].endswith("image")) for one in found["rewritten"]] == [(f"{box.registry}/web:2.0.0", True)]
    assert (found["downtime"]["expected"], found["drift"], found["findings"]) == ("none", [], [])
    fields = {field["path"] for item in found["objects"] for field in item["fields"]}
    assert any(path.endswith("image") for path in fields)
    assert any("OPTIONS" in path for path in fields)
    out, _ = box.run("workloads", "apply", "-n", "motor", "--dry-run")
    assert out.splitlines()[0] == "motor: web 1.0.0 -> 2.0.0 (revision 1 -> 2)"
    assert "hidden" not in out
    assert box.states() == before

    path, value = interfere(box)
    ((drift),) = looked(box, "diff", "-n", "motor")[0]["drift"]
    assert (drift["path"], drift["live"], drift["stays"]) == (path, value, False)
    box.run("workloads", "apply", "-n", "motor")
    box.stage("motor", "2.0.0", environment_vars=variables)
    same = looked(box, "diff", "-n", "motor", "--exit-code")[0]
    assert (same["changes"], same["drift"], same["images"][0]["new_bytes"]) == (False, [], 0)


@pytest.mark.docker
def test_a_look_puts_no_image_back(dockerd, registry, tmp_path, request):
    from tests.kit.real_box import Box, docker_settings, push_versions

    app = "looked-at"  # other tests run containers of `web`, whose image cannot be removed
    push_versions(registry, app)
    box = Box(tmp_path, registry, docker_settings(request), app)
    try:
        box.stage("motor", "1.0.0")
        box.stop_agent()  # it would put it back
        (image,) = box.json("images", "list")["images"]
        client = docker.DockerClient(base_url=dockerd)
        identity = DockerRuntime(dockerd).info().identity
        client.images.remove(image["config" if identity is Identity.CONFIG else "digest"], force=True)
        _, warnings = looked(box, "diff", "-n", "motor")
        assert warnings == [f"motor: {registry}/{app}:1.0.0 is no longer in the runtime; it is imported from the store first"]
        client.close()
    finally:
        box.end()


@pytest.mark.kubernetes
def test_nothing_that_the_server_writes_by_itself_is_drift(cluster_images):
    namespace = fresh_namespace()
    cluster = Kubernetes(kubeconfig=kubeconfig(), namespace=namespace, name="real", settle=1.0, removal_timeout=180.0)
    api = kubernetes_api.Api(kubeconfig=kubeconfig(), context=None)
    probe = Probe(ProbeKind.HTTP, path="/", port=8080, period=1)
    system = System(
        resources=Resources("100m", "64Mi", "1000m", "1024Mi"),
        environment=(Variable("LEVEL", "info"), Variable("KEY", "<% secrets.key %>")),
        ports=(Port("http", 8080, service_port=8080), Port("more", 8081, service_port=9090, exposed=True)),
        volumes=(
            Volume("text", VolumeKind.TEXT, "/text", data="YQo="),
            Volume("key", VolumeKind.SECRET, "/key", secret="x", mode="0400"),
        ),
        readiness=probe,
        liveness=probe,
    )
    spec = Spec("rich", "T", "app", "1.0.0", "real", Method.STANDARD, image=cluster_images["one"], system=system, configuration={"a": 1})
    objects = cluster.render(spec, (), 1)
    try:
        cluster.put("rich", objects, {"secrets.key": "k"}.__getitem__)
        assert cluster.drift({"rich": objects}) == ()
        container = {"name": "rich", "env": [{"name": "MORE", "value": "hidden"}]}
        pods = {"template": {"spec": {"containers": [container]}}}
        api.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "rich"}, "spec": pods},
            namespace,
            force=True,
            manager="somebody",
        )
        (found,) = cluster.drift({"rich": objects})
        assert (found.path, found.by) == ("spec.template.spec.containers[rich].env[MORE]", "somebody")
        assert "hidden" not in repr(found)
    finally:
        api.delete("v1", "Namespace", namespace, None)
