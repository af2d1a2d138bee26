"""Files left on a medium: whole or not at all, only there, and never a reason for anything to fail."""

import os
import subprocess
from pathlib import Path

import pytest

from kelvin_provision.media.leaving import leave
from kelvin_provision.media.mounts import Mounts
from tests.kit.bundle_box import stick

__all__ = ["stick"]
FILES = {"a.json": b"{}", "b.json": b"[]"}
SYSTEM = Path("/proc")
"""On another filesystem than any medium."""


@pytest.fixture
def mounts(tmp_path, stick):
    """A table in which the folder of the test is a stick; all else is of this box."""
    device = stick.stat().st_dev
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 254:77 / / rw - ext4 /dev/sda1 rw\n2 1 {os.major(device)}:{os.minor(device)} / {stick} rw - vfat /dev/sdb1 rw\n")
    return Mounts(table, tmp_path / "none")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_they_are_written_in_place_of_older_ones(stick, mounts):
    (stick / "a.json").write_text("old")
    assert leave(stick, FILES, SYSTEM, mounts) == (stick / "a.json", stick / "b.json")
    assert {name: (stick / name).read_bytes() for name in names(stick)} == FILES


def test_what_a_killed_import_left_is_replaced(stick, mounts):
    (stick / ".a.json.new").write_text("half")
    assert leave(stick, FILES, SYSTEM, mounts)
    assert names(stick) == ["a.json", "b.json"]


def test_nothing_is_left_on_this_box_itself(stick, mounts, tmp_path):
    """Also where its state is on a filesystem of its own, which the table cannot tell from a stick: uploads are there."""
    device = stick.stat().st_dev
    mounts.table.write_text(f"1 0 {os.major(device)}:{os.minor(device)} / / rw - ext4 /dev/sda1 rw\n")
    assert leave(stick, FILES, SYSTEM, mounts) == ()
    mounts.table.write_text(
        f"1 0 254:77 / / rw - ext4 /dev/sda1 rw\n2 1 {os.major(device)}:{os.minor(device)} / {stick} rw - ext4 /dev/sda2 rw\n"
    )
    assert leave(stick, FILES, tmp_path, mounts) == ()
    assert names(stick) == []


def test_a_link_on_the_stick_leads_nowhere(stick, mounts, tmp_path):
    """To a folder of the box, to a file, and in place of the temporary file."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "victim").write_text("whole")
    (stick / "bundles").symlink_to(other)
    (stick / "a.json").symlink_to(other / "victim")
    (stick / ".b.json.new").symlink_to(other / "victim")
    assert leave(stick / "bundles", FILES, SYSTEM, mounts) == ()
    assert leave(stick, FILES, SYSTEM, mounts) == (stick / "a.json", stick / "b.json")
    assert (names(other), (other / "victim").read_text()) == (["victim"], "whole")
    assert not (stick / "a.json").is_symlink()


def test_a_link_of_the_box_to_its_stick_is_followed(stick, mounts, tmp_path):
    link = tmp_path / "usb"
    link.symlink_to("stick")
    assert leave(link, FILES, SYSTEM, mounts)
    assert names(stick) == ["a.json", "b.json"]


def test_links_in_a_circle_end(stick, mounts, tmp_path):
    for name, target in (("one", "two"), ("two", "one")):
        (tmp_path / name).symlink_to(target)
    assert leave(tmp_path / "one", FILES, SYSTEM, mounts) == ()


def test_devices_pipes_and_folders_of_the_name_are_no_trouble(stick, mounts):
    os.mkfifo(stick / "a.json")
    (stick / "b.json").mkdir()
    assert leave(stick, FILES, SYSTEM, mounts) == (stick / "a.json",)
    assert ((stick / "a.json").read_bytes(), names(stick)) == (b"{}", ["a.json", "b.json"])
    (stick / ".a.json.new").mkdir()
    assert leave(stick, FILES, SYSTEM, mounts) == ()


def test_a_folder_that_is_gone_is_no_trouble(stick, mounts):
    assert leave(stick / "gone", FILES, SYSTEM, mounts) == ()
    assert leave(stick, FILES, SYSTEM, Mounts(mounts.table.parent / "none")) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("options", ["size=4k,nr_inodes=1k", "ro"])
def test_a_full_or_read_only_stick_keeps_what_it_has(stick, mounts, options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(stick)], check=True)
    try:
        device = stick.stat().st_dev
        mounts.table.write_text(f"2 1 {os.major(device)}:{os.minor(device)} / {stick} rw - vfat /dev/sdb1 rw\n")
        assert leave(stick, {"a.json": bytes(100_000)}, SYSTEM, mounts) == ()
        assert names(stick) == []
    finally:
        subprocess.run(["umount", str(stick)], check=True)
