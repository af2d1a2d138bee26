"""Trust documents: what one may say, and when one follows another."""

import json
import random
from pathlib import Path

import pytest

from kelvin_provision.errors import TrustDocumentInvalid, TrustDocumentRefused, UsageRefused
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.accepting import checked, followed
from kelvin_provision.trust.documents.making import Changes, RoleChange, first, successor
from kelvin_provision.trust.documents.model import LARGEST, MOST, Revoked, Role, SignedDocument, TrustDocument
from kelvin_provision.trust.documents.reading import decode, encode
from kelvin_provision.trust.documents.renewing import renewed
from kelvin_provision.trust.dsse import REQUEST, Entry, document
from tests.kit.signing import key_pair, signature, trusting
from tests.kit.trusting import signed, trust_document

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def keys():
    """Three of them, by name."""
    return {name: key_pair(kind, name) for name, kind in (("anna", "ed25519"), ("bert", "p256"), ("carl", "ed25519"))}


@pytest.fixture(scope="module")
def anna(keys):
    return keys["anna"]


@pytest.fixture(scope="module")
def bert(keys):
    return keys["bert"]


@pytest.fixture(scope="module")
def carl(keys):
    return keys["carl"]


@pytest.fixture
def site(tmp_path, anna):
    return Trust(trusting(tmp_path, anna))


# --- one document ---------------------------------------------------------------------------------------


def test_a_document_is_read_as_it_was_written(anna, bert, carl):
    revoked = Revoked((carl[1].key_id,), ("sha256:" + "a" * 64,), ("sha512:" + "b" * 128,))
    whole = TrustDocument(7, Role((anna[1], bert[1]), 2), Role((bert[1],)), None, Role((anna[1],)), revoked)
    assert decode(encode(whole)) == whole
    assert json.loads(encode(whole))["root"]["keys"]["anna"] == anna[1].pem.decode()


def changed(anna, **changes):
    value = json.loads(encode(trust_document(1, anna)))
    return json.dumps(value | changes).encode()


def role(anna, **changes):
    return {"keys": {"anna": anna[1].pem.decode()}, "threshold": 1} | changes


HEX = "a" * 64


@pytest.mark.parametrize(
    "make",
    [
        lambda anna: b"",
        lambda anna: b"[]",
        lambda anna: b"{}",
        lambda anna: b"[" * 5000,
        lambda anna: b"\xff",
        lambda anna: encode(trust_document(1, anna)) + b" " * LARGEST,
        lambda anna: encode(trust_document(1, anna)).replace(b'"number"', b'"number": 2, "number"'),
        lambda anna: changed(anna, expires="2099-01-01"),
        lambda anna: changed(anna, number=0),
        lambda anna: changed(anna, number=-1),
        lambda anna: changed(anna, number=True),
        lambda anna: changed(anna, number=1.0),
        lambda anna: changed(anna, number="1"),
        lambda anna: changed(anna, number=1 << 31),
        lambda anna: changed(anna, root=None),
        lambda anna: changed(anna, bundles=[]),
        lambda anna: changed(anna, root=role(anna, threshold=0)),
        lambda anna: changed(anna, root=role(anna, threshold=2)),
        lambda anna: changed(anna, root=role(anna, threshold=True)),
        lambda anna: changed(anna, root=role(anna, more=1)),
        lambda anna: changed(anna, root=role(anna, keys={})),
        lambda anna: changed(anna, root=role(anna, keys={"anna": 1})),
        lambda anna: changed(anna, root=role(anna, keys={"../anna": anna[1].pem.decode()})),
        lambda anna: changed(anna, root=role(anna, keys={"anna": anna[1].pem.decode(), "anne": anna[1].pem.decode()})),
        lambda anna: changed(anna, root=role(anna, keys={"anna": "mallory\n" + anna[1].pem.decode()})),
        lambda anna: changed(anna, root=role(anna, keys={"anna": "-----BEGIN RSA PUBLIC KEY-----\nAA==\n-----END RSA PUBLIC KEY-----\n"})),
        lambda anna: changed(anna, revoked={"keys": [], "bundles": []}),
        lambda anna: changed(anna, revoked={"keys": [HEX, HEX], "bundles": [], "images": []}),
        lambda anna: changed(anna, revoked={"keys": [HEX.upper()], "bundles": [], "images": []}),
        lambda anna: changed(anna, revoked={"keys": [], "bundles": [HEX], "images": []}),
        lambda anna: changed(anna, revoked={"keys": [], "bundles": [], "images": ["md5:" + "a" * 32]}),
        lambda anna: changed(anna, revoked={"keys": [anna[1].key_id], "bundles": [], "images": []}),
    ],
)
def test_what_is_not_exactly_a_document_is_refused(make, anna):
    with pytest.raises(TrustDocumentInvalid):
        decode(make(anna))


def test_a_fuzzed_document_is_read_or_refused(anna, bert):
    good, chance = encode(trust_document(3, anna, bert, threshold=2)), random.Random(15)  # noqa: S311
    for _ in range(1_000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 3)] = chance.choice([b"[", b"{", b'"', b",", b"0", b"\\u0000", b"null", b"\n", b"\xff"])
        try:
            found = decode(bytes(data))
        except TrustDocumentInvalid:
            continue
        assert decode(encode(found)) == found


# --- the one after another ------------------------------------------------------------------------------


def numbers(steps):
    return [step.document.number for step in steps]


def test_the_site_file_is_number_0_and_any_of_its_keys_is_root(tmp_path, anna, bert, carl):
    site = Trust(trusting(tmp_path, anna, bert))
    for signer in (anna, bert):
        (step,) = renewed(site, [signed(trust_document(1, signer), signer)])
        assert step.signed_by == (f"{signer[1].name} ({signer[1].key_id[:12]})",)
    with pytest.raises(TrustDocumentRefused, match="0 of the root keys after number 0, and 1 must"):
        renewed(site, [signed(trust_document(1, carl), carl)])


def test_each_is_signed_by_the_one_before_and_by_itself(site, anna, bert):
    handed_over = trust_document(1, bert)
    assert numbers(renewed(site, [signed(handed_over, anna, bert)])) == [1]
    with pytest.raises(TrustDocumentRefused, match="of number 1 itself"):
        renewed(site, [signed(handed_over, anna)])
    with pytest.raises(TrustDocumentRefused, match="after number 0"):
        renewed(site, [signed(handed_over, bert)])


def test_five_generations_that_were_missed_follow_at_once(site, anna):
    pairs = [anna, *(key_pair(name=f"k{number}") for number in range(1, 6))]
    chain = [
        signed(trust_document(number, pairs[number], revoked=pairs[:number]), pairs[number - 1], pairs[number]) for number in range(1, 6)
    ]
    assert numbers(renewed(site, chain)) == [1, 2, 3, 4, 5]
    later = Trust(site.settings, decode(chain[2].content), frozenset(one.digest for one in chain[:3]))
    assert numbers(renewed(later, chain)) == [4, 5]
    assert renewed(Trust(site.settings, decode(chain[4].content), frozenset(one.digest for one in chain)), chain) == ()


def test_one_key_that_signs_twice_is_one_of_two(site, anna, bert):
    two = signed(trust_document(1, anna, bert, threshold=2), anna, bert)
    (step,) = renewed(site, [two])
    later, value = Trust(site.settings, step.document), trust_document(2, anna, bert, threshold=2)
    content = encode(value)
    entry = Entry(anna[1].key_id, signature(anna[0], content, "application/vnd.kelvin-provision.trust.v1+json"))
    with pytest.raises(TrustDocumentRefused, match="1 of the root keys after number 1, and 2 must"):
        renewed(later, [SignedDocument(content, document([entry] * 5))])
    assert numbers(renewed(later, [signed(value, bert, anna)])) == [2]


def test_a_gap_an_older_number_and_a_rival_are_refused(site, anna):
    one = signed(trust_document(1, anna), anna)
    believing = Trust(site.settings, decode(one.content), frozenset({one.digest}))
    with pytest.raises(TrustDocumentRefused, match="trust document 3 does not follow number 1: 2 is missing"):
        renewed(believing, [one, signed(trust_document(3, anna), anna)])
    rival = signed(trust_document(1, anna, requests=None), anna)
    with pytest.raises(TrustDocumentRefused, match="trust document 1 is older than what this box believes, number 1, or another"):
        renewed(believing, [rival])
    with pytest.raises(TrustDocumentRefused, match="4 to 7 is missing"):
        renewed(Trust(site.settings, trust_document(3, anna)), [signed(trust_document(8, key_pair()), key_pair())])


def test_a_document_of_another_role_counts_for_nothing(site, anna, bert):
    """Who may sign bundles is not root."""
    one = trust_document(1, anna, bundles=[bert])
    with pytest.raises(TrustDocumentRefused, match="0 of the root keys after number 1"):
        renewed(Trust(site.settings, one), [signed(trust_document(2, bert), bert)])


def test_a_revoked_key_signs_the_document_that_ends_it_and_none_after(site, anna, bert):
    one = signed(trust_document(1, bert, revoked=[anna]), anna, bert)
    (step,) = renewed(site, [one])
    later = Trust(site.settings, step.document)
    with pytest.raises(TrustDocumentRefused, match="0 of the root keys after number 1"):
        renewed(later, [signed(trust_document(2, anna), anna)])
    with pytest.raises(TrustDocumentInvalid, match="does not revoke"):
        renewed(later, [signed(trust_document(2, bert), bert)])
    with pytest.raises(TrustDocumentInvalid, match="root has the key anna, which the same document revokes"):
        renewed(later, [signed(trust_document(2, bert, anna, revoked=[anna]), bert)])


def test_a_signature_as_another_type_is_none(site, anna):
    with pytest.raises(TrustDocumentInvalid, match="the signature of anna"):
        renewed(site, [signed(trust_document(1, anna), anna, kind=REQUEST)])


def test_bytes_that_were_changed_are_refused_before_they_are_parsed(site, anna):
    one = signed(trust_document(1, anna), anna)
    with pytest.raises(TrustDocumentInvalid, match="the signature of anna"):
        renewed(site, [SignedDocument(b"[" * 5000, one.signatures)])


@pytest.mark.parametrize("end", [b"", b"[" * 5000, b', "root": {"keys": 7}}'])
def test_of_what_too_few_have_signed_nothing_is_parsed_but_its_number(site, anna, end):
    believing = Trust(site.settings, trust_document(1, anna))
    for number, message in ((1, "trust document 1 is older"), (3, "3 does not follow number 1"), (2, "0 of the root keys after number 1")):
        with pytest.raises(TrustDocumentRefused, match=message):
            renewed(believing, [SignedDocument(b'{\n "number": %d,' % number + end, b"[]")])
    for content in (b"", end, b'{"number": %s,' % (b"9" * 4000), b'{"number": "3",'):
        with pytest.raises(TrustDocumentRefused, match="0 of the root keys after number 1"):
            renewed(believing, [SignedDocument(content, b"[]")])


@pytest.mark.parametrize("count", [33, 10_000])
def test_thousands_of_signatures_are_refused_at_once(site, anna, count):
    one = signed(trust_document(1, anna), anna)
    (row,) = json.loads(one.signatures)
    with pytest.raises(TrustDocumentInvalid):
        renewed(site, [SignedDocument(one.content, json.dumps([row] * count, separators=(",", ":")).encode())])


def test_more_documents_than_travel_together_are_refused(site, anna):
    chain = [signed(trust_document(number, anna), anna) for number in range(1, MOST + 2)]
    assert len(followed(site.current, chain[:MOST]).steps) == MOST
    with pytest.raises(TrustDocumentInvalid, match="more than 64"):
        followed(site.current, chain)


def test_a_desk_checks_all_but_what_the_box_believes(anna, bert):
    chain = [signed(trust_document(4, anna), anna), signed(trust_document(5, bert), anna, bert)]
    assert numbers(checked(chain)) == [4, 5]
    with pytest.raises(TrustDocumentRefused):
        checked([chain[0], signed(trust_document(5, bert), bert)])
    with pytest.raises(TrustDocumentRefused):
        checked([signed(trust_document(4, anna), bert)])


# --- made -----------------------------------------------------------------------------------------------


def test_the_next_one_keeps_what_is_not_changed(anna, bert, carl):
    one = first(Changes(root=RoleChange((anna[1], bert[1]), 2), bundles=RoleChange((carl[1],))))
    assert (one.number, one.root.threshold, one.requests.keys, one.images) == (1, 2, (anna[1], bert[1]), None)
    two = successor(one, Changes(root=RoleChange((anna[1], bert[1], carl[1]))))
    assert (two.number, two.root.threshold, two.bundles) == (2, 2, one.bundles)
    three = successor(two, Changes(revoked=Revoked((bert[1].key_id,), ("sha256:" + HEX,))))
    assert (three.root.keys, three.requests.keys) == ((anna[1], carl[1]), (anna[1],))
    assert successor(three, Changes()).revoked == three.revoked


@pytest.mark.parametrize(
    "changes",
    [
        lambda keys: Changes(revoked=Revoked((keys["anna"][1].key_id,))),
        lambda keys: Changes(root=RoleChange((), 2)),
        lambda keys: Changes(images=RoleChange((), 1)),
        lambda keys: Changes(root=RoleChange((keys["bert"][1],)), revoked=Revoked((keys["bert"][1].key_id,))),
    ],
)
def test_a_document_that_no_one_could_follow_is_not_made(changes, keys):
    one = first(Changes(root=RoleChange((keys["anna"][1],))))
    with pytest.raises(UsageRefused):
        successor(one, changes(keys))
    with pytest.raises(UsageRefused):
        first(Changes())


def test_without_a_document_the_site_file_counts_and_with_one_it_is_not_even_read(tmp_path, anna):
    settings = trusting(tmp_path, anna)
    assert Trust(settings).role(REQUEST).keys == (anna[1],)
    Path(settings.keys[0]).unlink()
    assert Trust(settings, trust_document(1, anna)).role(REQUEST).keys == (anna[1],)
