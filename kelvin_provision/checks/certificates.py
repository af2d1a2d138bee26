"""The certificates that this box lives by: the kubeconfig's, the API server's, and k3s's own; and until when they hold."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.checks.x509 import Unreadable, Validity, of_der, of_pem
from kelvin_provision.cluster.kubernetes.api.kubeconfig import NOTHING, KubeconfigInvalid, Section, read

K3S_FOLDERS = (Path("/var/lib/rancher/k3s/server/tls"), Path("/var/lib/rancher/k3s/agent"))
SOON = 30
"""Days before the end from which on it is said. k3s renews at its start what ends within 90 (newer: 120) days."""
KNOCK = 5.0


@dataclass(frozen=True)
class Certificate:
    """One certificate: whose, from when to when; or why it cannot be told. `of_k3s`: k3s renews it by itself, at its start."""

    what: str
    validity: Validity | None = None
    problem: str = ""
    of_k3s: bool = False


def judged(certificates: Sequence[Certificate], now: datetime) -> Iterator[CheckFinding]:
    """`certificates`: those that have ended, that have not begun, that end soon; or how long all hold."""
    left = []
    for one in certificates:
        if one.validity is None:
            yield warning(f"{one.what}: {one.problem}", "check the file's permissions with `ls -l`")
            continue
        begins, ends = one.validity
        days = (ends - now).total_seconds() / 86400
        then = "systemctl restart k3s" if one.of_k3s else "renew it with the tool that issued it"
        if now < begins:
            yield error(f"{one.what} is not valid before {begins:%Y-%m-%d}; the clock of this box says {now:%Y-%m-%d}", "timedatectl")
        elif days < 0:
            yield error(f"{one.what} expired on {ends:%Y-%m-%d}, {-days:.0f} days ago", then)
        elif days < SOON:
            yield warning(f"{one.what} expires on {ends:%Y-%m-%d}, in {days:.0f} days", then)
        else:
            left.append((days, one.what, ends))
    if not certificates:
        yield skipped("this cluster has no certificates")
    elif len(left) == len(certificates):
        days, what, ends = min(left)
        yield ok(f"{len(left)} valid; the first to expire is {what}, on {ends:%Y-%m-%d}, in {days:.0f} days")


def found(kubeconfig: Path | None, context: str | None, folders: Sequence[Path] = K3S_FOLDERS) -> Iterator[Certificate]:
    """All that can be looked at. What may not be read is said, what is not there is not."""
    server = ""
    if kubeconfig is not None:
        user, cluster = _sections(kubeconfig, context)
        server, of_k3s = cluster.text("server"), kubeconfig.is_relative_to("/etc/rancher")
        yield from _of_section("the kubeconfig's client certificate", user, "client-certificate", of_k3s=of_k3s)
        yield from _of_section("the kubeconfig's authority", cluster, "certificate-authority", of_k3s=of_k3s)
    yield from _of_server(server)
    for folder in folders:
        with suppress(OSError):
            for path in sorted(folder.glob("*.crt")):
                yield from _pem(str(path), str(path), path.read_bytes, of_k3s=True)


def _sections(kubeconfig: Path, context: str | None) -> tuple[Section, Section]:
    """User and cluster of the context in use; empty where the file is not valid, which the cluster's own check reports."""
    try:
        chosen = read(kubeconfig, context)
    except (OSError, KubeconfigInvalid):
        return NOTHING, NOTHING
    return chosen.user, chosen.cluster


def _of_section(what: str, section: Section, name: str, *, of_k3s: bool) -> Iterator[Certificate]:
    yield from _pem(what, section.text(name), lambda: section.content(name), of_k3s=of_k3s)


def _pem(what: str, path: str, content: Callable[[], bytes], *, of_k3s: bool) -> Iterator[Certificate]:
    """Of a chain, the one that ends first; nothing where there is no content."""
    try:
        if data := content():
            yield Certificate(what, min(of_pem(data), key=lambda validity: validity[1]), of_k3s=of_k3s)
    except FileNotFoundError:
        yield Certificate(what, problem=f"no file {path}", of_k3s=of_k3s)
    except OSError as problem:
        yield Certificate(what, problem=f"cannot be read: {(problem.strerror or str(problem)).lower()}", of_k3s=of_k3s)
    except ValueError as problem:
        yield Certificate(what, problem=f"cannot be read: {problem}", of_k3s=of_k3s)


def _of_server(server: str) -> Iterator[Certificate]:
    """What the API server shows. Nothing is sent to it, and nothing of it is believed: only its dates are read."""
    place = urlsplit(server)
    if place.scheme != "https" or not place.hostname:
        return
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with suppress(OSError):  # a server that does not answer is said by the cluster's own check
        with socket.create_connection((place.hostname, place.port or 443), timeout=KNOCK) as plain, unverified.wrap_socket(plain) as door:
            der = door.getpeercert(binary_form=True)
        try:
            if der:
                yield Certificate("the API server's certificate", of_der(der))
        except Unreadable as problem:
            yield Certificate("the API server's certificate", problem=str(problem))
