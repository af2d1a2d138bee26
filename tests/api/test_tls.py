"""TLS of the API: what is told over it, a new certificate without a restart, and clients that speak something else."""

import asyncio
import contextlib
import errno
import http.client
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
from dataclasses import replace

import pytest

from kelvin_provision.api.network import credentials
from kelvin_provision.api.network.credentials import Credentials, context_of
from kelvin_provision.errors import CertificateUnusable, Locked
from kelvin_provision.ledger import history
from kelvin_provision.settings.model import ApiSettings, TlsSettings
from kelvin_provision.tls import files
from kelvin_provision.usecases import api_certificate
from tests.kit.api import serving
from tests.kit.certificates import give_certificate
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.slow


@pytest.fixture
def client(box):
    with serving(box, secure=True) as client:
        yield client


def test_who_asks_over_https_is_told_https(client):
    base = client.url
    metadata = client.ask("GET", "/metadata").json
    assert (metadata["authentication"]["url"], metadata["api"]["url"]) == (base, f"{base}/api/v4")
    discovery = client.ask("GET", "/auth/realms/kelvin/.well-known/openid-configuration").json
    assert discovery["issuer"] == f"{base}/auth/realms/kelvin"
    assert {discovery[name].partition("/auth/")[0] for name in ("token_endpoint", "userinfo_endpoint", "end_session_endpoint")} == {base}
    named = client.ask("GET", "/metadata", host="localhost").json
    assert named["authentication"]["url"] == "https://localhost", "as the client names this box"


def test_a_login_and_a_list_over_tls(client):
    assert len(client.get("/api/v4/workloads/list").json["data"]) == 3
    with contextlib.closing(client.connection()) as kept:
        for _ in range(3):
            assert client.get("/api/v4/workloads/list", connection=kept).status == 200


def test_the_authority_is_there_for_who_does_not_trust_it_yet(client, box):
    answer = client.ask("GET", "/ca.pem")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-x509-ca-cert")
    assert answer.body == api_certificate.authority_pem(box.settings)
    assert b"PRIVATE" not in answer.body


def test_there_is_no_authority_on_a_box_without_tls(api):
    assert api.ask("GET", "/ca.pem").error["name"] == "certificate-missing"


def test_old_versions_of_tls_are_refused(client):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", client.port)) as plain, pytest.raises((ssl.SSLError, ConnectionResetError)):
        old.wrap_socket(plain)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client.tls.minimum_version, client.tls.maximum_version = ssl.TLSVersion.TLSv1_2, version
        with contextlib.closing(client.connection()) as connection:
            connection.connect()
            assert connection.sock.version() == version.name.replace("_", ".")


def test_http_is_told_that_this_is_https(client):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=PATIENCE)) as plain:
        plain.request("GET", "/healthz")
        answer = plain.getresponse()
        assert (answer.status, b"https://" in answer.read()) == (400, True)
    assert client.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize("data", [b"\x16", b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"a" * 70_000])
def test_what_is_no_tls_is_closed_and_disturbs_nothing(client, data):
    with socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert client.ask("GET", "/healthz").status == 200


def fingerprint(client):
    """Of the certificate that a new connection gets."""
    with contextlib.closing(client.connection()) as connection:
        connection.connect()
        return connection.sock.getpeercert(binary_form=True)


def test_a_renewed_certificate_is_used_without_a_restart(box, monkeypatch):
    monkeypatch.setattr(credentials.Credentials.keep, "__defaults__", (0.05,))
    with serving(box, secure=True) as client, contextlib.closing(client.connection()) as open_before:
        before = fingerprint(client)
        token = client.as_level("read")
        assert client.ask("GET", "/healthz", connection=open_before).status == 200
        made = api_certificate.renew(box.ctx)
        until(lambda: fingerprint(client) == made.chain.leaf.der)
        assert made.chain.leaf.der != before
        assert client.ask("GET", "/api/v4/workloads/list", token=token, connection=open_before).status == 200, "it stays open"
        (files.folder(box.settings.state_dir) / files.SERVER).unlink()
        until(lambda: fingerprint(client) not in {before, made.chain.leaf.der}, why="one that was lost is made again")
    assert [(line.who, line.action) for line in history.history(box.ledger) if "cert" in line.action] == [
        ("anna", "api cert renew"),
        ("api", "api cert renew"),
    ]


def cert_lines(box):
    return [(line.who, line.detail) for line in history.history(box.ledger) if line.action == "api cert renew"]


def test_a_certificate_whose_line_the_ledger_does_not_take_is_not_made(box):
    box.timings = replace(box.timings, ledger_busy=0.05)
    give_certificate(box.settings.state_dir)
    before = api_certificate.ensure(box.ctx)
    with contextlib.closing(sqlite3.connect(box.ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            api_certificate.renew(box.ctx)
    assert (api_certificate.ensure(box.ctx), cert_lines(box)) == (before, [])


@pytest.mark.parametrize("where", ["issue", "record"])
def test_a_certificate_that_a_process_made_before_it_ended_has_its_line(box, where):
    """It ends before the certificate is there, or before its line is."""
    give_certificate(box.settings.state_dir)
    before = api_certificate.ensure(box.ctx)
    box.close()
    child = os.fork()
    if not child:
        setattr(api_certificate if where == "issue" else history, where, lambda *_: os._exit(7))
        own = type(box)(box.settings.state_dir)
        api_certificate.renew(own.ctx)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    box = type(box)(box.settings.state_dir)
    with contextlib.closing(box.ctx.connections):
        for _ in range(2):
            found = api_certificate.ensure(replace(box.ctx, actor="api"))
        assert (found.chain == before.chain) == (where == "issue")
        expected = [("anna", f"a certificate: renewed by hand; SHA-256 {found.chain.leaf.fingerprint}")]
        assert cert_lines(box) == (expected if where == "record" else [])


def test_another_name_of_the_box_makes_another_certificate(box):
    give_certificate(box.settings.state_dir)
    first = api_certificate.ensure(box.ctx)
    assert (first.why, first.missing) == ("", ()), "it is kept as long as it fits"
    box.settings = replace(box.settings, api=ApiSettings(names=("pump.example",)))
    assert api_certificate.shown(box.settings).missing == ("pump.example",)
    second = api_certificate.ensure(box.ctx)
    assert (second.why, second.missing) == ("it lacked pump.example", ())
    assert second.authority == first.authority, "clients trust it already"
    third = api_certificate.renew(box.ctx, authority=True)
    assert third.authority.leaf.der != first.authority.leaf.der
    assert third.chain.certificates[1] == third.authority.leaf


def site(tmp_path, name):
    """Files of the site, as its own authority made them."""
    path, key = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"]
    subprocess.run([*words, "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", path], capture_output=True, check=True)  # fmt: skip
    return path, key


def test_files_of_the_site_are_used_and_read_again(box, tmp_path, monkeypatch):
    monkeypatch.setattr(credentials.Credentials.keep, "__defaults__", (0.05,))
    path, key = site(tmp_path, "first")
    box.settings = replace(box.settings, api=ApiSettings(tls=TlsSettings(path, key)))
    assert api_certificate.ensure(box.ctx).authority is None
    with serving(box, secure=True, trusts=path) as client:
        assert client.ask("GET", "/healthz").status == 200
        assert client.ask("GET", "/ca.pem").error["name"] == "certificate-missing"
        first = fingerprint(client)
        for source, target in zip(site(tmp_path, "second"), (path, key), strict=True):
            shutil.move(source, target)
        client.tls.load_verify_locations(path)
        until(lambda: fingerprint(client) != first)
    assert not (box.settings.state_dir / files.FOLDER / files.SERVER).exists()


def test_a_key_of_another_certificate_is_named(tmp_path):
    (path, _), (_, key) = site(tmp_path, "one"), site(tmp_path, "two")
    with pytest.raises(CertificateUnusable, match=rf"{re.escape(str(path))} with the key in .*: key values mismatch"):
        context_of(files.of_site(TlsSettings(path, key)))
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", key, "-out", tmp_path / "locked.key"],
        capture_output=True,
        check=True,
    )
    with pytest.raises(CertificateUnusable):
        context_of(files.of_site(TlsSettings(path, tmp_path / "locked.key")))


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (CertificateUnusable("the disk is gone"), "the disk is gone"),
        (OSError(errno.EAGAIN, "no process"), "no process"),
        (subprocess.TimeoutExpired("python", 60), "our bug: TimeoutExpired: Command 'python' timed out after 60 seconds"),
        (RuntimeError("dictionary changed size"), "our bug: RuntimeError: dictionary changed size"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_meanwhile_is_logged_once_and_changes_nothing(box, caplog, trouble, said):
    give_certificate(box.settings.state_dir)
    found = Credentials(api_certificate.ensure(box.ctx))
    context = found.context

    class Broken:
        asked = 0

        async def act(self, *_words):
            self.asked += 1
            raise trouble

    broken = Broken()

    async def keep():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(found.keep(broken, 0.01), 0.2)

    asyncio.run(keep())
    assert (found.context, broken.asked > 2) == (context, True)
    assert caplog.messages == [f"the certificate stays as it is: {said}"]
