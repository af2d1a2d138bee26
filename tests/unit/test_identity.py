import dataclasses

import pytest

from kelvin_provision.cluster.docker.render.revision import BoxInfo, for_image_store, render
from kelvin_provision.cluster.labels import SPEC_HASH
from kelvin_provision.images.inventory import orphans
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.identity import COARSEST, Identity, identities, is_among
from kelvin_provision.spec.workload import Spec
from tests.kit.images import index_of, make_image, sha256, tar_of
from tests.kit.locks import lock_of

HERE = Platform.of_this_host()
IMAGE = make_image([tar_of({"a": b"a"})], architecture=HERE.architecture)
INDEX = index_of({str(HERE): IMAGE})
BY_TAG = lock_of(IMAGE, "r.io/pump:1", HERE)
BY_INDEX = lock_of(IMAGE, f"r.io/pump@{sha256(INDEX)}", HERE, index=INDEX)
SPEC = Spec("pump", "Pump", "pump", "1.0.0", "box", Method.STAGED, image="r.io/pump:1")


@pytest.mark.parametrize("lock", [BY_TAG, BY_INDEX])
def test_each_runtime_has_its_own_identity_of_an_image(lock):
    root = sha256(INDEX) if lock is BY_INDEX else IMAGE.digest
    assert {identity: identity.of(lock) for identity in Identity} == {
        Identity.NAME: f"r.io/pump@{root}",
        Identity.ROOT: root,
        Identity.CONFIG: lock.config.digest,
    }


@pytest.mark.parametrize("identity", Identity)
def test_an_image_is_recognised_whatever_the_runtime_calls_it_by(identity):
    other = lock_of(make_image([tar_of({"b": b"b"})], architecture=HERE.architecture), "r.io/fan:1", HERE)
    owned = frozenset({identity.of(BY_INDEX), identity.of(other)})
    assert is_among(BY_INDEX, owned)
    assert not is_among(BY_INDEX, {identity.of(other)})
    assert orphans([BY_INDEX], owned) == (identity.of(other),)


def test_the_same_image_by_its_index_and_by_its_manifest_is_one_image_by_the_coarsest_identity_alone():
    assert {identity for identity in Identity if identity.of(BY_TAG) == identity.of(BY_INDEX)} == {COARSEST}
    renamed = dataclasses.replace(BY_TAG, reference=Reference.parse("r.io/other:1"))
    assert identities(renamed) & identities(BY_TAG) == {BY_TAG.root.digest, BY_TAG.config.digest}


class Engine:
    def __init__(self, identity, local=None):
        self.identity = lambda: identity
        self._local = local or {}

    def image_id(self, image):
        return self._local.get(image, image)


@pytest.mark.parametrize(("made_for", "store"), [(Identity.CONFIG, Identity.ROOT), (Identity.ROOT, Identity.CONFIG)])
def test_a_container_object_follows_the_image_store_of_the_engine_and_keeps_its_hash(made_for, store):
    (container,) = render(SPEC, (BY_INDEX,), 1, BoxInfo(identity=made_for))
    assert container["spec"]["image"] == made_for.of(BY_INDEX)
    (moved,) = for_image_store((container,), Engine(store))
    assert moved["spec"]["image"] == store.of(BY_INDEX)
    assert moved["metadata"]["labels"][SPEC_HASH] == container["metadata"]["labels"][SPEC_HASH]


def test_a_container_is_made_from_the_local_image_where_the_engine_has_no_other_and_keeps_its_hash():
    (container,) = render(SPEC, (BY_INDEX,), 1, BoxInfo(identity=Identity.ROOT))
    (local,) = for_image_store((container,), Engine(Identity.ROOT, {BY_INDEX.root.digest: "sha256:local"}))
    assert local["spec"]["image"] == "sha256:local"
    assert local["metadata"]["labels"][SPEC_HASH] == container["metadata"]["labels"][SPEC_HASH]


def test_an_image_that_the_engine_pulls_is_not_asked_about():
    (container,) = render(SPEC, (), 1, BoxInfo())
    assert for_image_store((container,), None) == (container,)  # no need to ask
