"""Deltas that make an image out of others: referrers of their artifact type. Bounded in number and bytes.

Nothing here is believed: what is rebuilt has the digest that the image itself names, or is not used.
"""

from __future__ import annotations

from contextlib import suppress

from kelvin_provision.deltas.artifact import ARTIFACT_TYPE, DeltaArtifact, DeltaLayer, read
from kelvin_provision.errors import DeltaInvalid
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import DeltaOffers, Documents
from kelvin_provision.registry.referring.referrers import NONE, TROUBLE, Referrers, by_tag, pages
from kelvin_provision.spec.referrers import Kind

MOST = 16
"""Artifacts of one image that are looked at: one for each version that a fleet is updated from."""
DELTAS = Kind(ARTIFACT_TYPE, 1 << 20, MOST)


def deltas(documents: Documents, referrers: Referrers | None, image: Descriptor) -> DeltaOffers:
    """See `Blobs.deltas`.

    A list that cannot be read now is no reason to wait, as the referrers tag may answer. A tag that cannot be read now is one: the whole
    image would be downloaded.
    """
    listed: tuple[Descriptor, ...] = ()
    with suppress(*TROUBLE):
        if referrers is not None:
            listed = pages(referrers(image.digest, ARTIFACT_TYPE), image.digest, DELTAS, lambda _: None)
    layers, remarks = list[DeltaLayer](), list[str]()
    for entry in listed or by_tag(documents, image.digest, DELTAS):
        try:
            layers += _read(documents.manifest(entry.digest, entry)[0], entry, image).layers
        except DeltaInvalid as error:
            remarks.append(f"{entry.digest[:19]}: {error}")
        except NONE:
            remarks.append(f"{entry.digest[:19]}: the registry does not give it")
        except TROUBLE:
            remarks.append(f"{entry.digest[:19]}: the registry does not give it now")
    return DeltaOffers(tuple(layers), tuple(remarks))


def _read(data: bytes, entry: Descriptor, image: Descriptor) -> DeltaArtifact:
    """Raises DeltaInvalid, also for one of another image."""
    artifact = read(data, entry)
    if artifact.subject != image.digest:
        raise DeltaInvalid("the delta cannot be used: it refers to another image")
    return artifact
