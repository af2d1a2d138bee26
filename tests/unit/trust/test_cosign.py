"""Who signed an image: signatures in cosign's formats, made with openssl, against the keys of a box."""

import json
from contextlib import suppress

import pytest

from kelvin_provision.spec.referrers import referring
from kelvin_provision.trust.cosign import judging, manifests
from kelvin_provision.trust.cosign.claims import Claim, Form, refuse_other
from kelvin_provision.trust.cosign.claims import of_bundle as of_bundle_bytes
from kelvin_provision.trust.cosign.judging import Signed, judged
from kelvin_provision.trust.public_keys import InvalidKey, public_key_of_pem
from tests.kit import cosign
from tests.kit.cosign import anna
from tests.kit.images import sha256

__all__ = ["anna"]
pytestmark = pytest.mark.usefixtures("in_this_process")
MANIFEST, INDEX, OTHER = b'{"layers": "ours"}', b'{"manifests": "ours"}', b'{"layers": "of another image"}'
OURS = {sha256(INDEX): INDEX, sha256(MANIFEST): MANIFEST}


@pytest.fixture(scope="module")
def ed(tmp_path_factory):
    return cosign.OpensslKey(tmp_path_factory.mktemp("ed"), "ed", "ed25519")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return cosign.OpensslKey(tmp_path_factory.mktemp("stranger"), "stranger")


def trusted(*keys):
    return [public_key_of_pem(key.public.read_bytes(), key.name) for key in keys]


def of_bundle(payload, subject=None, **changes):
    manifest = cosign.referring(subject or sha256(INDEX), payload, **changes)
    return Signed(sha256(manifest), manifest, {sha256(payload): payload})


def of_old(*signed, **changes):
    manifest = cosign.old(*signed, **changes)
    return Signed(sha256(manifest), manifest, {sha256(payload): payload for payload, _ in signed})


def names(verdict):
    return [signer.name for signer in verdict.signers]


def test_every_published_form_counts_of_the_index_and_of_the_manifest(anna, ed):
    for key in (anna, ed):
        forms = []
        for document in (INDEX, MANIFEST):
            payload = cosign.simple(sha256(document))
            forms += [
                of_bundle(cosign.envelope(key, cosign.statement(sha256(document)))),
                of_bundle(cosign.envelope(key, cosign.statement(sha256(document)), material=cosign.CERTIFICATE)),
                of_bundle(cosign.message(key, document), subject=sha256(document)),
                of_old((payload, key.sign(payload))),
            ]
        verdict = judged(forms, OURS, trusted(anna, ed))
        assert (names(verdict), verdict.keyless, verdict.others, verdict.remarks) == ([key.name], 0, 0, ())


def test_a_key_counts_once_however_often_it_signed(anna, ed):
    payload = cosign.simple(sha256(INDEX))
    forms = [
        of_old((payload, anna.sign(payload)), (payload, anna.sign(payload))),
        of_bundle(cosign.envelope(anna, cosign.statement(sha256(INDEX)))),
    ]
    verdict = judged([*forms, of_old((payload, ed.sign(payload)))], OURS, trusted(anna, ed))
    assert sorted(names(verdict)) == ["anna", "ed"]


def test_a_signature_of_another_image_does_not_count_whatever_it_is_attached_to(anna):
    foreign, payload = sha256(OTHER), cosign.simple(sha256(OTHER))
    forms = {
        "statement": of_bundle(cosign.envelope(anna, cosign.statement(foreign))),
        "message": of_bundle(cosign.message(anna, OTHER)),
        "old": of_old((payload, anna.sign(payload))),
        "subject": of_bundle(cosign.envelope(anna, cosign.statement(sha256(INDEX))), subject=foreign),
    }
    verdict = judged(list(forms.values()), OURS, trusted(anna))
    assert (verdict.signers, [remark for remark in verdict.remarks if "another image" in remark]) == ((), list(verdict.remarks))
    assert len(verdict.remarks) >= 3


def test_the_index_is_nothing_to_an_image_that_came_without_it(anna):
    """A foreign index may list our manifest; its signature says nothing of ours."""
    payload = cosign.simple(sha256(INDEX))
    forms = [of_bundle(cosign.envelope(anna, cosign.statement(sha256(INDEX))), sha256(MANIFEST)), of_old((payload, anna.sign(payload)))]
    assert judged(forms, {sha256(MANIFEST): MANIFEST}, trusted(anna)).signers == ()


def test_what_a_changed_byte_or_another_meaning_makes_of_it(anna, stranger):
    good = cosign.statement(sha256(INDEX))
    sbom = cosign.statement(sha256(INDEX), predicate="https://cyclonedx.org/bom")
    payload = cosign.simple(sha256(INDEX))
    two = json.loads(cosign.envelope(anna, good))
    two["dsseEnvelope"]["signatures"] *= 2
    twice = cosign.envelope(anna, good).replace(b'"mediaType"', b'"mediaType": "x", "mediaType"', 1)
    both = json.loads(cosign.envelope(anna, good)) | {"messageSignature": json.loads(cosign.message(anna, INDEX))["messageSignature"]}
    forms = {
        "payload changed": of_bundle(cosign.envelope(anna, cosign.statement(sha256(OTHER)), payload=cosign.text(good))),
        "type of payload changed": of_bundle(cosign.envelope(anna, good, payloadType="application/json")),
        "signed as another type": of_bundle(cosign.envelope(anna, good, kind="text/plain", payloadType="application/vnd.in-toto+json")),
        "not a signature": of_bundle(cosign.envelope(anna, sbom)),
        "not a statement": of_bundle(cosign.envelope(anna, cosign.statement(sha256(INDEX), kind="https://example.com/v1"))),
        "two signatures": of_bundle(cosign.encoded(two)),
        "a key twice": of_bundle(twice),
        "two contents": of_bundle(cosign.encoded(both)),
        "no content": of_bundle(cosign.bundle({})),
        "another version": of_bundle(cosign.envelope(anna, good).replace(b"v0.3+json", b"v0.2+json")),
        "two layers": of_bundle(cosign.envelope(anna, good), layers=[{}, {}]),
        "of the old type": of_old((cosign.simple(sha256(INDEX), kind="atomic"), anna.sign(cosign.simple(sha256(INDEX), kind="atomic")))),
        "signature of a stranger": of_old((payload, stranger.sign(payload))),
        "signature is no base64": of_old((payload, "@@@")),
        "no JSON": of_bundle(b"\xff\x00"),
        "nested": of_bundle(b"[" * 100_000),
    }
    assert judged(list(forms.values()), OURS, trusted(anna)).signers == ()
    assert names(judged([of_bundle(cosign.envelope(anna, good))], OURS, trusted(anna))) == ["anna"]


def test_other_algorithms_are_refused_by_their_name(anna, ed, tmp_path):
    rsa = cosign.OpensslKey(tmp_path, "rsa", "rsa")
    payload = cosign.simple(sha256(INDEX))
    with pytest.raises(InvalidKey, match="an RSA key"):
        trusted(rsa)
    forms = {
        "RSA-PSS": of_old((payload, rsa.sign(payload))),
        "Ed25519ph": of_bundle(cosign.message(ed, INDEX, algorithm="SHA2_512")),
        "an unknown hash": of_bundle(cosign.message(anna, INDEX, algorithm="MD5")),
    }
    for name, form in forms.items():
        verdict = judged([form], OURS, trusted(anna, ed))
        assert (verdict.signers, name in verdict.remarks[0], "not accepted" in verdict.remarks[0]) == ((), True, True)


def test_a_keyless_signature_is_reported_and_does_not_count(anna, stranger):
    payload = cosign.simple(sha256(INDEX))
    forms = [
        of_bundle(cosign.envelope(stranger, cosign.statement(sha256(INDEX)), material=cosign.CERTIFICATE)),
        of_old((payload, stranger.sign(payload)), certificate="-----BEGIN CERTIFICATE-----"),
    ]
    verdict = judged(forms, OURS, trusted(anna))
    assert (verdict.signers, verdict.keyless, verdict.others) == ((), 2, 0)


def test_of_very_many_signatures_few_are_looked_at(anna):
    payload = cosign.simple(sha256(INDEX))
    with pytest.raises(manifests.NotASignature, match="at most 1048576"):
        manifests.read(cosign.old(*[(payload, b"x" * 70)] * 10_000))
    some = cosign.old(*[(payload, b"x" * 70)] * 1_000)
    assert len(manifests.read(some).payloads) == manifests.MOST
    entry = {"mediaType": manifests.OCI_MANIFEST, "digest": sha256(b"1"), "size": 500, "artifactType": cosign.SIGSTORE}
    entries = [entry | {"digest": sha256(str(number).encode())} for number in range(10_000)]
    answer = cosign.encoded({"schemaVersion": 2, "manifests": entries})
    assert len(referring(answer, sha256(INDEX), manifests.SIGNATURES)) == manifests.MOST
    many = [of_old((payload, bytes([number, *b"x" * 69]))) for number in range(100)]
    assert judged(many, OURS, trusted(anna)).others == len(many)


def test_however_many_others_there_are_a_good_signature_is_looked_at(anna, ed, in_this_process_counted):
    """Not beside the last that are looked at; and what is looked at has an end."""
    payload = cosign.simple(sha256(INDEX))
    junk = [of_old(*((payload, bytes([at, row, *b"x" * 68])) for row in range(manifests.MOST))) for at in range(2 * manifests.MOST)]
    verdict = judged([*junk, of_old((payload, anna.sign(payload)))], OURS, trusted(anna, ed))
    assert names(verdict) == ["anna"]
    assert (verdict.others, f"only {judging.MOST_CLAIMS} were looked at" in " ".join(verdict.remarks)) == (judging.MOST_CLAIMS - 1, True)
    assert set(in_this_process_counted) == {2 * judging.BATCH}


def test_no_more_is_looked_at_once_every_key_has_signed(anna, in_this_process_counted):
    payload = cosign.simple(sha256(INDEX))
    junk = [of_old((payload, bytes([at, *b"x" * 69]))) for at in range(2 * judging.BATCH)]
    assert names(judged([of_old((payload, anna.sign(payload))), *junk], OURS, trusted(anna))) == ["anna"]
    assert in_this_process_counted == [judging.BATCH]


@pytest.fixture
def in_this_process_counted(monkeypatch):
    """How many signatures each process was asked about."""
    asked, real = [], judging.fitting_each

    def counted(checks):
        asked.append(len(checks))
        return real(checks)

    monkeypatch.setattr(judging, "fitting_each", counted)
    return asked


VALUES = [None, True, 0, 1.5, "", "x", "\ud800", [], [[]], ["x"], {}, {"x": []}, 10**400]
"""Of every type that JSON has, in place of the right one."""


def places(document, path=()):
    """The path of everything in a document."""
    yield path
    rows = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for name, value in rows:
        yield from places(value, (*path, name))


def changed(document, path, value):
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


STATEMENT, SIMPLE = json.loads(cosign.statement(sha256(INDEX))), json.loads(cosign.simple(sha256(INDEX)))


@pytest.mark.parametrize("form", [Form.STATEMENT, Form.SIMPLE])
def test_a_signed_document_with_a_field_of_another_type_is_of_no_image_or_of_this_one(form):
    """What a trusted key has signed may be wrong as well, and stops nothing."""
    document = STATEMENT if form is Form.STATEMENT else SIMPLE
    for path in places(document):
        for value in VALUES:
            claim = Claim(form, b"", b"", cosign.encoded(changed(document, path, value)))
            with suppress(manifests.NotASignature):
                refuse_other(claim, frozenset(OURS))


def test_an_unsigned_document_with_a_field_of_another_type_is_no_signature_or_still_one(anna):
    bundles = [cosign.envelope(anna, cosign.statement(sha256(INDEX))), cosign.message(anna, INDEX)]
    for bundle in map(json.loads, bundles):
        for path in places(bundle):
            for value in VALUES:
                with suppress(manifests.NotASignature):
                    of_bundle_bytes(cosign.encoded(changed(bundle, path, value)), OURS)
    payload = cosign.simple(sha256(INDEX))
    listed = cosign.listed({"digest": sha256(b"1"), "size": 500, "annotations": {"dev.sigstore.bundle.predicateType": cosign.PREDICATE}})
    for manifest in map(json.loads, (cosign.old((payload, b"x"), certificate="x"), cosign.referring(sha256(INDEX), payload), listed)):
        for path in places(manifest):
            for value in VALUES:
                data = cosign.encoded(changed(manifest, path, value))
                referring(data, sha256(INDEX), manifests.SIGNATURES)
                with suppress(manifests.NotASignature):
                    manifests.read(data)


def test_a_trusted_signer_who_signed_nonsense_stops_nothing(anna):
    nonsense = cosign.encoded({"_type": [], "subject": [], "predicateType": cosign.PREDICATE})
    forms = [of_bundle(cosign.envelope(anna, nonsense)), of_bundle(cosign.envelope(anna, cosign.statement(sha256(INDEX))))]
    assert names(judged(forms, OURS, trusted(anna))) == ["anna"]


def test_a_manifest_that_contradicts_itself_is_none():
    payload = cosign.simple(sha256(INDEX))
    manifest = json.loads(cosign.old((payload, b"x"), (payload, b"y")))
    manifest["layers"][1]["size"] += 1
    with pytest.raises(manifests.NotASignature, match="contradicts itself"):
        manifests.read(cosign.encoded(manifest))


def test_which_entries_of_a_list_are_asked_for():
    base = {"mediaType": manifests.OCI_MANIFEST, "digest": sha256(b"1"), "size": 500}
    attestation = {"annotations": {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}}
    signature = {"annotations": {"dev.sigstore.bundle.predicateType": cosign.PREDICATE}}
    taken = [base | {"artifactType": cosign.SIGSTORE}, base | {"artifactType": cosign.SIGSTORE} | signature, base]
    left = [
        base | {"artifactType": "application/spdx+json"},
        base | {"artifactType": cosign.SIGSTORE} | attestation,
        base | {"platform": {"os": "linux"}},
        base | {"artifactType": cosign.SIGSTORE, "size": 1 << 30},
        base | {"artifactType": cosign.SIGSTORE, "size": True},
        base | {"artifactType": cosign.SIGSTORE, "digest": "sha256:../../etc"},
        base | {"artifactType": ["list"]},
        "text",
    ]

    def asked(entry):
        return len(referring(cosign.encoded({"schemaVersion": 2, "manifests": [entry]}), sha256(INDEX), manifests.SIGNATURES))

    assert [asked(entry) for entry in taken] == [1] * len(taken)
    assert [asked(entry) for entry in left] == [0] * len(left)
    for page in (
        b"<html>",
        b"[]",
        b"{}",
        b'{"schemaVersion": 2, "manifests": {}}',
        b'{"schemaVersion": 2, "mediaType": "text/html", "manifests": []}',
    ):
        assert referring(page, sha256(INDEX), manifests.SIGNATURES) is None
