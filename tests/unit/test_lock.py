"""An image lock: names, sizes, and the way through JSON."""

import dataclasses
import json

import pytest

from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock


def blob(letter, size):
    return Descriptor("application/x", "sha256:" + letter * 64, size)


INDEX, MANIFEST, CONFIG, LAYER, OTHER = (blob(letter, size) for letter, size in zip("abcde", (1, 20, 300, 4000, 50000), strict=True))


def lock(reference="r.example/web:1", *, index=None, layers=(LAYER, OTHER)):
    diff_ids = tuple("sha256:" + f"{number}" * 64 for number in range(len(layers)))
    return ImageLock(Reference.parse(reference), Platform("linux", "arm", "v7"), MANIFEST, CONFIG, tuple(layers), diff_ids, index)


def test_what_the_name_points_at_is_what_the_user_pinned():
    pinned = f"r.example/web:1@{INDEX.digest}"
    assert lock().root == MANIFEST
    assert lock(index=INDEX).root == MANIFEST
    assert lock(pinned, index=INDEX).root == INDEX
    assert lock(f"r.example/web@{MANIFEST.digest}", index=INDEX).root == MANIFEST


def test_names_carry_the_digest_and_only_the_pinned_reference_the_tag():
    assert lock().name == f"r.example/web@{MANIFEST.digest}"
    assert lock().pinned_reference == f"r.example/web:1@{MANIFEST.digest}"
    assert lock(f"r.example/web:1@{INDEX.digest}", index=INDEX).name == f"r.example/web@{INDEX.digest}"
    assert lock("r.example/web").pinned_reference == f"r.example/web@{MANIFEST.digest}"


def test_blobs_come_documents_first_and_each_once():
    assert list(lock(index=INDEX, layers=(LAYER, OTHER, LAYER)).blobs()) == [INDEX, MANIFEST, CONFIG, LAYER, OTHER]
    assert lock(index=INDEX, layers=(LAYER, LAYER)).size == 4321
    assert lock(layers=()).size == 320


@pytest.mark.parametrize("index", [None, INDEX])
def test_a_lock_comes_back_from_json_as_it_was(index):
    found = lock(index=index)
    assert ImageLock.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_lock_in_json_has_the_platform_of_the_image_and_nothing_of_the_node():
    assert lock().to_json()["platform"] == {"os": "linux", "architecture": "arm", "variant": "v7"}


def test_a_lock_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        lock().index = INDEX
