"""The status of images in containerd, from tables as `ctr` 1.6 prints them."""

import pytest

from kelvin_provision.runtimes.containerd.ctr import Result
from kelvin_provision.runtimes.containerd.image_status import image_statuses
from kelvin_provision.runtimes.protocol import ImageStatus
from tests.kit.images import make_image
from tests.kit.locks import lock_of

LOCK = lock_of(make_image([b"x"]), "r.io/pump:1.0.0")
LABELS = f"io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned,kelvin-provision/image={LOCK.config.digest}"


def table(columns, *rows):
    widths = [max(len(one) for one in column) + 1 for column in zip(columns, *rows, strict=True)]
    lines = ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]
    return Result(0, "\n".join(lines), "")


def seen(*, digest=LOCK.root.digest, status="complete (2/2)", unpacked="true", platforms="linux/amd64", labels=LABELS):
    checked = table(("REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED"), (LOCK.name, "t", digest, status, "1 B/1 B", unpacked))
    listed = table(("REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"), (LOCK.name, "t", digest, "1 B", platforms, labels))
    return image_statuses([LOCK], checked, listed)[LOCK.name]


def test_what_is_whole_pinned_and_ours():
    assert seen() == ImageStatus("complete", pinned=True, ours=True)


def test_what_is_not_there():
    empty = Result(0, "REF TYPE DIGEST STATUS SIZE UNPACKED\n", "")
    assert image_statuses([LOCK], empty, Result(0, "", "")) == {LOCK.name: ImageStatus("absent")}


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"digest": "sha256:" + "0" * 64}, "other digest"),
        ({"status": "incomplete (1/2)", "unpacked": "false"}, "incomplete"),
        ({"status": "incomplete (1/2)"}, "unpacked"),
        ({"platforms": "linux/arm64/v8"}, "other platform"),
        ({"platforms": "-"}, "complete"),
    ],
)
def test_each_other_state(row, state):
    assert seen(**row).state == state


def test_an_image_without_our_labels_is_somebody_elses():
    assert seen(labels="-") == ImageStatus("complete")
