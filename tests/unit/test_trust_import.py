"""Trust documents come with bundles: what a box believes changes in the commit that stores the requests, and never by half."""

import json
import os
import shlex
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest

from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.errors import (
    BundleInvalid,
    Locked,
    SignatureInvalid,
    SignatureMissing,
    SignerRevoked,
    SignersTooFew,
    SignerUnknown,
    StateDamaged,
    TrustDocumentInvalid,
    TrustDocumentRefused,
)
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.model import MOST, Role, SignedDocument
from kelvin_provision.trust.dsse import BUNDLE, REQUEST, Entry, document
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.bundles.trust.importing import ImportTrustRequest, accept_documents, import_documents
from tests.kit import bundles
from tests.kit.bundle_box import offline
from tests.kit.crash import dying_at, killed
from tests.kit.images import random_image
from tests.kit.requests import stored_request as body
from tests.kit.signing import in_this_process, key_pair, signature, signatures, trusting
from tests.kit.trusting import signed, trust_document, written

__all__ = ["in_this_process"]
pytestmark = pytest.mark.usefixtures("in_this_process")
REGISTRY = "registry.example:5000"
IMAGES = {f"{REGISTRY}/pump:1.0.0": random_image([4000])}
ANNA, BERT, CARL, DORA = (key_pair(name=name) for name in ("anna", "bert", "carl", "dora"))
PAIRS = (ANNA, BERT, CARL, DORA)


@pytest.fixture
def box(tmp_path):
    with closing(opened(tmp_path)) as box:
        yield box


def opened(folder, **more):
    """A box whose site file trusts anna."""
    (folder / "keys").mkdir(exist_ok=True, mode=0o755)
    return offline(folder / "state", registry=REGISTRY, trust=trusting(folder / "keys", ANNA), **more)


def stick(folder, trust=(), *signers, requests=(), images=None, **more):
    bundle = bundles.make(images, requests, name="north", trust=tuple(trust), **more)
    entries = [Entry(public.key_id, signature(key, bundle.table, BUNDLE)) for key, public in signers]
    shutil.rmtree(folder, ignore_errors=True)
    bundle.write(folder, document(entries) if entries else b"")
    return folder


def imported(box, folder):
    return carry_out(box.ctx, plan(box.ctx, ImportRequest((folder,))))


def rotation(number, revoked=()):
    """From each key to the next one."""
    before, after = PAIRS[number - 1 : number + 1]
    return signed(trust_document(number, after, revoked=revoked), before, after)


def believes(box):
    return box.ctx.trust.number, [row.number for row in reversed(box.ledger.accepted_trust())]


# --- generations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", ["1970", "2099"])
def test_three_generations_of_keys_over_three_sticks_whatever_the_clock_says(tmp_path, year):
    with closing(opened(tmp_path)) as box:
        box.clock = lambda: f"{year}-01-01T00:00:00.000000Z"
        for number in (1, 2, 3):
            folder = stick(
                tmp_path / "stick", [rotation(number)], PAIRS[number], requests=[body("pump", app_version=f"1.0.{number}")], serial=number
            )
            planned = plan(box.ctx, ImportRequest((folder,)))
            assert planned.to_json()["trust"]["new"][0]["number"] == number
            assert [signer.name for signer in carry_out(box.ctx, planned).plan.accepted.signers] == [PAIRS[number][1].name]
            assert believes(box) == (number, list(range(1, number + 1)))
        assert box.ledger.workload("pump").staged.spec.app_version == "1.0.3"
        with pytest.raises(SignerUnknown):
            plan(box.ctx, ImportRequest((stick(tmp_path / "old", [], ANNA, requests=[body("pump")], serial=9),)))
        lines = [entry.detail for entry in history(box.ledger) if "trust document" in entry.detail]
        assert len(lines) == 3
        assert f"trust document 2 {rotation_digest(2)}, signed by bert ({BERT[1].key_id[:12]}), carl" in lines[1]


def rotation_digest(number):
    return rotation(number).digest


def test_a_box_that_missed_five_generations_catches_up_with_one_stick(box, tmp_path):
    pairs = [ANNA, *(key_pair(name=f"key-{number}") for number in range(1, 6))]
    chain = [signed(trust_document(n, pairs[n], revoked=pairs[:n]), pairs[n - 1], pairs[n]) for n in range(1, 6)]
    imported(box, stick(tmp_path / "first", chain[:1]))
    imported(box, stick(tmp_path / "last", chain, pairs[5], requests=[body("pump")]))
    assert believes(box) == (5, [1, 2, 3, 4, 5])
    assert len(box.ctx.trust.revoked.keys) == 5
    again = imported(box, stick(tmp_path / "last", chain, pairs[5], requests=[body("pump")]))
    assert again.plan.accepted.steps == ()


def test_a_stick_with_nothing_but_documents_needs_no_other_signature(box, tmp_path):
    folder = stick(tmp_path / "stick", [rotation(1, revoked=[ANNA])])
    result = imported(box, folder)
    assert (believes(box), result.warnings, box.ledger.names()) == ((1, [1]), (), [])
    assert imported(box, folder).plan.accepted.steps == ()
    with pytest.raises(SignatureMissing):
        plan(box.ctx, ImportRequest((stick(tmp_path / "more", [rotation(1, revoked=[ANNA])], requests=[body("pump")]),)))


def test_a_stick_that_was_made_before_the_newest_document_is_taken_while_its_signer_counts(box, tmp_path):
    one = signed(trust_document(1, ANNA, bundles=[BERT]), ANNA)
    two = signed(trust_document(2, ANNA, bundles=[BERT, CARL]), ANNA)
    imported(box, stick(tmp_path / "stick", [one, two]))
    imported(box, stick(tmp_path / "older", [one], BERT, requests=[body("pump")]))
    assert (believes(box)[0], box.ledger.names()) == (2, ["pump"])


# --- refused --------------------------------------------------------------------------------------------


def refused(box, folder, error, match=None):
    before = (box.ledger.accepted_trust(), box.ledger.bundles(), history(box.ledger), sorted(box.settings.state_dir.iterdir()))
    with pytest.raises(error, match=match) as raised:
        imported(box, folder)
    assert raised.value.exit_code == 65
    assert before == (box.ledger.accepted_trust(), box.ledger.bundles(), history(box.ledger), sorted(box.settings.state_dir.iterdir()))


def test_what_does_not_follow_refuses_the_whole_bundle_and_changes_nothing(box, tmp_path):
    def carrying(*documents):
        return stick(tmp_path / "stick", documents, ANNA, requests=[body("pump")])

    refused(box, carrying(rotation(2)), TrustDocumentRefused, "does not follow|0 of the root keys")
    refused(box, carrying(signed(trust_document(2, ANNA), ANNA)), TrustDocumentRefused, "trust document 2 does not follow number 0: 1 is")
    refused(box, carrying(signed(trust_document(1, ANNA), BERT)), TrustDocumentRefused, "0 of the root keys")
    refused(box, carrying(signed(trust_document(1, ANNA), ANNA, kind=REQUEST)), TrustDocumentInvalid, "does not belong")
    refused(box, carrying(signed(b"{}", ANNA)), TrustDocumentInvalid)
    refused(box, carrying(rotation(1), signed(trust_document(2, ANNA), ANNA)), TrustDocumentRefused)
    refused(box, carrying(rotation(1), rotation(1)), TrustDocumentRefused)
    imported(box, stick(tmp_path / "good", [signed(trust_document(1, ANNA), ANNA)]))
    refused(box, carrying(signed(trust_document(1, ANNA, requests=None), ANNA)), TrustDocumentRefused, "is older than")


def test_a_revoked_key_signs_nothing_more_and_neither_alone_where_nothing_must_be_signed(box, tmp_path):
    imported(box, stick(tmp_path / "stick", [rotation(1, revoked=[ANNA])]))
    old = stick(tmp_path / "old", [], ANNA, requests=[body("pump")])
    refused(box, old, SignerRevoked, "which is revoked")
    box.settings = replace(box.settings, trust=replace(box.settings.trust, require_signature=()))
    refused(box, old, SignerRevoked)
    imported(box, stick(tmp_path / "both", [], ANNA, BERT, requests=[body("pump")]))


def test_as_many_must_sign_as_the_document_says(box, tmp_path):
    two = Role((BERT[1], CARL[1]), 2)
    imported(box, stick(tmp_path / "stick", [signed(replace(trust_document(1, ANNA), bundles=two), ANNA)]))
    refused(box, stick(tmp_path / "one", [], BERT, requests=[body("pump")]), SignersTooFew, "2 of the 2 trusted keys")
    refused(box, stick(tmp_path / "one", [], BERT, BERT, ANNA, requests=[body("pump")]), SignersTooFew)
    imported(box, stick(tmp_path / "two", [], BERT, CARL, requests=[body("pump")]))


def test_a_signature_of_another_table_is_wrong_also_beside_new_documents(box, tmp_path):
    """Both are checked in one process."""
    other = bundles.make(requests=[body("fan")], name="north", trust=(rotation(1),))
    entries = [Entry(BERT[1].key_id, signature(BERT[0], other.table, BUNDLE))]
    bundles.make(requests=[body("pump")], name="north", trust=(rotation(1),)).write(tmp_path / "stick", document(entries))
    refused(box, tmp_path / "stick", SignatureInvalid, "the signature of bert")
    refused(box, stick(tmp_path / "old", [rotation(1)], ANNA, requests=[body("pump")]), SignerUnknown)


def test_requests_in_a_bundle_are_signed_by_whom_its_own_document_names(box, tmp_path):
    box.settings = replace(box.settings, trust=replace(box.settings.trust, require_signature=("bundle", "request")))
    one = signed(replace(trust_document(1, ANNA), requests=Role((CARL[1],))), ANNA)
    request = body("pump")
    for signer, error in ((ANNA, SignerUnknown), (CARL, None)):
        folder = stick(tmp_path / "stick", [one], ANNA, requests=[request], request_signatures=[signatures(signer, request)])
        refused(box, folder, error) if error else imported(box, folder)
    assert box.ledger.names() == ["pump"]


def test_without_trusted_keys_documents_are_passed_over_and_said_to_be(tmp_path):
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        result = imported(box, stick(tmp_path / "stick", [rotation(1)], requests=[body("pump")]))
        assert any("1 trust document, and this box has no trust.keys" in warning for warning in result.warnings)
        assert believes(box) == (0, [])


def test_what_came_between_plan_and_import_is_not_passed_over(box, tmp_path):
    planned = plan(box.ctx, ImportRequest((stick(tmp_path / "one", [], ANNA, requests=[body("pump")]),)))
    imported(box, stick(tmp_path / "two", [rotation(1, revoked=[ANNA])]))
    with pytest.raises(Locked):
        carry_out(box.ctx, planned)
    assert box.ledger.names() == []


@pytest.mark.parametrize("documents", [MOST, MOST + 1])
def test_at_most_64_documents_are_read(tmp_path, documents):
    one = signed(trust_document(1, ANNA), ANNA)
    folder = stick(tmp_path / "stick", [one] * documents)
    if documents > MOST:
        with pytest.raises(BundleInvalid, match="more than 64"):
            read_head(find(folder))
    else:
        assert read_head(find(folder)).trust == (one,) * MOST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"kelvin/trust/0001.json\0", b"kelvin/trust/0002.json\0"),
        (b"kelvin/trust/0001.json.sig", b"kelvin/trust/0001.json.six"),
        (b"kelvin/trust/0001.json\0", b"kelvin/trust/../../a\0\0\0"),
    ],
)
def test_members_of_other_names_are_refused(tmp_path, old, new):
    path = stick(tmp_path / "stick", [rotation(1)]) / "north.kpb"
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(BundleInvalid):
        read_head(find(path))


# --- files of a person ----------------------------------------------------------------------------------


def test_files_are_accepted_in_any_order_and_an_older_one_is_refused(box, tmp_path):
    paths = [written(tmp_path / f"trust-{number}.json", rotation(number)) for number in (1, 2)]
    result = import_documents(box.ctx, ImportTrustRequest((paths[1], paths[0])))
    assert ([step.document.number for step in result.steps], believes(box)[0]) == ([1, 2], 2)
    assert import_documents(box.ctx, ImportTrustRequest((paths[1],))).steps == ()
    with pytest.raises(TrustDocumentRefused, match="this box believes number 2"):
        import_documents(box.ctx, ImportTrustRequest((paths[0],)))


# --- durability -----------------------------------------------------------------------------------------


def test_a_damaged_document_stops_what_needs_a_signature_until_it_is_brought_again(box, tmp_path):
    folder = stick(tmp_path / "stick", [rotation(1)], BERT, requests=[body("pump")])
    imported(box, folder)
    path, _ = kept.paths(box.settings.state_dir, 1)
    for damage in (lambda: path.write_bytes(rotation(2).content), path.unlink):
        damage()
        with pytest.raises(StateDamaged, match="is missing or was changed"):
            _ = box.ctx.trust
        imported(box, folder)
        assert believes(box)[0] == 1


def test_signatures_that_do_not_fit_never_take_the_place_of_those_that_were_verified(box, tmp_path):
    chain = [rotation(1), rotation(2)]
    imported(box, stick(tmp_path / "stick", chain))
    for number, good in enumerate(chain, 1):
        content, by = kept.paths(box.settings.state_dir, number)
        by.unlink()
        for wrong in (b"JUNK", b"[]", chain[2 - number].signatures):
            accept_documents(box.ctx, [*chain[: number - 1], SignedDocument(good.content, wrong), *chain[number:]], origin="x")
            assert not by.exists()
        content.write_bytes(b"damaged")
        accept_documents(box.ctx, [*chain[: number - 1], SignedDocument(good.content, b"JUNK"), *chain[number:]], origin="x")
        assert (content.read_bytes(), by.exists()) == (good.content, False)  # which has its digest
        accept_documents(box.ctx, chain, origin="x")
        assert kept.signed_document(box.settings.state_dir, number) == good


def test_a_ledger_of_the_schema_before_believes_its_site_file_and_accepts_the_first_document(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    raw = sqlite3.connect(tmp_path / "state" / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    for statement in ";\n".join(schema.MIGRATIONS[:13]).split(";\n"):
        raw.execute(statement)
    raw.execute("PRAGMA user_version = 13")
    raw.close()
    with closing(opened(tmp_path)) as box:
        assert (believes(box), box.ctx.trust.document) == ((0, []), None)
        imported(box, stick(tmp_path / "stick", [rotation(1)]))
        assert believes(box) == (1, [1])


DAMAGE = {
    "number": "UPDATE trust SET number = 7 WHERE number = 2",
    "digest": "UPDATE trust SET digest = 'sha256:' WHERE number = 2",
    "signers": "UPDATE trust SET signers = '[1' WHERE number = 2",
}


@pytest.mark.parametrize("column", DAMAGE)
def test_a_damaged_row_brings_no_older_document_back(box, tmp_path, column):
    imported(box, stick(tmp_path / "stick", [rotation(1), rotation(2)]))
    with box.ledger.writing() as db:
        db.execute(DAMAGE[column])
    with pytest.raises(StateDamaged):
        _ = box.ctx.trust


@pytest.mark.slow
def test_acceptance_that_is_killed_at_any_write_is_whole_or_nothing_and_is_repeated(tmp_path):
    chain = [rotation(1, revoked=[ANNA]), rotation(2, revoked=[ANNA, BERT])]
    folder = stick(tmp_path / "stick", chain, CARL, requests=[body("pump")])
    outcomes = []
    for number in count():
        home = tmp_path / str(number)
        home.mkdir()

        def work(home=home, number=number):
            os.fsync = dying_at(number, os.fsync)
            with closing(opened(home)) as box:
                imported(box, folder)

        was_killed = killed(work)
        with closing(opened(home)) as box:
            found = believes(box), box.ledger.names()
            assert found in (((0, []), []), ((2, [1, 2]), ["pump"])), number
            outcomes.append(bool(found[1]))
            imported(box, folder)
            assert (believes(box), box.ledger.names()) == ((2, [1, 2]), ["pump"])
        shutil.rmtree(home)
        if not was_killed:
            break
    assert number > 8
    assert (outcomes[0], outcomes[-1]) == (False, True)


def test_what_a_lost_ledger_knew_is_said_by_doctor_and_imported_from_the_state_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    (tmp_path / "keys").mkdir()
    (site,) = trusting(tmp_path / "keys", ANNA).keys
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{site}]}}\n")
    with closing(opened(tmp_path)) as box:
        imported(box, stick(tmp_path / "stick", [rotation(1, revoked=[ANNA]), rotation(2, revoked=[ANNA, BERT])]))
    for path in (tmp_path / "state").glob("ledger.db*"):
        path.unlink()
    with closing(opened(tmp_path)) as box:
        assert believes(box) == (0, [])
        (check,) = [
            line
            for line in json.loads(box.run("doctor", "--json").stdout)["checks"]
            if line["id"] == "trust" and line["status"] == "warning"
        ]
        assert "what they revoke may count again" in check["found"]
        words = shlex.split(check["next"].rpartition("kelvin-provision ")[2])
        assert box.run(*words).exit_code == 0
        assert believes(box) == (2, [1, 2])
        assert "what they revoke" not in box.run("doctor", "--json").stdout
