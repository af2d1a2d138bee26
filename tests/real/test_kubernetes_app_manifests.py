"""App manifests on a real Kubernetes: ports that share a port of the container, and an autoscaler beside us."""

import threading

import pytest

from kelvin_provision.cluster.plan import Op
from kelvin_provision.spec.workload import Port, System, Variable
from tests.kit.kubernetes_bench import bench, no_secrets, shared_bench
from tests.kit.servers.reserved import free_port

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
AUTOSCALER = "kube-controller-manager"


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
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4},
    }
    bench.api.create(scaler, bench.namespace)
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wide"}, "spec": {"replicas": 3}}
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
    assert seen == {3}
    assert [found.path for found in bench.cluster.drift({"wide": objects})] == []
    bench.cluster.stop("wide")
    assert replicas(bench, "wide") == 0
    bench.up("wide", version(2))
    assert replicas(bench, "wide") == 3
