"""Rehearsals on Kubernetes without a cluster: the objects, the judgement, and an API server in memory that dies at every request."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.rehearsal import cleaning, isolation, network, run
from kelvin_provision.cluster.kubernetes.rehearsal.judge import PodTrial
from kelvin_provision.cluster.kubernetes.rehearsal.objects import Places, rehearsal_set
from kelvin_provision.cluster.kubernetes.rehearsal.pods import HELD_IMAGE, held_back, release
from kelvin_provision.cluster.kubernetes.rehearsal.policies import deny_all, openings
from kelvin_provision.cluster.kubernetes.render.objects import Context
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.labels import OWNER, REHEARSAL, REHEARSAL_HOME
from kelvin_provision.cluster.rehearsal import RehearsalTerms
from kelvin_provision.context import silent
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.request.accept import accept
from kelvin_provision.status import RehearsalOutcome
from tests.kit import corpus
from tests.kit.fakes.kubernetes_server import Crash, MemoryApi
from tests.kit.images import make_image
from tests.kit.locks import lock_of
from tests.kit.requests import defaults

IMAGE = make_image([])
HOME = corpus.HOME
BOX = Context(namespace=HOME, node_name="edge-1", node_label="edge-1")
TERMS = RehearsalTerms(WaitPolicy(settle=3.0))
OPEN = RehearsalTerms(WaitPolicy(settle=0.0, timeout=0.0), allow_network=True)
ACCEPTED = [case for case in corpus.cases() if not case.refused]


def deployment(*, kind="Deployment", containers=None, template=None, **spec):
    pod = {"containers": containers or [{"name": "main", "image": "r.io/pump:1"}]} | spec
    metadata = {"name": "pump", "namespace": HOME, "labels": {OWNER: "pump"}}
    made = {"metadata": {"labels": {OWNER: "pump", "app": "pump"}} | (template or {}), "spec": pod}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": made}}


def container(**fields):
    return {"name": "main", "image": "r.io/pump:1"} | fields


def rehearsed(*objects, terms=TERMS, **places):
    return rehearsal_set("pump", objects, terms, Places(HOME, **places))


def only_pod(*objects, **more):
    (pod,) = rehearsed(*objects, **more).pods
    return pod


# --- the objects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.file)
def test_whatever_the_field_has_is_cut_off_or_not_possible(case):
    (spec,) = accept(case.documents(), defaults(namespace=HOME, registry=corpus.REGISTRY)).specs
    objects = render(spec, [lock_of(IMAGE, image) for image in images_of(spec)], 1, BOX)
    made = rehearsal_set(spec.name, objects, RehearsalTerms(jobs=True), Places(HOME))
    for item in (*made.support, *made.pods):
        assert item["kind"] in {"Pod", "ConfigMap", "Secret"}
        assert item["metadata"]["labels"][REHEARSAL] == spec.name
        assert OWNER not in item["metadata"]["labels"]
    selectors = [item["spec"].get("selector") for item in objects if item["kind"] == "Service"]
    for pod in made.pods:
        labels = pod["metadata"]["labels"].items()
        assert not any(selector and selector.items() <= labels for selector in selectors)
        text = str(pod)
        assert not any(word in text for word in ("hostPort", "persistentVolumeClaim", "hostPath", "serviceAccountToken", "preStop"))
        assert (pod["spec"]["restartPolicy"], pod["spec"]["automountServiceAccountToken"]) == ("Never", False)
        assert "serviceAccountName" not in pod["spec"]
        names = {volume["name"] for volume in pod["spec"].get("volumes") or ()}
        mounted = {mount["name"] for group in pod["spec"]["containers"] for mount in group.get("volumeMounts") or ()}
        assert mounted <= names
    names = [pod["metadata"]["name"] for pod in made.pods]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (deployment(hostNetwork=True), "the network of the host"),
        (deployment(hostPID=True), "the processes of the host"),
        (deployment(hostIPC=True), "the shared memory of the host"),
        (deployment(containers=[container(securityContext={"privileged": True})]), "privileged"),
        (deployment(initContainers=[container(securityContext={"privileged": True})]), "privileged"),
        (deployment(containers=[container(securityContext={"capabilities": {"add": ["CAP_SYS_ADMIN"]}})]), "SYS_ADMIN"),
        (deployment(containers=[container(resources={"limits": {"nvidia.com/gpu": 1}})]), "nvidia.com/gpu"),
        (deployment(resourceClaims=[{"name": "camera"}]), "devices"),
        (deployment(volumes=[{"name": "tty", "hostPath": {"path": "/dev/ttyUSB0"}}]), "/dev/ttyUSB0"),
        (deployment(volumes=[{"name": "x", "hostPath": {"path": "/x", "type": "CharDevice"}}]), "device /x"),
        (deployment(containers=[container(volumeDevices=[{"name": "disk"}])]), "block device disk"),
    ],
)
def test_what_reaches_the_box_itself_is_not_possible(item, why):
    (text,) = rehearsed(item).obstacles
    assert text.startswith("Deployment/pump: ")
    assert why in text


def test_sockets_of_the_box_are_not_read_only():
    item = deployment(volumes=[{"name": "x", "hostPath": {"path": "/var/run/docker.sock"}}])
    assert rehearsed(item).obstacles == ()
    assert "sockets" in rehearsed(item, terms=RehearsalTerms(real_volumes=True)).obstacles[0]


def test_data_is_empty_or_to_be_read_only():
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "pump-data"}},
        {"name": "new", "persistentVolumeClaim": {"claimName": "pump-new"}},
        {"name": "host", "hostPath": {"path": "/srv", "type": "DirectoryOrCreate"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    item = deployment(volumes=volumes, containers=[container(volumeMounts=mounts)])
    claims = {(HOME, "pump-data")}
    empty = rehearsed(item, claims=claims)
    assert empty.emptied == ("data", "host")
    assert [volume.get("emptyDir") for volume in empty.pods[0]["spec"]["volumes"]] == [{}] * 5
    real = rehearsed(item, claims=claims, terms=RehearsalTerms(real_volumes=True))
    assert real.emptied == ()
    assert real.pods[0]["spec"]["volumes"][:3] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "pump-data", "readOnly": True}},
        {"name": "new", "emptyDir": {}},
        {"name": "host", "hostPath": {"path": "/srv", "type": "Directory"}},
    ]
    assert [mount.get("readOnly") for mount in real.pods[0]["spec"]["containers"][0]["volumeMounts"]] == [True, None, True, None, None]


def test_its_own_configuration_comes_along_under_another_name_and_that_of_others_stays():
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pump-config", "namespace": HOME}, "data": {"a": "b"}}
    unused = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "unused", "namespace": HOME}}
    env = [
        {"name": "KELVIN_WORKLOAD_NAME", "value": "pump"},
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "pump-config", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "of-the-site", "key": "b"}}},
    ]
    made = rehearsed(own, unused, deployment(containers=[container(env=env, envFrom=[{"configMapRef": {"name": "pump-config"}}])]))
    ((copy,), (pod,)) = made.support, made.pods
    assert (copy["metadata"]["name"], copy["data"]) == ("rehearsal.pump.pump-config", {"a": "b"})
    (main,) = pod["spec"]["containers"]
    assert main["env"][0]["value"] == "pump-rehearsal"
    assert main["env"][1]["valueFrom"]["configMapKeyRef"]["name"] == main["envFrom"][0]["configMapRef"]["name"] == copy["metadata"]["name"]
    assert main["env"][2]["valueFrom"]["secretKeyRef"]["name"] == "of-the-site"


def test_jobs_run_only_when_asked_for_and_alone_are_nothing_to_rehearse():
    job = deployment(kind="Job")
    assert "none of its objects" in rehearsed(job).obstacles[0]
    made = rehearsed(job, terms=RehearsalTerms(jobs=True))
    assert made.finite == {made.pods[0]["metadata"]["name"]}


def test_a_namespace_that_is_not_there_yet_has_a_stand_in():
    made = rehearsed(deployment(), of={HOME: f"{HOME}-rehearsal"})
    assert [item["metadata"]["name"] for item in made.namespaces] == [f"{HOME}-rehearsal"]
    assert made.pods[0]["metadata"]["namespace"] == f"{HOME}-rehearsal"


def test_a_pod_is_held_back_and_released_by_the_names_of_its_containers():
    pod = only_pod(deployment(initContainers=[container(name="init")]))
    held = held_back(pod)
    assert {each["image"] for group in ("initContainers", "containers") for each in held["spec"][group]} == {HELD_IMAGE}
    live = {"spec": {"initContainers": [{"name": "mesh"}, {"name": "init"}], "containers": [{"name": "main"}]}}
    assert [step["path"] for step in release(pod, live) if step["op"] == "replace"] == [
        "/spec/initContainers/1/image",
        "/spec/containers/0/image",
    ]


# --- policies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "opens"),
    [
        ({}, True),
        ({"matchLabels": {"app": "pump"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["pump"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["pump"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NoSuch"}]}, True),
    ],
)
def test_a_policy_that_selects_every_pod_opens_it_again(selector, opens):
    policy = {"metadata": {"name": "site", "namespace": HOME}, "spec": {"podSelector": selector, "egress": [{}]}}
    assert bool(list(openings([policy], "pump", HOME))) is opens
    policy["spec"].pop("egress")
    assert list(openings([policy, deny_all("pump", HOME, HOME)], "pump", HOME)) == []


# --- the judgement --------------------------------------------------------------------------------


def pod_with(*statuses, phase="Running", ready=False):
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": phase, "conditions": conditions, "containerStatuses": list(statuses)}
    return {"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{}]}, "status": status}


def main(**state):
    return {"name": "main", "restartCount": 0, "state": state}


def test_it_is_up_when_it_was_ready_for_long_enough_without_a_break():
    trial = PodTrial(finite=False, policy=TERMS.policy)
    looks = [(False, 0.0), (True, 1.0), (True, 3.0), (False, 3.5), (True, 4.0), (True, 6.9), (True, 7.0)]
    phases = [trial.look(pod_with(main(running={}), ready=ready), [], now).phase for ready, now in looks]
    assert phases == [Phase.WAITING] * 6 + [Phase.READY]


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (pod_with(main(terminated={"exitCode": 3, "reason": "Error"}), phase="Failed"), "exit code 3 (Error)"),
        (pod_with(main(terminated={"exitCode": 0, "reason": "Completed"}), phase="Succeeded"), "exit code 0 (Completed)"),
        (pod_with(phase="Failed") | {"status": {"phase": "Failed", "reason": "Evicted", "message": "memory"}}, "Evicted: memory"),
        (None, "deleted by something else"),
    ],
)
def test_what_ends_has_failed(pod, why):
    health = PodTrial(finite=False, policy=TERMS.policy).look(pod, [], 0.0)
    assert health.phase is Phase.FAILED
    assert why in health.why


def test_what_is_to_end_is_up_when_it_has():
    trial = PodTrial(finite=True, policy=TERMS.policy)
    assert trial.look(pod_with(main(running={})), [], 0.0).phase is Phase.WAITING
    assert trial.look(pod_with(main(terminated={"exitCode": 0}), phase="Succeeded"), [], 1.0).phase is Phase.READY


def test_the_image_that_holds_a_pod_back_is_no_failure_of_it():
    waiting = {"reason": "ErrImageNeverPull", "message": f'Container image "{HELD_IMAGE}" is not present with pull policy of Never'}
    trial = PodTrial(finite=False, policy=TERMS.policy)
    assert trial.look(pod_with(main(waiting=waiting), phase="Pending"), [], 0.0).phase is Phase.WAITING
    missing = {"reason": "ErrImageNeverPull", "message": 'Container image "r.io/pump:1" is not present'}
    assert trial.look(pod_with(main(waiting=missing), phase="Pending"), [], 0.0).phase is Phase.FAILED


# --- a process that ends at any request -----------------------------------------------------------


class Ready(MemoryApi):
    """Pods are up as soon as they are made."""

    def get(self, version, kind, name, namespace=None):
        found = super().get(version, kind, name, namespace)
        return found | {"status": pod_with(main(running={}), ready=True)["status"]} if found and kind == "Pod" else found

    def list_objects(self, version, kind, namespace, selector="", fields="", *, metadata=False):
        return [] if kind == "Event" else super().list_objects(version, kind, namespace, selector, fields, metadata=metadata)


def on_a_site():
    api = Ready(HOME)
    free = {"memory": "1Gi", "pods": "10", "cpu": "4"}
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge-1"}, "status": {"allocatable": free}}, "")
    for kind, name, labels in (("ConfigMap", "of-the-site", {}), ("Pod", "pump-1", {OWNER: "pump"}), ("NetworkPolicy", "site", {})):
        put(api, kind, name, HOME, labels)
    api.requests.clear()
    return api


def put(api, kind, name, namespace, labels):
    api.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}}, namespace)


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pump-config", "namespace": HOME}, "data": {}}
STAGED = (CONFIG, deployment(containers=[container(envFrom=[{"configMapRef": {"name": "pump-config"}}])]))


def go(api, *, stop=lambda: False, **terms):
    asked = RehearsalTerms(WaitPolicy(settle=0.0), allow_network=True, **terms)
    return run.rehearse(run.Box(api, HOME, "edge-1"), "pump", STAGED, asked, str, progress=silent, stop=stop)


def test_a_rehearsal_leaves_the_site_as_it_was():
    api = on_a_site()
    before = api.names
    assert go(api).outcome is RehearsalOutcome.OK
    assert api.names == before
    assert not any("pump-1" in request or "site" in request.replace(HOME, "") for request in api.requests)


def test_after_a_kill_at_any_request_nothing_is_left():
    requests = 0
    while True:
        api = on_a_site()
        before = api.names
        api.crash_after(requests)
        try:
            go(api)
        except Crash:
            api.crash_at = None
            cleaning.clean(api, HOME)
            assert api.names == before, requests
            assert cleaning.clean(api, HOME) == ()
            requests += 1
        else:
            break
    assert requests > 15


def test_a_rehearsal_that_the_cluster_refuses_says_nothing_of_the_version():
    api = on_a_site()
    before = api.names

    def full(item, namespace, *, dry_run=False):
        if item["kind"] == "Pod":
            raise Rejected("denied", "exceeded quota: pods")
        return Ready.create(api, item, namespace)

    api.create = full
    result = go(api)
    assert (result.outcome, result.reason) == (
        RehearsalOutcome.NOT_POSSIBLE,
        "the cluster refuses the pod of the rehearsal: exceeded quota: pods",
    )
    assert api.names == before


def test_of_two_boxes_each_takes_away_its_own():
    api = on_a_site()
    api.add("Namespace", "elsewhere")
    put(api, "Pod", "other", "elsewhere", {REHEARSAL: "pump", REHEARSAL_HOME: "elsewhere"})
    assert cleaning.clean(api, HOME) == ()
    assert cleaning.clean(api, "elsewhere") == ("Pod/other",)


def test_a_node_without_room_is_looked_at_first():
    api = on_a_site()
    before = api.names
    big = deployment(containers=[container(resources={"requests": {"memory": "2Gi"}})])
    result = run.rehearse(run.Box(api, HOME, "edge-1"), "pump", (big,), OPEN, str, progress=silent, stop=lambda: False)
    assert result.outcome is RehearsalOutcome.NOT_POSSIBLE
    assert result.reason == "not enough memory: it requests 2.0 GiB, and 1.0 GiB are free"
    assert api.names == before


# --- the network of a sandbox ---------------------------------------------------------------------


def test_a_sandbox_is_found_by_the_control_group_of_its_pod(tmp_path):
    for pid, group, place in (
        ("self", "", "net:[1]"),
        ("7", "/kubepods/besteffort/podaa-bb/c", "net:[2]"),
        ("8", "/podaa_bb.slice", "net:[1]"),
    ):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "cgroup").write_text(f"0::{group}\n")
        (tmp_path / pid / "ns/net").symlink_to(place)
    assert network.sandbox("aa-bb", tmp_path) == tmp_path / "7/ns/net"
    assert network.sandbox("cc", tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_what_a_sandbox_reaches_is_tried_from_within_it():
    if not network.can_enter():
        pytest.skip("this process may not enter namespaces")
    script = "ip link set lo up; echo up; read line"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sandbox,
    ):
        assert sandbox.stdout.readline() == "up\n"
        address = listener.getsockname()
        inside = Path(f"/proc/{sandbox.pid}/ns/net")
        own = threading.current_thread()
        assert network.reached(Path("/proc/self/ns/net"), [address, ("192.0.2.1", 9)]) == {address}
        assert network.reached(inside, [address, ("192.0.2.1", 9)]) == frozenset()
        assert own is threading.current_thread()
        sandbox.communicate("\n")
    with pytest.raises(OSError, match=str(sandbox.pid)):
        network.reached(inside, [address])


def test_without_a_look_at_the_network_nothing_is_started(monkeypatch):
    api = on_a_site()
    monkeypatch.setattr(network, "can_enter", lambda: False)
    terms = RehearsalTerms(WaitPolicy(settle=0.0))
    box = run.Box(api, HOME, "edge-1")
    result = run.rehearse(box, "pump", STAGED, terms, str, progress=silent, stop=lambda: False)
    assert (result.outcome, result.reason) == (RehearsalOutcome.NOT_POSSIBLE, isolation.NOT_SEEN)
    proven = RehearsalTerms(WaitPolicy(settle=0.0), proven=True)
    assert run.rehearse(box, "pump", STAGED, proven, str, progress=silent, stop=lambda: False).outcome is RehearsalOutcome.OK
    made = [request.split()[1].split("/")[0] for request in api.requests if request.startswith("apply")]
    assert made.index("NetworkPolicy") < made.index("Pod")
