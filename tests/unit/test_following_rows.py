"""What the ledger keeps of publications."""

import pytest

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows import following, inspection
from kelvin_provision.ledger.rows.following import Followed, FollowedWorkload, Trouble
from tests.kit.specs import spec

SITE, LINE = "r.io/fleet/site:stable", "r.io/fleet/line:stable"
TAKEN = "2026-11-28T10:00:00.000000Z"


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def test_trouble_stands_beside_what_was_taken_and_ends_with_the_next(ledger):
    taken = Followed(SITE, "sha256:" + "1" * 64, 3, ("anna (111111111111)",), "2026-11-28T09:00:00Z", TAKEN)
    trouble = Trouble(TAKEN, "registry-unreachable", "the registry r.io does not answer", "try again")
    with ledger.writing() as db:
        following.take(db, taken)
        following.trouble(db, SITE, trouble)
        following.trouble(db, LINE, trouble)
        assert following.publications(db) == {
            LINE: Followed(LINE, trouble=trouble),
            SITE: Followed(SITE, taken.digest, 3, taken.signers, taken.created, TAKEN, trouble),
        }
        following.trouble(db, LINE, None)
        following.take(db, taken)
        assert following.publications(db) == {LINE: Followed(LINE), SITE: taken}


def test_serials_count_up_for_each_signer_and_publication_and_stay(ledger):
    with ledger.writing() as db:
        following.count(db, SITE, ["a", "b"], 7)
        following.count(db, SITE, ["a"], 5)
        following.count(db, LINE, ["a"], 2)
        following.forget(db, [])
        assert [following.highest_serial(db, SITE, keys) for keys in (["a"], ["b", "c"], ["c"], [])] == [7, 7, 0, 0]
        assert following.highest_serial(db, LINE, ["a"]) == 2


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
