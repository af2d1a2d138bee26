"""A failing disk changes a value of the ledger: it is said with table and row, nothing ends as a bug, and the other workloads go on."""

import contextlib
import os
import random
import sqlite3

import pytest

from kelvin_provision.errors import OurBug, ProvisionError, StateDamaged
from kelvin_provision.ledger import history, journal, orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.left import left_workloads
from kelvin_provision.ledger.rows.inspection import damage as damage_of
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box
from tests.kit.damage import TABLES, columns, copies, damage, damages, full_ledger

COMMANDS = (
    "workloads list", "workloads list --json", "workloads show pump", "workloads show fan --json", "workloads history -v", "doctor",
    "workloads history --verify", "agent status", "images list", "workloads apply pump", "workloads apply --all", "workloads rollback fan",
    "workloads stop fan --yes", "workloads start fan", "workloads undeploy pump --yes", "workloads release fan", "workloads diff pump",
    "workloads apply pump --at 2035-01-01T02:00:00Z", "workloads apply --all --cancel", "images prune --yes --orphans", "workloads check --all",
)  # fmt: skip

DAMAGES = int(os.environ.get("KELVIN_PROVISION_TEST_DAMAGES", "0"))
"""Of each column, to look for more: each then with a turn of the agent. By default one, and a turn after some of them."""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A box with everything, and a function that copies its ledger to another."""
    box = full_ledger(tmp_path_factory.mktemp("full") / "state")
    folder = tmp_path_factory.mktemp("copy")
    folder.chmod(0o700)
    return box, copies(box, folder)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_whatever_a_value_becomes_no_command_and_no_turn_of_the_agent_ends_as_a_bug(full, table):
    box, fresh = full
    number = random.Random(table)  # noqa: S311  (the same in each run)
    source = box.settings.state_dir / "ledger.db"
    for at, column in enumerate(column for of, column in columns(source) if of == table):
        raw = sqlite3.connect(source)
        raw.text_factory = lambda data: data.decode()
        row, value = number.choice(raw.execute(f"SELECT rowid, {column} FROM {table}").fetchall())  # noqa: S608  (names of our own)
        raw.close()
        for what, bad in number.sample(sorted(damages(value, number).items(), key=str), DAMAGES or 1):
            path = fresh()
            if not damage(path, table, column, row, bad):
                continue
            other = Box(path.parent, like=box)
            words = number.choice(COMMANDS)
            result = other.run(*words.split())
            text = result.stdout + result.stderr
            assert (result.exit_code == 70, "our bug" in text, "has a bug" in text, "Traceback" in text) == (False,) * 4, (
                table, column, what, words, text,
            )  # fmt: skip
            if DAMAGES or at % 4 == 1:
                with contextlib.suppress(ProvisionError):
                    other.turn()
                assert not [event for event in other.said if "our bug" in getattr(event, "text", "")], (table, column, what)
            other.close()


def template(path):
    """Three workloads: `pump` runs, with another version staged; `fan` and `lamp` are staged."""
    found = Box(path)
    for version in ("1.0.0", "2.0.0"):
        found.deploy("pump", version=version)
        found.turn()
        found.command_apply("pump")
    found.deploy("pump", version="3.0.0")
    found.deploy("fan")
    found.turn()
    found.deploy("lamp")
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def spoil(box, table, column, value, where):
    with box.ledger.writing() as db:
        assert db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,)).rowcount == 1  # noqa: S608  (names of our own)


STAGED, RUNNING = "workload = 'pump' AND number = 3", "workload = 'pump' AND number = 2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "value", "where", "row"),
    [
        ("revisions", "spec", '{"schema": 1, "name": "pu', STAGED, "pump/3"),
        ("revisions", "download", "rdady", STAGED, "pump/3"),
        ("revisions", "locks", "[7]", RUNNING, "pump/2"),
        ("revisions", "objects", '[{"mind": "Pod"}]', RUNNING, "pump/2"),
        ("revisions", "created", "2026-13-24T02:00:00Z", RUNNING, "pump/2"),
        ("workloads", "running", 40, "name = 'pump'", "pump"),
        ("workloads", "updated", "", "name = 'pump'", "pump"),
    ],
)
def test_a_damaged_workload_is_named_with_table_and_row_and_the_others_go_on(box, table, column, value, where, row):
    spoil(box, table, column, value, where)
    text = f"the ledger is damaged: table {table}, row {row}, column {column}"
    listed = box.run("workloads", "list")
    assert (listed.exit_code, f"warning: pump: {text}\n" in listed.stderr) == (0, True)
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["fan", "lamp", "pump"]
    for words in ("workloads show pump", "workloads apply pump", "workloads rollback pump", "workloads stop pump --yes"):
        result = box.run(*words.split())
        assert (result.exit_code, result.stderr.splitlines()[0]) == (78, f"error: {text}"), words
        assert " hint: keep a copy of the state directory" in result.stderr
    assert box.turn() is True
    assert f"pump: {text}" in [getattr(event, "text", "") for event in box.said]
    assert box.states() == {"fan": ("staged", "ready"), "lamp": ("staged", "ready")}
    applied = box.run("workloads", "apply", "--all")
    assert (applied.exit_code, f"warning: left out: pump: {text}\n" in applied.stderr) == (0, True)
    assert set(box.cluster.live) == {"pump", "fan", "lamp"}
    assert text in [str(error) for error in damage_of(box.ledger)]
    doctor = box.run("doctor")
    assert text in doctor.stdout


def test_only_a_damaged_workload_is_staged(box):
    box.undeploy("fan", "lamp")
    spoil(box, "revisions", "spec", "{", STAGED)
    assert box.run("workloads", "apply", "--all").exit_code == 78


def test_its_images_are_kept_while_its_locks_cannot_be_read(box):
    blobs = {blob.digest for lock in box.ledger.workload("pump").running.locks for blob in lock.blobs()}
    spoil(box, "revisions", "locks", "{", RUNNING)
    result = box.run("workloads", "undeploy", "fan", "--yes")
    assert "images that no version needs have not been removed yet: the ledger is damaged: table revisions, row pump/2" in result.stderr
    assert all((box.store.layout.blob(digest)).exists() for digest in blobs)


def test_a_damaged_staged_version_is_deployed_again(box):
    spoil(box, "revisions", "spec", "{", STAGED)
    assert "then deploy it again: kelvin-provision workloads deploy -f FILE" in box.run("workloads", "show", "pump").stderr
    box.deploy("pump", version="4.0.0")
    box.turn()
    box.command_apply("pump")
    assert box.ledger.workload("pump").running.spec.app_version == "4.0.0"


@pytest.mark.parametrize("column", ["spec", "objects"])
def test_a_damaged_workload_can_be_removed(box, column):
    spoil(box, "revisions", column, "{", RUNNING)
    assert "kelvin-provision workloads undeploy -n pump; then deploy it again" in box.run("workloads", "show", "pump").stderr
    box.run("workloads", "undeploy", "pump", "--yes").check(stderr="removing pump\npump: removed\n")
    assert (box.ledger.names(), "pump" in box.cluster.live) == (["fan", "lamp"], False)
    assert damage_of(box.ledger) == ()


@pytest.mark.parametrize("value", ["xyzzy", 3.5, b"\x00\xff"])
@pytest.mark.parametrize("column", ["running", "staged"])
def test_a_workload_whose_slot_is_no_number_any_more_can_be_removed(full, column, value):
    box, fresh = full
    path = fresh()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute(f"UPDATE workloads SET {column} = ? WHERE name = 'pump'", (value,))  # noqa: S608  (names of our own)
    raw.close()
    other = Box(path.parent, like=box)
    other.run("workloads", "undeploy", "pump", "--yes").check()
    assert "pump" not in other.ledger.names()
    assert [str(error) for error in damage_of(other.ledger)] == []
    with other.ledger.reading() as db:
        assert db.execute("SELECT count(*) FROM revisions WHERE workload = 'pump'").fetchone()[0] == 0
    other.close()


@pytest.mark.parametrize(
    ("column", "value", "names"),
    [("phase", "applxing", "pump"), ("kind", "", "pump"), ("steps", "[[", "an unknown workload"), ("started", "?", "pump")],
)
def test_an_interrupted_change_whose_record_is_damaged_is_closed_and_keeps_no_other_from_being_changed(box, column, value, names):
    last = "id = (SELECT max(id) FROM operations)"
    spoil(box, "operations", "finished", None, last)
    spoil(box, "operations", column, value, last)
    assert box.run("workloads", "list").exit_code == 0
    result = box.run("workloads", "apply", "fan")
    assert result.exit_code == 0
    assert (
        f"warning: an interrupted change of {names} was left unfinished, because the ledger is damaged: table operations" in result.stderr
    )
    assert box.run("workloads", "apply", "lamp").exit_code == 75
    assert left_workloads(box.ledger) == (frozenset({"pump"}) if names == "pump" else frozenset())
    if names == "pump":
        assert history.history(box.ledger, "pump")[-1].outcome == "failed, left as it is"


def test_an_interrupted_change_of_a_damaged_revision_is_closed_too(box):
    journal.begin(box.ledger, "stop", "finishing", [journal.Step("pump", 2, 2)], actor="anna")
    spoil(box, "operations", "kind", "start", "finished IS NULL")
    spoil(box, "revisions", "objects", "{", RUNNING)
    assert box.run("workloads", "apply", "fan").exit_code == 0
    assert not box.interrupted


def test_a_damaged_order_is_not_carried_out_and_keeps_no_other_from_it(box):
    box.turn()
    for name in ("fan", "lamp"):
        orders.place(box.ledger, orders.apply_of([box.ledger.workload(name)], actor="anna"))
    spoil(box, "orders", "targets", '[["lamp"', "id = 2")
    box.turn()
    assert box.states()["fan"] == ("running", None)
    assert box.states()["lamp"] == ("staged", "ready")
    assert [str(error) for error in damage_of(box.ledger)] == ["the ledger is damaged: table orders, row 2, column targets"]


def test_a_damaged_observation_is_made_again(box):
    spoil(box, "workloads", "observation", "{", "name = 'pump'")
    assert box.states()["pump"] == ("running", "ready")
    assert box.run("workloads", "list", "--live").exit_code == 0


def test_a_damaged_hold_still_holds_and_can_be_released(box):
    box.turn()
    box.run("workloads", "hold", "fan", "--reason", "inspection").check()
    spoil(box, "holds", "since", "yesterday", "workload = 'fan'")
    held = box.run("workloads", "apply", "fan")
    assert (held.exit_code, "table holds, row fan, column since" in held.stderr) == (75, True)
    assert box.run("workloads", "release", "fan").exit_code == 0
    assert box.run("workloads", "apply", "fan").exit_code == 0


def test_a_damaged_line_of_the_history_is_shown_in_its_place_and_found(box):
    spoil(box, "history", "time", "2026-99-24T02:00:00Z", "seq = 2")
    lines = history.history(box.ledger)
    assert (lines[1].outcome, lines[1].detail) == ("damaged", "the ledger is damaged: table history, row 2, column time")
    assert lines[2].outcome != "damaged"
    assert box.run("workloads", "history").exit_code == 0
    assert history.broken_link(box.ledger) == 2


def test_text_that_is_no_utf8_is_damage_and_is_not_quoted(box):
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = CAST(x'7b2266f622' AS TEXT) WHERE workload = 'pump' AND number = 3")
    with pytest.raises(StateDamaged, match=r"^the ledger is damaged: table revisions, row pump/3, column spec$"):
        box.ledger.workload("pump")
    assert box.run("workloads", "list", "--json").exit_code == 0


def test_what_sqlite_itself_finds_malformed_is_said_as_such(box):
    path = box.ledger.path
    box.deploy("other", method=Method.STAGED)
    box.close()
    raw = sqlite3.connect(path)
    page, size = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'revisions'").fetchone()[0], 4096
    raw.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 64] = b"\xff" * 64
    path.write_bytes(content)
    for words in ("workloads list", "workloads show pump", "workloads apply --all", "doctor", "agent run --until-idle"):
        result = box.run(*words.split())
        assert result.exit_code == (1 if words == "doctor" else 78), (words, result)
        assert "malformed" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"listing (view, title)", b"listing (view, \xf4itle)"),
        (b"PRIMARY KEY, lock TEXT", b"PRIMARY KEY, lack TEXT"),
        (b"    locks    TEXT", b"    lacks    TEXT"),
        (b"    title       TEXT", b"    tytle       TEXT"),
    ],
    ids=["no text", "images", "revisions", "workloads"],
)
def test_a_changed_name_in_the_schema_is_damage(box, before, after):
    """Also where all columns are asked for, and one has another name."""
    box.close()
    path = box.ledger.path
    box.ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    box.close()
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    said = ""
    for words in ("workloads list", "workloads show pump", "workloads apply --all", "images list", "doctor", "workloads stop pump --yes"):
        result = box.run(*words.split())
        assert result.exit_code != OurBug.exit_code, (words, result)
        said += result.stdout + result.stderr
    assert "damaged" in said or "malformed" in said or "no such column" in said


@pytest.mark.parametrize("version", [-7, 6, 5, 0])
def test_a_changed_number_of_the_schema_is_damage(tmp_path, version):
    Ledger(tmp_path / "ledger.db").close()
    raw = sqlite3.connect(tmp_path / "ledger.db")
    raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    with pytest.raises(StateDamaged):
        Ledger(tmp_path / "ledger.db")
