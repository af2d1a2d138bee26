"""Hostile, damaged and incomplete bundles at the door of the box: exit code 65 or 75 with the reason, and nothing is stored."""

import json
import os

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT
from tests.kit import bundles
from tests.kit.bundle_box import offline_box as box
from tests.kit.bundle_box import stick
from tests.kit.hostile_bundles import TABLES
from tests.kit.images import random_image

__all__ = ["box", "stick"]
REGISTRY = "registry.example.com:5000"
REQUEST = json.dumps({"name": "pump", "app_name": "pump", "app_version": "1.0.0", "staged": True, "instantly_apply": False}).encode()
IMAGES = {f"{REGISTRY}/pump:1.0.0": random_image([4000, 9_000_000])}
WHOLE = bundles.make(IMAGES, [REQUEST], name="north")
PARTS = bundles.make(IMAGES, [REQUEST], name="north", part_size=limits.CHUNK)


def refused(box, place, *words):
    """The error of an import, which left nothing behind."""
    before = stored(box)
    result = box.run("bundle", "import", str(place), "--yes", "--json", *words)
    error = json.loads(result.stdout)["error"]
    assert stored(box) == before
    assert box.ledger.names() == []
    assert box.ledger.bundles() == ()
    return result.exit_code, error


def stored(box):
    """Every file of the state directory but the ledger's own, with its size."""
    files = (path for path in box.settings.state_dir.rglob("*") if path.is_file() and not path.name.startswith("ledger.db"))
    return {str(path): path.stat().st_size for path in files if "lock" not in path.name}


def test_what_they_are_made_from_is_imported(box, stick):
    WHOLE.write(stick)
    assert box.run("bundle", "import", str(stick), "--yes").exit_code == 0
    assert box.ledger.names() == ["pump"]


def test_each_limit_and_rule_is_kept_before_anything_is_stored(box, stick):
    for hostile in TABLES:
        path = hostile.write(stick)
        code, error = refused(box, path)
        assert (code, error["code"], hostile.reason in error["message"]) == (65, "bundle-invalid", True), hostile.name


def altered(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x41]))


@pytest.mark.parametrize(
    ("offset", "codes"),
    [
        (SIGNATURES_AT + 40, {"signature-invalid"}),
        (CONTENTS_AT - 512, {"bundle-invalid"}),
        (CONTENTS_AT + 1, {"bundle-invalid"}),
        (WHOLE.contents.requests[0].content.offset, {"bundle-damaged"}),
        (WHOLE.contents.by_digest[WHOLE.contents.images[0].manifest].offset, {"bundle-damaged"}),
        (WHOLE.contents.by_digest[WHOLE.contents.images[0].config].offset, {"bundle-damaged"}),
    ],
)
def test_an_altered_byte_of_what_is_read_first_stores_nothing(box, stick, offset, codes):
    (path,) = WHOLE.write(stick)
    altered(path, offset)
    code, error = refused(box, stick)
    assert (code, error["code"] in codes) == (65, True), error


@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        600,
        SIGNATURES_AT,
        CONTENTS_AT - 1,
        CONTENTS_AT + 9,
        WHOLE.contents.chunks.offset,
        WHOLE.contents.blobs[0].offset,
        WHOLE.contents.total - 1,
    ],
)
def test_a_file_that_is_cut_off_stores_nothing(box, stick, size):
    (path,) = WHOLE.write(stick)
    os.truncate(path, size)
    code, error = refused(box, stick)
    assert (code, error["code"]) == (65, "bundle-damaged"), error


def test_the_first_part_is_waited_for(box, stick):
    PARTS.write(stick)[0].unlink()
    code, error = refused(box, stick)
    assert (code, error["code"], "part 1" in error["message"]) == (75, "medium-gone", True)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_stores_nothing(box, stick, make):
    make(stick / "north.kpb")
    code, error = refused(box, stick)
    assert (code, error["code"]) == (65, "bundle-invalid")


def test_another_digest_than_the_expected_one_stores_nothing(box, stick):
    WHOLE.write(stick)
    code, error = refused(box, stick, "--expect", "0" * 64)
    assert (code, error["code"]) == (65, "expected-other")


@pytest.mark.parametrize(
    ("request_", "code"),
    [(b"\xff", "request-refused"), (b"- [", "request-refused"), (b"[" * 100_000, "request-refused"), (b'{"name": "../x"}', "request-refused"), (b"", "request-refused")],
)  # fmt: skip
def test_a_request_that_is_none_stores_nothing(box, stick, request_, code):
    bundles.write(stick, IMAGES, [REQUEST, request_], name="north")
    result, error = refused(box, stick)
    assert (result, error["code"]) == (65, code), error
