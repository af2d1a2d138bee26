"""`bundle create` out of the store, beside `skopeo copy` of the same image to `oci-archive:`, and its peak memory."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Row, account, paired, program, run

MIB = 1 << 20
SIZE, LAYERS, ROUNDS = 2048 * MIB, 12, 3
NAME = "bench.example/create:1.0"


def missing() -> str:
    return "" if shutil.which("skopeo") else "skopeo is not installed"


def rows(folder: Path, size: int = SIZE) -> Iterator[Row]:
    """Both end when the medium has it: `skopeo` does not wait for that, so `sync` of its file belongs to its time."""
    state, target = folder / "state", folder / "medium"
    target.mkdir()
    request = request_for(folder)
    store(state, size, LAYERS)

    def ours(*words: str) -> float:
        for path in target.iterdir():
            path.unlink()
        return run(created(request, target, state, *words))

    def other() -> float:
        archive = target / "skopeo.tar"
        archive.unlink(missing_ok=True)
        return run(["skopeo", "copy", "--quiet", f"oci:{state}/images:{NAME}", f"oci-archive:{archive}:{NAME}"]) + run(
            ["sync", str(archive)]
        )

    for words, bound in ((["--no-read-back"], 0.8), ([], 1.3)):
        a, b, ratio = paired(partial(ours, *words), other, ROUNDS)
        what = "bundle create" + (", read back" if not words else "")
        yield Row(f"{what} {size // MIB} MiB, {LAYERS} layers / skopeo oci-archive:", f"{a:.2f} s", f"{b:.2f} s", ratio, bound)
    peak = account(created(request, target, state))[0] / MIB
    yield Row("  peak memory", f"{peak:.0f} MiB", "", peak, 64, " MiB")
    shutil.rmtree(target)
    shutil.rmtree(state)


def created(request: Path, target: Path, state: Path, *words: str) -> list[str]:
    common = ["--to", str(target), "--state-dir", str(state), "--from", "store", "--quiet"]
    return program("bundle", "create", str(request), *common, *words)


def request_for(folder: Path) -> Path:
    path = folder / "create.json"
    payload: dict[str, Any] = {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": "create",
        "title": "Create",
        "description": "bench",
        "version": "1.0.0",
    }
    payload["image"] = {"mode": "manual", "uri": NAME}
    path.write_text(json.dumps({"name": "create", "app_name": "create", "app_version": "1.0.0", "payload": payload}))
    return path


def store(state: Path, size: int, layers: int) -> None:
    """An image of random bytes in gzip without compression, one layer at a time, as the store has it."""
    from kelvin_provision.refs import Descriptor, Platform, Reference
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store
    from tests.kit.images import sha256, tar_of

    base, here, held = "application/vnd.oci.image", Platform.of_this_host(), Store(state)

    def put(kind: str, data: bytes) -> Descriptor:
        blob = Descriptor(f"{base}.{kind}", sha256(data), len(data))
        held.put(blob, data)
        return blob

    diff_ids, blobs = [], []
    for number in range(layers):
        tar = tar_of({f"data/{number}": os.urandom(size // layers)})
        diff_ids.append(sha256(tar))
        blobs.append(put("layer.v1.tar+gzip", gzip.compress(tar, 0, mtime=0)))
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = put("config.v1+json", json.dumps({"architecture": here.architecture, "os": here.os, "config": {}, "rootfs": rootfs}).encode())
    described = [{"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size} for blob in (config, *blobs)]
    document = {"schemaVersion": 2, "mediaType": f"{base}.manifest.v1+json", "config": described[0], "layers": described[1:]}
    manifest = put("manifest.v1+json", json.dumps(document).encode())
    held.tag(ImageLock(Reference.parse(NAME), here, manifest, config, tuple(blobs), tuple(diff_ids)))
