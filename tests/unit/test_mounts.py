"""The filesystem of a path, by a table of mounts as the kernel writes it."""

from kelvin_provision.files.mounts import TABLE, filesystem_type, is_fat


def test_the_longest_and_latest_mount_counts(tmp_path):
    stick = tmp_path / "my stick"
    (stick / "folder").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    spaced = str(stick).replace(" ", "\\040")
    table.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 8:17 / {spaced} rw - tmpfs tmpfs rw\n"
        f"23 21 8:17 / {spaced} rw,relatime shared:7 master:2 - vfat /dev/sdb1 rw\n"
        f"24 21 0:50 / {tmp_path}/other rw - fuse.fusefat fusefat rw\n"
        "nothing\n"
    )
    (tmp_path / "link").symlink_to(stick)
    kinds = [filesystem_type(path, table) for path in (stick, stick / "folder", tmp_path / "link", tmp_path, tmp_path / "other")]
    assert kinds == ["vfat", "vfat", "vfat", "ext4", "fusefat"]
    assert filesystem_type(stick, tmp_path / "none") == ""


def test_this_machine():
    assert filesystem_type(TABLE) == "proc"


def test_which_have_files_of_less_than_4_gib():
    assert [kind for kind in ("vfat", "msdos", "fusefat", "exfat", "ext4", "ntfs", "") if is_fat(kind)] == ["vfat", "msdos", "fusefat"]
