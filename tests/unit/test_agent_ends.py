"""An agent ends where waiting is of no use: with a damaged ledger, with what a person must release, without its state directory."""

import shutil
import threading

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.lifecycle.place import Place
from kelvin_provision.errors import CannotWrite, StateDamaged
from kelvin_provision.ledger import holds, orders
from kelvin_provision.ledger.sqlite.database import Database
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box
from tests.kit.waiting import PATIENCE, until


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path / "state")
    yield found
    found.close()


def limited(turns=3000):
    """Ends a test that would never end."""
    looks = []

    def stop():
        looks.append(1)
        return len(looks) > turns

    return stop, looks


def test_until_idle_ends_with_a_damaged_ledger(box, monkeypatch):
    def malformed(self):
        raise StateDamaged("ledger.db: database disk image is malformed")

    box.deploy("a")
    monkeypatch.setattr(Database, "version", malformed)
    stop, _ = limited()
    with pytest.raises(StateDamaged, match="malformed"):
        box.work(stop, until_idle=True)
    assert process.alive(box.settings.state_dir) is None


def held_box(box):
    box.deploy("a", method=Method.STAGED)
    box.turn()
    box.command_apply("a")
    holds.hold(box.ledger, ["a"], "inspection", actor="anna")
    return box


def test_until_idle_ends_with_a_deploy_that_is_held(box):
    held_box(box).deploy("a", version="2.0.0", method=Method.INSTANT)
    stop, looks = limited()
    box.work(stop, until_idle=True)
    assert len(looks) < 3000
    assert box.states()["a"] == ("received", "ready") or box.states()["a"][1] == "ready"
    assert box.warnings("a")[0] == "waits until a is released"


def test_until_idle_ends_with_an_order_that_is_held(box):
    held_box(box).deploy("a", version="2.0.0")
    box.turn()
    orders.place(box.ledger, orders.apply_of([box.ledger.workload("a")], actor="anna"))
    stop, looks = limited()
    box.work(stop, until_idle=True)
    assert len(looks) < 3000
    assert len(orders.pending(box.ledger)) == 1


def test_what_was_released_is_applied_before_it_ends(box):
    held_box(box).deploy("a", version="2.0.0", method=Method.INSTANT)
    holds.release(box.ledger, ["a"], actor="anna")
    stop, _ = limited()
    box.work(stop, until_idle=True)
    assert box.ledger.workload("a").running.spec.app_version == "2.0.0"


@pytest.mark.parametrize("what", ["removed", "replaced", "ledger"])
def test_an_agent_without_its_state_directory_ends(box, what):
    state = box.settings.state_dir
    box.deploy("a")
    box.close()
    box._connections = None
    errors, ended = [], threading.Event()

    def work():
        try:
            box.work(ended.is_set)
        except CannotWrite as error:
            errors.append(str(error))
        finally:
            box.close()

    agent = threading.Thread(target=work)
    agent.start()
    try:
        until(lambda: process.alive(state) and box.said)
        if what == "ledger":
            (state / "ledger.db").unlink()
        else:
            shutil.move(state, state.with_name("moved"))
        if what == "replaced":
            Box(state).close()
            (state / "agent.lock").touch()
        agent.join(timeout=PATIENCE)
        assert not agent.is_alive()
    finally:
        ended.set()
        agent.join()
    name = "ledger.db" if what == "ledger" else "agent.lock"
    assert errors == [f"{state / name} was removed or replaced while the agent was using it"]


def test_a_disk_that_does_not_answer_for_a_moment_is_no_other_disk(tmp_path, monkeypatch):
    from pathlib import Path

    now = [0.0]
    (tmp_path / "lock").touch()
    place = Place(tmp_path / "lock", interval=1.0, clock=lambda: now[0])
    with monkeypatch.context() as patched:

        def fails(self):
            raise OSError(5, "Input/output error")

        patched.setattr(Path, "stat", fails)
        now[0] = 2.0
        assert place.gone() == ""
    (tmp_path / "lock").unlink()
    assert place.gone() == ""  # looked at once a second
    now[0] = 4.0
    assert place.gone() == f"{tmp_path}/lock was removed or replaced"
