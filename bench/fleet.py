"""A fleet of 10,000 boxes: their looks at one registry behind nginx, before and after an outage, and their reports at a desk."""

from __future__ import annotations

import json
import random
import shutil
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.measure import Row, account, program, require, run
from kelvin_provision import __version__
from kelvin_provision.publications import artifact, report
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, encode
from kelvin_provision.publications.pacing import first_pause, pause
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.trust.dsse import Entry, document, pae
from kelvin_provision.trust.public_keys import PublicKey, public_key_of_der
from tests.kit.servers.process import connects, running
from tests.kit.servers.registry import docker_registry
from tests.kit.servers.reserved import free_port

BOXES, INTERVAL, OUTAGE = 10_000, 300.0, 600.0
WINDOW = 10.0
"""Seconds in which looks are counted for the peak."""
HOUR = 3600.0
REPLAYED = 60.0
"""Seconds of the busiest time after the outage that are carried out over real connections."""
CLIENTS = 64
TIME = "2026-11-28T10:00:00Z"


def missing() -> str:
    """Nginx is not installed by `make bench`: on Debian its package begins to listen on port 80."""
    return "" if shutil.which("nginx") and shutil.which("docker-registry") else "nginx or docker-registry is not installed"


def rows(folder: Path) -> Iterator[Row]:
    looks = schedule(random.Random(7))  # noqa: S311  (no secret)
    after = [at for at in looks if at >= 2 * HOUR + OUTAGE]
    mean = len([at for at in looks if HOUR <= at < 2 * HOUR]) / HOUR
    peak, began = busiest(after, WINDOW)
    yield Row(
        "10,000 boxes, after 10 min without the registry: peak of 10 s", f"{peak / WINDOW:.1f}/s", f"{mean:.1f}/s", peak / WINDOW / mean, 3
    )
    with docker_registry(folder / "registry-fleet") as host, nginx(folder, host) as front:
        digest = publication(folder, front)
        slice_start = max(began - REPLAYED / 2, 2 * HOUR + OUTAGE)
        due = [at - slice_start for at in after if slice_start <= at < slice_start + REPLAYED]
        seconds, sizes = replayed(front, due, digest)
        p99 = statistics.quantiles(seconds, n=100)[98] * 1000
        median = statistics.median(seconds) * 1000
        yield Row(
            f"  {len(due)} of these looks in {REPLAYED:.0f} s, each a connection: p99 of a HEAD",
            f"{p99:.1f}ms",
            f"{median:.1f}ms",
            p99,
            50,
            "ms",
        )
        yield Row("  bytes of HTTP of one look", f"{max(sizes)}", "1024", max(sizes) / 1024, 1)
        rate = capacity(front, digest)
        yield Row("  looks that nginx and docker-registry answer in a second", f"{rate:.0f}/s", f"{mean:.1f}/s", mean / rate, 0.2)
        yield from status(folder, host, folder / "registry-fleet" / "data")


def schedule(chance: random.Random) -> list[float]:
    """The times of all looks of four hours, by the pauses of the agent: an hour to settle, an hour as usual, the outage, and the rest."""
    looks: list[float] = []
    for _ in range(BOXES):
        at, failures = first_pause(INTERVAL, chance.random, ago=None), 0
        while at < 4 * HOUR:
            looks.append(at)
            failures = failures + 1 if 2 * HOUR <= at < 2 * HOUR + OUTAGE else 0
            at += pause(INTERVAL, chance.random, failures=failures)
    return sorted(looks)


def busiest(looks: Sequence[float], window: float) -> tuple[int, float]:
    """The most looks that any window has, and where it begins."""
    best, start, first = 0, 0.0, 0
    for last, at in enumerate(looks):
        while looks[first] <= at - window:
            first += 1
        if last - first + 1 > best:
            best, start = last - first + 1, looks[first]
    return best, start


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[str]:
    port, place = free_port(), folder / "nginx"
    place.mkdir()
    temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (place / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error;\n"
        f"events {{ worker_connections 4096; }}\n"
        f"http {{ access_log off; {temporary} client_max_body_size 0;\n"
        f"upstream registry {{ server {upstream}; keepalive 32; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://registry; proxy_http_version 1.1;"
        f' proxy_set_header Connection ""; proxy_set_header Host $http_host; }} }} }}\n'
    )
    with running(["nginx", "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error")], place / "log", connects(port)):
        yield f"127.0.0.1:{port}"


def publication(folder: Path, host: str) -> str:
    """Pushed as a desk does it; the digest of its manifest."""
    pusher, at = Pusher(Settings(state_dir=folder)), Reference(host, "fleet/site", "stable")
    body = json.dumps({"name": "pump"}).encode()
    blob = artifact.request_descriptor(body)
    value = Publication(1, TIME, (PublishedRequest("pump", blob.digest, blob.size),))
    key = ed25519.Ed25519PrivateKey.generate()
    content = encode(value)
    made = artifact.make(PAYLOAD_TYPE, content, signed(key, public(key, "desk"), PAYLOAD_TYPE, content), [blob])
    for descriptor, data in ((blob, body), *made.blobs):
        pusher.blob(at, descriptor, data)
    try:
        return pusher.manifest(at, made.manifest, OCI_MANIFEST, "stable")
    finally:
        pusher.close()


def look(host: str, digest: str) -> tuple[float, int]:
    """One HEAD over a connection of its own: its seconds, and the bytes of HTTP in both directions."""
    address, _, port = host.partition(":")
    request = (
        f"HEAD /v2/fleet/site/manifests/stable HTTP/1.1\r\nHost: {host}\r\nAccept: {OCI_MANIFEST}\r\nAccept-Encoding: identity\r\n"
        f'User-Agent: kelvin-provision/{__version__}\r\nIf-None-Match: "{digest}"\r\nConnection: close\r\n\r\n'
    ).encode()
    began, answer = time.perf_counter(), b""
    with socket.create_connection((address, int(port)), timeout=30) as connection:
        connection.sendall(request)
        while chunk := connection.recv(4096):
            answer += chunk
    require(answer.startswith(b"HTTP/1.1 304 "), answer)
    return time.perf_counter() - began, len(request) + len(answer)


def replayed(host: str, due: Sequence[float], digest: str) -> tuple[list[float], list[int]]:
    """Each look when it is due."""
    began = time.monotonic()

    def on_time(at: float) -> tuple[float, int]:
        time.sleep(max(began + at - time.monotonic(), 0.0))
        return look(host, digest)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(on_time, due))
    return [seconds for seconds, _ in answers], [size for _, size in answers]


def capacity(host: str, digest: str, count: int = 5000) -> float:
    """Looks a second, by as many clients as fit."""
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: look(host, digest), range(count)))
    return count / (time.monotonic() - began)


# --- reports --------------------------------------------------------------------------------------------


def status(folder: Path, host: str, storage: Path) -> Iterator[Row]:
    """`fleet status` of all boxes, each with three workloads, all keys known."""
    keys = folder / "boxes"
    keys.mkdir()
    for number in range(BOXES):
        name = f"box-{number:05}"
        key = ed25519.Ed25519PrivateKey.generate()
        shown = public(key, name)
        (keys / f"{name}.pub").write_bytes(shown.pem)
        content = report.encode(reported(name, host))
        made = artifact.make(report.PAYLOAD_TYPE, content, signed(key, shown, report.PAYLOAD_TYPE, content))
        stored(storage, f"{name}-{shown.key_id[:16]}", made)
    command = program("fleet", "status", f"{host}/fleet/reports", "--keys", str(keys), "--json", "--state-dir", str(folder / "desk"))
    seconds = run(command)
    peak, _ = account(command)
    yield Row(f"fleet status of {BOXES:,} boxes, signatures verified", f"{seconds:.1f}s", "60s", seconds, 60, "s")
    yield Row("  its memory", f"{peak / (1 << 20):.0f}MiB", "200MiB", peak / (1 << 20), 200, "MiB")


def reported(name: str, host: str) -> report.Report:
    workloads = tuple(
        report.ReportedWorkload(f"app-{number}", "running", report.ReportedRevision("2.0.0", f"sha256:{number:064x}"))
        for number in range(3)
    )
    following = (report.Followed(f"{host}/fleet/site:stable", 1, f"sha256:{1:064x}"),)
    return report.Report(name, TIME, __version__, Platform("linux", "amd64"), "docker", (("site", "a"),), following, workloads)


def stored(storage: Path, tag: str, made: artifact.MadeArtifact) -> None:
    """A manifest and its tag, as docker-registry has them on its disk: pushing 10,000 would take longer than all that is measured."""
    encoded = made.digest.partition(":")[2]
    root = storage / "docker" / "registry" / "v2"
    manifests = root / "repositories" / "fleet" / "reports" / "_manifests"
    files = {
        root / "blobs" / "sha256" / encoded[:2] / encoded / "data": made.manifest,
        manifests / "revisions" / "sha256" / encoded / "link": made.digest.encode(),
        manifests / "tags" / tag / "current" / "link": made.digest.encode(),
    }
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def public(key: ed25519.Ed25519PrivateKey, name: str) -> PublicKey:
    return public_key_of_der(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), name)


def signed(key: ed25519.Ed25519PrivateKey, shown: PublicKey, kind: str, content: bytes) -> bytes:
    return document([Entry(shown.key_id, key.sign(pae(kind, content)))])
