"""What is said of the plan and of what surrounds it, from plain facts."""

from dataclasses import replace

import pytest

from kelvin_provision.applying.assess import MissingSecret
from kelvin_provision.checks import cluster_plan
from kelvin_provision.checks.cluster import ClusterIdentity, right_cluster
from kelvin_provision.checks.images import Staged
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.plan import AdmittedImage, Change, Finding, Op, Plan
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition, ImageUse, ResourceDemand, Survey, Unplaceable
from kelvin_provision.errors import SecretMissing
from kelvin_provision.hints import system
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Download, Method

INFO = ClusterInfo("kubernetes", "v1.20.2", "edge", Platform("linux", "amd64"))
STATE = ClusterState(INFO, "https://127.0.0.1:6443", "uid-1", (Condition("Ready", healthy=True),), "Active")
DOCKER = STATE._replace(info=ClusterInfo("docker", "20.10", "edge", INFO.platform), namespace="")
STAGED = [Staged("pump", "1.0.0", Method.STAGED, Download.READY)]


def told(founds):
    return [(found.status.value, found.text) for found in founds]


def finding(code, message="it is so"):
    return Plan(findings=(Finding(code, "pump", "Deployment/pump", message),))


@pytest.mark.parametrize(
    ("code", "check", "hint"),
    [
        ("immutable-field", cluster_plan.dry_run, "undeploy the workload first"),
        ("denied", cluster_plan.dry_run, "correct what the evidence names"),
        ("field-conflict", cluster_plan.dry_run, "remove those fields from the other manager"),
        ("unknown-kind", cluster_plan.kinds, "install the definition first"),
        ("port-taken", lambda plan: cluster_plan.ports(plan, Survey()), "stop the program or undeploy the workload that has the port"),
    ],
)
def test_each_finding_of_a_plan_is_a_line_of_its_own_check(code, check, hint):
    (found,) = check(finding(code))
    assert (found.status.value, found.name, found.text) == ("error", "pump", f"Deployment/pump: it is so [{code}]")
    assert shell_line(found.hint).startswith(hint)


def test_a_finding_of_another_check_leaves_the_dry_run_well():
    plan = Plan((Change(Op.CREATE, "pump", "Service/pump", ""), Change(Op.KEEP, "pump", "Secret/pump", "")), finding("port-taken").findings)
    assert told(cluster_plan.dry_run(plan)) == [("ok", "accepted: 1 to create, 1 unchanged")]


def test_a_namespace_on_its_way_out_is_said_once():
    assert told(cluster_plan.namespace(STATE._replace(namespace="Terminating")))[0][0] == "error"
    assert told(cluster_plan.dry_run(finding("namespace-terminating"))) == [("skipped", "skipped: see namespace")]
    assert told(cluster_plan.namespace(STATE._replace(namespace="missing"))) == [("ok", "does not exist yet; apply creates it")]


def test_a_namespace_elsewhere_on_its_way_out_is_an_error_of_its_workload():
    plan = finding("namespace-terminating", "Namespace/mqtt is being deleted")
    (found,) = cluster_plan.namespaces(STATE, plan)
    assert (found.status.value, found.name, found.text) == (
        "error",
        "pump",
        "Namespace/mqtt is being deleted; nothing can be created in it",
    )
    assert told(cluster_plan.namespaces(STATE, Plan())) == [("ok", "active")]
    assert len(told(cluster_plan.namespaces(STATE._replace(namespace="Terminating"), plan))) == 1


def test_a_port_that_a_program_outside_of_the_cluster_has_is_found():
    held = Survey(
        port_conflicts=(Finding("port-taken", "pump", "Service/pump", "node port 30080/TCP is taken by another program on this box"),)
    )
    assert told(cluster_plan.ports(Plan(), held)) == [("error", "node port 30080/TCP is taken by another program on this box")]


def test_room_for_the_second_pod_is_compared_with_what_is_left():
    tight = Survey(resources=(ResourceDemand("memory", 512 << 20, 100 << 20), ResourceDemand("cpu", 0.5, 1.25)))
    assert told(cluster_plan.room(tight, STATE)) == [
        ("error", "new pods need 512.0 MiB of memory in addition to the running ones; node edge has 100.0 MiB of memory left")
    ]
    assert told(cluster_plan.room(tight._replace(enforces_requests=False), DOCKER)) == [
        ("warning", "new containers may take 512.0 MiB of memory; this box has 100.0 MiB of memory left")
    ]
    assert told(cluster_plan.room(Survey(resources=(ResourceDemand("pods", 1, 109),)), STATE)) == [("ok", "1 pod, 109 pods free")]


def test_a_cordoned_node_takes_no_pod():
    cordoned = STATE._replace(
        conditions=(
            Condition("Schedulable", healthy=False, message="it is cordoned", critical=False, hint=system("kubectl", "uncordon", "edge")),
        )
    )
    away = Unplaceable("pump", "Deployment/pump", "edge", ("node.kubernetes.io/unschedulable:NoSchedule",))
    (found,) = cluster_plan.node(Survey(unplaceable=(away,)), cordoned)
    assert (found.status.value, found.name, shell_line(found.hint)) == ("error", "pump", "kubectl uncordon edge")
    assert told(cluster_plan.node(Survey(), cordoned))[0][0] == "ok", "the pods of a DaemonSet tolerate it"


def test_conditions_of_the_node_and_taints_that_are_not_tolerated_are_named():
    full = STATE._replace(conditions=(Condition("DiskPressure", healthy=False, message="kubelet has disk pressure"),))
    away = Unplaceable("pump", "Deployment/pump", "edge", ("node.kubernetes.io/disk-pressure:NoSchedule",))
    assert told(cluster_plan.node(Survey(unplaceable=(away,)), full)) == [
        ("error", "node edge: DiskPressure: kubelet has disk pressure"),
        (
            "error",
            "Deployment/pump: node edge has the taint node.kubernetes.io/disk-pressure:NoSchedule, which its pods do not tolerate",
        ),
    ]
    nowhere = Unplaceable("pump", "Deployment/pump")
    assert told(cluster_plan.node(Survey(unplaceable=(nowhere,)), STATE)) == [
        ("error", "Deployment/pump: its node selector or node affinity matches no node of the cluster")
    ]
    assert told(cluster_plan.node(Survey(), STATE)) == [
        ("ok", "edge: no condition, taint or node selector prevents the pods from starting")
    ]


def test_a_kubelet_that_verifies_every_image_is_a_warning_with_the_remedy():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True, host="r.io", has_login=True)
    survey = Survey(images=(use,), verifies_credentials=True, always_verified=frozenset({use.image}))
    (found,) = cluster_plan.credentials(survey, {}, STATE)
    text = "Deployment/pump/pump: the kubelet asks the registry even for images that are already on the node, so the container cannot start offline"
    assert (found.status.value, found.text, "NeverVerifyPreloadedImages" in shell_line(found.hint)) == ("warning", text, True)


def test_a_missing_right_is_named():
    assert told(cluster_plan.rights(Survey(denied=("patch deployments.apps",)))) == [("error", "not allowed: patch deployments.apps")]
    assert told(cluster_plan.rights(Survey(allowed=23))) == [("ok", "all 23 permissions that apply and rollback need")]
    assert told(cluster_plan.rights(Survey(allowed=None))) == [("ok", "access to the engine's socket")]


def test_a_pod_that_asks_a_registry_is_found():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True)
    assert told(cluster_plan.pull_policy(STAGED, Survey(images=(use,)), Plan(), ())) == [
        ("ok", "1 container by digest, none pulls from a registry")
    ]
    asking = use._replace(pull_policy="always")
    assert told(cluster_plan.pull_policy(STAGED, Survey(images=(asking,)), Plan(), ())) == [
        ("error", "Deployment/pump/pump: r.io/pump@sha256:0 is pulled at every start (Always)")
    ]
    assert (
        "has a tag instead of a digest"
        in told(cluster_plan.pull_policy(STAGED, Survey(images=(use._replace(pinned=False),)), Plan(), ()))[0][1]
    )


def test_what_admission_adds_or_has_pulled_is_found():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True)
    sidecar = AdmittedImage("pump", "Deployment/pump/proxy", "mesh/proxy:1", added=True)
    always = AdmittedImage("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", always=True)

    def check(image, names=(), method=Method.STAGED):
        staged = [STAGED[0]._replace(method=method)]
        return told(cluster_plan.pull_policy(staged, Survey(images=(use,)), Plan(admitted=(image,)), names))

    absent = "Deployment/pump/proxy: cluster admission adds mesh/proxy:1, which is not staged, so it must be in the runtime or be pulled"
    present = "Deployment/pump/proxy: admission adds mesh/proxy:1, which is in the runtime but not pinned"
    pulled = "Deployment/pump/proxy: cluster admission adds mesh/proxy:1, which is not staged and is pulled at every start"
    asked = "Deployment/pump/pump: cluster admission sets imagePullPolicy: Always, so r.io/pump@sha256:0 is not used without its registry"
    assert check(sidecar) == [("error", absent)]
    assert check(sidecar, ["docker.io/mesh/proxy:1"]) == [("warning", present)]
    assert check(replace(sidecar, always=True), ["docker.io/mesh/proxy:1"]) == [("error", pulled)]
    assert check(always) == [("error", asked)]
    assert [mark for mark, _ in check(always, method=Method.STANDARD)] == ["warning"]


def test_what_the_cluster_pulls_itself_needs_a_network():
    ((mark, text),) = told(cluster_plan.pull_policy([STAGED[0]._replace(method=Method.STANDARD)], Survey(), Plan(), ()))
    assert (mark, text) == ("warning", "deployed without staging: the cluster pulls the images itself and needs a network")


def test_a_login_that_the_running_version_has_and_the_new_one_lost():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True, host="r.io")
    before = {"pump": frozenset({"r.io"})}
    ((mark, text),) = told(cluster_plan.credentials(Survey(images=(use,), verifies_credentials=True), before, STATE))
    assert (mark, "the running version has a login for r.io, the new one has none" in text) == ("warning", True)
    assert (
        told(cluster_plan.credentials(Survey(images=(use._replace(has_login=True),), verifies_credentials=True), before, STATE))[0][0]
        == "ok"
    )
    assert told(cluster_plan.credentials(Survey(images=(use,)), before, STATE))[0][0] == "ok"


def test_a_missing_secret_is_named_with_where_it_belongs():
    (found,) = cluster_plan.secrets(
        1, [MissingSecret("pump", "secrets.x", SecretMissing("secret x: there is no file /s/x", hint="write it"))]
    )
    assert (found.status.value, found.name, shell_line(found.hint)) == ("error", "pump", "write it")
    assert told(cluster_plan.secrets(2, [])) == [("ok", "2 referenced, all exist")]


@pytest.mark.parametrize(
    ("running", "there", "remembered", "mark", "words"),
    [
        ((), (), None, "ok", "node edge (KUBECONFIG)"),
        (("pump",), ("pump",), "uid-1", "ok", "kubernetes v1.20.2 at https://127.0.0.1:6443"),
        (("pump", "fan"), ("pump",), "uid-1", "warning", "it does not have fan, which should be running"),
        (("pump",), (), "uid-0", "error", "this is not the cluster that runs our workloads"),
        (("pump",), (), None, "warning", "it may be another or a new cluster"),
    ],
)
def test_another_cluster_than_before_is_told_from_the_same_one(running, there, remembered, mark, words):
    (found,) = right_cluster(ClusterIdentity(STATE, "KUBECONFIG", frozenset(running), frozenset(there), remembered))
    assert (found.status.value, words in found.text) == (mark, True), found.text
