"""An image from a leader to 1, 2, 4 and 8 members, beside a docker-registry of the site and `ctr content fetch` on each node.

Both only fetch and verify; unpacking is the same work for either. Members are processes without a kubelet, over TLS on loopback: what is
measured is processor time as much as the network. What the leader sends, and its memory, do not depend on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.measure import Row, run

LAYERS, LAYER = 5, 100 << 20
MEBI = 1 << 20
SMALL = 20 << 20
"""A layer where only the leader's memory is measured."""


def missing() -> str:
    return "" if all(map(shutil.which, ("docker-registry", "containerd", "ctr"))) else "docker-registry, containerd or ctr is not installed"


def rows(folder: Path) -> Iterator[Row]:
    lock = _prepared(folder / "image", LAYERS, LAYER)
    total = sum(layer["size"] for layer in lock["layers"])
    sent: dict[int, int] = {}
    for count in (1, 2, 4, 8):
        ours, sent[count], _ = _ours(folder / f"ours-{count}", folder / "image", count)
        other = _others(folder / f"other-{count}", folder / "image", count)
        shutil.rmtree(folder / f"ours-{count}")
        shutil.rmtree(folder / f"other-{count}")
        bound = 1.0 if count == 4 else 2.0
        yield Row(
            f"{total // MEBI} MiB to {count} members / ctr content fetch on each", f"{ours:.1f}s", f"{other:.1f}s", ours / other, bound
        )
        shares = f"{sent[count] / total:.2f}", f"{count:.2f}"
        yield Row(f"  sent by the leader to {count}, in images", *shares, sent[count] / total, min(count, 2.5) + 0.01, "")
    yield Row("  of what a registry sends to 8", f"{sent[8] // MEBI}MiB", f"{8 * total // MEBI}MiB", sent[8] / (8 * total), 0.5)
    _prepared(folder / "small", 1, SMALL)
    _, _, few = _ours(folder / "few", folder / "small", 2)
    _, _, many = _ours(folder / "many", folder / "small", 32)
    yield Row(
        "  memory of the leader with 32 members and with 2", f"{many // MEBI}MiB", f"{few // MEBI}MiB", (many - few) / MEBI, 8, " MiB"
    )


def _ours(folder: Path, image: Path, count: int) -> tuple[float, int, int]:
    """Seconds until the last member has all of it; bytes that the leader sent; bytes of its memory then."""
    with ExitStack() as stack:
        leader = stack.enter_context(_role("lead", str(folder / "leader"), str(image), str(count)))
        address = _line(leader)
        members = [
            stack.enter_context(_role("member", str(folder / f"m{number}"), address["url"], token, f"node-{number}"))
            for number, token in enumerate(address["tokens"])
        ]
        for member in members:
            _line(member)
        _tell(leader)
        began = time.perf_counter()
        for member in members:
            _tell(member)
        for member in members:
            _line(member)
        seconds = time.perf_counter() - began
        _tell(leader)
        figures = _line(leader)
    return seconds, figures["sent"], figures["memory"]


def _others(folder: Path, image: Path, count: int) -> float:
    from tests.kit.servers.containerd import containerd_server
    from tests.kit.servers.registry import docker_registry

    with ExitStack() as stack:
        host = stack.enter_context(docker_registry(folder / "registry"))
        _pushed(host, image)
        sockets = [stack.enter_context(containerd_server(folder / f"c{number}")) for number in range(count)]
        commands = [["ctr", "-a", socket, "content", "fetch", "--plain-http", f"{host}/bench:1"] for socket in sockets]
        began = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(run, commands))
        return time.perf_counter() - began


def _prepared(folder: Path, layers: int, size: int) -> dict[str, Any]:
    """An image in a folder, made by a process of its own."""
    run([sys.executable, "-m", "bench.nodes", "prepare", str(folder), str(layers), str(size)])
    document: dict[str, Any] = json.loads((folder / "lock.json").read_text())
    return document


def _pushed(host: str, image: Path) -> None:
    run([sys.executable, "-m", "bench.nodes", "push", host, str(image)])


@contextmanager
def _role(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-m", "bench.nodes", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        assert process.stdin is not None  # noqa: S101  (a pipe)
        process.stdin.close()
        process.wait(60)


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101  (a pipe)
    process.stdin.write("go\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101  (a pipe)
    line = process.stdout.readline()
    if not line:
        sys.exit("a process of the bench has ended")
    document: dict[str, Any] = json.loads(line)
    return document


# --- processes of the bench ------------------------------------------------------------------------


def prepare(folder: Path, layers: int, size: int) -> None:
    """The same files are a store and what is pushed."""
    from kelvin_provision.store import Store
    from tests.kit.images import OCI_LAYER, Image, sha256
    from tests.kit.locks import lock_of

    data = [os.urandom(size) for _ in range(layers)]
    ids = [sha256(layer) for layer in data]
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}, "config": {}}).encode()
    described = [{"mediaType": OCI_LAYER.removesuffix("+gzip"), "digest": name, "size": size} for name in ids]
    head = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": head, "layers": described}
    image = Image(json.dumps(manifest).encode(), {sha256(config): config, **dict(zip(ids, data, strict=True))})
    lock, store = lock_of(image, "r.io/bench:1"), Store(folder)
    for blob in lock.blobs():
        store.put(blob, image.manifest if blob.digest == image.digest else image.blobs[blob.digest])
    (folder / "lock.json").write_text(json.dumps(lock.to_json()))


def push(host: str, folder: Path) -> None:
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store
    from tests.kit.images import Image
    from tests.kit.images import push as pushed

    lock, store = ImageLock.from_json(json.loads((folder / "lock.json").read_text())), Store(folder)
    blobs = {blob.digest: store.path(blob).read_bytes() for blob in (lock.config, *lock.layers)}
    pushed(host, "bench", "1", Image(store.path(lock.manifest).read_bytes(), blobs))


def lead(folder: Path, image: Path, count: int) -> None:
    """Serves the image, and says in the end what that took."""
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store

    leader = _kit().Leader(folder, starting=60.0, stalled=60.0)
    lock, source = ImageLock.from_json(json.loads((image / "lock.json").read_text())), Store(image)
    leader.store.layout.create()
    for blob in lock.blobs():
        os.link(source.path(blob), leader.store.path(blob))
    _say({"url": leader.url, "tokens": [leader.token().text for _ in range(count)]})
    sys.stdin.readline()
    leader.want(lock)
    sys.stdin.readline()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    _say({"sent": leader.blobs.sent, "memory": pages * os.sysconf("SC_PAGE_SIZE")})
    sys.stdin.read()
    leader.close()


def member(folder: Path, url: str, token: str, name: str) -> None:
    """Joins, fetches when it is told to, and serves its peers until the end."""
    from types import SimpleNamespace

    from kelvin_provision.context import silent
    from kelvin_provision.nodes.client.joining import Token
    from kelvin_provision.retry import Backoff
    from kelvin_provision.staging.download import fetch
    from kelvin_provision.staging.limits.limits import TransferLimits
    from kelvin_provision.staging.transfer import Transfer

    own = _kit().Member(SimpleNamespace(url=url, token=lambda: Token.parse(token)), folder, name, starting=60.0, stalled=60.0)
    _say({"joined": name})
    sys.stdin.readline()
    document = own.document()
    locks = [image.lock for image in document.images]
    fetch(Transfer(own.links.blobs(document), own.store, silent, lambda: False, Backoff(), TransferLimits(parallel=2)), locks)
    own.report(*locks)
    _say({"done": name})
    sys.stdin.read()
    own.close()


def _kit() -> Any:
    """Not above: it imports pytest."""
    return import_module("tests.kit.sites")


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> None:
    role, *rest = words
    if role == "prepare":
        prepare(Path(rest[0]), int(rest[1]), int(rest[2]))
    elif role == "push":
        push(rest[0], Path(rest[1]))
    elif role == "lead":
        lead(Path(rest[0]), Path(rest[1]), int(rest[2]))
    else:
        member(Path(rest[0]), *rest[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
