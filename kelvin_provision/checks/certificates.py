"""Validity of the certificates of the kubeconfig, the API server and k3s."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.cluster.kubernetes.api.kubeconfig import NOTHING, KubeconfigInvalid, Section, read
from kelvin_provision.hints import Hint
from kelvin_provision.tls.x509 import InvalidCertificate, Validity, days_until, validities_of_pem, validity_of_der

K3S_FOLDERS = (Path("/var/lib/rancher/k3s/server/tls"), Path("/var/lib/rancher/k3s/agent"))
SOON = 30
"""Days before the expiry at which a warning starts. At its start, k3s renews what expires within 90 (newer: 120) days."""
CONNECT_TIMEOUT = 5.0


@dataclass(frozen=True)
class Certificate:
    """A certificate with its validity, or the problem with it. `of_k3s`: k3s issued it; `authority`: it signs others."""

    what: str
    validity: Validity | None = None
    problem: str = ""
    of_k3s: bool = False
    authority: bool = False

    @property
    def renewal(self) -> str:
        """At its start, k3s renews what it has signed, but no authority."""
        if not self.of_k3s:
            return "renew it with the tool that issued it"
        return "k3s certificate rotate-ca, with new authorities as k3s documents it" if self.authority else "systemctl restart k3s"


def judged(certificates: Sequence[Certificate], now: datetime) -> Iterator[CheckFinding]:
    """`certificates`: expired, not yet valid, or about to expire; otherwise the first to expire."""
    valid = []
    for certificate in certificates:
        if certificate.validity is None:
            yield warning(f"{certificate.what}: {certificate.problem}", "check the file's permissions with `ls -l`")
            continue
        begins, ends = certificate.validity
        findings = tuple(unfit(certificate.what, begins, ends, now, certificate.renewal))
        yield from findings
        if not findings:
            valid.append((ends, certificate.what))
    if not certificates:
        yield skipped("this cluster has no certificates")
    elif len(valid) == len(certificates):
        ends, what = min(valid)
        yield ok(f"{len(valid)} valid; the first to expire is {what}, on {ends:%Y-%m-%d}, in {days_until(ends, now):.0f} days")


def unfit(what: str, begins: datetime, ends: datetime, now: datetime, renew: Hint | str) -> Iterator[CheckFinding]:
    """Why a certificate is not valid now, or not for long."""
    days = days_until(ends, now)
    if now < begins:
        yield error(f"{what} is not valid before {begins:%Y-%m-%d}; the clock says {now:%Y-%m-%d}", "timedatectl")
    elif days < 0:
        yield error(f"{what} expired on {ends:%Y-%m-%d}, {-days:.0f} days ago", renew)
    elif days < SOON:
        yield warning(f"{what} expires on {ends:%Y-%m-%d}, in {days:.0f} days", renew)


def read_all(kubeconfig: Path | None, context: str | None, folders: Sequence[Path] = K3S_FOLDERS) -> Iterator[Certificate]:
    """All certificates; unreadable ones have a problem, missing ones are valid out."""
    server, of_k3s = "", False
    if kubeconfig is not None:
        user, cluster = _sections(kubeconfig, context)
        server, of_k3s = cluster.text("server"), kubeconfig.is_relative_to("/etc/rancher")
        yield from _of_section("the kubeconfig's client certificate", user, "client-certificate", of_k3s=of_k3s)
        yield from _of_section("the kubeconfig's authority", cluster, "certificate-authority", of_k3s=of_k3s, authority=True)
    yield from _of_server(server, of_k3s=of_k3s)
    for folder in folders:
        with suppress(OSError):
            for path in sorted(folder.glob("*.crt")):
                yield from _pem(Certificate(str(path), of_k3s=True, authority=path.stem.endswith("-ca")), str(path), path.read_bytes)


def _sections(kubeconfig: Path, context: str | None) -> tuple[Section, Section]:
    """User and cluster of the context in use; empty where the file is not valid, which the cluster's own check reports."""
    try:
        chosen = read(kubeconfig, context)
    except (OSError, KubeconfigInvalid):
        return NOTHING, NOTHING
    return chosen.user, chosen.cluster


def _of_section(what: str, section: Section, name: str, *, of_k3s: bool, authority: bool = False) -> Iterator[Certificate]:
    yield from _pem(Certificate(what, of_k3s=of_k3s, authority=authority), section.text(name), lambda: section.content(name))


def _pem(certificate: Certificate, path: str, content: Callable[[], bytes]) -> Iterator[Certificate]:
    """Of a chain, the certificate that expires first; nothing without content."""
    try:
        if data := content():
            yield replace(certificate, validity=min(validities_of_pem(data), key=lambda validity: validity[1]))
    except FileNotFoundError:
        yield replace(certificate, problem=f"no file {path}")
    except OSError as problem:
        yield replace(certificate, problem=f"cannot be read: {(problem.strerror or str(problem)).lower()}")
    except ValueError as problem:
        yield replace(certificate, problem=f"cannot be read: {problem}")


def _of_server(server: str, *, of_k3s: bool) -> Iterator[Certificate]:
    """The certificate that the API server presents. It is not trusted and nothing is sent: only its dates are read."""
    place = urlsplit(server)
    if place.scheme != "https" or not place.hostname:
        return
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with suppress(OSError):  # the check `cluster` reports a server that does not answer
        with (
            socket.create_connection((place.hostname, place.port or 443), timeout=CONNECT_TIMEOUT) as plain,
            unverified.wrap_socket(plain) as connection,
        ):
            der = connection.getpeercert(binary_form=True)
        try:
            if der:
                yield Certificate("the API server's certificate", validity_of_der(der), of_k3s=of_k3s)
        except InvalidCertificate as problem:
            yield Certificate("the API server's certificate", problem=str(problem), of_k3s=of_k3s)
