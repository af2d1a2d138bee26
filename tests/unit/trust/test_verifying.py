"""Signatures: what is signed, which are accepted, and when one is required."""

import base64
import json
import random
from pathlib import Path

import pytest

from kelvin_provision.errors import (
    ExpectedOther,
    SignatureInvalid,
    SignatureMissing,
    SignerUnknown,
)
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.signatures import Signer
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.dsse import BUNDLE, REQUEST, Entry, document, entries_of, joined, pae
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.signing import sign
from kelvin_provision.trust.verifying import refuse_other, verify
from tests.kit.signing import key_pair, signature

CONTENT = b'{"name": "pump"}'


def test_what_is_signed_has_the_type_and_the_lengths():
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.slow
def test_a_signature_of_a_trusted_key_is_believed_by_a_real_child(site, anna, bert):
    entries = [sign(REQUEST, CONTENT, anna[0]), sign(REQUEST, CONTENT, bert[0])]
    verified = verify(REQUEST, CONTENT, document(entries), Trust(site))
    assert [signer.name for signer in verified.signers] == ["anna", "bert"]
    assert verified.unknown == 0
    with pytest.raises(SignatureInvalid, match="the signature of anna"):
        verify(REQUEST, CONTENT + b" ", document(entries), Trust(site))


@pytest.mark.parametrize("who", ["anna", "bert"])
def test_each_type_of_key_signs_exactly_these_bytes_as_this_type(who, site, request, in_this_process):
    key, public = request.getfixturevalue(who)
    good = document([Entry(public.key_id, signature(key, CONTENT))])
    assert verify(REQUEST, CONTENT, good, Trust(site)).signers == (Signer(public.key_id, who),)
    for altered in (CONTENT[:-1], CONTENT + b"\n", CONTENT.replace(b"p", b"q"), b""):
        with pytest.raises(SignatureInvalid):
            verify(REQUEST, altered, good, Trust(site))
    with pytest.raises(SignatureInvalid):
        verify(BUNDLE, CONTENT, good, Trust(site))
    for at in (0, 20, -1):
        wrong = bytearray(signature(key, CONTENT))
        wrong[at] ^= 1
        with pytest.raises(SignatureInvalid):
            verify(REQUEST, CONTENT, document([Entry(public.key_id, bytes(wrong))]), Trust(site))


def test_a_key_counts_once_however_often_it_signs(site, anna, bert, in_this_process):
    key, public = anna
    stranger, other = key_pair(name="mallory")
    entries = [Entry(public.key_id, signature(key, CONTENT))] * 3 + [Entry(other.key_id, signature(stranger, CONTENT))]
    verified = verify(REQUEST, CONTENT, document(entries), Trust(site))
    assert (len(verified.signers), verified.unknown) == (1, 1)


def test_a_stranger_is_not_believed_under_any_name(site, anna, in_this_process):
    key, public = key_pair(name="mallory")
    with pytest.raises(SignerUnknown, match="not one of the trusted keys"):
        verify(REQUEST, CONTENT, document([Entry(public.key_id, signature(key, CONTENT))]), Trust(site))
    with pytest.raises(SignatureInvalid):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, signature(key, CONTENT))]), Trust(site))


def test_without_keys_nothing_is_believed(anna):
    with pytest.raises(SignerUnknown, match="no trusted keys"):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, b"x" * 64)]), Trust(TrustSettings()))


@pytest.mark.parametrize("data", [b"", b" \n ", b"[]", b" []" + b" " * 16_000])
def test_no_signature_is_missing(site, data):
    with pytest.raises(SignatureMissing):
        verify(REQUEST, CONTENT, data, Trust(site))


KEY_ID, SIG = "a" * 64, base64.b64encode(bytes(64)).decode()


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[[]]",
        b"null",
        b"[" * 10_000,
        b"\xff\xfe",
        b"9" * 9_000,
        f'[{{"keyid": "{KEY_ID}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}", "alg": "none"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}", "sig": "{SIG}"}}]',
        f'[{{"keyid": "", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID.upper()}", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID}\\n", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": 7}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": ""}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}\\n"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG.rstrip("=")}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG[:-3]}B=="}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{"A" * 12_000}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}"}}] []',
        json.dumps([{"keyid": KEY_ID, "sig": SIG}] * 33),
        json.dumps([{"keyid": KEY_ID, "sig": SIG}] * 10_000),
        json.dumps([{"keyid": KEY_ID, "sig": "A" * 1_000_000}]),
    ],
    ids=lambda data: str(data[:40]),
)
def test_a_document_that_is_not_exactly_one_is_refused(data):
    with pytest.raises(SignatureInvalid):
        entries_of(data if isinstance(data, bytes) else data.encode())


def test_a_fuzzed_document_is_read_or_refused():
    good = document([Entry(KEY_ID, bytes(64)), Entry("b" * 64, bytes(70))])
    chance = random.Random(14)  # noqa: S311
    for _ in range(2_000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 3)] = (
                chance.randbytes(chance.randint(0, 3))
                if chance.random() < 0.5
                else chance.choice([b"[", b"]", b"{", b"}", b'"', b",", b"\\u0000", b"1e999", b"null", b"=", b"\n"])
            )
        try:
            entries = entries_of(bytes(data))
        except SignatureInvalid:
            continue
        assert len(entries) <= 2
        assert entries_of(document(entries)) == entries


def test_a_new_signature_takes_the_place_of_the_one_of_the_same_key():
    first, second = Entry("a" * 64, b"1"), Entry("b" * 64, b"2")
    assert joined([first, second], Entry("a" * 64, b"3")) == (second, Entry("a" * 64, b"3"))


@pytest.mark.parametrize(
    ("keys", "setting", "bundle", "request_"),
    [
        ((), None, False, False),
        ((Path("/k"),), None, True, False),
        ((Path("/k"),), (), False, False),
        ((Path("/k"),), ("request",), False, True),
        ((Path("/k"),), ("bundle", "request"), True, True),
    ],
)
def test_bundles_must_be_signed_as_soon_as_there_are_keys(keys, setting, bundle, request_):
    settings = TrustSettings(keys, setting)
    assert (required(settings, "bundle"), required(settings, "request")) == (bundle, request_)


def test_a_digest_that_was_read_out_is_compared():
    digest = f"sha256:{'ab' * 32}"
    for same in (digest, digest.upper(), f" {digest}\n", "ab" * 32):
        refuse_other(same, digest)
    for other in ("", "sha256:", digest[:-1], digest[:-1] + "c", "sha512:" + "ab" * 32, "ä"):
        with pytest.raises(ExpectedOther):
            refuse_other(other, digest)
