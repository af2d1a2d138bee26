"""What is taken as deltas from a registry: what refers to the image by its own word, and nothing that answers in its place."""

import json

import pytest

from kelvin_provision.deltas.artifact import ARTIFACT_TYPE, read
from kelvin_provision.errors import DeltaInvalid, DigestMismatch, ImageNotFound, RegistryBusy, RegistryRefused, RegistryUnreachable
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.referring.deltas import MOST, deltas
from tests.kit.image_deltas import REFERENCE, described, listed
from tests.kit.images import OCI_MANIFEST, make_image, sha256, tar_of
from tests.kit.locks import lock_of

IMAGE = make_image([tar_of({"a": b"1"})])
OTHER = make_image([tar_of({"a": b"2"})])
TARGET = lock_of(IMAGE, REFERENCE).manifest
TAG = TARGET.digest.replace(":", "-")


class Repository:
    """Manifests by tag or digest; an error in place of bytes is raised. `pages` is the list of referrers, or an error."""

    def __init__(self, *given, pages=None):
        self.names = {delta.layer.blob.digest: sha256(delta.manifest) for delta in given}
        self.manifests = {sha256(delta.manifest): delta.manifest for delta in given} | {TAG: listed(*given)}
        self.pages = pages or ImageNotFound("404")
        self.asked = []

    def manifest(self, reference, expected=None):
        self.asked.append(reference)
        found = self.manifests.get(reference, ImageNotFound(reference))
        if isinstance(found, Exception):
            raise found
        if expected is not None and len(found) != expected.size:
            raise DigestMismatch("another size")
        return found, ""

    def referrers(self, digest, kind):
        assert (digest, kind) == (TARGET.digest, ARTIFACT_TYPE)
        if isinstance(self.pages, Exception):
            raise self.pages
        yield from self.pages

    def taken(self):
        offers = deltas(self, self.referrers, TARGET)
        return [self.names[layer.blob.digest] for layer in offers.layers], offers.remarks


def delta(data=b"a delta", image=IMAGE):
    return described(image, data)


def digest(given):
    return sha256(given.manifest)


def test_the_list_of_the_registry_counts_and_else_the_tag():
    one, two = delta(b"one"), delta(b"two")
    assert Repository(one).taken() == ([digest(one)], ())
    with_list = Repository(one, two, pages=[listed(two)])
    assert (with_list.taken(), TAG in with_list.asked) == (([digest(two)], ()), False)


@pytest.mark.parametrize(
    "pages",
    [[b"<html>a page, with 200</html>"], [b""], [IMAGE.manifest], RegistryRefused("405"), RegistryUnreachable("500"), RegistryBusy("429")],
    ids=["page", "nothing", "image", "refused", "broken", "busy"],
)
def test_a_registry_that_answers_anything_else_to_the_list_is_asked_for_the_tag(pages):
    one = delta()
    assert Repository(one, pages=pages).taken() == ([digest(one)], ())


@pytest.mark.parametrize(
    "answer", [IMAGE.manifest, b"<html>", b"[]", b'{"manifests": 1}', listed()], ids=["subject", "page", "list", "wrong", "empty"]
)
def test_a_registry_that_answers_the_tag_with_the_image_itself_has_no_deltas(answer):
    repository = Repository()
    repository.manifests[TAG] = answer
    assert repository.taken() == ([], ())
    assert repository.asked == [TAG]


def test_a_delta_of_another_image_is_not_taken_whatever_the_list_says():
    foreign, own = delta(image=OTHER), delta()
    taken, remarks = Repository(foreign, own).taken()
    assert (taken, [remark.rpartition(": ")[2] for remark in remarks]) == ([digest(own)], ["it refers to another image"])


def test_what_is_no_delta_although_the_list_says_so_is_left_out_with_its_reason():
    own, image = delta(), delta(b"other")
    repository = Repository(own, image)
    repository.manifests[digest(image)] = b"x" * len(image.manifest)
    taken, remarks = repository.taken()
    assert (taken, len(remarks)) == ([digest(own)], 1)


@pytest.mark.parametrize(
    "changes", [{"artifactType": "application/other"}, {"size": 2 << 20}, {"platform": {}, "artifactType": ""}, {"mediaType": "x"}]
)
def test_what_the_list_says_is_something_else_is_not_asked_for(changes):
    own = delta()
    repository = Repository(own)
    repository.manifests[TAG] = listed(own, **changes)
    assert (repository.taken(), repository.asked) == (([], ()), [TAG])


def test_trouble_with_one_costs_that_one_and_trouble_with_the_tag_is_waited_out():
    one, two = delta(b"one"), delta(b"two")
    repository = Repository(one, two)
    repository.manifests[digest(one)] = RegistryBusy("429")
    assert repository.taken()[0] == [digest(two)]
    repository.manifests[TAG] = RegistryUnreachable("no route to host")
    with pytest.raises(RegistryUnreachable):
        repository.taken()


def test_no_more_are_looked_at_than_a_fleet_has_versions():
    many = [delta(str(number).encode()) for number in range(MOST + 5)]
    repository = Repository(*many)
    assert len(repository.taken()[0]) == MOST
    assert len(repository.asked) == MOST + 1


DENSE = b"[" + b"[]," * 1_300_000 + b"[]]"
"""Twenty times its size in memory, once it is parsed."""


def test_what_would_take_many_times_its_size_is_not_parsed(monkeypatch):
    one, parsed = delta(), []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda data, **more: parsed.append(len(data)) or loads(data, **more))
    page = b'{"schemaVersion":2,"manifests":' + DENSE + b"}"
    assert Repository(one, pages=[page]).taken() == ([digest(one)], ())
    with pytest.raises(DeltaInvalid, match="its manifest has too many values"):
        read(DENSE[-(1 << 20) :], Descriptor(OCI_MANIFEST, sha256(DENSE[-(1 << 20) :]), 1 << 20))
    assert max(parsed) < 10_000
