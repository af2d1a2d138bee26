"""Space on real small filesystems: short of it nothing is begun, full in spite of it nothing is lost, and it goes on by itself."""

import contextlib
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

from kelvin_provision.errors import NoSpace, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.events import Note
from kelvin_provision.runtimes.protocol import ImageStorage
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.store import Store
from kelvin_provision.store.space import SpaceRequest
from tests.kit.blobs import HELLO, described
from tests.kit.box import Box
from tests.kit.disks import fill, needs_mount, resize, tmpfs
from tests.kit.images import random_image
from tests.kit.staging import reach

pytestmark = [needs_mount, pytest.mark.slow]


@pytest.fixture
def disks(tmp_path, monkeypatch):
    """One filesystem of 4 MiB for the state, one of 8 MiB for the runtime, and a box on them."""
    with tmpfs(tmp_path / "state", "4m") as state, tmpfs(tmp_path / "images", "8m") as images:
        box = Box(state)
        box.runtime.storage_folders = ImageStorage(unpacked=images / "snapshots", compressed=images / "content")
        yield SimpleNamespace(state=state, images=images, box=box)
        box.close()


def counted(source):
    """Bytes that were served, by digest, also of what was broken off."""
    served, inner = {}, source._chunks

    def chunks(digest, data, start):
        for chunk in inner(digest, data, start):
            served[digest] = served.get(digest, 0) + len(chunk)
            yield chunk

    source._chunks = chunks
    return served


def offered(box, name, *sizes):
    image = box.source.images[f"r.io/{name}:1.0.0"] = random_image(list(sizes))
    return image


def size_of(box, name):
    return sum(lock.size for lock in box.ledger.workload(name).staged.locks)


def test_without_space_for_the_download_nothing_is_downloaded_until_there_is(disks):
    box, served = disks.box, counted(disks.box.source)
    resize(disks.images, "64m")
    offered(box, "a", 3 << 20, 3 << 20)
    box.deploy("a")
    assert box.turn() is False
    assert (served, box.states()) == ({}, {"a": ("staged", "received")})
    (text,) = box.warnings("a")
    assert re.fullmatch(
        rf"not enough disk space for a 1\.0\.0: {disks.state} needs 6\.\d MiB and has 3\.\d MiB available \(200 KiB kept free\)", text
    )
    listed = disks.box.run("workloads", "list")
    assert f"warning: a: {text}\n" in listed.stderr
    assert box.turn() is False  # on a disk this small, writing down how much is free may change that
    before = box.ledger.version()
    assert box.turn() is False
    assert box.ledger.version() == before  # it asks again and again; flash wears out
    resize(disks.state, "16m")
    assert box.turn() is True
    assert box.states() == {"a": ("staged", "ready")}
    assert sum(served.values()) + sum(
        blob.size for lock in box.ledger.workload("a").staged.locks for blob in (lock.manifest, lock.config)
    ) == (size_of(box, "a"))


def test_without_space_for_the_unpacked_copy_nothing_is_downloaded(disks):
    box, served = disks.box, counted(disks.box.source)
    offered(box, "a", 2 << 20)
    box.deploy("a")
    fill(disks.images)
    assert box.turn() is False
    assert served == {}
    assert re.fullmatch(
        rf"not enough disk space for a 1\.0\.0: {disks.images} needs 8\.\d MiB \(6\.\d MiB of it estimated\) and has 0 B available \(400 KiB kept free\)",
        box.warnings("a")[0],
    )
    (disks.images / "filler").unlink()
    resize(disks.images, "16m")
    assert box.turn() is True


def test_the_next_version_needs_space_for_its_new_layers_only(disks):
    box = disks.box
    base = offered(box, "a", 1 << 20)
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    (disks.images / "unpacked").write_bytes(bytes(4 << 20))  # as the first version lies there
    box.source.images["r.io/a:2.0.0"] = base
    box.deploy("a", version="2.0.0")
    assert box.turn() is True


def test_a_download_does_not_wait_for_a_runtime_that_is_down(disks):
    box, served = disks.box, counted(disks.box.source)
    box.deploy("a")
    box.source.chunk = 1 << 20
    box.turn()
    served.clear()
    box.deploy("b")
    resolved = box.source.resolve

    def resolve(reference, platform, support):
        found = resolved(reference, platform, support)
        box.runtime.has = box.runtime.owned = box.runtime.keeping = down
        return found

    def down(*_):
        raise RuntimeUnreachable("containerd does not answer")

    box.source.resolve = resolve
    assert box.turn() is False
    assert sum(served.values()) > 3000
    assert box.warnings("b") == ["containerd does not answer"]


def test_an_earlier_workload_keeps_its_space_while_its_registry_is_down(disks):
    box = disks.box
    resize(disks.images, "64m")
    for name in ("z", "a"):
        offered(box, name, 2 << 20)
    blob, gone = box.source.blob, ["r.io/z:1.0.0"]

    def reachable(reference, *more):
        if str(reference) in gone:
            raise RegistryUnreachable("no route to host")
        return blob(reference, *more)

    box.source.blob = reachable
    box.deploy("z")
    assert (box.turn(), box.warnings("z")) == (False, ["no route to host"])
    box.deploy("a")
    assert box.turn() is False
    assert re.search(r"has 1\.\d MiB available \(200 KiB kept free, 2\.1 MiB reserved for other workloads\)", box.warnings("a")[0])
    gone.clear()
    assert box.turn() is False
    assert box.states() == {"a": ("staged", "received"), "z": ("staged", "ready")}
    box.ledger.drop_staged("z")
    with box.operation("whatever frees space"):
        pass
    assert box.turn() is True


def test_a_full_disk_loses_nothing_and_the_agent_continues_by_itself(disks):
    box = disks.box
    resize(disks.images, "64m")
    offered(box, "a", 1 << 20, 1 << 20)
    inner, filled = box.source._chunks, set()

    def chunks(digest, data, start):
        filled.add(digest)
        for number, chunk in enumerate(inner(digest, data, start)):
            if number == 300 and len(filled) == 2:
                filled.add("the disk")
                fill(disks.state)
            yield chunk

    box.source._chunks = chunks
    served, said = counted(box.source), []

    def heard(event):
        said.append(event)
        if isinstance(event, Note) and "no space left" in event.text:
            with contextlib.suppress(FileNotFoundError):
                (disks.state / "filler").unlink()

    box.deploy("a")
    box.progress = heard
    box.work(lambda: False, until_idle=True)
    assert box.states() == {"a": ("staged", "ready")}
    assert len(filled) == 3
    (lock,) = box.ledger.workload("a").staged.locks
    kept_twice = sum(served.values()) - sum(layer.size for layer in lock.layers)
    assert kept_twice <= 2 * box.source.chunk  # what was in the hands of the two transfers when the disk was full
    assert any("no space left" in event.text for event in said if isinstance(event, Note))


def test_prune_frees_a_full_disk_and_the_message_predicts_how_much(disks):
    box = disks.box
    resize(disks.images, "64m")
    resize(disks.state, "5m")  # beside the ledger there is room for the image
    offered(box, "old", 1 << 20)
    box.deploy("old")
    box.turn()
    box.ledger.drop_staged("old")  # as a command that was killed before its broom leaves it
    offered(box, "new", 3 << 20)
    box.deploy("new")
    assert box.turn() is False
    assert re.search(r"; images prune would free [45]\.\d MiB$", box.warnings("new")[0])
    fill(disks.state)
    result = box.run("images", "prune", "--yes", "--quiet")
    result.check(stderr="")
    assert re.fullmatch(
        r"image r\.io/old:1\.0\.0: removed from the runtime\nstore \S+: freed, 1\.0 MiB\nruntime fake: freed, about 4\.\d MiB\n",
        result.stdout,
    )
    (disks.state / "filler").unlink()
    assert box.turn() is True
    assert box.states() == {"new": ("staged", "ready")}


HOLDER = """
import sys
from pathlib import Path
from kelvin_provision.store import Store
from kelvin_provision.store.space import SpaceRequest

with Store(Path(sys.argv[1])).reserve([SpaceRequest("something", 7, 100), SpaceRequest(sys.argv[2], 7, 50)], lambda others: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_reservation_is_seen_by_others_shrinks_with_its_blob_and_ends_with_its_process(tmp_path):
    blob = described(HELLO)
    store = Store(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path), blob.digest],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout.readline() == "held\n"

        def others():
            seen = []
            with store.reserve([], seen.extend):
                return seen

        assert others() == [SpaceRequest("something", 7, 100), SpaceRequest(blob.digest, 7, 50)]
        store.put(blob, HELLO)
        assert others() == [SpaceRequest("something", 7, 100), SpaceRequest(blob.digest, 7, 38)]

        def refuse(promised):
            raise NoSpace(f"{len(promised)} others")

        with pytest.raises(NoSpace, match="2 others"), store.reserve([SpaceRequest("mine", 7, 1)], refuse):
            pass
        child.kill()
        child.wait()
        assert others() == []


def test_a_blocked_or_complete_revision_is_not_queued(disks):
    from kelvin_provision.staging.space import queued_before

    box = disks.box
    box.deploy("a", "b", "c", method=Method.INSTANT)
    resize(disks.images, "64m")
    box.turn()
    first = {name: box.ledger.workload(name) for name in "abc"}
    assert {found.running is not None for found in first.values()} == {True}
    box.deploy("a", "b", "c", version="2.0.0")
    staged = [box.ledger.workload(name).staged for name in "abc"]
    locks = first["a"].running.locks
    for revision in staged:
        box.ledger.set_locks(revision, locks)
    reach(box.ledger, staged[0], Download.FAILED, "no", blocked=True)
    assert [found.workload for found in queued_before(box.ledger.workload("c").staged, box.ledger)] == ["b"]
    reach(box.ledger, staged[1], Download.READY)
    assert queued_before(box.ledger.workload("c").staged, box.ledger) == []
