"""What is said of the images of an apply, from plain facts."""

import pytest

from kelvin_provision.checks import images
from kelvin_provision.checks.images import Disk, Staged, Stored
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.protocol import ImageStatus, RuntimeInfo
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.store import BlobState
from tests.kit.images import make_image
from tests.kit.locks import lock_of

LOCK = lock_of(make_image([b"x" * 3000], compress=False), "r.io/pump:1.0.0")
LAYER = LOCK.layers[0]
WELL = {LOCK.name: ImageStatus("complete", pinned=True, ours=True)}
OLD = RuntimeInfo("containerd", "1.6.20", Platform("linux", "amd64"), pins=False)
NEW = RuntimeInfo("containerd", "2.1.9", Platform("linux", "amd64"), pins=True)
GOOD, BARE = Stored("pump", LOCK), Stored("pump", LOCK, ((LAYER, BlobState.MISSING),))


def told(founds):
    return [(found.status.value, found.text) for found in founds]


def staged(download=Download.READY, method=Method.STAGED, **more):
    return Staged("pump", "1.0.0", method, download, locks=(LOCK,), **more)


def test_what_is_complete_is_said_with_what_it_is():
    assert told(images.complete([staged()])) == [("ok", "pump 1.0.0: 1 image, 3.5 KiB")]


def test_what_is_not_complete_says_how_far_it_is_and_what_to_wait_for():
    (found,) = images.complete([staged(Download.DOWNLOADING, done=1024, total=4096)])
    assert (found.status.value, found.name, found.text) == (
        "error",
        "pump",
        "version 1.0.0 is downloading, not ready (1.0 KiB of 4.0 KiB)",
    )
    assert shell_line(found.hint) == "kelvin-provision workloads wait -n pump --for ready"


def test_a_failed_download_says_why():
    (found,) = images.complete([staged(Download.FAILED, error="no route to host")])
    assert (found.text, shell_line(found.hint)) == (
        "version 1.0.0 is failed, not ready: no route to host",
        "kelvin-provision agent status",
    )


def test_a_blob_that_is_missing_is_an_error_unless_the_runtime_has_the_image():
    ((mark, text),) = told(images.stored([BARE], {}))
    assert (mark, text) == ("error", f"r.io/pump:1.0.0: {LAYER.digest[:19]} (2.9 KiB) is missing")
    ((mark, text),) = told(images.stored([BARE], WELL))
    assert (mark, text.endswith("is missing; the image is in the runtime, but could not be imported again")) == ("warning", True)


def test_a_blob_that_changed_since_it_was_verified_is_a_warning():
    (found,) = images.stored([Stored("pump", LOCK, ((LAYER, BlobState.UNVERIFIED),))], WELL)
    assert (found.status.value, shell_line(found.hint)) == ("warning", "kelvin-provision images verify")


def test_a_wrong_byte_is_found_by_deep_alone():
    wrong = {LAYER.digest: "has the content of sha256:0123456789ab"}
    assert told(images.hashed([GOOD], wrong, {})) == [
        ("error", f"r.io/pump:1.0.0: {LAYER.digest[:19]} has the content of sha256:0123456789ab")
    ]
    assert told(images.hashed([GOOD], {}, {})) == [("ok", "3 blobs, 3.5 KiB verified again, no errors")]


@pytest.mark.parametrize(
    ("stored", "sight", "mark", "words"),
    [
        (GOOD, ImageStatus("complete", pinned=True, ours=True), "ok", "1 image in containerd 2.1.9, by digest"),
        (GOOD, ImageStatus("absent"), "warning", "apply or the agent imports it from the store"),
        (BARE, ImageStatus("absent"), "error", "cannot be imported from the store"),
        (BARE, ImageStatus("other platform"), "error", "is other platform in containerd"),
        (GOOD, ImageStatus("complete"), "warning", "without our label"),
    ],
)
def test_each_way_an_image_may_stand_in_the_runtime(stored, sight, mark, words):
    (found,) = images.in_runtime([stored], {LOCK.name: sight}, NEW)
    assert (found.status.value, words in found.text) == (mark, True), found.text


def test_an_image_for_another_processor_is_found_before_it_is_started():
    arm = RuntimeInfo("containerd", "2.1.9", Platform("linux", "arm64"), pins=True)
    assert told(images.platform([GOOD], arm)) == [("error", "r.io/pump:1.0.0 is for linux/amd64; this node is linux/arm64")]
    assert told(images.platform([GOOD], NEW)) == [("ok", "1 image for linux/amd64")]


def test_pins_are_looked_for_and_where_there_are_none_that_is_said():
    assert told(images.pinned([GOOD], WELL, NEW)) == [("ok", "1 image pinned")]
    assert told(images.pinned([GOOD], {LOCK.name: ImageStatus("complete", ours=True)}, NEW))[0][0] == "warning"
    ((mark, text),) = told(images.pinned([GOOD], WELL, OLD))
    assert (mark, text) == (
        "warning",
        "containerd 1.6.20 does not support pinned images: the agent imports removed images again within 30 s",
    )


def test_space_is_only_needed_for_what_must_be_put_back():
    disk = Disk("containerd", "/var/lib/containerd", 1 << 30)
    assert told(images.space([GOOD], WELL, [disk])) == [("ok", "1.0 GiB free for containerd, nothing to unpack")]
    ((mark, text),) = told(images.space([GOOD], {}, [disk._replace(free=5000)]))
    assert (mark, text) == ("error", "containerd (/var/lib/containerd) has 4.9 KiB free; unpacking 1 image takes about 14.2 KiB")
    assert told(images.space([GOOD], {}, [disk._replace(free=50 << 20)]))[0][0] == "warning"


def test_without_images_there_is_nothing_to_say():
    for founds in (images.stored([], {}), images.in_runtime([], {}, NEW), images.platform([], NEW), images.pinned([], {}, NEW)):
        assert [found.status.value for found in founds] == ["skipped"]
