"""kill -9 at every durable step of a staging by delta, and in the middle of rebuilding: what is here then is whole, and the rest comes."""

import os
import shutil
from contextlib import closing
from itertools import count

import pytest

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.spec.enums import Download
from tests.kit.crash import dying_at, killed
from tests.kit.delta_box import LAYER, LOCK, NEW, OLD, Box
from tests.kit.image_deltas import delta_between
from tests.kit.ledgers import migrated


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A state directory with the old version staged and the new one accepted."""
    folder = tmp_path_factory.mktemp("before")
    with Ledger(migrated(folder / "ledger.db")) as ledger:
        box = Box(folder, ledger)
        box.accept("1")
        assert box.stage()[0]
        box.accept("2")
    return folder


@pytest.fixture(scope="module")
def delta():
    made = delta_between(OLD, NEW)
    NEW.blobs[made.layer.blob.digest] = made.bytes
    yield made
    del NEW.blobs[made.layer.blob.digest]


def opened(state, delta):
    box = Box(state, Ledger(state / "ledger.db"))
    box.source.deltas_of[NEW.digest] = delta.offers
    return box


def staged(state, delta):
    box = opened(state, delta)
    with closing(box.ledger):
        box.stage()


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fsync", "pwrite", "rename"])
def test_killed_at_any_step_the_layer_is_rebuilt_and_nothing_whole_is_downloaded(before, delta, tmp_path, call):
    rebuilt = set()
    for number in count():
        state = tmp_path / str(number)
        shutil.copytree(before, state)

        def work(state=state, number=number):
            setattr(os, call, dying_at(number, getattr(os, call)))
            staged(state, delta)

        was_killed = killed(work)
        box = opened(state, delta)
        with closing(box.ledger):
            here = box.store.has(LAYER)
            rebuilt.add(here)
            done, revision = box.stage()
            assert (done, revision.download, LAYER.digest in box.served) == (True, Download.READY, False), number
            assert (all(map(box.store.verify, box.store.kept(LOCK))), box.runtime.has(LOCK)) == (True, True)
            assert box.store.deltas.use(LOCK).layers == 1
            assert not list(box.store.layout.quarantine.iterdir())
        shutil.rmtree(state)
        if not was_killed:
            break
    assert rebuilt == {True, False} or not number
