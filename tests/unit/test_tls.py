"""The certificate of the API: what it says, from when to when, for which names, and when another one is made."""

import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from kelvin_provision import timestamps
from kelvin_provision.errors import CertificateUnusable
from kelvin_provision.settings.model import ApiSettings, TlsSettings
from kelvin_provision.tls import files, names
from kelvin_provision.tls.issuing import issue, validity
from kelvin_provision.tls.judging import reason_to_issue
from kelvin_provision.tls.listen import is_secure, secure_urls
from kelvin_provision.tls.x509 import Certificate, certificates_of_pem, pem_of_der
from tests.kit.certificates import give_certificate

NOW = datetime(2027, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ("edge", "192.0.2.7")


def chain(ends=NOW + 300 * DAY, begins=NOW - DAY, held=NAMES, signer=b"ca"):
    leaf = Certificate(b"leaf", begins, ends, held)
    return files.Chain(None, None, (leaf, Certificate(signer, begins, ends, ())))


def authority(ends=NOW + 3000 * DAY, der=b"ca"):
    return files.Chain(None, None, (Certificate(der, NOW - DAY, ends, ()),))


@pytest.mark.parametrize(
    ("found", "signer", "reason"),
    [
        (None, authority(), "there was none"),
        (chain(), None, "there was none"),
        (chain(), authority(), ""),
        (chain(held=(*NAMES, "gone")), authority(), ""),
        (chain(signer=b"old"), authority(), "it was made by another authority"),
        (chain(ends=NOW + 60 * DAY), authority(), ""),
        (chain(ends=NOW + 59 * DAY), authority(), "it had 59 days left"),
        (chain(ends=NOW - 9 * DAY), authority(), "it had 0 days left"),
        (chain(begins=NOW + DAY), authority(), "it is not valid before 2027-03-02, by the clock of this box"),
        (chain(held=("edge",)), authority(), "it lacked 192.0.2.7"),
        (chain(ends=NOW + 20 * DAY), authority(ends=NOW + 20 * DAY), ""),  # another one would end then as well
        (chain(ends=NOW - DAY, held=()), authority(ends=NOW - DAY), ""),  # nothing that it signs is valid
    ],
)
def test_another_certificate_is_made_only_for_a_reason(found, signer, reason):
    assert reason_to_issue(found, signer, NAMES, NOW) == reason


@pytest.mark.parametrize("now", [NOW, datetime(1970, 1, 1, 0, 2, tzinfo=UTC), timestamps.FIRST_RELEASE])
def test_it_is_valid_now_for_397_days_or_from_1970_on(now):
    begins, ends = validity(now)
    likely = max(now, timestamps.FIRST_RELEASE)
    assert begins <= now <= likely < ends, "for this box, and for a client with the right time"
    assert ends - max(begins, likely - 7 * DAY) == 397 * DAY
    assert (ends - begins == 397 * DAY) == (now >= timestamps.FIRST_RELEASE)


@pytest.mark.slow
def test_it_satisfies_openssl_and_pythons_strict_rules(tmp_path):
    give_certificate(tmp_path)
    folder = tmp_path / files.FOLDER
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pem_of_der(files.authority(tmp_path).leaf.der))
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, "-verify_ip", "127.0.0.1", folder / "server.pem"]
    assert subprocess.run(verify, capture_output=True, text=True, check=True).stdout.endswith(": OK\n")
    text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", folder / "server.pem"], capture_output=True, text=True, check=True)
    said = " ".join(text.stdout.split())
    for part in ("prime256v1", "TLS Web Server Authentication", "CA:FALSE", "X509v3 Subject Key Identifier:", "DNS:localhost"):
        assert part in said
    ca_text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", ca], capture_output=True, text=True, check=True).stdout
    (subject,) = [line.strip() for line in ca_text.splitlines() if "X509v3 Subject Key Identifier" in line]
    identifiers = [lines[at + 1].strip() for lines in (ca_text.splitlines(),) for at, line in enumerate(lines) if subject in line]
    assert f"X509v3 Authority Key Identifier: {identifiers[0]}" in said
    assert "CA:TRUE, pathlen:0" in ca_text
    assert [(folder / name).stat().st_mode & 0o777 for name in (files.AUTHORITY, files.SERVER)] == [0o600, 0o600]
    assert folder.stat().st_mode & 0o777 == 0o700

    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        shake_hands(context, server, socket.gethostname())


def shake_hands(client, server, name):
    """In memory. Raises SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(to_client, to_server, server_hostname=name), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(3):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.slow
def test_an_authority_that_has_ended_signs_nothing(tmp_path):
    folder = files.folder(tmp_path)
    issue(folder, NAMES, None, NOW)
    signer, first = files.authority(tmp_path), files.issued(tmp_path)
    assert first.certificates[1].der == signer.leaf.der
    assert first.leaf.names == NAMES
    issue(folder, NAMES, signer, signer.leaf.ends - 20 * DAY)
    assert files.issued(tmp_path).leaf.ends == signer.leaf.ends
    with pytest.raises(CertificateUnusable, match="the authority of this box ended on 2037-02-28") as caught:
        issue(folder, NAMES, signer, signer.leaf.ends + DAY)
    assert (caught.value.hint.action, caught.value.hint.arguments) == ("api cert renew", ("--authority",))


def test_names_of_a_certificate_are_read_without_a_library(tmp_path):
    give_certificate(tmp_path)
    found = files.issued(tmp_path)
    assert set(found.leaf.names) == set(names.of_box())
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()} <= set(found.leaf.names)
    whole = pem_of_der(found.leaf.der)
    assert certificates_of_pem(whole)[0] == found.leaf
    assert len(found.leaf.fingerprint) == 95


def test_only_names_that_a_certificate_can_have_are_taken(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Edge-7.plant.example")
    assert names.host_names(["Pump.Example", "a..b", "edge-7", "x" * 70, "10.0.0.7"]) == (
        "localhost", "edge-7.plant.example", "edge-7", "edge-7.local", "pump.example", "10.0.0.7",
    )  # fmt: skip


def test_interfaces_of_containers_are_left_out(tmp_path):
    """Bridges come and go with workloads; that of a network card does not."""
    for bridge, card in (("br-1234", False), ("br0", True)):
        member = tmp_path / bridge / "brif" / "port"
        member.mkdir(parents=True)
        if card:
            (member / "device").touch()
    (tmp_path / "eth0").mkdir()
    found = [name for name in ("br-1234", "br0", "eth0", "wg0", "cni0", "docker0") if not names.is_for_containers(name, tmp_path)]
    assert found == ["br0", "eth0", "wg0"]


def test_addresses_of_the_day_and_of_one_link_are_left_out(tmp_path):
    table = tmp_path / "if_inet6"
    rows = [("20010db8" + "0" * 23 + "1", "80"), ("20010db8" + "0" * 23 + "2", "01"), ("20010db8" + "0" * 23 + "3", "40")]
    table.write_text("".join(f"{digits} 02 40 00 {flags}     eth0\n" for digits, flags in rows))
    assert list(names._ipv6(table)) == [("eth0", "2001:db8::1")]
    assert list(names._ipv6(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("address", "insecure", "expected"),
    [
        ("127.0.0.1:1", False, False),
        ("[::1]:1", False, False),
        ("0.0.0.0:443", False, True),
        ("192.0.2.7:1", True, False),
        ("[::]:443", False, True),
    ],
)
def test_addresses_that_others_can_reach_speak_tls(address, insecure, expected):
    assert is_secure(address, insecure=insecure) is expected


def test_urls_are_those_of_other_machines():
    listen = ("127.0.0.1:30000", "192.0.2.7:443", "[2001:db8::7]:8443")
    assert secure_urls(ApiSettings(listen=listen)) == ("https://192.0.2.7", "https://[2001:db8::7]:8443")
    (url,) = secure_urls(ApiSettings(listen=("0.0.0.0:443",)))
    assert url == f"https://{names.addresses()[0]}"


def test_files_of_the_site_are_named_when_they_are_unusable(tmp_path):
    with pytest.raises(CertificateUnusable, match=r"api\.tls\.key is set, and api\.tls\.cert is not"):
        files.of_site(TlsSettings(key=tmp_path))
    with pytest.raises(CertificateUnusable, match=r"absent\.pem: no such file"):
        files.of_site(TlsSettings(cert=tmp_path / "absent.pem"))
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(CertificateUnusable, match=r"text\.pem: no certificate in the file"):
        files.of_site(TlsSettings(cert=tmp_path / "text.pem"))
    with pytest.raises(CertificateUnusable, match="is a directory"):
        files.of_site(TlsSettings(cert=tmp_path))
    assert files.of_site(TlsSettings()) is None
