"""App manifests and their images on a real Kubernetes: ports, an autoscaler beside us, volumes of an image, 32 bits."""

import threading

import pytest

from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.plan import Op
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Port, Spec, System, Variable
from tests.kit.images import busybox, make_image
from tests.kit.kubernetes_bench import bench, no_secrets, shared_bench
from tests.kit.locks import lock_of
from tests.kit.servers.kubernetes import containerd_socket, load, unload
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import until

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
AUTOSCALER = "kube-controller-manager"
HERE = Platform.of_this_host()
RUN = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


def replicas(bench, name):
    return bench.api.get("apps/v1", "Deployment", name, bench.namespace)["spec"]["replicas"]


def test_a_service_and_a_host_port_may_lead_to_one_port_of_the_container(bench):
    port = free_port()
    ports = (Port("http", port, service_port=80), Port("box", port, host_port=port))
    for revision in (1, 2):
        system = System(ports=ports, environment=(Variable("REVISION", str(revision)),))
        objects = bench.cluster.render(bench.spec("both", system=system), (), revision)
        assert bench.cluster.plan({"both": objects}, no_secrets).findings == ()
        bench.up("both", objects)
        bench.cluster.finish("both", objects)


def test_the_number_of_an_autoscaler_stays_at_every_apply(bench):
    def version(number):
        system = System(environment=(Variable("VERSION", str(number)),))
        return bench.cluster.render(bench.spec("wide", system=system), (), number)

    bench.up("wide", version(1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "wide"}
    scaler = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "wide"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4},
    }
    bench.api.create(scaler, bench.namespace)
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wide"}, "spec": {"replicas": 2}}
    bench.api.patch(wanted, bench.namespace, manager=AUTOSCALER)
    objects = version(2)
    plan = bench.cluster.plan({"wide": objects}, no_secrets)
    assert [note for note in plan.notes if "replicas" in note] == []
    assert [change.op for change in plan.changes if change.object == "Deployment/wide"] == [Op.UPDATE]
    seen, done = set(), threading.Event()
    watcher = threading.Thread(target=lambda: [seen.add(replicas(bench, "wide")) for _ in iter(done.is_set, True)])
    watcher.start()
    bench.up("wide", objects)
    done.set()
    watcher.join()
    assert seen == {2}
    assert [found.path for found in bench.cluster.drift({"wide": objects})] == []


def staged(bench, name, image, platform=HERE):
    """Its objects, once the image is in containerd as staging leaves it there."""
    reference = f"127.0.0.1:9/provision/{name}:1"
    lock = lock_of(image, reference, platform)
    load(containerd_socket(), image, lock.name)
    return lock, bench.cluster.render(Spec(name, "T", "app", "1.0.0", "real", Method.STAGED, image=reference), [lock], 1)


def test_an_image_for_32_bits_runs_by_its_digest(bench):
    """Its programs are those of this box: only the label is another one, which is what the kubelet and containerd look at."""
    narrow = {"amd64": "386", "arm64": "arm"}[HERE.architecture]
    image = make_image([busybox("sh", "sleep")], cmd=("/bin/sh", "-c", RUN), architecture=narrow)
    lock, objects = staged(bench, "narrow", image, Platform("linux", narrow))
    try:
        bench.up("narrow", objects)
    finally:
        unload(containerd_socket(), [lock.name])


def test_data_of_a_volume_of_an_image_is_lost_with_its_container(bench):
    """As the plan says: each start of the container begins with an empty one, which is written down at its end here."""
    script = "echo begun >> /data/starts; cat /data/starts > /dev/termination-log; sleep 1; exit 1"
    image = make_image([busybox("sh", "sleep", "cat")], cmd=("/bin/sh", "-c", script), Volumes={"/data": {}})
    lock, objects = staged(bench, "lossy", image)
    try:
        bench.cluster.put("lossy", objects, no_secrets)

        def ended():
            pods = bench.api.list_objects("v1", "Pod", bench.namespace, f"{OWNER}=lossy")
            states = [status for pod in pods for status in pod["status"].get("containerStatuses") or ()]
            last = [
                status["lastState"].get("terminated") or status["state"].get("terminated") for status in states if status["restartCount"]
            ]
            return [end["message"] for end in last if end]

        until(ended)
        assert ended() == ["begun\n"]
    finally:
        unload(containerd_socket(), [lock.name])
