"""Tokens of programs at the command line: shown once, listed, revoked."""

import json

import pytest

from kelvin_provision.access.programs import FILE
from kelvin_provision.ledger import history
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.usecases.api_tokens import issuer_of
from tests.kit.box import Box


@pytest.fixture
def box(copy_of):
    return copy_of(Box)


def token(box, *words, **more):
    return box.ended("api", "token", *words, **more)


def test_a_token_is_shown_once_alone_on_standard_output(box):
    result = token(box, "create", "line-3", "--level", "operate", "--for", "30d")
    text = result.stdout.rstrip("\n")
    assert (text.count("."), result.stderr) == (2, "warning: this token is not shown again\n")
    listed = token(box, "list", "--json")
    (document,) = json.loads(listed.stdout)["tokens"]
    assert (document["name"], document["level"], document["created_by"], document["expired"], document["last_used"]) == (
        "line-3", "operate", "anna", False, None,
    )  # fmt: skip
    assert token(box, "list", "-o", "name").stdout == "line-3\n"
    assert "never" in token(box, "list").stdout
    assert text not in (box.settings.state_dir / FILE).read_text() + listed.stdout + box.run("workloads", "history", "-o", "wide").stdout
    assert token(box, "revoke", "line-3").stdout == "token line-3: revoked\n"
    assert [line.action for line in history.history(box.ledger)] == ["api token create", "api token revoke"]
    assert token(box, "list").stderr == "The API has no token yet.\n"


def test_the_document_has_the_token_too(box):
    document = json.loads(token(box, "create", "line-3", "--json").stdout)
    assert (set(document), document["token"]["level"]) == ({"schema", "token", "access_token"}, "read")


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["create", "line-3"], "error: there is a token line-3 already\n hint: kelvin-provision api token revoke line-3\n", 2),
        (["create", "line 3"], "error: 'line 3' is not a name of a token\n", 2),
        (["create", "other", "--for", "1s"], "error: a token cannot be valid for 1s\n hint: choose a time from 1m00s to 366d\n", 2),
        (["create", "other", "--for", "400d"], "error: invalid value for '--for'", 2),
        (["create", "other", "--level", "root"], "error: invalid value for '--level'", 2),
        (["revoke", "other"], "error: no token other of the API on this box\n hint: kelvin-provision api token list\n", 66),
    ],
)
def test_what_cannot_be_done_leads_to_the_right_command(box, words, said, code):
    token(box, "create", "line-3")
    assert token(box, *words, code=code).stderr.startswith(said)


@pytest.mark.parametrize(
    ("listen", "issuer"),
    [
        ("127.0.0.1:30000", "http://127.0.0.1:30000/auth/realms/kelvin"),
        ("[::1]:30000", "http://[::1]:30000/auth/realms/kelvin"),
        ("192.0.2.7:443", "https://192.0.2.7/auth/realms/kelvin"),
    ],
)
def test_who_is_given_only_a_token_finds_the_api(tmp_path, listen, issuer):
    settings = Box(tmp_path / "state", api=ApiSettings((listen,))).settings
    assert issuer_of(settings) == issuer
