"""Signatures are checked before the table of contents is parsed, and where the site wants them, nothing is believed without."""

from pathlib import Path

import pytest

from kelvin_provision.bundles.acceptance import accept
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import PAYLOAD_TYPE
from kelvin_provision.errors import BundleInvalid, ExpectedOther, SignatureInvalid, SignatureMissing, SignerUnknown, TrustedKeyInvalid
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.dsse import BUNDLE, REQUEST
from tests.kit import bundles
from tests.kit.signing import key_pair, signatures, trusting

TABLE = bundles.make(requests=[b"{}"]).table
NONE = Trust(TrustSettings())


@pytest.fixture(scope="module")
def anna():
    return key_pair()


@pytest.fixture
def site(tmp_path, anna):
    return Trust(trusting(tmp_path, anna))


def over(pair, table):
    return signatures(pair, table, BUNDLE)


def head(table=TABLE, signed=b""):
    return Head(signed.ljust(16 << 10), table, digest_of(table))


def test_the_type_that_is_signed_is_that_of_a_bundle():
    assert PAYLOAD_TYPE == BUNDLE


def test_what_a_trusted_key_signed_is_accepted(anna, site):
    accepted = accept(head(signed=over(anna, TABLE)), site)
    assert (accepted.signers[0].name, accepted.unknown, accepted.warning) == ("anna", 0, "")
    assert accepted.to_json()["signers"] == [{"name": "anna", "key": anna[1].key_id}]


def test_an_unsigned_bundle_is_accepted_with_its_digest_where_no_signature_is_required():
    accepted = accept(head(), NONE)
    assert (accepted.signers, digest_of(TABLE)[7:] in accepted.warning, "not signed" in accepted.warning) == ((), True, True)
    assert accept(head(), NONE, digest_of(TABLE)).warning == ""


def test_a_signature_of_another_is_no_reason_to_believe(anna):
    accepted = accept(head(signed=over(anna, TABLE)), NONE)
    assert (accepted.signers, accepted.unknown, "does not trust" in accepted.warning) == ((), 1, True)


def test_where_bundles_must_be_signed_nothing_else_is_parsed(anna, site):
    """The bytes are not a table of contents either, but the error is about the signature: it is checked first."""
    with pytest.raises(SignatureMissing):
        accept(head(b"not JSON"), site)
    with pytest.raises(SignatureMissing):
        accept(head(b"not JSON"), site, digest_of(b"not JSON"))
    with pytest.raises(SignerUnknown):
        accept(head(b"not JSON", over(key_pair(name="mallory"), b"not JSON")), site)
    with pytest.raises(SignatureInvalid):
        accept(head(b"not JSON", over(anna, TABLE)), site)
    with pytest.raises(SignatureInvalid):
        accept(head(b"not JSON", signatures(anna, b"not JSON", REQUEST)), site)
    with pytest.raises(BundleInvalid):
        accept(head(b"not JSON", over(anna, b"not JSON")), site)


@pytest.mark.parametrize("expected", ["sha256:" + "0" * 64, "0" * 64, "sha256:", "sha512:" + "0" * 128, "x"])
def test_another_digest_than_the_expected_one_is_refused_before_anything_is_parsed(expected):
    with pytest.raises(ExpectedOther):
        accept(head(b"not JSON"), NONE, expected)


def test_a_site_whose_key_is_not_there_accepts_nothing():
    with pytest.raises(TrustedKeyInvalid):
        accept(head(), Trust(TrustSettings(keys=(Path("/nonexistent/anna.pem"),))))
