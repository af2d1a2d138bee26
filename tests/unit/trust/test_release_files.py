"""Packages of this program: signed by their digest, under a type of their own."""

import json

import pytest

from kelvin_provision.errors import FileUnreadable, ReleaseInvalid, SignatureInvalid
from kelvin_provision.trust.dsse import RELEASE, REQUEST
from kelvin_provision.trust.release_files import SELF_EXTRACTING, is_release, release_file
from kelvin_provision.trust.signed_files import payload_of, sign_file, verify_file
from tests.kit.cli import run
from tests.kit.signing import key_pair, signatures

HEAD = SELF_EXTRACTING + b"version 1.2.0+g1, architecture arm64\n"


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "a.run"
    path.write_bytes(HEAD + b"x" * (17 << 20))
    return path


def test_one_that_is_larger_than_what_can_be_signed_is_signed_by_its_digest(package):
    private, public = key_pair()
    signed = sign_file(package, private)
    assert signed.kind == "program"
    assert verify_file(package, [public]).digest == signed.digest == f"sha256:{release_file(package).digest}"
    with package.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"y")
    with pytest.raises(SignatureInvalid):
        verify_file(package, [public])


def test_a_signature_of_the_same_bytes_as_a_request_does_not_count(package):
    pair = key_pair()
    statement = payload_of(package).content
    package.with_name("a.run.sig").write_bytes(signatures(pair, statement, REQUEST))
    with pytest.raises(SignatureInvalid):
        verify_file(package, [pair[1]])
    package.with_name("a.run.sig").write_bytes(signatures(pair, statement, RELEASE))
    assert verify_file(package, [pair[1]]).kind == "program"


def test_it_says_what_it_is_and_nothing_else_is_one(package, tmp_path):
    found = release_file(package)
    assert (found.version, found.architecture, found.size) == ("1.2.0+g1", "arm64", package.stat().st_size)
    for name, content in {"empty": b"", "json": b"{}", "script": b"#!/bin/sh\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert not is_release(tmp_path / name)
        with pytest.raises(ReleaseInvalid):
            release_file(tmp_path / name)
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(FileUnreadable):
            release_file(place)


def test_commands_sign_and_verify_it(package, tmp_path):
    run("key", "generate", str(tmp_path / "anna")).check(stderr="")
    assert run("key", "sign", str(package), "--key", str(tmp_path / "anna.key")).exit_code == 0
    answer = json.loads(run("self", "verify", str(package), "--key", str(tmp_path / "anna.pub"), "--json").stdout)
    assert (answer["version"], answer["architecture"], answer["signers"][0]["name"]) == ("1.2.0+g1", "arm64", "anna")
    assert answer["items"][0]["kind"] == "program"


def test_what_is_no_package_is_refused_with_a_hint_that_leads_on(tmp_path, package):
    (tmp_path / "other").write_text("{}")
    found = json.loads(run("self", "verify", str(tmp_path / "other"), "--json").stdout)["error"]
    assert found["code"] == "release-invalid"
    assert "copy the file again" in found["hint"]
    assert json.loads(run("self", "verify", str(package), "--json").stdout)["error"]["code"] == "signature-missing"
