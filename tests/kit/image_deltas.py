"""Deltas between images of `tests.kit.images`, in memory and at a registry."""

import gzip
import io
import json
import random
from dataclasses import dataclass, replace

from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaArtifact, DeltaLayer, make, read
from kelvin_provision.deltas.making import make_layer
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import DeltaOffers
from tests.kit.images import OCI_INDEX, OCI_MANIFEST, Image, make_image, push_blob, put_manifest, sha256, tar_of
from tests.kit.locks import lock_of

REFERENCE = "r.io/a:1"


def two_versions(seed=0, *, size=400_000, changed=2_000, **config):
    """Two images: a small layer that they share, and a large one in which one file of several differs, that does not compress."""
    made = random.Random(seed)  # noqa: S311  (the same in every run)
    files = {f"app/{number}.bin": made.randbytes(size // 4) for number in range(4)}
    other = files | {"app/1.bin": made.randbytes(changed) + files["app/1.bin"][changed:]}
    base = tar_of({"etc/base": b"the same"})
    return tuple(make_image([base, tar_of(each)], **config) for each in (files, other))


@dataclass(frozen=True)
class Delta:
    """What a registry has of the deltas of one image: `manifest` and `blobs`, and what is read of it."""

    manifest: bytes
    blobs: dict[str, bytes]
    artifact: DeltaArtifact

    @property
    def offers(self):
        return DeltaOffers(self.artifact.layers)

    @property
    def layer(self):
        return self.artifact.layers[0]

    @property
    def bytes(self):
        return self.blobs[self.layer.blob.digest]


def delta_between(old: Image, new: Image, **changes) -> Delta:
    """Of the last layers. `changes` are those of a `DeltaLayer`: what the manifest then says of it."""
    before, after = (lock_of(image, REFERENCE) for image in (old, new))
    output = io.BytesIO()
    made = make_layer(*(io.BytesIO(image.blobs[lock.layers[-1].digest]) for image, lock in ((old, before), (new, after))), output)
    return described(new, output.getvalue(), needs=(before.diff_ids[-1],), memory=made.memory, **changes)


def described(new: Image, data: bytes, **changes) -> Delta:
    """An artifact with these bytes as the delta of the last layer of an image."""
    lock = lock_of(new, REFERENCE)
    config = new.blobs[lock.config.digest]
    plain = gzip.decompress(new.blobs[lock.layers[-1].digest])
    layer = DeltaLayer(
        Descriptor(LAYER_TYPE, sha256(data), len(data)), lock.diff_ids[-1], len(plain), (sha256(b"base"),), lock.layers[-1].digest, 0
    )
    layer = replace(layer, **changes)
    manifest, descriptor = make(lock.manifest, lock.config, [layer])
    blobs = {sha256(data): data, sha256(b"{}"): b"{}", lock.manifest.digest: new.manifest, lock.config.digest: config}
    return Delta(manifest, blobs, read(manifest, descriptor))


def push_delta(host, repository, new: Image, *deltas: Delta) -> None:
    """As a tool does where the registry has no list of referrers: under the tag."""
    for delta in deltas:
        for data in delta.blobs.values():
            push_blob(host, repository, data)
        put_manifest(host, repository, sha256(delta.manifest), delta.manifest, OCI_MANIFEST)
    put_manifest(host, repository, new.digest.replace(":", "-"), listed(*deltas), OCI_INDEX)


def listed(*deltas: Delta, **changes) -> bytes:
    """The list under the tag."""
    entries = [
        {
            "mediaType": OCI_MANIFEST,
            "artifactType": json.loads(delta.manifest)["artifactType"],
            "digest": sha256(delta.manifest),
            "size": len(delta.manifest),
        }
        | changes
        for delta in deltas
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
