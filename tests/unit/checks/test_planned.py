"""What is said of the plan and of what surrounds it, from plain facts."""

import pytest

from kelvin_provision.applying.assess import MissingSecret
from kelvin_provision.checks import planned
from kelvin_provision.checks.cluster_identity import Whereabouts, right_cluster
from kelvin_provision.checks.images import Staged
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.plan import Change, Finding, Op, Plan
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition, ImageUse, ResourceDemand, Survey
from kelvin_provision.errors import SecretMissing
from kelvin_provision.hints import system
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Download, Method

INFO = ClusterInfo("kubernetes", "v1.20.2", "edge", Platform("linux", "amd64"))
STATE = ClusterState(INFO, "https://127.0.0.1:6443", "uid-1", (Condition("Ready", healthy=True),), "Active")
DOCKER = STATE._replace(info=ClusterInfo("docker", "20.10", "edge", INFO.platform), namespace="")
STAGED = [Staged("pump", "1.0.0", Method.STAGED, Download.READY)]


def told(founds):
    return [(found.mark.value, found.text) for found in founds]


def finding(code, message="it is so"):
    return Plan(findings=(Finding(code, "pump", "Deployment/pump", message),))


@pytest.mark.parametrize(
    ("code", "check", "hint"),
    [
        ("immutable-field", planned.dry_run, "undeploy the workload first"),
        ("denied", planned.dry_run, "run as root"),
        ("field-conflict", planned.dry_run, "remove those fields from the other manager"),
        ("unknown-kind", planned.kinds, "install the definition first"),
        ("port-taken", lambda plan: planned.ports(plan, Survey()), "stop what uses the port"),
    ],
)
def test_each_finding_of_a_plan_is_a_line_of_its_own_check(code, check, hint):
    (found,) = check(finding(code))
    assert (found.mark.value, found.name, found.text) == ("error", "pump", f"Deployment/pump: it is so [{code}]")
    assert shell_line(found.then).startswith(hint)


def test_a_finding_of_another_check_leaves_the_dry_run_well():
    plan = Plan((Change(Op.CREATE, "pump", "Service/pump", ""), Change(Op.KEEP, "pump", "Secret/pump", "")), finding("port-taken").findings)
    assert told(planned.dry_run(plan)) == [("ok", "accepted: 1 to create, 1 unchanged")]


def test_a_namespace_on_its_way_out_is_said_once():
    assert told(planned.namespace(STATE._replace(namespace="Terminating")))[0][0] == "error"
    assert told(planned.dry_run(finding("namespace-terminating"))) == [("skipped", "not looked at: see namespace")]
    assert told(planned.namespace(STATE._replace(namespace="missing"))) == [("ok", "not there yet; apply makes it")]


def test_a_port_that_a_program_outside_of_the_cluster_has_is_found():
    held = Survey(
        port_conflicts=(Finding("port-taken", "pump", "Service/pump", "node port 30080/TCP is taken by another program on this box"),)
    )
    assert told(planned.ports(Plan(), held)) == [("error", "node port 30080/TCP is taken by another program on this box")]


def test_room_for_the_second_pod_is_compared_with_what_is_left():
    tight = Survey(resources=(ResourceDemand("memory", 512 << 20, 100 << 20), ResourceDemand("cpu", 0.5, 1.25)))
    assert told(planned.room(tight, STATE)) == [
        ("error", "new pods need 512.0 MiB of memory beside what runs; node edge has 100.0 MiB of memory left")
    ]
    assert told(planned.room(tight._replace(enforces_requests=False), DOCKER)) == [
        ("warning", "new containers may take 512.0 MiB of memory; this box has 100.0 MiB of memory left")
    ]
    assert told(planned.room(Survey(resources=(ResourceDemand("pods", 1, 109),)), STATE)) == [("ok", "1 pod, 109 pods free")]


def test_a_cordoned_node_takes_no_pod():
    cordoned = STATE._replace(
        conditions=(
            Condition("Schedulable", healthy=False, message="it is cordoned", critical=False, hint=system("kubectl", "uncordon", "edge")),
        )
    )
    (found,) = planned.room(Survey(), cordoned)
    assert (found.mark.value, shell_line(found.then)) == ("error", "kubectl uncordon edge")


def test_a_missing_right_is_named():
    assert told(planned.rights(Survey(denied=("patch deployments.apps",)))) == [("error", "not allowed: patch deployments.apps")]
    assert told(planned.rights(Survey(allowed=23))) == [("ok", "all 23 that apply and rollback need")]
    assert told(planned.rights(Survey(allowed=None))) == [("ok", "the engine's socket may be used")]


def test_a_pod_that_asks_a_registry_is_found():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True)
    assert told(planned.pull_policy(STAGED, Survey(images=(use,)))) == [("ok", "1 container by digest, none asks a registry")]
    asking = use._replace(pull_policy="always")
    assert told(planned.pull_policy(STAGED, Survey(images=(asking,)))) == [
        ("error", "Deployment/pump/pump: r.io/pump@sha256:0 is asked for at every start (Always)")
    ]
    assert "named by a tag" in told(planned.pull_policy(STAGED, Survey(images=(use._replace(pinned=False),))))[0][1]


def test_what_the_cluster_pulls_itself_needs_a_network():
    ((mark, text),) = told(planned.pull_policy([STAGED[0]._replace(method=Method.STANDARD)], Survey()))
    assert (mark, text) == ("warning", "deployed without staging: the cluster pulls the images itself and needs a network")


def test_a_login_that_the_running_version_has_and_the_new_one_lost():
    use = ImageUse("pump", "Deployment/pump/pump", "r.io/pump@sha256:0", "missing", pinned=True, host="r.io")
    before = {"pump": frozenset({"r.io"})}
    ((mark, text),) = told(planned.credentials(Survey(images=(use,), verifies_credentials=True), before, STATE))
    assert (mark, "the running version has a login for r.io, the new one has none" in text) == ("warning", True)
    assert told(planned.credentials(Survey(images=(use._replace(has_login=True),), verifies_credentials=True), before, STATE))[0][0] == "ok"
    assert told(planned.credentials(Survey(images=(use,)), before, STATE))[0][0] == "ok"


def test_a_missing_secret_is_named_with_where_it_belongs():
    (found,) = planned.secrets(1, [MissingSecret("pump", "secrets.x", SecretMissing("secret x: there is no file /s/x", hint="write it"))])
    assert (found.mark.value, found.name, shell_line(found.then)) == ("error", "pump", "write it")
    assert told(planned.secrets(2, [])) == [("ok", "2 named, all here")]


@pytest.mark.parametrize(
    ("running", "there", "remembered", "mark", "words"),
    [
        ((), (), None, "ok", "node edge (KUBECONFIG)"),
        (("pump",), ("pump",), "uid-1", "ok", "kubernetes v1.20.2 at https://127.0.0.1:6443"),
        (("pump", "fan"), ("pump",), "uid-1", "warning", "it does not have fan, which ran here"),
        (("pump",), (), "uid-0", "error", "this is another cluster than the one that runs our workloads"),
        (("pump",), (), None, "warning", "it may be another cluster, or be new"),
    ],
)
def test_another_cluster_than_before_is_told_from_the_same_one(running, there, remembered, mark, words):
    (found,) = right_cluster(Whereabouts(STATE, "KUBECONFIG", frozenset(running), frozenset(there), remembered))
    assert (found.mark.value, words in found.text) == (mark, True), found.text
