"""The API where requests must be signed: a deploy takes the signatures in a header, and no other route makes a revision."""

import base64
import json
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.hints import pasted
from kelvin_provision.ledger import history
from kelvin_provision.trust import computing
from kelvin_provision.trust.requests import HOW
from tests.kit import cosign
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.browser import as_level, plain
from tests.kit.fake_agent import fill
from tests.kit.requests import platform_request
from tests.kit.signing import computed_here, key_pair, signatures, trusting

DEPLOY = "/api/v4/workloads/deploy"
APPS = "/api/v4/apps/workloads"
BODY = json.dumps(platform_request()).encode()


@pytest.fixture(scope="module")
def anna():
    return key_pair()


def filled(path):
    found = Box(path)
    fill(found)
    return found


@pytest.fixture
def api(copy_of, tmp_path, anna):
    box = copy_of(filled)
    box.settings = replace(box.settings, trust=trusting(tmp_path, anna, require=("request",)))
    with serving(box) as client:
        client.box = box
        yield client


def deploy(api, body, document=None, header=None):
    headers = {"X-Kelvin-Signature": header or base64.b64encode(document).decode()} if header or document else {}
    return api.post(DEPLOY, body, Level.DEPLOY, headers=headers)


@pytest.mark.slow
def test_a_signed_body_is_staged_and_the_history_says_who_signed_it(api, anna):
    good = signatures(anna, BODY)
    assert deploy(api, BODY, good).status == 201
    assert deploy(api, BODY, good).status == 201  # a client that was not answered
    lines = [line for line in history.history(api.box.ledger) if line.workload == "motor"]
    assert [line.revision for line in lines] == [1]
    assert f"signed by anna ({anna[1].key_id[:12]}), sha256:" in lines[0].detail
    # what was answered to a signed request is not answered to an unsigned one
    assert deploy(api, BODY).error["name"] == "signature-missing"


@pytest.mark.slow
def test_an_altered_body_or_another_signer_is_refused(api, anna):
    assert deploy(api, BODY + b"\n", signatures(anna, BODY)).error["name"] == "signature-invalid"
    assert deploy(api, BODY, signatures(key_pair(name="mallory"), BODY)).error["name"] == "signer-unknown"


@pytest.mark.parametrize("header", ["*", "bm90IEpTT04=", "W10", "A" * 4001, base64.b64encode("[ä]".encode()).decode()])
def test_a_header_that_has_no_signatures_is_refused(api, header):
    answer = deploy(api, BODY, header=header)
    assert (answer.status, answer.error["name"]) == (400, "signature-invalid")


def test_the_official_clients_cannot_sign_and_are_told_what_to_do(api):
    answer = deploy(api, BODY)
    assert (answer.status, answer.error["name"], answer.error["solution"]) == (400, "signature-missing", pasted(HOW))
    assert "motor" not in {workload.name for workload in api.box.ledger.workloads()}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v4/workloads/pump/configurations/update", {"configuration": {"speed": 3}}),
        (f"{APPS}/create", {"name": "new", "app_name": "motor", "app_version": "1.0.0", "cluster_name": "c"}),
        (f"{APPS}/pump/patch", {"title": "New"}),
        (f"{APPS}/bulk/update", {"workload_names": ["pump"], "app_version": "9.9.9"}),
    ],
)
def test_no_other_route_makes_a_revision_signed_or_not(api, anna, path, body):
    before = api.box.ledger.latest(["pump"])
    content = json.dumps(body).encode()
    header = {"X-Kelvin-Signature": base64.b64encode(signatures(anna, content)).decode()}
    for headers in ({}, header):
        answer = api.post(path, content, Level.DEPLOY, headers=headers)
        assert (answer.status, answer.error["name"]) == (400, "signature-missing"), answer.body
    assert api.box.ledger.latest(["pump"]) == before
    assert "new" not in {workload.name for workload in api.box.ledger.workloads()}


def test_what_was_staged_before_is_applied_and_operated_as_ever(api):
    assert api.post("/api/v4/workloads/apply", {"workload_names": ["pump"]}, Level.OPERATE).status == 200
    assert api.post("/edge/v1/workloads/pump/hold", {"reason": "x"}, Level.OPERATE).status == 204


def test_route_and_page_say_by_whom_an_image_is_signed(copy_of, tmp_path, monkeypatch):
    """In a language of their own on the page; the process has no library that verifies."""
    monkeypatch.setattr(computing, "computed", computed_here)
    key = cosign.OpensslKey(tmp_path, "ben")
    box = copy_of(filled)
    box.settings = replace(box.settings, trust=cosign.trusting_images(key))
    for name in ("ours", "theirs"):
        box.deploy(name)
    digest = box.source.images["r.io/ours:1.0.0"].digest
    box.source.signed[digest] = cosign.signed(key, digest)
    box.turn()
    with serving(box) as client:
        (image,) = client.get("/api/v4/workloads/ours/get", Level.READ).json["images"]
        assert (image["signatures"]["state"], image["signatures"]["signers"]) == ("signed", [{"name": "ben", "key": key.key_id}])
        browser = as_level(client, Level.READ)
        assert f"signed by ben ({key.key_id[:12]})" in plain(browser.get("/ui/workloads/ours").body.decode())
        german = browser.get("/ui/workloads/theirs", {"Accept-Language": "de"}).body.decode()
        assert "nicht signiert" in plain(german)
    box.close()
