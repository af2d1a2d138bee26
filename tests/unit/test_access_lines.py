"""Users and tokens of the API: a change stands with its line in the history, or it does not happen, whatever fails or ends in between."""

import contextlib
import os
import sqlite3
from dataclasses import replace

import pytest

from kelvin_provision.access import records
from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from kelvin_provision.errors import CannotWrite, Locked
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history
from kelvin_provision.usecases import api_tokens, api_users
from kelvin_provision.usecases.api_tokens import TokenRequest
from kelvin_provision.usecases.api_users import Line
from tests.kit.api import CHEAP, PASSWORD
from tests.kit.box import Box

CHANGES = {
    "api user add": lambda ctx: api_users.add(ctx, "bert", PASSWORD, Level.READ),
    "api user passwd": lambda ctx: api_users.set_password(ctx, "anna", "Another123"),
    "api user level": lambda ctx: api_users.set_level(ctx, "anna", Level.READ),
    "api user unlock": lambda ctx: api_users.unlock(ctx, "anna"),
    "api user remove": lambda ctx: api_users.remove(ctx, "anna"),
    "api token create": lambda ctx: api_tokens.create(ctx, TokenRequest("line-4", Level.READ, 3600.0, "http://127.0.0.1")),
    "api token revoke": lambda ctx: api_tokens.revoke(ctx, "line-3"),
}


@pytest.fixture
def box(tmp_path, monkeypatch):
    """With a user and a token."""
    monkeypatch.setattr(Users.__init__, "__defaults__", (CHEAP,))
    found = Box(tmp_path / "state")
    found.timings = replace(found.timings, ledger_busy=0.05)
    api_users.add(found.ctx, "anna", PASSWORD, Level.ADMIN)
    api_tokens.create(found.ctx, TokenRequest("line-3", Level.READ, 3600.0, "http://127.0.0.1"))
    yield found
    found.close()


def lines(box):
    return [line.action for line in history.history(box.ledger)]


def files(box):
    """What stands, and what was left behind."""
    return {path.name: path.read_bytes() for path in box.settings.state_dir.glob("api-*") if path.suffix != ".lock"}


def known(box):
    return {user.name: (user.generation, user.unlocked, user.level) for user in api_users.users_of(box.ctx).all()}, {
        item.token.name for item in api_tokens.listed(box.ctx)
    }


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_whose_line_the_ledger_does_not_take_does_not_happen(box, action):
    before, written = files(box), lines(box)
    with contextlib.closing(sqlite3.connect(box.ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            CHANGES[action](box.ctx)
        assert files(box) == before
    assert (files(box), lines(box)) == (before, written)
    CHANGES[action](box.ctx)
    assert lines(box) == [*written, action]
    assert files(box) != before
    assert set(files(box)) == set(before)


@pytest.mark.parametrize("where", ["confirm", "rename_durably"])
@pytest.mark.parametrize("action", CHANGES)
def test_a_process_that_ends_in_the_middle_leaves_the_change_and_its_line_or_neither(box, action, where):
    """`confirm`: before the line is durable. `rename_durably`: after it is, before the file has its name."""
    before, written = known(box), lines(box)
    box.close()
    child = os.fork()
    if not child:
        target = Line if where == "confirm" else records
        setattr(target, where, lambda *_: os._exit(7))
        own = Box(box.settings.state_dir)
        CHANGES[action](own.ctx)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert len([name for name in files(box) if name.endswith(".next")]) == 1
    box = Box(box.settings.state_dir)
    with contextlib.closing(box.ctx.connections):
        stands = where == "rename_durably"
        assert (known(box) != before) == stands
        assert lines(box) == written + [action] * stands
        assert not [name for name in files(box) if name.endswith(".next")]
        assert history.broken_link(box.ledger) is None


def test_what_another_process_has_under_way_is_neither_finished_nor_dropped(box):
    state, before = box.settings.state_dir, known(box)
    (state / "api-users.next").write_bytes(b"half of it")
    with exclusive(state / "api-users.lock", command="api users"):
        assert known(box) == before
        assert (state / "api-users.next").exists()
    assert known(box) == before
    assert not (state / "api-users.next").exists()


def test_a_leftover_that_is_no_file_stops_changes_and_nothing_else(box):
    place, before = box.settings.state_dir / "api-users.next", known(box)
    place.mkdir()
    assert known(box) == before
    with pytest.raises(CannotWrite, match=r"api-users\.next"):
        CHANGES["api user add"](box.ctx)
    place.rmdir()
    CHANGES["api user add"](box.ctx)
