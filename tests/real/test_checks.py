"""workloads check and doctor on real engines: what is well, what is broken, and that nothing is touched."""

import base64
import json
import socket
import subprocess

import pytest
import yaml

from kelvin_provision.cluster.kubernetes.api.kubeconfig import read
from kelvin_provision.cluster.kubernetes.api.login import server_of
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.runtimes.docker import DockerRuntime
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig
from tests.kit.waiting import until

pytestmark = pytest.mark.timeout(400)


def lines(document):
    return {line["id"]: (line["status"], line["found"]) for line in document["checks"]}


def take_out(box, lock):
    """As somebody who knows nothing of us does it."""
    address = box.environment.get("KELVIN_PROVISION_RUNTIME__ADDRESS")
    by_ctr = ["ctr", "-a", str(address), "-n", "k8s.io", "images", "rm", lock.name]
    command = by_ctr if address else ["docker", "-H", box.environment["DOCKER_HOST"], "rmi", _pin(box, lock)]
    subprocess.run(command, check=True, capture_output=True)


def _pin(box, lock):
    identity = DockerRuntime(box.environment["DOCKER_HOST"]).info().identity
    return f"kelvin-provision/pin:{identity.of(lock).removeprefix('sha256:')}"


def test_a_staged_workload_is_checked_whole_and_nothing_is_put_back(box):
    box.stage("checked", "1.0.0")
    found = lines(box.json("workloads", "check", "-n", "checked", "--deep"))
    assert [name for name, (status, _) in found.items() if status == "error"] == []
    assert (found["images"][0], found["deep"][0], found["rights"][0], found["dry-run"][0]) == ("ok", "ok", "ok", "ok")
    box.stop_agent()
    with Ledger(box.state / "ledger.db") as ledger:
        (lock,) = ledger.workload("checked").staged.locks
    take_out(box, lock)
    for _ in range(2):
        status, text = lines(box.json("workloads", "check", "-n", "checked"))["images"]
        assert (status, "is absent in " in text) == ("warning", True)
    doctor = lines(box.json("doctor"))
    assert {doctor[name][0] for name in ("state", "operations", "cluster", "clock")} == {"ok"}
    assert doctor["agent"][0] == "warning"


def test_what_is_broken_is_an_error_with_what_to_do(box):
    """A port of this box that another program listens on, found in the plan on Docker and beside it on Kubernetes."""
    with socket.socket() as listener:
        number = next(port for port in range(32100, 32700) if not _is_taken(listener, port))
        listener.listen()
        box.stage(
            "broken",
            "1.0.0",
            ports=[{"name": "http", "type": "service", "service": {"port": 8080, "exposed": True, "exposed_port": number}}],
        )
        document = box.json("workloads", "check", "-n", "broken", code=1)
    assert document["error"]["code"] == "check-failed"
    (line,) = [line for line in document["checks"] if line["status"] == "error"]
    assert (line["id"], line["workload"], f"port {number}" in line["found"], line["next"] != "") == ("ports", "broken", True, True)


def _is_taken(listener, port):
    try:
        listener.bind(("0.0.0.0", port))
    except OSError:
        return True
    return False


@pytest.mark.kubernetes
def test_a_user_with_few_rights_is_told_which_are_missing(tmp_path):
    namespace, admin = fresh_namespace(), Api(kubeconfig=kubeconfig(), context=None)
    metadata = {"name": "few", "namespace": namespace}
    role = {
        "kind": "ClusterRole",
        "metadata": {"name": namespace},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}],
    }
    subject = {"kind": "ServiceAccount", "name": "few", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace}
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": namespace}, "subjects": [subject], "roleRef": reference}
    api = "rbac.authorization.k8s.io/v1"
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, namespace, force=False)
    try:
        for item in (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": api, **role},
            {"apiVersion": api, **binding},
        ):
            admin.apply(item, namespace, force=False)
        token = _token(admin, namespace)
        reached = server_of(read(kubeconfig(), None))
        path = tmp_path / "few"
        authority = base64.b64encode(reached.authority).decode()
        path.write_text(
            json.dumps(
                {
                    "current-context": "a",
                    "contexts": [{"name": "a", "context": {"user": "u", "cluster": "c"}}],
                    "clusters": [{"name": "c", "cluster": {"server": reached.url, "certificate-authority-data": authority}}],
                    "users": [{"name": "u", "user": {"token": token}}],
                }
            )
        )
        item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {}}
        seen = Kubernetes(kubeconfig=path, namespace=namespace).survey({"x": [item]})
        assert "create, delete, get, list, patch, watch deployments.apps" in seen.denied
        assert "list pods of all namespaces (free capacity is unknown)" in seen.denied
        assert (seen.allowed, seen.resources) == (0, ())
    finally:
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            admin.delete(api, kind, namespace, None)
        admin.delete("v1", "Namespace", namespace, None)


def _token(api, namespace):
    """As Kubernetes before 1.24 makes it by itself."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "few", "namespace": namespace, "annotations": {"kubernetes.io/service-account.name": "few"}},
    }
    api.apply(secret, namespace, force=False)
    token = until(lambda: ((api.get("v1", "Secret", "few", namespace) or {}).get("data") or {}).get("token"), 60)
    return base64.b64decode(token).decode()


@pytest.mark.kubernetes
def test_a_login_command_is_as_good_as_the_certificate_that_it_returns(tmp_path):
    document = yaml.safe_load(kubeconfig().read_bytes())
    user, version = document["users"][0]["user"], "client.authentication.k8s.io/v1"
    pair = {name: base64.b64decode(user[f"{given}-data"]).decode() for name, given in (
        ("clientCertificateData", "client-certificate"), ("clientKeyData", "client-key"),
    )}  # fmt: skip
    (tmp_path / "answer").write_text(json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": pair}))
    document["users"][0]["user"] = {"exec": {"apiVersion": version, "command": "cat", "args": [str(tmp_path / "answer")]}}
    path = tmp_path / "other"
    path.write_text(json.dumps(document))
    first, second = (Kubernetes(kubeconfig=each).state() for each in (kubeconfig(), path))
    assert first == second
