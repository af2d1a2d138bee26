"""One box that follows a publication: a look that finds nothing, against Debian's registry; its processor time and its bytes."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Row
from kelvin_provision import wiring
from kelvin_provision.context import opened, silent
from kelvin_provision.following.follower import Follower
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed
from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, encode
from kelvin_provision.refs import Reference
from kelvin_provision.settings.model import FollowSettings, Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from tests.kit.servers.registry import docker_registry

LOOKS = 200


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    return "" if shutil.which("docker-registry") else "docker-registry is not installed"


def rows(folder: Path) -> Iterator[Row]:
    with docker_registry(folder / "registry") as host, counted(host) as counter:
        seconds = looked(folder, counter, publication(folder, host))
    yield Row("a look at a publication that has nothing new: processor time", f"{1000 * seconds:.2f} ms", "-", 1000 * seconds, 5.0, "ms")
    size = counter.bytes / LOOKS
    yield Row("a look at a publication that has nothing new: bytes of HTTP, both ways", f"{size:.0f} B", "-", size, 1024.0, "B")


def publication(folder: Path, host: str) -> tuple[str, str]:
    """Its reference and digest."""
    made = artifact.make(PAYLOAD_TYPE, encode(Publication(1, "2026-11-28T10:00:00Z", ())), b"[]")
    reference = Reference.parse(f"{host}/fleet/site:stable")
    with closing(wiring.destination(Settings(state_dir=folder), silent)) as destination:
        for blob, data in made.blobs:
            destination.blob(reference, blob, data)
        destination.manifest(reference, made.manifest, OCI_MANIFEST, "stable")
    return reference.repository, made.digest


class _NoChild:
    """Nothing is new, so nothing is asked of it."""

    def take_in(self, reference: str, stop: Callable[[], bool]) -> bool:  # noqa: ARG002  (the protocol's signature)
        return True

    def report(self, stop: Callable[[], bool]) -> None:
        """None is wanted."""


def looked(folder: Path, counter: Counter, published: tuple[str, str]) -> float:
    """Seconds of this thread for each look, with a connection of its own as on a box."""
    repository, digest = published
    reference, now = f"{counter.host}/{repository}:stable", 0.0
    settings = Settings(state_dir=folder / "state", follow=FollowSettings((reference,)))
    with opened(settings, wiring.default()) as ctx:
        with ctx.ledger.writing() as db:
            following.take(db, Followed(reference, digest, 1))
        follower = Follower(ctx, _NoChild(), clock=lambda: now, chance=lambda: 0.0)
        follower.turn()
        counter.bytes = 0
        begun = time.thread_time()
        for _ in range(LOOKS):
            now += 300.0
            follower.turn()
        return (time.thread_time() - begun) / LOOKS


@dataclass
class Counter:
    """What passes between a box and its registry."""

    host: str
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def passed(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                with self.lock:
                    self.bytes += len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def counted(upstream: str) -> Iterator[Counter]:
    """A way to the registry on which bytes are counted."""
    name, _, port = upstream.partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counter = Counter(f"127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=_serve, args=(listener, (name, int(port)), counter), daemon=True).start()
        yield counter


def _serve(listener: socket.socket, upstream: tuple[str, int], counter: Counter) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(upstream)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=counter.passed, args=pair, daemon=True).start()
