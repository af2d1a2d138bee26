"""Blobs without an image around them."""

from kelvin_provision.refs import Descriptor
from tests.kit.images import OCI_LAYER, sha256

HELLO = b"hello, layer"


def described(data: bytes, media_type: str = OCI_LAYER) -> Descriptor:
    return Descriptor(media_type, sha256(data), len(data))
