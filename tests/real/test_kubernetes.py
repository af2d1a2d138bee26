"""What is Kubernetes' own, on a real one: findings of a plan, definitions, ports, claims, pruning, an absent server."""

import json
import os
import time
from pathlib import Path

import pytest

from kelvin_provision import timestamps
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.cluster.kubernetes.judge.failures import IMAGE_REASONS, is_ready
from kelvin_provision.cluster.labels import OWNER, STOPPED
from kelvin_provision.cluster.plan import Op
from kelvin_provision.context import silent
from kelvin_provision.errors import ClusterRefused, ClusterUnreachable, SettingsInvalid
from kelvin_provision.observation import Observed
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.enums import Method, VolumeKind
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Port, Probe, ProbeKind, Resources, Spec, System, Variable, Volume
from tests.kit.images import make_image, tar_of, web_image
from tests.kit.kubernetes_bench import PATIENCE, KubernetesBench, bench, never, no_secrets, shared_bench
from tests.kit.servers.kubernetes import containerd_socket, fresh_namespace, kubeconfig, load, unload
from tests.kit.waiting import until

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


def deployment(name, image, selector="one", **spec):
    template = {"metadata": {"labels": {"app": selector}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}
    body = {"replicas": 0, "selector": {"matchLabels": {"app": selector}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def codes(plan):
    return [(finding.code, finding.object) for finding in plan.findings]


def test_everything_that_a_plan_can_find_is_found_at_once(bench):
    image = bench.images["one"]
    bench.cluster.put("plans", bench.plain("plans", deployment("fixed", image)), no_secrets)
    objects = bench.plain(
        "plans",
        deployment("fixed", image, selector="two"),
        deployment("typo", image) | {"spec": {"replica": 1}},
        deployment("pods", image, priorityClassName="nobody-made-this"),
        {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 99999}]}},
    )
    plan = bench.cluster.plan({"plans": objects}, no_secrets)
    assert sorted(codes(plan)) == [
        ("denied", "Deployment/pods"),
        ("immutable-field", "Deployment/fixed"),
        ("invalid-object", "Deployment/typo"),
        ("invalid-object", "Service/s"),
        ("unknown-kind", "Widget/w"),
    ]
    assert bench.names("Deployment", "apps/v1") == ["fixed"]


S3CRET = "s3cr3t-of-a-variable"


def template(value, **more):
    container = {"name": "c", "image": "example.com/none:1", "env": [{"name": "PIN", "value": value}]}
    return {"metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Always", "containers": [container]} | more}


def of_kind(api_version, kind, name, spec=None, **more):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}} | more | ({"spec": spec} if spec else {})


def fixed_fields(value, number):
    """Objects with a secret, of which one field can never change; `number` decides it."""
    selector, words = {"matchLabels": {"app": "a"}}, {"app": "a"} | ({"more": value} if number == 2 else {})
    labelled = template(value) | {"metadata": {"labels": words}}
    return [
        of_kind("batch/v1", "Job", "migrate", {"parallelism": 0, "template": template(f"{value}{number}", restartPolicy="Never")}),
        of_kind("apps/v1", "StatefulSet", "db", {"replicas": 0, "selector": selector, "template": template(value), "serviceName": f"s{number}"}),
        of_kind("apps/v1", "Deployment", "web", {"replicas": 0, "selector": {"matchLabels": words}, "template": labelled}),
        of_kind("v1", "Service", "svc", {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "None"} if number == 1 else {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "10.0.0.99"}),
        of_kind("v1", "PersistentVolumeClaim", "data", {"accessModes": ["ReadWriteOnce"], "storageClassName": f"c{number}", "resources": {"requests": {"storage": "1Gi"}}}),
        of_kind("v1", "ConfigMap", "sealed", immutable=True, data={"a": f"{value}{number}"}),
        of_kind("v1", "Secret", "hidden", immutable=True, stringData={"a": f"{value}{number}"}),
        of_kind("v1", "Secret", "typed", type="Opaque" if number == 1 else "example.com/other", stringData={"a": value}),
        of_kind("rbac.authorization.k8s.io/v1", "RoleBinding", "bound", roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"r{number}"}, subjects=[]),
    ]  # fmt: skip


def test_what_can_never_change_is_named_without_the_object(bench):
    bench.cluster.put("fixed", bench.plain("fixed", *fixed_fields(S3CRET, 1)), no_secrets)
    new = bench.plain("fixed", *fixed_fields(S3CRET, 2))
    found = {finding.object: (finding.code, finding.message) for finding in bench.cluster.plan({"fixed": new}, no_secrets).findings}
    assert S3CRET not in str(found)
    assert {name: message.partition(" (")[0].replace("IPs[0]", "IP") for name, (_, message) in found.items()} == {
        "Job/migrate": "spec.template cannot change",
        "StatefulSet/db": "spec cannot change",
        "Deployment/web": "spec.selector cannot change",
        "Service/svc": "spec.clusterIP cannot change",
        "PersistentVolumeClaim/data": "spec cannot change",
        "ConfigMap/sealed": "data cannot change",
        "Secret/hidden": "data cannot change",
        "Secret/typed": "type cannot change",
        "RoleBinding/bound": "roleRef cannot change",
    }
    assert {code for code, _ in found.values()} == {"immutable-field"}
    with pytest.raises(ClusterRefused, match=r"^fixed: [A-Za-z]+/[a-z]+: [A-Za-z.]+ cannot change") as caught:
        bench.cluster.put("fixed", new, no_secrets)
    assert S3CRET not in f"{caught.value} {caught.value.evidence}"


def test_what_a_controller_writes_while_the_plan_looks_is_no_change_of_ours(bench, monkeypatch):
    """A deployment's controller writes its revision a moment after every change: a plan made then said that we would change it."""
    objects = bench.plain("raced", deployment("raced", bench.images["one"]))
    bench.cluster.put("raced", objects, no_secrets)
    real, written = bench.cluster._api.apply, []

    def late(value, namespace, **how):
        if not written:
            written.append(value["metadata"]["name"])
            bench.api.patch({**described(value), "metadata": {"name": "raced", "annotations": {"example.com/late": "1"}}}, namespace)
        return real(value, namespace, **how)

    monkeypatch.setattr(bench.cluster._api, "apply", late)
    assert (bench.cluster.plan({"raced": objects}, no_secrets).empty, written) == (True, ["raced"])


def described(value):
    return {"apiVersion": value["apiVersion"], "kind": value["kind"]}


def test_a_refusal_in_the_middle_of_a_change_is_said_in_the_clusters_words(bench):
    objects = bench.plain(
        "refused", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 99999}]}}
    )
    with pytest.raises(ClusterRefused, match=r"refused: Service/s: .*99999"):
        bench.cluster.put("refused", objects, no_secrets)


def test_a_definition_and_an_object_of_it_in_one_set(bench):
    group = f"{bench.namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"pumps.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "pumps", "singular": "pump", "kind": "Pump"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    pump = {"apiVersion": f"{group}/v1", "kind": "Pump", "metadata": {"name": "p1"}, "spec": {"speed": 1}}
    both = bench.plain("pumps", pump, definition)
    plan = bench.cluster.plan({"pumps": both}, no_secrets)
    assert plan.findings == ()
    assert {(change.op, change.object) for change in plan.changes} == {
        (Op.CREATE, f"CustomResourceDefinition/pumps.{group}"),
        (Op.CREATE, "Pump/p1"),
    }
    bench.up("pumps", both)
    bench.cluster.finish("pumps", both)
    assert bench.cluster.plan({"pumps": both}, no_secrets).empty
    assert "pumps" in bench.cluster.observe()
    without = bench.plain("pumps", definition)
    assert [change.object for change in bench.cluster.plan({"pumps": without}, no_secrets).changes if change.op is Op.DELETE] == ["Pump/p1"]
    bench.cluster.finish("pumps", without)
    assert bench.api.get(f"{group}/v1", "Pump", "p1", bench.namespace) is None
    assert bench.cluster.remove("pumps") == (f"CustomResourceDefinition/pumps.{group}",)
    assert "pumps" not in bench.cluster.observe()


def test_a_node_port_that_another_has_is_found_before_anything_happens(bench):
    taken = bench.cluster.node_ports()
    port = next(port for port in range(31000 + time.time_ns() // 1000 % 1000, 32768) if port not in taken)
    ports = (Port("http", 8080, service_port=80, exposed=True, exposed_port=port),)
    first = bench.cluster.render(bench.spec("first", system=System(ports=ports)), (), 1)
    second = bench.cluster.render(bench.spec("second", system=System(ports=ports)), (), 1)
    within = bench.cluster.plan({"first": first, "second": second}, no_secrets)
    assert ("port-taken", "Service/second") in codes(within)
    bench.cluster.put("first", first, no_secrets)
    assert bench.cluster.node_ports()[port].startswith(f"{bench.namespace}/first")
    assert ("port-taken", "Service/second") in codes(bench.cluster.plan({"second": second}, no_secrets))
    assert bench.cluster.plan({"first": first}, no_secrets).findings == ()


def test_what_the_new_version_lacks_is_removed_last_and_data_never(bench):
    """Host ports make it Recreate; the claim is bound to a volume that the test makes."""
    volume = f"{bench.namespace}-data"
    disk = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}, "claimRef": {}}
    disk["claimRef"] = {"namespace": bench.namespace, "name": "keeper-data"}
    bench.api.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": disk}, "", force=False)
    try:
        port, data = Port("http", 8080, service_port=80), Volume("data", VolumeKind.PERSISTENT, "/data")
        old = bench.cluster.render(bench.spec("keeper", system=System(ports=(port,), volumes=(data,))), (), 1)
        plan = bench.cluster.plan({"keeper": old}, no_secrets)
        assert plan.findings == ()
        assert plan.notes == ()
        bench.up("keeper", old)
        new = bench.cluster.render(bench.spec("keeper", "two"), (), 2)
        plan = bench.cluster.plan({"keeper": new}, no_secrets)
        assert plan.findings == ()
        assert "PersistentVolumeClaim/keeper-data is kept with its data until undeploy" in plan.notes
        bench.up("keeper", new)
        assert bench.names("Service") == ["keeper"]
        bench.cluster.finish("keeper", new)
        assert bench.names("Service") == []
        assert bench.names("PersistentVolumeClaim") == ["keeper-data"]
        bench.end_pods()
        gone = bench.cluster.remove("keeper")
        assert "PersistentVolumeClaim/keeper-data" in gone
        assert bench.names("PersistentVolumeClaim") == []
    finally:
        bench.api.delete("v1", "PersistentVolume", volume, None)


def test_a_health_check_a_pause_and_a_secret_variable_can_be_taken_off_again(bench):
    def version(number, **more):
        item = deployment("taken", bench.images["one"])
        item["spec"]["template"]["spec"]["containers"][0] |= more
        return bench.cluster.render(Spec("taken", "T", "app", "1.0.0", "real", Method.STANDARD, manifests=(item,)), (), number)

    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 3}
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}
    rich = version(2, livenessProbe=probe, lifecycle={"preStop": {"exec": {"command": ["true"]}}}, env=[secret])
    bare = version(1, env=[{"name": "KEY", "value": "plain"}])
    bench.cluster.put("taken", rich, no_secrets)
    plan = bench.cluster.plan({"taken": bare}, no_secrets)
    assert (plan.findings, [change.op for change in plan.changes]) == ((), [Op.UPDATE])
    bench.cluster.revert("taken", bare, no_secrets)
    live = bench.api.get("apps/v1", "Deployment", "taken", bench.namespace)
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert {"livenessProbe", "lifecycle"} & container.keys() == set()
    assert (container["env"], live["spec"].get("paused", False)) == ([{"name": "KEY", "value": "plain"}], False)
    assert bench.cluster.plan({"taken": bare}, no_secrets).empty
    assert bench.cluster.drift({"taken": bare}) == ()


def test_a_rolling_update_can_become_a_recreation_and_go_back(bench):
    rolling = bench.cluster.render(bench.spec("turn"), (), 1)
    host = Port("http", 8080, host_port=28099)
    recreated = bench.cluster.render(bench.spec("turn", system=System(ports=(host,))), (), 2)
    bench.up("turn", rolling)
    plan = bench.cluster.plan({"turn": recreated}, no_secrets)
    assert plan.findings == ()
    assert plan.notes == ("turn: short interruption: two pods cannot run side by side (host port 28099)",)
    bench.up("turn", recreated)
    bench.cluster.revert("turn", rolling, no_secrets)
    bench.up("turn", rolling)
    assert bench.cluster.plan({"turn": rolling}, no_secrets).empty


def failed_pre_stop(bench, workload):
    """As the kubelet says it of each pod that is updated. With hundreds of pods starting and ending, its own comes minutes later."""
    (pod,) = bench.api.list_objects("v1", "Pod", bench.namespace, f"{OWNER}={workload}")[:1]
    about = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")} | {"apiVersion": "v1", "kind": "Pod"}
    message = "Exec lifecycle hook ([sleep 2]) failed - error: command 'sleep 2' exited with 126, message: \"no such file\""
    times = dict.fromkeys(("firstTimestamp", "lastTimestamp"), timestamps.rfc3339_now())
    metadata = {"name": f"{about['name']}.prestop", "namespace": bench.namespace}
    event = {"type": "Warning", "reason": "FailedPreStopHook", "message": message, "source": {"component": "kubelet"}, "count": 1}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": about, **event, **times}


def test_an_image_without_sleep_is_updated_with_a_word_in_the_plan_and_no_failure(bench):
    script = "trap 'exit 0' TERM; while :; do busybox sleep 0.2; done"
    picture = make_image([tar_of({"bin/busybox": Path("/bin/busybox").read_bytes()})], cmd=("/bin/busybox", "sh", "-c", script))
    bench.images = bench.images | {"sleepless": "provision.test/sleepless:1"}
    load(containerd_socket(), picture, bench.images["sleepless"])
    port = Port("http", 8080, service_port=8080)
    old, new = (
        bench.cluster.render(
            bench.spec("restless", "sleepless", system=System(ports=(port,), environment=(Variable("N", text),))), (), number
        )
        for number, text in enumerate(("one", "two"), 1)
    )
    pause = old[-1]["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]
    if "exec" not in pause:
        pytest.skip("this Kubernetes waits by itself")
    bench.up("restless", old)
    assert bench.cluster.plan({"restless": new}, no_secrets).notes == (
        "restless: short interruption possible: Kubernetes before 1.30 has no preStop sleep, and the image may have no sleep command",
    )
    bench.up("restless", new)
    bench.api.create(failed_pre_stop(bench, "restless"), bench.namespace)
    assert not [line for line in bench.cluster.evidence("restless") if "PreStop" in line]
    assert bench.cluster.observe()["restless"].warnings == ()
    unload(containerd_socket(), [bench.images["sleepless"]])


def test_a_pod_that_fits_nowhere_fails_early_with_the_schedulers_words(bench):
    objects = bench.cluster.render(bench.spec("giant", system=System(resources=Resources(cpu_request="999"))), (), 1)
    bench.cluster.put("giant", objects, no_secrets)
    impatient = WaitPolicy(timeout=300.0, settle=1.0, unschedulable=2.0)
    began = time.monotonic()
    health = bench.cluster.wait({"giant": objects}, impatient, silent, never)["giant"]
    assert health.phase is Phase.FAILED
    assert "Unschedulable: 0/1 nodes are available" in health.why
    assert time.monotonic() - began < 150
    assert any("Insufficient cpu" in line for line in bench.cluster.evidence("giant"))


def test_a_quota_is_found_in_the_plan(bench):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": {"pods": "0"}}}
    bench.api.apply(quota, bench.namespace, force=False)
    try:
        until(lambda: "hard" in (bench.api.get("v1", "ResourceQuota", "tight", bench.namespace).get("status") or {}))
        objects = bench.cluster.render(bench.spec("quota"), (), 1)
        assert codes(bench.cluster.plan({"quota": objects}, no_secrets)) == [("denied", "Deployment/quota")]
    finally:
        bench.api.delete("v1", "ResourceQuota", "tight", bench.namespace)


def test_a_warning_of_the_server_is_a_remark_of_the_plan(bench):
    """Of a version that its definition calls deprecated, as every server since 1.19 does."""
    group, warning = f"warned-{bench.namespace}.example.com", 'use "v2" instead'
    version = {"name": "v1", "served": True, "storage": True, "deprecated": True, "deprecationWarning": warning}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "olds", "kind": "Old"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"olds.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version | {"schema": schema}]},
    }
    bench.api.apply(definition, bench.namespace, force=False)
    try:
        old = {"apiVersion": f"{group}/v1", "kind": "Old", "metadata": {"name": "one"}}
        until(lambda: _refusal(bench, old) is None)
        plan = bench.cluster.plan({"warned": bench.plain("warned", old)}, no_secrets)
        assert f"warned: Old/one: the API server warns: {warning}" in plan.remarks
        assert plan.findings == ()
    finally:
        bench.api.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"olds.{group}", None)


def _refusal(bench, item):
    """Why the server does not take the object yet, or None."""
    try:
        bench.api.apply(item, bench.namespace, force=False, dry_run=True)
    except Rejected as error:
        return error
    return None


def test_the_evidence_has_exit_code_and_the_last_words(bench):
    objects = bench.cluster.render(bench.spec("dies", "dying", system=System(readiness=Probe(ProbeKind.TCP, port=1))), (), 1)
    bench.cluster.put("dies", objects, no_secrets)
    health = bench.cluster.wait({"dies": objects}, PATIENCE, silent, never)["dies"]
    assert health.phase is Phase.FAILED
    assert "container dies exited 2 times, last with exit code 3 (Error)" in health.why
    lines = bench.cluster.evidence("dies")
    assert any("exited with exit code 3 (Error)" in line for line in lines)
    assert any(line.endswith(": going down") for line in lines)


def test_a_stateful_set_that_is_stuck_on_a_broken_version_goes_back(bench):
    def objects(word):
        made = deployment("stuck", bench.images[word])
        body = made["spec"] | {"replicas": 1, "serviceName": "stuck"}
        return bench.plain("stuck", made | {"kind": "StatefulSet", "spec": body})

    bench.up("stuck", objects("one"))
    bench.cluster.put("stuck", objects("missing"), no_secrets)
    impatient = WaitPolicy(timeout=200.0, settle=1.0, unschedulable=3.0)
    assert bench.cluster.wait({"stuck": objects("missing")}, impatient, silent, never)["stuck"].phase is Phase.FAILED
    bench.cluster.revert("stuck", objects("one"), no_secrets)
    patient = WaitPolicy(timeout=300.0, settle=1.0)  # the kubelet takes its time to let go of a pod whose image it cannot pull
    assert bench.cluster.wait({"stuck": objects("one")}, patient, silent, never)["stuck"].phase is Phase.READY


def test_a_pod_that_waits_for_an_image_is_made_anew_once_that_is_here(bench):
    image, name = web_image("late"), f"127.0.0.1:9/provision/late-{os.getpid()}:1"
    objects = bench.plain("late", deployment("late", name) | {"spec": deployment("late", name)["spec"] | {"replicas": 1}})
    bench.cluster.put("late", objects, no_secrets)

    def pods():
        return bench.api.list_objects("v1", "Pod", bench.namespace, f"{OWNER}=late")

    def waits(pod):
        return any(
            status["state"].get("waiting", {}).get("reason") in IMAGE_REASONS for status in pod["status"].get("containerStatuses", ())
        )

    until(lambda: any(map(waits, pods())), 60, pause=0.2)
    before = {pod["metadata"]["uid"] for pod in pods()}
    load(containerd_socket(), image, name)
    try:
        bench.cluster.retry_stuck_pods("late")
        assert bench.cluster.wait({"late": objects}, PATIENCE, silent, never)["late"].phase is Phase.READY
        assert [pod["metadata"]["uid"] in before for pod in pods() if is_ready(pod)] == [False]
        running = {pod["metadata"]["uid"] for pod in pods() if is_ready(pod)}
        bench.cluster.retry_stuck_pods("late")
        assert {pod["metadata"]["uid"] for pod in pods() if is_ready(pod)} == running
    finally:
        unload(containerd_socket(), [name])


def test_a_staged_image_starts_by_its_digest_with_its_registry_away(bench):
    image = web_image("staged")
    lock = ImageLock(
        Reference.parse("127.0.0.1:9/provision/staged:1"),
        Platform("linux", "amd64"),
        Descriptor(image.media_type, image.digest, len(image.manifest)),
        Descriptor("application/vnd.oci.image.config.v1+json", "sha256:" + "0" * 64, 1),
        (),
    )
    spec = Spec("staged", "T", "app", "1.0.0", "real", Method.STAGED, image="127.0.0.1:9/provision/staged:1")
    load(containerd_socket(), image, lock.name)
    try:
        objects = bench.cluster.render(spec, [lock], 1)
        assert bench.cluster.plan({"staged": objects}, no_secrets).findings == ()
        bench.up("staged", objects)
    finally:
        unload(containerd_socket(), [lock.name])


def test_a_login_for_the_registry_is_a_pull_secret_that_the_server_takes(bench):
    host = Reference.parse(bench.images["one"]).host
    cluster = Kubernetes(kubeconfig=kubeconfig(), namespace=bench.namespace, settle=1.0, pull_hosts=[host])
    objects = cluster.render(bench.spec("login"), (), 1)
    asked = []

    def lookup(name):
        asked.append(name)
        return json.dumps({"auths": {host: {"auth": "dXNlcjpwYXNz"}}})

    assert cluster.plan({"login": objects}, lookup).findings == ()
    cluster.put("login", objects, lookup)
    assert set(asked) == {f"registries.{host}"}
    (name,) = bench.names("Secret")
    live = bench.api.get("apps/v1", "Deployment", "login", bench.namespace)
    assert live["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": name}]


def plain_set(bench):
    """A StatefulSet that leaves its replicas to others, a DaemonSet, and a Job, none of which comes from us."""
    template = {"metadata": {"labels": {"app": "mixed"}}, "spec": {"containers": [{"name": "c", "image": bench.images["one"]}]}}
    selector = {"matchLabels": {"app": "mixed"}}
    once = {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": bench.images["one"], "command": ["/bin/sh", "-c", ":"]}]}
    }
    made = [
        ("apps/v1", "StatefulSet", {"serviceName": "mixed", "selector": selector, "template": template}),
        (
            "apps/v1",
            "DaemonSet",
            {"selector": {"matchLabels": {"app": "every"}}, "template": template | {"metadata": {"labels": {"app": "every"}}}},
        ),
        ("batch/v1", "Job", {"template": once}),
    ]
    return [
        {"apiVersion": version, "kind": kind, "metadata": {"name": f"mixed-{kind.lower()}"}, "spec": body} for version, kind, body in made
    ]


def test_what_has_no_replicas_is_stopped_by_taking_it_away_and_started_by_making_it_again(bench):
    objects = bench.plain("mixed", *plain_set(bench))
    bench.up("mixed", objects)
    stateful = ("apps/v1", "StatefulSet", "mixed-statefulset", bench.namespace)
    live = bench.api.get(*stateful)
    bench.api.patch({**live, "spec": {"replicas": 2}}, bench.namespace)  # somebody scaled it: `objects` do not say how many
    for _ in range(2):
        bench.cluster.stop("mixed")
    assert bench.cluster.observe()["mixed"].observed is Observed.STOPPED
    assert bench.api.get(*stateful)["spec"]["replicas"] == 0
    assert (bench.names("DaemonSet", "apps/v1"), bench.names("Job", "batch/v1")) == ([], [])
    bench.up("mixed", objects)
    bench.cluster.finish("mixed", objects)
    assert bench.api.get(*stateful)["spec"]["replicas"] == 2
    assert STOPPED not in bench.api.get(*stateful)["metadata"]["annotations"]
    assert (bench.names("DaemonSet", "apps/v1"), bench.names("Job", "batch/v1")) == (["mixed-daemonset"], ["mixed-job"])
    assert bench.cluster.observe()["mixed"].observed is Observed.RUNNING


def test_a_workload_of_a_daemon_set_alone_is_seen_stopped(bench):
    (every,) = [item for item in plain_set(bench) if item["kind"] == "DaemonSet"]
    objects = bench.plain("every", every)
    bench.up("every", objects)
    bench.cluster.stop("every")
    assert bench.cluster.observe()["every"].observed is Observed.STOPPED
    bench.up("every", objects)
    assert bench.cluster.observe()["every"].observed is Observed.RUNNING


def test_a_namespace_that_is_missing_is_said_and_made(cluster_images):
    bench = KubernetesBench(fresh_namespace(), cluster_images)
    objects = bench.cluster.render(bench.spec("lonely"), (), 1)
    plan = bench.cluster.plan({"lonely": objects}, no_secrets)
    assert plan.findings == ()
    assert plan.changes[0].object == f"Namespace/{bench.namespace}"
    assert {change.op for change in plan.changes} == {Op.CREATE}
    try:
        bench.up("lonely", objects)
        bench.api.delete("v1", "Namespace", bench.namespace, None)
        assert codes(bench.cluster.plan({"lonely": objects}, no_secrets)) == [("namespace-terminating", f"Namespace/{bench.namespace}")]
    finally:
        bench.end_pods()
        bench.api.delete("v1", "Namespace", bench.namespace, None)


def config(path, server="https://127.0.0.1:9"):
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
    }
    path.write_text(json.dumps(document))
    return path


def test_a_server_that_does_not_answer_is_named_at_once(tmp_path):
    path = config(tmp_path / "kubeconfig")
    began = time.monotonic()
    with pytest.raises(ClusterUnreachable, match=r"https://127\.0\.0\.1:9") as error:
        Kubernetes(kubeconfig=path).info()
    assert shell_line(error.value.hint) == f"kubectl --kubeconfig {path} get nodes"
    assert time.monotonic() - began < 60
    assert Kubernetes(kubeconfig=path).evidence("x") == ()


def test_kubeconfigs_that_are_not_there_or_not_right(tmp_path):
    with pytest.raises(ClusterUnreachable, match="No such file"):
        Kubernetes(kubeconfig=tmp_path / "none").info()
    (tmp_path / "bad").write_text("{")
    with pytest.raises(SettingsInvalid, match="bad is not valid"):
        Kubernetes(kubeconfig=tmp_path / "bad").info()
    with pytest.raises(SettingsInvalid):
        Kubernetes(kubeconfig=config(tmp_path / "c"), context="another").info()
