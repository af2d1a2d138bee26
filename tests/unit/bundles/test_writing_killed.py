"""kill -9 before every step of writing a bundle: what was there is there until the new one is, and the same command completes it."""

import os
import signal
from pathlib import Path

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.writing.layout import CONTENTS_AT
from kelvin_provision.bundles.writing.writer import write
from kelvin_provision.errors import ProvisionError
from tests.kit import bundles
from tests.kit.bundles import job
from tests.kit.crash import killed
from tests.kit.images import random_image

pytestmark = pytest.mark.slow
IMAGE = random_image([3_000, limits.CHUNK])


def made(serial, part_size):
    return bundles.make({"registry.example/pump:1": IMAGE}, [b"{}"], name="pump", serial=serial, part_size=part_size)


def killed_at(work, step):
    """The work in a process that dies before its step of that number; False when it had fewer."""
    left = step

    def deadly(function):
        def called(*args):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return called

    def stepwise():
        for name in ("open", "pwrite", "ftruncate", "fsync", "fdatasync", "close"):
            setattr(os, name, deadly(getattr(os, name)))
        for name in ("replace", "unlink"):
            setattr(Path, name, deadly(getattr(Path, name)))
        work()

    return killed(stepwise)


def on(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("old", [None, "one file", "parts"])
@pytest.mark.parametrize("part_size", [0, limits.CHUNK], ids=["one file", "parts"])
def test_killed_before_every_step(tmp_path, part_size, old):
    new = made(2, part_size)
    before = None if old is None else made(1, limits.CHUNK if old == "parts" else 0)
    step, kills = 0, 0
    while True:
        step += 1
        folder = tmp_path / str(step)
        there = before.write(folder) if before else []
        whole = {path.name: path.read_bytes() for path in there}
        if not killed_at(lambda folder=folder: write(job(new, folder)), step):
            break
        kills += 1
        shown = on(folder)
        for first in filter(None, (shown.get("pump.kpb"), shown.get("pump.kpb.001"))):
            assert first in whole.values() or first[CONTENTS_AT:].startswith(new.table)
        write(job(new, folder))
        assert {name.rpartition(".")[2] for name in on(folder)} == ({"kpb"} if not part_size else {"001", "002"})
        assert b"".join(data for _, data in sorted(on(folder).items())) == new.data
    assert kills > 10


def test_what_is_half_there_is_never_taken_for_a_bundle(tmp_path):
    """Killed in the middle, `inspect` finds nothing."""
    from kelvin_provision.bundles.opening import find

    new = made(2, 0)
    killed_at(lambda: write(job(new, tmp_path)), 8)
    with pytest.raises(ProvisionError, match="has no bundle"):
        find(tmp_path)
