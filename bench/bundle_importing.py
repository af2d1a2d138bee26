"""`bundle import --images-only` into a store, beside `skopeo copy` of the same file: time, bytes written, and peak memory.
And the whole way over a medium, `bundle create` and `bundle import`, beside `docker save` and `docker load`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.creating import LAYERS, MIB, NAME, ROUNDS, SIZE, created, request_for, store
from bench.measure import Row, account, paired, program, require, run
from tests.kit.servers.dockerd import own_dockerd


def rows(folder: Path, size: int = SIZE) -> Iterator[Row]:
    """Both end when the disk has it: `skopeo` does not wait for that, so `sync` of its folder belongs to its time."""
    state, medium = folder / "desk", folder / "medium"
    medium.mkdir()
    store(state, size, LAYERS)
    run(created(request_for(folder), medium, state, "--no-read-back"))
    shutil.rmtree(state)
    (bundle,) = medium.iterdir()
    box, layout = folder / "box", folder / "layout"

    def ours() -> float:
        shutil.rmtree(box, ignore_errors=True)
        return run(imported(bundle, box))

    def other() -> float:
        shutil.rmtree(layout, ignore_errors=True)
        return run(["skopeo", "copy", "--quiet", f"oci-archive:{bundle}:{NAME}", f"oci:{layout}:{NAME}"]) + run(["sync", "-f", str(layout)])

    a, b, ratio = paired(ours, other, ROUNDS)
    yield Row(f"bundle import {size // MIB} MiB, {LAYERS} layers / skopeo oci-archive: oci:", f"{a:.2f} s", f"{b:.2f} s", ratio, 0.8)
    shutil.rmtree(box)
    shutil.rmtree(layout)
    peak, written = account(imported(bundle, box))
    new = sum(path.stat().st_size for path in (box / "images" / "blobs").rglob("*") if path.is_file())
    require(new > size, "not everything was imported")
    if written:  # a folder in memory counts nothing
        yield Row("  bytes written / bytes that are new", f"{written / MIB:.0f} MiB", f"{new / MIB:.0f} MiB", written / new, 1.02)
    yield Row("  peak memory", f"{peak / MIB:.0f} MiB", "", peak / MIB, 64, " MiB")
    shutil.rmtree(box)
    shutil.rmtree(medium)


def beside_docker(folder: Path, size: int = SIZE) -> Iterator[Row]:
    """Ours from store to store, Docker's from engine to engine, each until it is on the disk of the other end.

    The engine also unpacks what it loads; into a runtime of ours it is `importing` that measures that.
    """
    desk, box, medium = folder / "desk", folder / "box", folder / "medium"
    medium.mkdir()
    store(desk, size, LAYERS)
    request, archive = request_for(folder), medium / "docker.tar"
    with tempfile.TemporaryDirectory(prefix="engine-", dir=folder) as place, own_dockerd(Path(place)) as engine:
        environment = os.environ | {"DOCKER_HOST": engine.url}

        def ours(*words: str) -> float:
            _empty(medium)
            shutil.rmtree(box, ignore_errors=True)
            spent = run(created(request, medium, desk, *words))
            (bundle,) = medium.iterdir()
            return spent + run(imported(bundle, box))

        def other() -> float:
            _empty(medium)
            spent = run(["docker", "save", "--output", str(archive), NAME], environment) + run(["sync", str(archive)])
            run(["docker", "image", "rm", NAME], environment)
            return spent + run(["docker", "load", "--quiet", "--input", str(archive)], environment) + run(["sync", "-f", place])

        run(created(request, medium, desk, "--no-read-back"))
        (bundle,) = medium.iterdir()
        run(["docker", "load", "--quiet", "--input", str(bundle)], environment)
        for words, bound in ((["--no-read-back"], 0.8), ([], 1.3)):
            a, b, ratio = paired(partial(ours, *words), other, ROUNDS)
            what = "bundle create, import" + (", read back" if not words else "")
            yield Row(f"{what} {size // MIB} MiB / docker save, docker load", f"{a:.2f} s", f"{b:.2f} s", ratio, bound)
    for used in (medium, desk, box):
        shutil.rmtree(used)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def imported(bundle: Path, state: Path) -> list[str]:
    return program("bundle", "import", str(bundle), "--images-only", "--yes", "--quiet", "--state-dir", str(state))
