"""What is said of a change holds on a real Kubernetes: updates that never come up, pods that stay old, ports that a set gives up."""

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.context import silent
from kelvin_provision.observation import Observed
from tests.kit.kubernetes_bench import PATIENCE, bench, never, no_secrets, shared_bench
from tests.kit.waiting import until

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


def controller(name, image, version, kind="Deployment", port=None, grace=1, **spec):
    ports = [{"containerPort": 80, "hostPort": port}] if port else []
    container = {"name": "c", "image": image, "ports": ports, "env": [{"name": "VERSION", "value": version}]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]}}
    body = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec}
    if kind == "StatefulSet":
        body["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


def service(name, port=None):
    entry = {"port": 80, **({"nodePort": port} if port else {})}
    spec = {"selector": {"app": name}, "ports": [entry], "type": "NodePort" if port else "ClusterIP"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def test_a_rolling_update_with_a_host_port_is_refused_and_one_that_stops_first_is_not(bench):
    image = bench.images["one"]
    bench.up("hp", bench.plain("hp", controller("hp", image, "1", port=18124)))
    (refused,) = bench.cluster.plan({"hp": bench.plain("hp", controller("hp", image, "2", port=18124))}, no_secrets).findings
    assert (refused.code, refused.hint) == ("never-up", "write `strategy: {type: Recreate}` in Deployment/hp")
    assert "host port 18124/TCP" in refused.message
    recreated = bench.plain("hp", controller("hp", image, "2", port=18124, strategy={"type": "Recreate"}))
    assert bench.cluster.plan({"hp": recreated}, no_secrets).findings == ()
    bench.up("hp", recreated)


def test_one_with_on_delete_runs_when_its_pods_are_of_the_new_version(bench):
    image = bench.images["one"]

    def version(number):
        return bench.plain("ond", controller("ond", image, number, "StatefulSet", updateStrategy={"type": "OnDelete"}))

    bench.up("ond", version("1"))
    assert bench.cluster.observe()["ond"].observed is Observed.RUNNING
    assert any("until it is deleted" in note for note in bench.cluster.plan({"ond": version("2")}, no_secrets).notes)
    bench.cluster.put("ond", version("2"), no_secrets)
    health = bench.cluster.wait({"ond": version("2")}, PATIENCE, silent, never)["ond"]
    todo = "StatefulSet/ond: 1 of 1 pods still run the previous version (updateStrategy OnDelete); to update: kubectl -n "
    assert (health.phase, health.why) == (Phase.READY, f"{todo}{bench.namespace} delete pod ond-0")
    seen = bench.cluster.observe()["ond"]
    assert (seen.observed, seen.warnings) == (Observed.DEPLOYING, (health.why,))
    bench.api.delete("v1", "Pod", "ond-0", bench.namespace)
    until(lambda: bench.cluster.observe()["ond"].observed is Observed.RUNNING)


def test_a_node_port_moves_to_another_workload_of_the_set_and_back(bench):
    port = free_node_port(bench)
    before = bench.plain("old", service("old", port))
    bench.up("old", before)
    desired = {"new": bench.plain("new", service("new", port)), "old": bench.plain("old", service("old"))}
    assert bench.cluster.plan(desired, no_secrets).findings == ()
    alone = bench.cluster.plan({"new": desired["new"]}, no_secrets).findings
    assert {finding.code for finding in alone} == {"port-taken"}
    bench.cluster.release(desired)
    for workload, objects in desired.items():
        bench.cluster.put(workload, objects, no_secrets)
    assert node_port(bench, "new") == port
    bench.cluster.release({"new": (), "old": before})
    bench.cluster.revert("old", before, no_secrets)
    bench.cluster.revert("new", (), no_secrets)
    assert (node_port(bench, "old"), node_port(bench, "new")) == (port, None)


def free_node_port(bench):
    """One that the server has given to a Service that is gone."""
    probe = service("probe") | {"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "NodePort"}}
    port = bench.api.apply(probe, bench.namespace, force=True)["spec"]["ports"][0]["nodePort"]
    bench.api.delete("v1", "Service", "probe", bench.namespace)
    return port


def node_port(bench, name):
    live = bench.api.get("v1", "Service", name, bench.namespace)
    return live["spec"]["ports"][0].get("nodePort") if live else None


def test_a_host_port_is_waited_for_while_the_pod_that_has_it_terminates(bench):
    image = bench.images["one"]
    bench.up("first", bench.plain("first", controller("first", image, "1", port=18125, grace=12)))
    desired = {
        "second": bench.plain("second", controller("second", image, "1", port=18125)),
        "first": bench.plain("first", controller("first", image, "2")),
    }
    assert bench.cluster.plan(desired, no_secrets).findings == ()
    for workload, objects in desired.items():
        bench.cluster.put(workload, objects, no_secrets)
    impatient = WaitPolicy(timeout=90.0, settle=1.0, unschedulable=8.0)
    health = bench.cluster.wait(desired, impatient, silent, never)
    assert {state.phase for state in health.values()} == {Phase.READY}, health


def test_a_set_with_a_new_member_goes_back_as_one_with_its_ports(bench):
    node, host, image = free_node_port(bench), 18126, bench.images["one"]
    before = bench.plain("was", controller("was", image, "1", port=host), service("was", node))
    bench.up("was", before)
    data = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "is"}}
    data["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, "storageClassName": "none"}
    new = bench.plain("is", controller("is", image, "1", port=host), service("is", node), data)
    change(bench, {"is": new, "was": bench.plain("was", controller("was", image, "2"), service("was"))})
    assert (node_port(bench, "is"), node_port(bench, "was")) == (node, None)
    back = {"was": before, "is": ()}
    plan = bench.cluster.plan(back, no_secrets)
    assert plan.findings == ()
    assert "PersistentVolumeClaim/is is kept with its data until undeploy" in " ".join(plan.notes)
    change(bench, back)
    assert (node_port(bench, "is"), node_port(bench, "was")) == (None, node)
    assert bench.names("PersistentVolumeClaim") == ["is"]
    assert bench.names("Deployment", "apps/v1") == ["was"]
    assert "PersistentVolumeClaim/is" in bench.cluster.remove("is")


def change(bench, desired):
    """What a transaction does."""
    assert bench.cluster.plan(desired, no_secrets).findings == ()
    bench.cluster.release(desired)
    held = {workload: objects for workload, objects in desired.items() if objects}
    for workload, objects in held.items():
        bench.cluster.put(workload, objects, no_secrets)
    health = bench.cluster.wait(held, WaitPolicy(timeout=90.0, settle=1.0, unschedulable=8.0), silent, never)
    assert {state.phase for state in health.values()} == {Phase.READY}, health
    for workload, objects in desired.items():
        bench.cluster.finish(workload, objects)
