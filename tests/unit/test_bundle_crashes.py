"""kill -9 at every durable step of an import and at every chunk of copying, and a stick that is pulled at any moment."""

import os
import shutil
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from kelvin_provision.spec.enums import Download
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from tests.kit import bundles
from tests.kit.bundle_box import offline
from tests.kit.crash import dying_at, killed
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.requests import stored_request

REGISTRY = "registry.example:5000"
IMAGES = {f"{REGISTRY}/{name}:1.0.0": random_image([2 << 20, 1 << 20, 50_000]) for name in ("pump", "fan")}
NAMES = ("fan", "pump")


@pytest.fixture(scope="module")
def stick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stick")
    bundles.write(folder, IMAGES, [stored_request("pump"), stored_request("fan")], name="north")
    return folder / "north.kpb"


def opened(state):
    return offline(state, registry=REGISTRY)


def imported(state, stick):
    with closing(opened(state)) as box:
        carry_out(box.ctx, plan(box.ctx, ImportRequest((stick,))))


def whole(box):
    """All of both versions, or nothing of any."""
    staged = {name: workload.staged for name, workload in box.ledger.existing(NAMES).items()}
    assert set(staged) in (set(), set(NAMES))
    for name, revision in staged.items():
        reference = f"{REGISTRY}/{name}:1.0.0"
        assert revision.locks == (lock_of(IMAGES[reference], reference),)
        documents = [revision.locks[0].manifest, revision.locks[0].config]
        assert all(box.store.has(document) for document in documents)
    assert len(box.ledger.bundles()) == bool(staged)
    return bool(staged)


def ready(box):
    box.turn()
    return [box.ledger.workload(name).staged.download for name in NAMES] == [Download.READY] * 2


def killed_at_each(tmp_path, work, step=1):
    """Do the work in a new state directory, killed at one number after another, until it comes to its end; yields both after each."""
    for number in count(0, step):
        state = tmp_path / str(number)
        was_killed = killed(lambda state=state, number=number: work(state, number))
        yield state, number
        shutil.rmtree(state)
        if not was_killed:
            return


@pytest.mark.slow
def test_an_import_that_is_killed_has_stored_all_or_nothing_and_is_repeated(stick, tmp_path):
    def work(state, number):
        os.fsync = dying_at(number, os.fsync)
        imported(state, stick)

    outcomes = []
    for state, number in killed_at_each(tmp_path, work):
        box = opened(state)
        outcomes.append(whole(box))
        if not outcomes[-1]:
            box.close()
            imported(state, stick)
            box = opened(state)
        assert ready(box), number
        box.close()
    assert number > 5
    assert (outcomes[0], outcomes[-1]) == (False, True)


@pytest.mark.slow
def test_copying_that_is_killed_goes_on_at_its_byte(stick, tmp_path):
    template = tmp_path / "template"
    imported(template, stick)

    def work(state, number):
        shutil.copytree(template, state)
        opened(state).turn(stop=dying_at(number, lambda: False))

    progress = []
    for state, number in killed_at_each(tmp_path, work, step=3):
        box = opened(state)
        locks = [lock for name in NAMES for lock in box.ledger.workload(name).staged.locks]
        before = box.store.progress(locks)[0]
        progress.append(before)
        assert ready(box), number
        box.close()
    assert progress == sorted(progress)
    assert len(set(progress)) > 5


def pulled(tmp_path, stick, number, how):
    """A turn in which the stick goes at the `number`-th look; whether it did, and the box."""
    state, mount = tmp_path / f"state-{number}-{how}", tmp_path / f"mount-{number}-{how}"
    mount.mkdir()
    place = Path(shutil.copy(stick, mount / stick.name))
    imported(state, place)
    box, calls = opened(state), [0]

    def look():
        calls[0] += 1
        if calls[0] == number:
            os.truncate(place, number * 7_777_777 % place.stat().st_size) if how == "truncated" else mount.rename(f"{mount}-away")
        return False

    box.turn(stop=look)
    gone = calls[0] >= number
    if how == "truncated":
        shutil.copy(stick, place)
    elif gone:
        Path(f"{mount}-away").rename(mount)
    return gone, box, mount


def check_pulled(tmp_path, stick, number, how):
    gone, box, mount = pulled(tmp_path, stick, number, how)
    for name in NAMES:
        revision = box.ledger.workload(name).staged
        assert revision.download is Download.READY or revision.cause == "waits for the stick north", (number, how, revision.cause)
    assert ready(box), (number, how)
    box.close()
    shutil.rmtree(mount)
    shutil.rmtree(box.settings.state_dir)
    return gone


@pytest.mark.parametrize("how", ["truncated", "unmounted"])
def test_a_stick_that_is_pulled_in_the_middle_is_waited_for(tmp_path, stick, how):
    assert check_pulled(tmp_path, stick, 12, how)


@pytest.mark.slow
def test_a_stick_that_is_pulled_at_any_of_a_hundred_moments_is_waited_for(tmp_path, stick):
    moments = [check_pulled(tmp_path, stick, number % 50 + 1, "truncated" if number < 50 else "unmounted") for number in range(100)]
    assert sum(moments) > 20
