import dataclasses

import pytest

from kelvin_provision.errors import ImageUnsupported
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import suitability
from kelvin_provision.runtimes.protocol import RuntimeInfo
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.media_types import LAYERS, support_of
from tests.kit.images import random_image
from tests.kit.locks import lock_of

HERE = Platform("linux", "amd64")
LOCK = lock_of(random_image([10]), "r.io/pump:1", HERE)
OCI, DOCKER = "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"


def of_layers(media_type, count=1):
    return dataclasses.replace(LOCK, layers=tuple(Descriptor(media_type, f"sha256:{number:064}", 1) for number in range(count)))


def runtime(version, identity=Identity.CONFIG, unpacker=""):
    return RuntimeInfo("any", version, HERE, pins=True, identity=identity, unpacker=unpacker)


@pytest.mark.parametrize(
    ("info", "lock", "message", "hint"),
    [
        (
            runtime("20.10.24+dfsg1"),
            of_layers(f"{OCI}+zstd"),
            f"r.io/pump:1: Docker Engine 20.10.24+dfsg1 cannot unpack layers of type {OCI}+zstd",
            "push the image with gzip layers, or upgrade Docker Engine to 23 or newer",
        ),
        (
            runtime("1.7.28", Identity.NAME),
            of_layers(f"{DOCKER}.zstd"),
            f"r.io/pump:1: containerd 1.7.28 cannot unpack layers of type {DOCKER}.zstd",
            "push the image with gzip layers, or upgrade containerd to 2 or newer",
        ),
        (
            runtime("29.0.0", Identity.ROOT, "1.7.28"),
            of_layers(f"{DOCKER}.zstd"),
            f"r.io/pump:1: containerd 1.7.28 cannot unpack layers of type {DOCKER}.zstd",
            "push the image with gzip layers, or upgrade containerd to 2 or newer",
        ),
        (
            runtime("28.5.2"),
            of_layers(OCI, 126),
            "r.io/pump:1: Docker Engine 28.5.2 takes at most 125 layers, and the image has 126",
            "build the image with fewer layers, such as from a last stage that copies from the others",
        ),
        (
            runtime("2.1.9", Identity.NAME),
            of_layers(f"{OCI}+encrypted"),
            f"r.io/pump:1: containerd 2.1.9 cannot unpack layers of type {OCI}+encrypted",
            "push a container image whose layers are plain, gzip or zstd",
        ),
    ],
)
def test_what_cannot_be_unpacked_is_refused_with_what_to_do(info, lock, message, hint):
    with pytest.raises(ImageUnsupported) as caught:
        suitability.check(lock, info)
    assert (str(caught.value), caught.value.hint.instruction) == (message, hint)


@pytest.mark.parametrize(
    ("version", "since"), [("1.6.20~ds1", (1, 6)), ("1.5.0", (1, 6)), ("v2.1.9", (2, 0)), ("k3s-dev", (2, 0)), ("", (2, 0))]
)
def test_a_version_that_nobody_knows_counts_as_the_newest(version, since):
    assert support_of(Identity.NAME, version).since == since


def test_what_an_image_needs_is_known_of_every_type():
    assert not support_of(Identity.ROOT, "2.0.0").reason_against(tuple(LAYERS))
