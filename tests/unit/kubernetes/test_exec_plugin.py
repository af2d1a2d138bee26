"""Logins by a command, on real commands: what they are asked, what they may answer, and when they run again."""

import base64
import json

import pytest

from kelvin_provision.cluster.kubernetes.api.auth_provider import AuthProviderLogin
from kelvin_provision.cluster.kubernetes.api.exec_plugin import ExecLogin
from kelvin_provision.cluster.kubernetes.api.kubeconfig import KubeconfigInvalid, Section, read
from kelvin_provision.cluster.kubernetes.api.login import Credentials, login_of
from kelvin_provision.errors import ClusterDenied

V1 = "client.authentication.k8s.io/v1"
BASE = Credentials(b"CERT", b"KEY")


def answer(**status):
    return {"kind": "ExecCredential", "apiVersion": V1, "status": status}


def login(folder, script, cluster=None, **fields):
    command = folder / "login"
    command.write_text(f"#!/bin/sh\necho run >> {folder}/runs\n{script}\n")
    command.chmod(0o755)
    asked = {"apiVersion": V1, "command": "./login"} | fields
    return ExecLogin(Section({"exec": asked}, folder), Section(cluster or {}, folder), BASE)


def returning(folder, document, **fields):
    (folder / "answer").write_text(json.dumps(document))
    return login(folder, f"cat {folder}/answer", **fields)


def runs(folder):
    return len((folder / "runs").read_text().splitlines())


def test_a_token_is_used_with_the_kubeconfigs_own_certificate_and_kept(tmp_path):
    login_by_command = returning(tmp_path, answer(token="abc"))
    assert login_by_command.credentials() == login_by_command.credentials() == Credentials(b"CERT", b"KEY", "Bearer abc")
    assert runs(tmp_path) == 1


def test_a_certificate_replaces_the_kubeconfigs_own(tmp_path):
    login_by_command = returning(tmp_path, answer(clientCertificateData="PEM", clientKeyData="SECRET"))
    assert login_by_command.credentials() == Credentials(b"PEM", b"SECRET")


def test_credentials_that_have_expired_are_fetched_again(tmp_path):
    login_by_command = returning(tmp_path, answer(token="old", expirationTimestamp="2020-01-01T00:00:00Z"))
    login_by_command.credentials()
    (tmp_path / "answer").write_text(json.dumps(answer(token="new", expirationTimestamp="2999-01-01T00:00:00Z")))
    assert login_by_command.credentials().authorization == login_by_command.credentials().authorization == "Bearer new"
    assert runs(tmp_path) == 2


def test_after_a_401_the_command_runs_again_but_once_for_threads_that_were_refused_together(tmp_path):
    login_by_command = returning(tmp_path, answer(token="abc"))
    login_by_command.credentials()
    assert login_by_command.renew()
    login_by_command.credentials()
    assert runs(tmp_path) == 1
    login_by_command._ran_at -= 2.0
    assert login_by_command.renew()
    login_by_command.credentials()
    assert runs(tmp_path) == 2


def test_the_command_gets_arguments_variables_and_the_cluster(tmp_path):
    cluster = {"server": "https://k:1", "certificate-authority-data": "Q0E=", "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}}]}  # fmt: skip
    document = json.dumps(answer(token="abc"))
    script = f'echo "$1 $NAME" > {tmp_path}/words; echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; echo \'{document}\''
    login(
        tmp_path, script, cluster, args=["get-token"], env=[{"name": "NAME", "value": "box"}], provideClusterInfo=True, interactiveMode="Never"
    ).credentials()  # fmt: skip
    assert (tmp_path / "words").read_text() == "get-token box\n"
    assert json.loads((tmp_path / "info").read_text()) == {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {"interactive": False, "cluster": {"server": "https://k:1", "certificate-authority-data": "Q0E=", "config": {"a": 1}}},
    }


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such profile >&2; exit 3", r"login command \./login: exit code 3: no such profile"),
        ("head -c 500 /dev/zero | tr '\\0' x >&2; exit 3", r"exit code 3: x{500}$"),  # shortened where secrets are masked
        ("echo hello", r"login command \./login: its output is not an ExecCredential of client.authentication.k8s.io/v1"),
        ("echo '[]'", r"its output is not an ExecCredential"),
        (
            """echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "x"}}'""",
            r"its output is ExecCredential of client.authentication.k8s.io/v1beta1, not ExecCredential of client.authentication.k8s.io/v1",
        ),
        (
            """echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"clientCertificateData": "x"}}'""",
            r"its output has neither a token nor a certificate with its key",
        ),
    ],
)
def test_a_command_that_does_not_log_in_is_named_with_its_reason(tmp_path, script, reason):
    with pytest.raises(ClusterDenied, match=reason):
        login(tmp_path, script).credentials()


def test_a_command_that_is_missing_comes_with_the_kubeconfigs_own_hint(tmp_path):
    fields = {"exec": {"apiVersion": V1, "command": "no-such-login-command", "installHint": "apt install it\n"}}
    with pytest.raises(ClusterDenied, match="login command no-such-login-command: command not found") as error:
        ExecLogin(Section(fields, tmp_path), Section({}, tmp_path), BASE).credentials()
    assert error.value.hint.instruction == "apt install it"


def jwt(**claims):
    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.c2ln"


def test_an_identity_providers_token_is_had_from_the_kubernetes_package(tmp_path):
    token = jwt(exp=32503680000)
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"user": "u", "cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}],
        "users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(document))
    assert login_of(read(path, None)) is None
    login = AuthProviderLogin(path, None)
    assert login.credentials() == login.credentials() == Credentials(authorization=f"Bearer {token}")
    assert not login.renew()
    with pytest.raises(KubeconfigInvalid, match="another"):
        AuthProviderLogin(path, "another")
