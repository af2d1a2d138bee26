"""Until when a certificate holds, from its bytes; dates as `openssl x509 -noout -dates` prints them for the same files."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest

from kelvin_provision.checks import certificates
from kelvin_provision.checks.certificates import Certificate
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.tls.x509 import InvalidCertificate, validities_of_pem, validity_of_der

YEAR = b"""\
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUQ0qoE3Z9xNoEGVp9zgYutbZGiTYwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZWRnZTAeFw0yNjExMjUwMzIwNTVaFw0yNzExMjUwMzIwNTVa
MA8xDTALBgNVBAMMBGVkZ2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATZnnJn
/QmhwR0A3fm9XuMs4XKedCZW5weUPBtVjnEhh+eCA+NUXhGmC2kVqOnz25FKOPv0
x3qGP1JpvQe77XjJo1MwUTAdBgNVHQ4EFgQUfxtKQSJhaxybCB+cY5js29dm5cEw
HwYDVR0jBBgwFoAUfxtKQSJhaxybCB+cY5js29dm5cEwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiAEp0yYl9fjAf5iQbWmRxQkTatD1pfUnvl7xo2z
5bo+rwIhAMZhSjmw+oCyMsx2r+b/JOjLCMB/eCBXlFLmHA/0Y3B6
-----END CERTIFICATE-----
"""
LONG = b"""\
-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUMGURPsn7Y/43r9JO3qFVNLinWCQwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZWRnZTAgFw0yNjExMjUwMzIwNTVaGA8yMDgxMDgyODAzMjA1
NVowDzENMAsGA1UEAwwEZWRnZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDnj
DnInCn02djNfgEcq1X1AHg/GodGydw0CFiHu8rl3GuZDdsUdlIOzDsPDk1SyBLV4
FXK0YAgDxWgr/naC0G2jUzBRMB0GA1UdDgQWBBTZ3e3VRryiMuchalUPK+3/11tC
0zAfBgNVHSMEGDAWgBTZ3e3VRryiMuchalUPK+3/11tC0zAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIHBj+xbb56N2XjWFcpVdpNHLRdFSdy/iHAP0
ok/jA+kIAiBMjxFnt1WPlVxNNm0v2Wb8pXUouaBpCHfDPnN0aXbYqQ==
-----END CERTIFICATE-----
"""
BEGINS = datetime(2026, 11, 25, 3, 20, 55, tzinfo=UTC)


def der(pem):
    return base64.b64decode(re.sub(rb"-----.*-----", b"", pem))


def told(founds):
    return [(found.status.value, found.text) for found in founds]


def test_both_ways_to_write_a_year_are_read():
    assert validities_of_pem(YEAR) == ((BEGINS, datetime(2027, 11, 25, 3, 20, 55, tzinfo=UTC)),)
    assert validities_of_pem(LONG) == ((BEGINS, datetime(2081, 8, 28, 3, 20, 55, tzinfo=UTC)),)


def test_a_chain_is_read_whole():
    assert [ends.year for _, ends in validities_of_pem(b"subject: edge\n" + YEAR + LONG)] == [2027, 2081]


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_said_to_be_none(data):
    with pytest.raises(InvalidCertificate):
        validities_of_pem(data)


def test_no_cut_or_flipped_byte_gets_further_than_unreadable():
    whole = der(YEAR)
    for at in range(len(whole)):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            try:
                begins, ends = validity_of_der(data)
            except InvalidCertificate:
                continue
            assert begins.tzinfo is ends.tzinfo is UTC


@pytest.mark.parametrize(
    ("now", "mark", "words"),
    [
        (BEGINS + timedelta(days=1), "ok", "1 valid; the first to expire is x, on 2027-11-25, in 364 days"),
        (BEGINS + timedelta(days=350), "warning", "x expires on 2027-11-25, in 15 days"),
        (BEGINS + timedelta(days=400), "error", "x expired on 2027-11-25, 35 days ago"),
        (datetime(1970, 1, 1, tzinfo=UTC), "error", "x is not valid before 2026-11-25; the clock says 1970-01-01"),
    ],
)
def test_a_certificate_is_judged_by_the_clock(now, mark, words):
    assert told(certificates.judged([Certificate("x", validities_of_pem(YEAR)[0])], now)) == [(mark, words)]


@pytest.mark.parametrize(
    ("of_k3s", "authority", "hint"),
    [
        (True, False, "systemctl restart k3s"),
        (True, True, "k3s certificate rotate-ca, with new authorities as k3s documents it"),
        (False, False, "renew it with the tool that issued it"),
        (False, True, "renew it with the tool that issued it"),
    ],
)
def test_k3s_renews_at_its_start_what_it_has_signed_and_no_authority(of_k3s, authority, hint):
    certificate = Certificate("x", validities_of_pem(YEAR)[0], of_k3s=of_k3s, authority=authority)
    (found,) = certificates.judged([certificate], BEGINS + timedelta(days=400))
    assert shell_line(found.hint) == hint


def test_of_the_files_of_k3s_those_named_so_are_authorities(tmp_path):
    for name in ("server-ca.crt", "serving-kube-apiserver.crt"):
        (tmp_path / name).write_bytes(YEAR)
    found = {one.what.rpartition("/")[2]: (one.of_k3s, one.authority) for one in certificates.read_all(None, None, [tmp_path])}
    assert found == {"server-ca.crt": (True, True), "serving-kube-apiserver.crt": (True, False)}


def test_certificates_of_a_kubeconfig_and_of_k3s_are_found_and_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "serving-kube-apiserver.crt").write_bytes(YEAR)
    (tmp_path / "tls" / "broken.crt").write_bytes(b"no")
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "current-context: a\n"
        "contexts: [{name: a, context: {user: u, cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: gone.pem}}]\n"
        f"users: [{{name: u, user: {{client-certificate-data: {base64.b64encode(LONG + YEAR).decode()}}}}}]\n"
    )
    found = {
        one.what.removeprefix(str(tmp_path)): (one.validity and one.validity[1].year, one.problem)
        for one in certificates.read_all(kubeconfig, None, [tmp_path / "tls"])
    }
    assert found == {
        "the kubeconfig's client certificate": (2027, ""),
        "the kubeconfig's authority": (None, "no file gone.pem"),
        "/tls/broken.crt": (None, "cannot be read: no certificate in the file"),
        "/tls/serving-kube-apiserver.crt": (2027, ""),
    }


def test_a_kubeconfig_that_is_none_has_no_certificates(tmp_path):
    (tmp_path / "bad").write_text("[")
    assert list(certificates.read_all(tmp_path / "bad", None, ())) == []
    assert list(certificates.read_all(tmp_path / "none", None, ())) == []
    assert told(certificates.judged([], BEGINS)) == [("skipped", "this cluster has no certificates")]
