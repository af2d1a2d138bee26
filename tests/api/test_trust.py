"""Trust over the API and on the pages: who is believed, and documents that change it."""

import base64
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.errors import VersionRevoked
from kelvin_provision.ledger.history import history
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.model import Revoked
from kelvin_provision.trust.dsse import REQUEST
from tests.kit.api import serving
from tests.kit.browser import as_level, plain
from tests.kit.bundle_box import media, served
from tests.kit.bundles import make
from tests.kit.openapi import valid
from tests.kit.signing import key_pair, trusting
from tests.kit.trusting import signed, trust_document
from tests.kit.uploads import uploaded

__all__ = ["media", "served"]
TRUST = "/edge/v1/trust"
ROOT, DESK = key_pair(name="root"), key_pair("p256", "desk")


@pytest.fixture
def site(box, tmp_path):
    """A box that trusts the root key."""
    box.settings = replace(box.settings, trust=trusting(tmp_path, ROOT))
    return box


@pytest.fixture
def api(site):
    with serving(site) as api:
        yield api


def document(number, *pairs, **revoked):
    value = replace(trust_document(number, ROOT, bundles=(DESK,)), revoked=Revoked(**revoked))
    return signed(value, *(pairs or (ROOT,)))


def body(*documents):
    encoded = [(base64.b64encode(each.content).decode(), base64.b64encode(each.signatures).decode()) for each in documents]
    return {"documents": [{"content": content, "signatures": signatures} for content, signatures in encoded]}


def test_a_box_without_keys_says_so(quiet):
    answer = quiet.get(TRUST)
    valid(answer, TRUST)
    assert answer.json == {"trust": {"number": None}, "documents": []}
    assert "No trusted keys: nothing has to be signed." in plain(as_level(quiet, Level.READ).get("/ui/box").body.decode())
    refused = quiet.post(TRUST, body(document(1)))
    assert (refused.status, refused.error["name"]) == (400, "signer-unknown")


def test_documents_are_accepted_by_their_signatures_and_shown(site, api):
    before = api.get(TRUST).json["trust"]
    assert (before["number"], before["bundles"]["keys"][0]["name"]) == (0, "root")
    site.deploy("pump", version="9.0.0")
    site.turn()
    digest = site.ledger.workload("pump").staged.locks[0].manifest.digest
    both = body(document(2, images=(digest,)), document(1))
    assert api.post(TRUST, both, Level.DEPLOY).status == 403
    answer = api.post(TRUST, both)
    valid(answer, TRUST, "post")
    assert (answer.status, answer.json["number"], [each["number"] for each in answer.json["new"]]) == (200, 2, [1, 2])
    again = api.post(TRUST, both)
    assert (again.status, again.json) == (200, {"number": 2, "new": []})
    shown = api.get(TRUST)
    valid(shown, TRUST)
    trust, documents = shown.json["trust"], shown.json["documents"]
    assert trust["bundles"] == {"threshold": 1, "keys": [{"name": "desk", "type": DESK[1].type, "key_id": DESK[1].key_id}]}
    assert (trust["revoked"]["images"], [each["number"] for each in documents]) == ([digest], [2, 1])
    assert documents[0]["actor"].startswith("admin@")
    (item,) = [item for item in api.get("/api/v4/workloads/list").json["data"] if item["name"] == "pump"]
    assert "this version is revoked" in item["status"]["warnings"][0]
    assert (item["status"]["state"], item["staged"]["status"]["state"]) == ("running", "failed")
    with pytest.raises(VersionRevoked):
        site.command_apply("pump")


def test_the_page_of_the_box_shows_keys_by_role_and_what_is_revoked(site, api):
    page = plain(as_level(api, Level.READ).get("/ui/box").body.decode())
    assert "The keys of the site (trust.keys); no trust document was accepted." in page
    digest = f"sha256:{'b' * 64}"
    assert api.post(TRUST, body(document(1, bundles=(digest,)))).status == 200
    page = plain(as_level(api, Level.READ).get("/ui/box").body.decode())
    for text in ("Trust document 1.", "May sign bundles", DESK[1].key_id, ROOT[1].key_id, "Revoked: keys 0, bundles 1, images 0.", digest):
        assert text in page
    path, _ = kept.paths(site.settings.state_dir, 1)
    path.write_bytes(b"{}")
    answer = as_level(api, Level.READ).get("/ui/box")
    assert (answer.status, f"{path} is missing or was changed" in plain(answer.body.decode())) == (200, True)
    assert api.get(TRUST).error["name"] == "state-damaged"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({}, "bad-body"),
        ({"documents": []}, "bad-body"),
        ({"documents": [{"content": "e30="}]}, "bad-body"),
        ({"documents": [{"content": "?", "signatures": "W10="}]}, "bad-body"),
        ({"documents": [{"content": 1, "signatures": "W10="}]}, "bad-body"),
        ({"documents": [{"content": "e30=", "signatures": "W10="}] * 65}, "bad-body"),
        ({"documents": [{"content": "e30=", "signatures": "W10="}]}, "trust-document-invalid"),
        (body(document(2)), "trust-document-refused"),
        (body(document(1, DESK)), "trust-document-refused"),
        (body(signed(trust_document(1, ROOT), ROOT, kind=REQUEST)), "trust-document-invalid"),
        ({**body(document(1)), "more": 1}, "bad-body"),
    ],
)
def test_what_is_not_accepted_changes_nothing(site, api, sent, name):
    answer = api.post(TRUST, sent)
    assert (answer.status, answer.error["name"]) == (400, name)
    assert (site.ledger.accepted_trust(), [line.action for line in history(site.ledger) if line.action == "trust import"]) == ((), [])


@pytest.mark.slow
def test_a_bundle_of_documents_alone_is_accepted_from_the_page(box, served, tmp_path, monkeypatch):
    (key,) = trusting(tmp_path, ROOT).keys
    (tmp_path / "site.yaml").write_text((tmp_path / "site.yaml").read_text() + f"trust: {{keys: [{key}]}}\n")
    bundle = make(name="trust-1", trust=(document(1),))
    identifier = uploaded(served, bundle.data)
    browser = as_level(served, Level.DEPLOY)
    answer = browser.get(f"/ui/uploads/{identifier}")
    text = plain(answer.body.decode())
    assert (answer.status, "It changes whose signatures this box trusts: trust document 1, signed by root" in text) == (200, True), text
    done = browser.post(f"/ui/uploads/{identifier}/stage")
    assert "This box believes trust document 1 now." in plain(done.body.decode())
    assert box.ledger.newest_trust().number == 1
