"""The transport to the API server, against a server in threads of this process: TLS, logins, proxies, connections that die."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, Unauthorized
from kelvin_provision.cluster.kubernetes.api.login import Credentials, FixedLogin, Server
from kelvin_provision.cluster.kubernetes.api.transport import Transport
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from tests.kit.servers.forwarding import forwarding
from tests.kit.servers.threaded import Server as HttpServer
from tests.kit.servers.threaded import serving

TIMEOUTS = (5.0, 5.0)
KUBELETS_ERROR = b"unable to retrieve container logs for containerd://0123abcd"


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked; `Bearer old` is refused. After `/then-hang-up` the connection is closed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        headers = {name: self.headers.get(name) for name in ("Authorization", "Accept", "Content-Type")}
        document = {"method": self.command, "path": self.path, "body": body, "headers": headers}
        status = 200
        if headers["Authorization"] == "Bearer old":
            status, document = 401, {"kind": "Status", "message": "Unauthorized"}
        elif self.path.startswith("/apis/none/"):
            status, document = 404, {"kind": "Status", "message": "not found"}
        elif self.path == "/api/v1":
            document = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}, {"name": "pods/log", "kind": "Pod", "namespaced": True}]}  # fmt: skip
        data = (
            KUBELETS_ERROR if self.path.endswith("/pods/p/log?container=c&tailLines=20&limitBytes=65536") else json.dumps(document).encode()
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if self.path.startswith("/warned"):
            self.send_header("Warning", '299 - "old \\"v1\\" is deprecated", 299 - "and so is this"')
            self.send_header("Warning", '299 - "old \\"v1\\" is deprecated"')
            self.send_header("Warning", '199 - "nothing of the server"')
        self.end_headers()
        self.wfile.write(data)
        if self.path == "/then-hang-up":
            self.close_connection = True

    def do_PATCH(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A key and a certificate for `apiserver` and nothing else."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key", folder / "pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    more = ["-subj", "/CN=apiserver", "-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=DNS:apiserver"]
    subprocess.run([*command, *more], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def secure(pem):
    with serving(HttpServer(Handler, tls=(str(pem[0]), str(pem[1])))) as server:
        yield server


@pytest.fixture
def plain():
    with serving(HttpServer(Handler)) as server:
        yield server


def transport(url, login=None, *, proxy="", **verification):
    return Transport(Server(url, **verification), login or FixedLogin(Credentials()), timeouts=TIMEOUTS, proxy=proxy)


def test_a_request_carries_body_and_login(secure, pem):
    verified = transport(
        secure.url, FixedLogin(Credentials(authorization="Bearer abc")), authority=pem[0].read_bytes(), tls_name="apiserver"
    )
    assert json.loads(verified.request("patch", "/x", [("force", "true")], body={"a": 1}, content_type="application/apply-patch+yaml")) == {
        "method": "PATCH",
        "path": "/x?force=true",
        "body": '{"a": 1}',
        "headers": {"Authorization": "Bearer abc", "Accept": "application/json", "Content-Type": "application/apply-patch+yaml"},
    }


def test_a_server_of_another_name_or_authority_is_not_believed(secure, pem):
    with pytest.raises(OSError, match="certificate verify failed"):
        transport(secure.url, authority=pem[0].read_bytes()).request("get", "/x")
    with pytest.raises(OSError, match="certificate verify failed"):
        transport(secure.url).request("get", "/x")
    with pytest.raises(OSError, match="certificate verify failed"):
        transport(secure.url, authority=pem[0].read_bytes()).stream("/x", (), accept="*/*", timeouts=TIMEOUTS)


def test_verification_is_off_only_where_the_kubeconfig_says_so(secure):
    assert transport(secure.url, verify=False).request("get", "/x")
    assert transport(secure.url, verify=False).stream("/x", (), accept="*/*", timeouts=TIMEOUTS).read()


def test_a_client_certificate_is_given_to_openssl_from_memory(secure, pem):
    both = Credentials(pem[0].read_bytes(), pem[1].read_bytes())
    assert transport(secure.url, FixedLogin(both), authority=pem[0].read_bytes(), tls_name="apiserver").request("get", "/x")


def test_a_stream_carries_the_login_too(secure, pem):
    login = FixedLogin(Credentials(authorization="Bearer abc"))
    client = transport(secure.url, login, authority=pem[0].read_bytes(), tls_name="apiserver")
    response = client.stream("/log", [("follow", "true")], accept="*/*", timeouts=TIMEOUTS)
    document = json.loads(response.read())
    assert (document["path"], document["headers"]["Authorization"], document["headers"]["Accept"]) == (
        "/log?follow=true",
        "Bearer abc",
        "*/*",
    )


def test_a_server_without_tls_and_one_behind_a_proxy_are_reached(plain):
    assert json.loads(transport(f"{plain.url}/k8s").request("get", "/x"))["path"] == "/k8s/x"
    with forwarding(plain.host) as (proxy, proxied):
        assert transport("http://cluster.example", proxy=f"http://{proxy}").request("get", "/x")
    assert len(proxied) == 1


def test_a_server_with_tls_behind_a_proxy_is_reached_through_a_tunnel(secure, pem):
    with forwarding(secure.host) as (proxy, proxied):
        client = transport("https://apiserver", authority=pem[0].read_bytes(), proxy=f"http://{proxy}")
        assert client.request("get", "/x")
    assert proxied == ["CONNECT apiserver:443"]


class Renewing:
    def __init__(self):
        self.tokens, self.renewed = ["new"], 0
        self.token = "old"

    def credentials(self):
        return Credentials(authorization=f"Bearer {self.token}")

    def renew(self):
        self.renewed += 1
        self.token = self.tokens.pop() if self.tokens else "old"
        return True


def test_a_token_that_is_refused_is_renewed_once(plain):
    login = Renewing()
    assert json.loads(transport(plain.url, login).request("get", "/x"))["headers"]["Authorization"] == "Bearer new"
    login.token = "old"
    with pytest.raises(Unauthorized):
        transport(plain.url, login).request("get", "/x")
    assert login.renewed == 2
    with pytest.raises(Unauthorized):
        transport(plain.url, FixedLogin(Credentials(authorization="Bearer old"))).request("get", "/x")


def test_an_idle_connection_that_has_died_is_replaced(secure):
    client = transport(secure.url, verify=False)
    assert client.request("get", "/then-hang-up")
    assert client.request("get", "/x")


def test_discovery_knows_kinds_and_no_subresources(plain):
    client = transport(plain.url)
    resource = client.resource("v1", "Pod")
    assert resource.path(name="a", namespace="app") == "/api/v1/namespaces/app/pods/a"
    with pytest.raises(Rejected, match=r"this cluster knows no Widget of none/v1"):
        client.resource("none/v1", "Widget")


@pytest.mark.parametrize("direct", [True, False])
def test_warnings_of_the_server_belong_to_the_thread_that_asked(secure, plain, pem, direct):
    connected = transport(secure.url, authority=pem[0].read_bytes(), tls_name="apiserver") if direct else transport(plain.url)
    connected.request("get", "/warned")
    connected.request("get", "/silent")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(connected.warnings.take).result() == ()
    assert connected.warnings.take() == ('old "v1" is deprecated', "and so is this")
    assert connected.warnings.take() == ()


def test_what_the_kubelet_writes_where_a_log_should_be_is_no_line_of_it(plain, tmp_path):
    (tmp_path / "config").write_text(
        "current-context: a\ncontexts: [{name: a, context: {user: u, cluster: c}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{plain.url}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
    )
    api = Api(kubeconfig=tmp_path / "config", context=None)
    assert api.log("app", "p", "c", lines=20, previous=False) == []
    assert len(api.log("app", "p", "c", lines=21, previous=False)) == 1
