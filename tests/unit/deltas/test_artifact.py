"""The artifact that has the deltas of one image: what is made is read back, and everything else is refused."""

import json

import pytest

from kelvin_provision.deltas import artifact
from kelvin_provision.errors import DeltaInvalid
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.media_types import OCI_INDEX, OCI_MANIFEST

MANIFEST = Descriptor(OCI_MANIFEST, digest_of(b"manifest"), 8)
CONFIG = Descriptor("application/vnd.oci.image.config.v1+json", digest_of(b"config"), 6)
BASE, OTHER = digest_of(b"base"), digest_of(b"another base")
LAYER = artifact.DeltaLayer(
    Descriptor(artifact.LAYER_TYPE, digest_of(b"delta"), 5), digest_of(b"layer"), 1000, (BASE, OTHER), digest_of(b"compressed"), 17
)


def changed(**fields):
    data, _ = artifact.make(MANIFEST, CONFIG, [LAYER])
    return json.loads(data) | fields


def read(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return artifact.read(data, Descriptor(OCI_MANIFEST, digest_of(data), len(data)))


def test_what_is_made_is_read_back():
    data, descriptor = artifact.make(MANIFEST, CONFIG, [LAYER], [digest_of(b"old config")])
    assert artifact.make(MANIFEST, CONFIG, [LAYER], [digest_of(b"old config")]) == (data, descriptor)
    made = artifact.read(data, descriptor)
    assert made == artifact.DeltaArtifact(descriptor, MANIFEST.digest, (LAYER,), (MANIFEST, CONFIG))
    assert (made.size, made.needs) == (5, {BASE, OTHER})
    assert [blob.digest for blob in made.blobs()] == [artifact.EMPTY.digest, MANIFEST.digest, CONFIG.digest, LAYER.blob.digest]


def test_bytes_of_another_manifest_are_refused():
    data, descriptor = artifact.make(MANIFEST, CONFIG, [LAYER])
    with pytest.raises(DeltaInvalid, match="descriptor"):
        artifact.read(data + b" ", descriptor)


@pytest.mark.parametrize(
    "fields",
    [
        {"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"},
        {"mediaType": OCI_INDEX},
        {"subject": None},
        {"subject": {"mediaType": OCI_MANIFEST, "digest": OTHER, "size": 8}},
        {"layers": {}},
        {"layers": []},
        {"layers": [{}] * 300},
    ],
    ids=str,
)
def test_a_manifest_that_is_something_else_is_refused(fields):
    with pytest.raises(DeltaInvalid):
        read(changed(**fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"<html>", b"[" * 100_000, b'"' + b"a" * (5 << 20)], ids=len)
def test_other_documents_are_refused(data):
    with pytest.raises(DeltaInvalid):
        read(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "-1"), ("size", "1e3"), ("size", "٣"), ("size", str(1 << 50)), ("size", 7), ("memory", str(1 << 30)), ("diff-id", "sha256:0"),
     ("needs", f"{BASE},"), ("needs", ",".join([BASE] * 17)), ("needs", ""), ("needs", None), ("replaces", None)],
)  # fmt: skip
def test_a_layer_out_of_range_is_refused(key, value):
    document = changed()
    document["layers"][2]["annotations"]["kelvin-provision.delta." + key] = value
    with pytest.raises(DeltaInvalid):
        read(document)


def test_a_layer_that_is_made_twice_is_refused():
    document = changed()
    document["layers"].append(document["layers"][2])
    with pytest.raises(DeltaInvalid, match="twice"):
        read(document)
