"""Bundles in the ledger: what they bring is stored in one commit, and they are forgotten with what they brought."""

import os

import pytest

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.bundles import ImportedBundle, KnownMedium
from kelvin_provision.ledger.requests import Brought
from kelvin_provision.ledger.rows.inspection import damage
from tests.kit.images import random_image
from tests.kit.ledgers import migrated
from tests.kit.locks import lock_of
from tests.kit.specs import spec

LOCK = lock_of(random_image([100]), "r.io/pump:1.0.0")
STICK = KnownMedium("/media/stick/update.kpb", "1234-ABCD", "update.kpb")


def digest(number):
    return f"sha256:{number:064x}"


def bundle(number=1, **changes):
    values = {"digest": digest(number), "name": "update", "serial": 7, "signers": ("desk",), "imported": "2026-11-28T09:00:00Z"}
    return ImportedBundle(**values | {"actor": "anna", "media": (STICK,)} | changes)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as opened:
        yield opened


def brought(ledger, bundle):
    return requests.import_bundle(ledger, bundle, os.urandom(4).hex(), actor="anna")


def test_a_bundle_is_stored_with_its_medium_its_revisions_and_their_locks(ledger):
    accepted = brought(ledger, Brought(bundle(), (spec("pump"), spec("fan")), {"pump": (LOCK,)}))
    assert [(r.workload, r.bundle, r.locks) for r in accepted.revisions] == [("pump", digest(1), None), ("fan", digest(1), None)]
    assert ledger.workload("pump").staged.locks == (LOCK,)
    assert ledger.workload("fan").staged.locks is None
    assert ledger.bundles() == (bundle(),)
    assert ledger.bundles([digest(2)]) == ()


def test_each_revision_has_a_line_with_bundle_signer_and_medium(ledger):
    brought(ledger, Brought(bundle(), (spec("pump"),), {"pump": (LOCK,)}))
    brought(ledger, Brought(bundle(2, signers=()), (spec("fan"),)))
    signed, unsigned = history(ledger)
    assert (signed.action, signed.outcome, signed.digest) == ("bundle import", "accepted", LOCK.manifest.digest)
    assert f"from bundle update {digest(1)}, signed by desk, on /media/stick/update.kpb" in signed.detail
    assert f"from bundle update {digest(2)}, not signed, on" in unsigned.detail


def test_nothing_is_stored_when_one_request_cannot_be(ledger):
    with pytest.raises(AttributeError):
        brought(ledger, Brought(bundle(), (spec("pump"), None)))
    assert ledger.bundles() == ()
    assert ledger.names() == []


def test_a_second_medium_of_a_bundle_is_another_place_for_it(ledger):
    other = KnownMedium("/mnt/update.kpb.002", "", "update.kpb.002")
    brought(ledger, Brought(bundle()))
    brought(ledger, Brought(bundle(media=(other,))))
    assert [found.media for found in ledger.bundles()] == [(other, STICK)]


def test_what_was_imported_first_last_comes_first_whatever_the_clock_says_and_whatever_is_brought_again(ledger):
    for number, year in ((1, 2031), (2, 2026), (3, 1970), (2, 1970)):
        brought(ledger, Brought(bundle(number, imported=f"{year}-11-28T09:00:00Z")))
    assert [found.digest for found in ledger.bundles()] == [digest(3), digest(2), digest(1)]


def test_images_without_a_revision_are_kept_until_they_are_pruned(ledger):
    brought(ledger, Brought(bundle(images=(LOCK,))))
    assert ledger.kept_locks() == (LOCK,)
    assert ledger.kept_locks(keep=2) == ()
    assert ledger.unneeded_bundles() == ()
    ledger.forget_beyond(2)
    assert ledger.kept_locks() == ()
    assert ledger.unneeded_bundles() == (digest(1),)
    (line,) = history(ledger)
    assert (line.workload, line.detail) == (
        "",
        f"1 image without a request, from bundle update {digest(1)}, signed by desk, on {STICK.place}",
    )


def test_a_bundle_is_forgotten_after_the_last_revision_that_it_brought(ledger):
    brought(ledger, Brought(bundle(), (spec("pump"),)))
    ledger.forget_bundles()
    assert ledger.bundles() == (bundle(),)
    ledger.drop_staged("pump")
    ledger.forget_bundles()
    assert ledger.bundles() == ()


def test_a_bundle_that_cannot_be_read_is_found_and_keeps_no_other_from_being_used(ledger):
    brought(ledger, Brought(bundle()))
    brought(ledger, Brought(bundle(2, images=(LOCK,))))
    with ledger.writing() as db:
        db.execute("UPDATE bundles SET signers = '{', images = '[1]' WHERE digest = ?", (digest(1),))
    assert [found.digest for found in ledger.bundles()] == [digest(2)]
    assert [str(error) for error in damage(ledger)] == [f"the ledger is damaged: table bundles, row {digest(1)}, column signers"]
    assert ledger.kept_locks(sound_only=True) == (LOCK,)
    with pytest.raises(StateDamaged):
        ledger.kept_locks()
