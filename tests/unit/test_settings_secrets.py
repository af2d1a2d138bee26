"""Secrets of the box: one file each, read at the last moment, never shown."""

import os
import tempfile
import traceback
from pathlib import Path

import pytest

from kelvin_provision.errors import PermissionRefused, SecretMissing
from kelvin_provision.settings.secrets import has, lookup


def test_a_secret_is_the_files_text_without_one_newline(tmp_path):
    for name, data in {"a": b"hunter2", "b": b"hunter2\n", "c": b"hunter2\n\n", "d.e-f": "é \n".encode(), "secrets.x": b"odd"}.items():
        (tmp_path / name).write_bytes(data)
    value = lookup(tmp_path)
    assert [value(name) for name in ("a", "secrets.b", "c", "d.e-f")] == ["hunter2", "hunter2", "hunter2\n", "é "]
    assert [has(tmp_path, name) for name in ("a", "d.e-f", "nope")] == [True, True, False]


def test_a_missing_secret_names_the_path(tmp_path):
    with pytest.raises(SecretMissing, match=rf"^secret nope: no file {tmp_path}/nope$"):
        lookup(tmp_path)("secrets.nope")
    (tmp_path / "folder").mkdir()
    assert not has(tmp_path, "folder")
    with pytest.raises(SecretMissing):
        lookup(tmp_path)("folder")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", ".", "..", ".hidden", "", "a\0b"])
def test_a_name_that_is_no_plain_file_is_no_secret(tmp_path, name):
    (tmp_path / ".hidden").write_text("x")
    assert not has(tmp_path, name)
    with pytest.raises(SecretMissing, match="not a file name in"):
        lookup(tmp_path)(name)


def test_a_secret_that_is_no_text_is_refused_without_showing_it(tmp_path):
    (tmp_path / "a").write_bytes(b"hunter2\xff")
    with pytest.raises(SecretMissing, match=r"is not UTF-8 text$") as caught:
        lookup(tmp_path)("a")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_of_root_alone_is_said_by_name():
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "secrets"
        folder.mkdir(mode=0o700)
        (folder / "a").write_text("x")
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionRefused, match=rf"^{folder}: no permission to read the secrets directory$"):
                has(folder, "a")
            with pytest.raises(PermissionRefused, match=rf"^{folder}/a: no permission to read the secret$"):
                lookup(folder)("a")
        finally:
            os.seteuid(0)
