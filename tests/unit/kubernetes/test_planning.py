"""The pure parts of a plan: ports, pods made from templates, notes."""

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.inventory import prunable
from kelvin_provision.cluster.kubernetes.judge.diff import foreign
from kelvin_provision.cluster.kubernetes.judge.interruptions import interruptions
from kelvin_provision.cluster.kubernetes.judge.ports import claims_ports, conflicts_in_cluster
from kelvin_provision.cluster.kubernetes.planning import RENAME_JOB, Planner, pod_of
from kelvin_provision.cluster.kubernetes.render.objects import defined_kinds, revision_of, template_hash
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import Finding, names
from tests.kit.fakes.kubernetes_api import ObjectApi


def texts(result):
    return [str(one) for one in result]


def service(name, port, workload=None, **more):
    labels = {OWNER: workload} if workload else {}
    metadata = {"name": name, "namespace": "app", "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"nodePort": port, **more}]}}


def pod(name, port, phase="Running"):
    container = {"name": "c", "ports": [{"containerPort": 1, "hostPort": port}]}
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "x"}, "spec": {"containers": [container]}, "status": {"phase": phase}}


def test_a_port_that_somebody_has_is_named_with_who_has_it():
    wanted = {"w": [service("w", 30080)]}
    assert list(conflicts_in_cluster(wanted, [service("other", 30080)])) == [
        Finding("port-taken", "w", "Service/w", "node port 30080/TCP is taken by Service/other in namespace app")
    ]


def test_two_wanted_workloads_cannot_have_one_port():
    wanted = {"v": [pod("v", 80)], "w": [pod("w", 80)]}
    assert [finding.message for finding in conflicts_in_cluster(wanted, [])] == ["host port 80/TCP is taken by Pod/v of workload v"]


def test_a_port_of_ours_that_has_ended_or_speaks_another_protocol_is_free():
    wanted = {"w": [service("w", 30080), pod("w", 80)]}
    live = [service("w", 30080, "w"), service("u", 30080, protocol="UDP"), pod("done", 80, "Succeeded")]
    assert list(conflicts_in_cluster(wanted, live)) == []
    assert claims_ports(wanted)
    assert not claims_ports({"w": [service("w", None)]})


def test_a_pod_is_made_from_a_template_with_the_claims_that_it_would_get():
    spec = {"template": {"spec": {"containers": []}}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    made = pod_of({"kind": "StatefulSet", "metadata": {"name": "s", "namespace": "app"}, "spec": spec})
    assert made == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "s-trial", "namespace": "app"},
        "spec": {"containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
    }
    assert pod_of({"kind": "Service", "metadata": {"name": "s"}}) is None


def test_an_interruption_is_said_with_its_reason():
    container = {"ports": [{"containerPort": 1, "hostPort": 80}]}
    body = {"containers": [container], "volumes": [{"persistentVolumeClaim": {"claimName": "w-data"}}, {"configMap": {}}]}
    result = {"kind": "Deployment", "metadata": {"name": "w"}, "spec": {"strategy": {"type": "Recreate"}, "template": {"spec": body}}}
    assert texts(interruptions("w", result, has_service=True)) == [
        "w: short interruption: two pods cannot run side by side (host port 80, persistent volume w-data)"
    ]


def test_a_pod_without_a_controller_is_down_while_it_is_changed():
    assert texts(interruptions("w", pod("bare", 80), has_service=False)) == [
        "w: short interruption: a Pod without a controller is changed in place: its containers stop before the new ones start"
    ]


def planned(item):
    return Planner(ObjectApi(), "app", {"w": [item]}, str, {}).run()


def test_a_job_whose_template_cannot_change_is_told_to_get_another_name():
    def admission(item):
        raise Rejected("immutable-field", "spec.template cannot change")

    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": []}}}}
    (finding,) = Planner(ObjectApi(admission=admission), "app", {"w": [job]}, str, {}).run().findings
    assert (finding.code, finding.object, finding.hint) == ("immutable-field", "Job/j", RENAME_JOB)


def test_a_rollout_that_is_held_back_is_found_before_anything_is_touched():
    template = {"metadata": {"annotations": {SPEC_HASH: "1"}}, "spec": {"containers": []}}
    rollout = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"paused": True, "template": template}}
    job = rollout | {"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": True, "template": template}}
    assert [finding for item in (rollout, job) for finding in planned(item).findings] == [
        Finding(
            "never-up",
            "w",
            "Deployment/d",
            "paused (spec.paused is true), so no pod of this version starts",
            "remove `paused: true`, or: kubectl rollout resume deployment/d",
        ),
        Finding("never-up", "w", "Job/d", "suspended (spec.suspend is true), so it does not run", "remove `suspend: true`"),
    ]
    assert planned(rollout | {"spec": {"template": template}}).findings == ()


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "set in the pod's securityContext"),
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1', "stop a workload or lower"),
        ("deployments.apps is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "correct what the policy"),
        ('admission webhook "no.example" denied the request: no', "correct what the webhook"),
        ('Internal error occurred: failed calling webhook "no.example": no endpoints', "see whether the pods of the webhook"),
        ("no reason", ""),
    ],
)
def test_what_admission_denies_has_a_hint_that_helps(message, hint):
    def admission(item):
        raise Rejected("denied", message)

    (finding,) = Planner(ObjectApi(admission=admission), "app", {"w": [service("s", 1)]}, str, {}).run().findings
    assert (finding.code, finding.hint.startswith(hint), bool(finding.hint)) == ("denied", True, bool(hint))


def test_warnings_of_the_server_are_remarks_of_the_object_that_they_are_about():
    api = ObjectApi()
    api.warnings = ["policy/v1beta1 is deprecated", "unknown field"]
    api.warned = ["of a request before"]
    plan = Planner(api, "app", {"w": [service("s", 1)]}, str, {}).run()
    assert plan.remarks == tuple(f"w: Service/s: the API server warns: {text}" for text in api.warnings)


def test_objects_of_one_name_in_two_groups_are_told_apart():
    things = [{"apiVersion": f"{group}.example/v1", "kind": "Thing", "metadata": {"name": "same"}} for group in "ab"]
    plan = Planner(ObjectApi(), "app", {"w": [*things, service("same", 1)]}, str, {}).run()
    assert [change.object for change in plan.changes] == ["Thing.a.example/same", "Thing.b.example/same", "Service/same"]
    assert names([{"kind": "Thing", "metadata": {"name": "x"}}] * 2) == ["Thing/x"] * 2


def test_a_service_whose_pods_cannot_pause_may_lose_an_answer():
    def result(**container):
        return {"kind": "Deployment", "metadata": {"name": "w"}, "spec": {"template": {"spec": {"containers": [container]}}}}

    assert texts(interruptions("w", result(), has_service=True)) == [
        "w: short interruption possible: the old pod has no preStop hook and may stop before its last clients have left"
    ]
    assert texts(interruptions("w", result(), has_service=False)) == []
    assert texts(interruptions("w", result(lifecycle={"preStop": {"sleep": {"seconds": 5}}}), has_service=True)) == []
    ours = result(lifecycle={"preStop": {"exec": {"command": ["sleep", "5"]}}})
    assert texts(interruptions("w", ours, has_service=True)) == [
        "w: short interruption possible: Kubernetes before 1.30 has no preStop sleep, and the image may have no sleep command"
    ]
    assert texts(interruptions("w", result(lifecycle={"preStop": {"exec": {"command": ["/drain"]}}}), has_service=True)) == []


def test_whose_it_is_instead():
    item = service("x", 1)
    assert foreign(item, service("x", 1)) == "Service/x already exists and is not managed by kelvin-provision"
    assert foreign(item, service("x", 1, "other")) == "Service/x already exists and belongs to workload other"


def test_the_kinds_that_a_definition_brings():
    spec = {"group": "example.com", "names": {"kind": "Widget"}, "versions": [{"name": "v1"}, {"name": "v2", "served": True}]}
    result = {"kind": "CustomResourceDefinition", "spec": spec}
    assert list(defined_kinds(result)) == [("example.com/v1", "Widget"), ("example.com/v2", "Widget")]
    spec["versions"][0]["served"] = False
    assert list(defined_kinds(result)) == [("example.com/v2", "Widget")]


def test_data_is_never_prunable():
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}
    there = [claim, service("old", 1), service("new", 1)]
    assert prunable(there, [service("new", 1)]) == [service("old", 1)]


def test_a_config_map_is_sent_as_it_is():
    config = {"kind": "ConfigMap", "data": {"app.yaml": "<% secrets.a %>"}}
    assert fill_secrets(config, lambda name: "value") == config


def test_a_secret_is_sent_as_bytes_so_that_a_key_can_go_again():
    secret = {"kind": "Secret", "data": {"b": "eA=="}, "stringData": {"a": "<% secrets.a %>"}}
    assert fill_secrets(secret, lambda name: "value") == {"kind": "Secret", "data": {"b": "eA==", "a": "dmFsdWU="}}
    assert secret["stringData"] == {"a": "<% secrets.a %>"}


def test_what_has_no_stamp_has_no_revision_and_no_template():
    assert revision_of({"metadata": {}}) is None
    assert template_hash({"kind": "ConfigMap"}) is None
