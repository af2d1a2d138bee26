"""What is taken as signatures from a registry whose entries are hostile, damaged or too many: one that is wrong costs nothing but itself."""

import json

import pytest

from kelvin_provision.errors import DigestMismatch, ImageNotFound, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable
from kelvin_provision.registry.referring.referrers import PAGES
from kelvin_provision.registry.referring.signatures import signatures
from kelvin_provision.registry.repository import _next_query
from kelvin_provision.trust.cosign.manifests import LARGEST_MANIFEST, MOST
from tests.kit import cosign
from tests.kit.images import sha256

SUBJECT = sha256(b"the image")


class Repository:
    """Manifests by tag or digest and blobs by digest, in memory; an error in place of content is raised."""

    def __init__(self) -> None:
        self.manifests, self.blobs, self.asked = {}, {}, []

    def manifest(self, reference, expected=None):
        self.asked.append(reference)
        return _given(self.manifests, reference), ""

    def small_blob(self, blob):
        self.asked.append(blob.digest)
        data = _given(self.blobs, blob.digest)
        if len(data) != blob.size:
            raise DigestMismatch("another size")
        return data

    def add(self, payload, **changes):
        """One in the present form: its entry in a list."""
        manifest = cosign.referring(SUBJECT, payload, **changes)
        self.manifests[sha256(manifest)], self.blobs[sha256(payload)] = manifest, payload
        return {"digest": sha256(manifest), "size": len(manifest)}

    def list(self, *entries):
        self.manifests[cosign.tag(SUBJECT)] = cosign.listed(*entries)

    def old(self, manifest):
        self.manifests[f"{cosign.tag(SUBJECT)}.sig"] = manifest


def _given(contents, name):
    found = contents.get(name, ImageNotFound(name))
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture
def repository():
    repository = Repository()
    repository.good = repository.add(b"a good one")
    repository.list(repository.good)
    return repository


def taken(repository, referrers=None):
    found = signatures(repository, referrers, SUBJECT)
    for files in found.files:
        assert all(len(found.documents[blob.digest]) == blob.size for blob in files.blobs())
    return found


def names(found):
    return [files.manifest.digest for files in found.files]


def test_a_manifest_that_contradicts_itself_costs_nothing_but_itself(repository):
    manifest = json.loads(cosign.old((b"x", b"sig"), (b"x", b"sig")))
    manifest["layers"][1]["size"] = 2
    repository.blobs[sha256(b"x")] = b"x"
    repository.old(json.dumps(manifest).encode())
    found = taken(repository)
    assert (names(found), found.remarks) == ([repository.good["digest"]], (f"{_old()}: it contradicts itself: one payload with two sizes",))


def test_what_another_manifest_says_of_a_payload_that_is_here_is_compared_with_it(repository):
    manifest = json.loads(cosign.old((b"a good one", b"sig")))
    manifest["layers"][0]["size"] += 1
    repository.old(json.dumps(manifest).encode())
    found = taken(repository)
    assert (names(found), found.remarks) == ([repository.good["digest"]], (f"{_old()}: a payload is not there as its manifest says",))


def _old():
    return f"{cosign.tag(SUBJECT)[:19]}....sig"


@pytest.mark.parametrize(
    ("error", "remark"),
    [
        (DigestMismatch(""), "the registry has other content than it lists"),
        (RegistryDenied(""), "the registry denies access"),
        (RegistryRefused(""), "the registry does not give it"),
        (RegistryUnreachable(""), "the registry does not give it now"),
        (RegistryBusy(""), "the registry does not give it now"),
    ],
)
def test_what_a_registry_does_not_give_is_said_and_the_others_are_taken(repository, error, remark):
    bad = repository.add(b"a bad one")
    repository.manifests[bad["digest"]] = error
    repository.list(bad, repository.good)
    found = taken(repository)
    assert (names(found), found.remarks) == ([repository.good["digest"]], (f"{bad['digest'][:19]}: {remark}",))
    assert found.complete is not error.temporary


def test_of_trouble_that_passes_not_very_much_is_waited_for_and_alone_it_is_raised(repository):
    bad = [repository.add(f"bad {number}".encode()) for number in range(10)]
    for entry in bad:
        repository.manifests[entry["digest"]] = RegistryBusy("")
    repository.list(*bad)
    with pytest.raises(RegistryBusy):
        taken(repository)
    assert len(repository.asked) == 4


def test_a_manifest_that_is_too_large_is_named(repository):
    repository.old(cosign.old((b"x", b"sig")) + b" " * LARGEST_MANIFEST)
    assert taken(repository).remarks == (f"{_old()}: a manifest of more than 1 MiB; at most 1048576 bytes are read",)


def test_what_has_no_room_is_not_asked_for(repository):
    large = [repository.add(bytes([number]) * 250_000) for number in range(20)]
    repository.list(*large)
    found = taken(repository)
    assert (len(found.files), len([name for name in repository.asked if name in repository.blobs])) == (16, 16)
    assert "no room for it" in found.remarks[0]


def test_an_attestation_is_nothing_to_speak_of(repository):
    repository.list(repository.good, repository.add(b"an attestation", kind="application/spdx+json"))
    assert taken(repository).remarks == ()


def pages(*rows):
    """A list in pages, and how many of them were asked for."""
    asked = []

    def referrers(digest, kind):
        for row in rows:
            asked.append(digest)
            if isinstance(row, Exception):
                raise row
            yield row

    return referrers, asked


def test_the_pages_of_a_list_are_read_as_far_as_there_is_room(repository):
    entries = [repository.add(f"number {number}".encode()) for number in range(3)]
    referrers, asked = pages(
        cosign.listed(entries[0]), cosign.listed(), cosign.listed(entries[1]), cosign.listed(), cosign.listed(entries[2])
    )
    assert (names(taken(repository, referrers)), len(asked)) == ([entry["digest"] for entry in entries[:2]], PAGES)
    many = [{"digest": sha256(str(number).encode()), "size": 500} for number in range(MOST)]
    referrers, asked = pages(cosign.listed(*many), cosign.listed(repository.good))
    assert (names(taken(repository, referrers)), len(asked)) == ([], 1)


def test_trouble_with_a_later_page_takes_nothing_of_the_first(repository):
    for trouble, complete in ((RegistryBusy(""), False), (b"<html>", True), (RegistryDenied(""), True)):
        found = taken(repository, pages(cosign.listed(repository.good), trouble)[0])
        assert (names(found), found.complete) == ([repository.good["digest"]], complete)
    with pytest.raises(RegistryBusy):
        taken(repository, pages(RegistryBusy(""))[0])


def test_of_the_address_of_a_next_page_only_the_query_counts():
    """No other host, and no other path, is ever asked with the login of this one."""
    for link in ('</v2/a/referrers/x?last=1&n=2>; rel="next"', "<https://evil.example/x?last=1&n=2>; rel=next", '<?last=1&n=2>;rel="next"'):
        assert _next_query(link) == "last=1&n=2"
    for link in (
        "",
        '</v2/a?last=1>; rel="prev"',
        "</v2/a>; rel=next",
        "</v2/a?la st=1>; rel=next",
        "</v2/a?x\r\nHost: y>; rel=next",
        "<" * 9000,
    ):
        assert _next_query(link) is None
