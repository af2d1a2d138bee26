"""Kubeconfig files: which context is read, how several files are merged, and which logins stand in them."""

import base64
import os
from pathlib import Path

import pytest

from kelvin_provision.cluster.kubernetes.api.client import Client, environment_proxy
from kelvin_provision.cluster.kubernetes.api.kubeconfig import KubeconfigInvalid, paths_of, read
from kelvin_provision.cluster.kubernetes.api.login import Credentials, login_of, server_of
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, SettingsInvalid

AUTHORITY = "certificate-authority-data: Q0E="


def kubeconfig(folder, user="token: abc", cluster=AUTHORITY, *, name="config"):
    path = folder / name
    server = "" if "server:" in cluster else "server: 'https://10.0.0.1:6443/', "
    path.write_text(
        "current-context: a\ncontexts: [{name: a, context: {user: u, cluster: c}}]\n"
        f"clusters: [{{name: c, cluster: {{{server}{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
    return path


def credentials(path):
    return login_of(read(path, None)).credentials()


def test_a_client_certificate_is_read_and_never_shown(tmp_path):
    key = base64.b64encode(b"SECRET").decode()
    found = read(kubeconfig(tmp_path, f"client-certificate-data: Q0VSVA==, client-key-data: {key}"), None)
    server, login = server_of(found), login_of(found)
    assert (server.url, server.authority, server.verify) == ("https://10.0.0.1:6443", b"CA", True)
    assert login.credentials() == Credentials(b"CERT", b"SECRET")
    assert "SECRET" not in repr(login)


def test_tokens_and_passwords_become_the_authorization_header(tmp_path):
    assert credentials(kubeconfig(tmp_path, "token: abc")).authorization == "Bearer abc"
    assert credentials(kubeconfig(tmp_path, "username: admin, password: hunter2")).authorization == "Basic YWRtaW46aHVudGVyMg=="
    assert credentials(kubeconfig(tmp_path, "")) == Credentials()


def test_a_token_file_is_read_again_for_every_request(tmp_path):
    login = login_of(read(kubeconfig(tmp_path, "tokenFile: token"), None))
    (tmp_path / "token").write_text("one\n")
    assert login.credentials().authorization == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    assert login.credentials().authorization == "Bearer two"
    (tmp_path / "token").unlink()
    with pytest.raises(ClusterDenied, match="token: No such file or directory"):
        login.credentials()


def test_files_beside_the_kubeconfig_are_found(tmp_path):
    (tmp_path / "ca.pem").write_bytes(b"CA")
    assert server_of(read(kubeconfig(tmp_path, cluster="certificate-authority: ca.pem"), None)).authority == b"CA"


def test_how_the_server_is_verified_and_reached(tmp_path):
    server = server_of(
        read(kubeconfig(tmp_path, cluster="insecure-skip-tls-verify: true, tls-server-name: k, proxy-url: http://p:1"), None)
    )
    assert (server.authority, server.verify, server.tls_name, server.proxy) == (b"", False, "k", "http://p:1")


def test_a_home_directory_is_expanded_in_every_part_of_a_list(monkeypatch):
    monkeypatch.setenv("HOME", "/home/box")
    assert paths_of(Path(f"/etc/one{os.pathsep}~/two")) == (Path("/etc/one"), Path("/home/box/two"))


def test_the_files_of_a_list_are_merged_and_the_first_definition_wins(tmp_path):
    first = tmp_path / "first"
    first.write_text("current-context: a\nusers: [{name: u, user: {token: first}}]\n")
    second = kubeconfig(tmp_path, "token: second")
    setting = Path(f"{first}{os.pathsep}{tmp_path / 'missing'}{os.pathsep}{second}")
    assert paths_of(setting) == (first, tmp_path / "missing", second)
    assert credentials(setting).authorization == "Bearer first"
    assert server_of(read(setting, None)).url == "https://10.0.0.1:6443"


@pytest.mark.parametrize(
    ("text", "context", "reason"),
    [
        ("[", None, "document 1: line 2, column 1: not YAML: did not find expected node content"),
        ("- a", None, "not a mapping"),
        ("{}", None, "no current-context"),
        ("current-context: x", None, "no context named x"),
        ("current-context: x", "y", "no context named y"),
        ("contexts: [{name: x, context: {cluster: c}}]", "x", "context x: no cluster named c"),
        ("users: [{name: x, user: word}]", "x", "users: x is not a mapping"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, context, reason):
    (tmp_path / "config").write_text(text)
    with pytest.raises(KubeconfigInvalid, match=reason):
        read(tmp_path / "config", context)
    with pytest.raises(SettingsInvalid, match=f"the kubeconfig {tmp_path / 'config'} is not valid: .*{reason}"):
        Client(kubeconfig=tmp_path / "config", context=context).request("get", "/version")


@pytest.mark.parametrize(
    ("user", "cluster", "reason"),
    [
        ("token: abc, as: admin", AUTHORITY, "the user's field as is not supported"),
        ("client-certificate-data: Q0VSVA==", AUTHORITY, "client-certificate and client-key belong together"),
        ("token: abc", "server: 10.0.0.1", "the cluster's server is not a URL: 10.0.0.1"),
        ("token: abc", "server: ''", "the cluster has no server"),
        ("token: abc", "certificate-authority-data: abc", "Incorrect padding"),
        ("client-certificate-data: Q0VSVA==, client-key-data: S0VZ", AUTHORITY, "a certificate or key of the kubeconfig is not valid"),
    ],
)
def test_a_login_that_cannot_work_is_refused_before_the_first_request(tmp_path, user, cluster, reason):
    with pytest.raises(SettingsInvalid, match=reason):
        Client(kubeconfig=kubeconfig(tmp_path, user, cluster), context=None).request("get", "/version")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ClusterUnreachable, match=f"the kubeconfig {tmp_path / 'none'} cannot be read: No such file or directory"):
        Client(kubeconfig=tmp_path / "none", context=None).request("get", "/version")
    path = kubeconfig(tmp_path, cluster="certificate-authority: gone.pem")
    with pytest.raises(ClusterUnreachable, match=rf"No such file or directory: {tmp_path / 'gone.pem'}"):
        Client(kubeconfig=path, context=None).request("get", "/version")


def test_a_proxy_of_the_environment_is_for_servers_beyond_the_site(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert environment_proxy("https://api.example.com") == ""
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert environment_proxy("https://8.8.8.8:6443") == "http://proxy:3128"
    assert environment_proxy("https://api.example.com") == "http://proxy:3128"
    assert environment_proxy("http://api.example.com") == ""
    assert [environment_proxy(f"https://{host}:6443") for host in ("10.0.0.1", "127.0.0.1", "localhost", "[::1]")] == ["", "", "", ""]
    monkeypatch.setenv("no_proxy", "example.com")
    assert environment_proxy("https://api.example.com") == ""
