"""Signatures are checked before the table of contents is parsed, and where the site wants them, nothing is believed without."""

import base64
from pathlib import Path

import pytest

from kelvin_provision.bundles.acceptance import accept
from kelvin_provision.bundles.model import PAYLOAD_TYPE
from kelvin_provision.bundles.opening import Head
from kelvin_provision.errors import BundleInvalid, ExpectedOther, SignatureInvalid, SignatureMissing, SignerUnknown, TrustedKeyInvalid
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust import child
from kelvin_provision.trust.dsse import BUNDLE, REQUEST, Entry, document, pae
from kelvin_provision.trust.public_keys import public_key_of_der
from tests.kit import bundles

TABLE = bundles.make(requests=[b"{}"]).table
NONE = TrustSettings()


class Key:
    """A key pair, and a site that trusts it."""

    def __init__(self, folder, name):
        answer = child.generated({"type": "ed25519", "passphrase": ""}, b"")
        self.private, self.public = answer["private"], public_key_of_der(base64.b64decode(answer["public"]))
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self.public.pem)
        self.path.chmod(0o644)
        self.site = TrustSettings(keys=(self.path,))

    def over(self, table, kind=BUNDLE):
        answer = child.signed({"private": self.private, "passphrase": ""}, pae(kind, table))
        return document([Entry(self.public.key_id, base64.b64decode(answer["signature"]))])


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Key(tmp_path_factory.mktemp("keys"), "anna")


def head(table=TABLE, signatures=b""):
    return Head(signatures.ljust(16 << 10), table, digest_of(table))


def test_the_type_that_is_signed_is_that_of_a_bundle():
    assert PAYLOAD_TYPE == BUNDLE


def test_what_a_trusted_key_signed_is_accepted(key):
    accepted = accept(head(signatures=key.over(TABLE)), key.site)
    assert (accepted.signers[0].name, accepted.unknown, accepted.warning) == ("anna", 0, "")
    assert accepted.to_json()["signers"] == [{"name": "anna", "key": key.public.key_id}]


def test_what_is_not_signed_is_accepted_with_its_digest_where_nobody_asks_for_more():
    accepted = accept(head(), NONE)
    assert (accepted.signers, digest_of(TABLE) in accepted.warning, "not signed" in accepted.warning) == ((), True, True)
    assert accept(head(), NONE, digest_of(TABLE)).warning == ""


def test_a_signature_of_another_is_no_reason_to_believe(key):
    accepted = accept(head(signatures=key.over(TABLE)), NONE)
    assert (accepted.signers, accepted.unknown, "does not trust" in accepted.warning) == ((), 1, True)


def test_where_bundles_must_be_signed_nothing_else_is_parsed(key, tmp_path):
    """The bytes are no table of contents: that is not what is complained of."""
    with pytest.raises(SignatureMissing):
        accept(head(b"not JSON"), key.site)
    with pytest.raises(SignatureMissing):
        accept(head(b"not JSON"), key.site, digest_of(b"not JSON"))
    with pytest.raises(SignerUnknown):
        accept(head(b"not JSON", Key(tmp_path, "mallory").over(b"not JSON")), key.site)
    with pytest.raises(SignatureInvalid):
        accept(head(b"not JSON", key.over(TABLE)), key.site)
    with pytest.raises(SignatureInvalid):
        accept(head(b"not JSON", key.over(b"not JSON", REQUEST)), key.site)
    with pytest.raises(BundleInvalid):
        accept(head(b"not JSON", key.over(b"not JSON")), key.site)


@pytest.mark.parametrize("expected", ["sha256:" + "0" * 64, "0" * 64, "sha256:", "sha512:" + "0" * 128, "x"])
def test_another_digest_than_the_expected_one_is_refused_before_anything_is_parsed(expected):
    with pytest.raises(ExpectedOther):
        accept(head(b"not JSON"), NONE, expected)


def test_a_site_whose_key_is_not_there_accepts_nothing():
    with pytest.raises(TrustedKeyInvalid):
        accept(head(), TrustSettings(keys=(Path("/nonexistent/anna.pem"),)))
