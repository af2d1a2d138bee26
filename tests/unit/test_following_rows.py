"""What the ledger keeps of publications."""

import sqlite3

import pytest

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows import following, inspection
from kelvin_provision.ledger.rows.following import Followed, FollowedWorkload, Trouble
from kelvin_provision.ledger.sqlite import schema
from tests.kit.specs import spec

SITE, LINE = "r.io/fleet/site:stable", "r.io/fleet/line:stable"
TAKEN = "2026-11-28T10:00:00.000000Z"
FIRST, SECOND = ("sha256:" + sign * 64 for sign in "ab")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def test_trouble_stands_beside_what_was_taken_and_ends_with_the_next(ledger):
    taken = Followed(SITE, "sha256:" + "1" * 64, 3, ("anna (111111111111)",), "2026-11-28T09:00:00Z", TAKEN, document=FIRST)
    trouble = Trouble(TAKEN, "registry-unreachable", "the registry r.io does not answer", "try again")
    with ledger.writing() as db:
        following.take(db, taken)
        following.trouble(db, SITE, trouble)
        following.trouble(db, LINE, trouble)
        assert following.publications(db) == {
            LINE: Followed(LINE, trouble=trouble),
            SITE: Followed(SITE, taken.digest, 3, taken.signers, taken.created, TAKEN, trouble, FIRST),
        }
        following.trouble(db, LINE, None)
        following.take(db, taken)
        assert following.publications(db) == {LINE: Followed(LINE), SITE: taken}


def test_serials_count_up_for_each_signer_and_publication_and_stay(ledger):
    with ledger.writing() as db:
        following.count(db, SITE, ["a", "b"], 7, FIRST)
        following.count(db, SITE, ["a"], 5, FIRST)
        following.count(db, LINE, ["a"], 2, FIRST)
        following.forget(db, [])
        assert [following.highest_serial(db, SITE, keys) for keys in (["a"], ["b", "c"], ["c"], [])] == [7, 7, 0, 0]
        assert following.highest_serial(db, LINE, ["a"]) == 2


def test_the_document_that_had_a_serial_first_stays(ledger):
    with ledger.writing() as db:
        following.count(db, SITE, ["a"], 7, FIRST)
        following.count(db, SITE, ["a"], 7, SECOND)
        assert [following.documents(db, SITE, ["a", "b"], serial) for serial in (6, 7, 8)] == [frozenset(), {FIRST}, frozenset()]
        following.count(db, SITE, ["a"], 8, SECOND)
        assert [following.documents(db, SITE, ["a"], serial) for serial in (7, 8)] == [frozenset(), {SECOND}]
        assert following.documents(db, SITE, ["b"], 8) == following.documents(db, LINE, ["a"], 8) == frozenset()


def test_a_ledger_of_the_schema_before_keeps_what_it_follows_and_gets_documents_with_the_next(tmp_path):
    raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    number = next(at for at, text in enumerate(schema.MIGRATIONS) if "ALTER TABLE published ADD COLUMN document" in text)
    for migration in schema.MIGRATIONS[:number]:
        for statement in migration.split(";\n"):
            raw.execute(statement)
    raw.execute("INSERT INTO following (reference, digest, serial, taken) VALUES (?, ?, 7, ?)", (SITE, SECOND, TAKEN))
    raw.execute("INSERT INTO published (reference, signer, serial) VALUES (?, 'a', 7)", (SITE,))
    raw.execute(f"PRAGMA user_version = {number}")
    raw.close()
    with Ledger(tmp_path / "ledger.db") as opened, opened.writing() as db:
        assert following.publications(db) == {SITE: Followed(SITE, SECOND, 7, taken=TAKEN)}
        assert (following.highest_serial(db, SITE, ["a"]), following.documents(db, SITE, ["a"], 7)) == (7, frozenset())
        following.count(db, SITE, ["a"], 7, FIRST)
        assert following.documents(db, SITE, ["a"], 7) == {FIRST}


def test_what_is_not_followed_any_more_is_forgotten_and_workloads_that_are_gone(ledger):
    ledger.accept([spec("pump"), spec("fan")], "batch")
    with ledger.writing() as db:
        for name, reference in (("pump", SITE), ("fan", LINE), ("gone", SITE)):
            following.bring(db, FollowedWorkload(name, reference, "sha256:" + "2" * 64, 3))
        following.withdraw(db, ["pump"], 4)
        assert following.workloads(db)["pump"].withdrawn == 4
        following.forget(db, [SITE])
        assert list(following.workloads(db)) == ["gone", "pump"]
        following.forget_gone(db, SITE, ["gone"])
        assert list(following.workloads(db)) == ["gone", "pump"]
        following.forget_gone(db, SITE, [])
        assert list(following.workloads(db)) == ["pump"]
        following.withdraw(db, ["pump"], None)
        assert following.workloads(db)["pump"].withdrawn is None


def test_from_which_request_a_revision_came_is_forgotten_with_it(ledger):
    (pump,) = ledger.accept([spec("pump")], "batch")
    with ledger.writing() as db:
        following.record_revision(db, "pump", pump.number, "sha256:" + "3" * 64)
        assert following.revisions(db) == {("pump", 1): "sha256:" + "3" * 64}
        ledger.drop_staged("pump")
        assert following.revisions(db) == {}


def test_a_damaged_row_is_named_and_is_not_in_the_way_of_the_others(ledger):
    with ledger.writing() as db:
        following.trouble(db, SITE, Trouble(TAKEN, "x", "y"))
        following.trouble(db, LINE, Trouble(TAKEN, "x", "y"))
        db.execute("UPDATE following SET error = '[1]' WHERE reference = ?", (SITE,))
        assert list(following.publications(db)) == [LINE]
        with pytest.raises(StateDamaged, match=f"table following, row {SITE}, column error"):
            following.publication_of(db.execute("SELECT * FROM following WHERE reference = ?", (SITE,)).fetchone())
    assert [str(error) for error in inspection.damage(ledger)] == [f"the ledger is damaged: table following, row {SITE}, column error"]
