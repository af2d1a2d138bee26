"""Checks of the API: whether it answers where it should, who could read along, its certificate, and ports that Kubernetes takes."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.access.tokens import KEY_FILE
from kelvin_provision.access.users import FILE as USERS
from kelvin_provision.access.users import Users
from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.certificates import unfit
from kelvin_provision.checks.runner import Check, Fact
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import CertificateMissing
from kelvin_provision.hints import command, system
from kelvin_provision.settings.model import ApiSettings, Settings
from kelvin_provision.tls import files, listen
from kelvin_provision.usecases.api_certificate import ApiCertificate
from kelvin_provision.usecases.api_certificate import shown as certificate_shown

AUTHORITY_SOON = 365
"""Days before the end of the authority at which a warning starts: every client has to be given a new one."""
TIMEOUT = 2.0
BUSY = 503
RENEW = command("api cert renew")
RENEW_AUTHORITY = command("api cert renew", "--authority", instruction="give clients a new authority in time")


class Answer(StrEnum):
    NONE = "none"
    OURS = "ours"
    OTHER = "other"


@dataclass(frozen=True)
class ApiState:
    """`answers` by URL. `readable` are those without TLS that other machines can reach."""

    answers: Mapping[str, Answer]
    readable: tuple[str, ...]
    ports: tuple[int, ...]
    users: int
    in_use: bool

    @property
    def alive(self) -> bool:
        return Answer.OURS in self.answers.values()


def listener(api: ApiState) -> Iterator[CheckFinding]:
    """`api`: it answers at all addresses, has a user, and says nothing readable to other machines."""
    if not api.in_use and not api.alive:
        yield ok("not needed: it has no user, and the default settings")
        return
    for url, answer in api.answers.items():
        if answer is Answer.OTHER:
            yield error(f"another program answers at {url}", system("ss", "-ltnp", instruction="who listens there"))
        elif answer is Answer.NONE:
            yield warning(f"it does not answer at {url}", command("api install", sudo=True, note="or `api serve`"))
    for url in api.readable:
        yield warning(f"{url} has no TLS: passwords can be read on the way (api.insecure)", command("config unset", "api.insecure"))
    if not api.users:
        yield warning("it has no user: every login is refused", command("api user add", "NAME", "--level", "LEVEL"))
    if api.users and not api.readable and set(api.answers.values()) == {Answer.OURS}:
        yield ok(f"{', '.join(api.answers)}: answers; {api.users} user{'' if api.users == 1 else 's'}")


def certificate(shown: ApiCertificate | None, now: datetime) -> Iterator[CheckFinding]:
    """`api-cert`: valid for long enough, and for the names of this box."""
    if shown is None:
        yield ok("not needed: the API listens on this box only")
        return
    findings = [*_validity(shown, now), *_names(shown), *_authority(shown, now)]
    yield from findings
    if not findings:
        leaf = shown.chain.leaf
        yield ok(f"valid until {leaf.ends:%Y-%m-%d}, for {', '.join(leaf.names)}")


def _validity(shown: ApiCertificate, now: datetime) -> Iterator[CheckFinding]:
    leaf = shown.chain.leaf
    renew = f"renew {shown.chain.path} where it was issued" if shown.of_site else RENEW
    yield from unfit("it", leaf.begins, leaf.ends, now, renew)


def _names(shown: ApiCertificate) -> Iterator[CheckFinding]:
    if shown.missing:
        renew = f"have {shown.chain.path} issued for them, or correct api.names" if shown.of_site else RENEW
        yield warning(f"it is not for {', '.join(shown.missing)}: clients that use these are refused", renew)


def _authority(shown: ApiCertificate, now: datetime) -> Iterator[CheckFinding]:
    if shown.authority and (days := shown.authority.leaf.days_left(now)) < AUTHORITY_SOON:
        yield warning(f"its authority ends on {shown.authority.leaf.ends:%Y-%m-%d}, in {days:.0f} days", RENEW_AUTHORITY)


def node_ports(api: ApiState, taken: Mapping[int, str]) -> Iterator[CheckFinding]:
    """`api-ports`: a NodePort takes a port at every address of the node, also one that another program listens on."""
    hijacked = [port for port in api.ports if port in taken and (api.in_use or api.alive)]
    for port in hijacked:
        yield error(
            f"port {port} is the NodePort of the Service {taken[port]}: what is sent to the API goes there",
            command("config set", "api.listen", "ADDRESS:PORT", note="or give the Service another nodePort"),
        )
    if not hijacked:
        yield ok("no NodePort takes a port of the API" if taken else "there is no NodePort")


def state_of(settings: Settings, users: Users) -> ApiState:
    """Asks every address, unverified: nothing is sent to it but the question."""
    api, count = settings.api, len(users.all())
    answers, readable, ports = {}, [], []
    for address in api.listen:
        (host, port), secure = listen.split(address), listen.is_secure(address, insecure=api.insecure)
        url = listen.url(address, secure=secure)
        ports.append(port)
        answers[url] = _ask(host, port, secure=secure)
        if not secure and not listen.is_loopback(host):
            readable.append(url)
    return ApiState(answers, tuple(readable), tuple(ports), count, in_use=count > 0 or api.listen != ApiSettings().listen)


def _ask(host: str, port: int, *, secure: bool) -> Answer:
    ip = ip_address(host)
    there = ("127.0.0.1" if ip.version == 4 else "::1") if ip.is_unspecified else host
    try:
        opened = socket.create_connection((there, port), timeout=TIMEOUT)
    except OSError:
        return Answer.NONE
    with closing(opened), suppress(OSError, http.client.HTTPException):  # what is no TLS or no HTTP, or says nothing
        connection = http.client.HTTPConnection(there, port)
        connection.sock = _unverified().wrap_socket(opened) if secure else opened
        with closing(connection):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            body = answer.read(1000)
            if (answer.status, body) == (200, b"ok\n") or (answer.status == BUSY and b'"errors":' in body):
                return Answer.OURS
    return Answer.OTHER


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate_of(settings: Settings) -> ApiCertificate | None:
    """None where no address needs one. Raises CertificateUnusable."""
    with suppress(CertificateMissing):  # the API makes it when it starts
        if listen.secure_urls(settings.api):
            return certificate_shown(settings)
    return None


def private_files(settings: Settings) -> tuple[Path, ...]:
    """Keys, and hashes of passwords."""
    state, tls = settings.state_dir, settings.api.tls
    own = (state / USERS, state / KEY_FILE, state / files.FOLDER / files.AUTHORITY, state / files.FOLDER / files.SERVER)
    key = tls.key or tls.cert
    return (*own, key) if key else own


CHECKS = (
    Check("api", "API", "Programs and people reach this box through it.", listener, ("api",)),
    Check("api-cert", "API certificate", "Clients refuse one that has expired.", certificate, ("api-cert", "now")),
    Check("api-ports", "API ports", "A NodePort takes its port from all programs.", node_ports, ("api", "node-ports")),
)


def facts(ctx: Context, cluster: Fact[Cluster]) -> dict[str, Fact[Any]]:
    """Those of CHECKS. None of them opens the ledger."""
    return {
        "api": Fact(lambda: state_of(ctx.settings, Users(ctx.settings.state_dir, timestamps.rfc3339_now))),
        "api-cert": Fact(lambda: certificate_of(ctx.settings)),
        "node-ports": Fact(lambda: cluster().node_ports()),
    }
