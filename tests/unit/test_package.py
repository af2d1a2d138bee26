"""What packages are made of: the lock, what is taken out of archives, and the texts in a package."""

import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from kelvin_provision.settings.keys import KEYS
from package.inputs import lock, source, wheels
from package.inputs.cache import WrongContentError, cached
from package.output import deb, documents, python_dist, units
from package.tree import elf, launchers, unpack

ROOT = Path(__file__).parents[2]


def test_the_lock_pins_every_file_and_names_no_host():
    text = lock.PATH.read_text()
    found = lock.read()
    assert "://" not in text
    assert "file:" not in text
    for row in (*found.debs, *found.wheels, *found.build):
        assert re.fullmatch("[0-9a-f]{64}", row.sha256), row.name
        assert row.architecture in {*lock.ARCHITECTURES, "all"}
    assert all(deb.path.startswith("pool/") for deb in found.debs)


def test_every_architecture_has_the_same_packages_in_the_same_versions():
    one, other = ({(row.name, row.version) for row in lock.read().wheels_for(each)} for each in lock.ARCHITECTURES)
    assert one == other
    one, other = ({row.name for row in lock.read().debs_for(each)} for each in lock.ARCHITECTURES)
    assert one == other


def test_the_lock_has_all_that_the_program_requires():
    locked = {row.name.lower().replace("_", "-") for row in lock.read().wheels}
    wanted = {re.split(r"[<>=,\s]", text)[0].lower().replace("_", "-") for text in wheels.requirements(ROOT)}
    assert wanted <= locked


def test_a_lock_reads_back_as_it_was_written(tmp_path):
    lock.write(lock.read(), tmp_path / "lock.json")
    assert (tmp_path / "lock.json").read_bytes() == lock.PATH.read_bytes()
    json.loads((tmp_path / "lock.json").read_text())


def test_other_bytes_than_those_of_the_lock_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("package.inputs.cache.CACHE", tmp_path / "cache")
    (tmp_path / "came").write_bytes(b"other")
    with pytest.raises(WrongContentError, match="make package-lock"):
        cached("a.deb", "0" * 64, lambda: tmp_path / "came")


def a_deb(folder, files):
    root = folder / "root"
    for name, (content, mode) in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
        (root / name).chmod(mode)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text("Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.invalid>\nDescription: a\n")
    (root / "usr/share/zoneinfo/Near").symlink_to("UTC")
    (root / "usr/share/zoneinfo/Etc").mkdir()
    (root / "usr/share/zoneinfo/Etc/Far").symlink_to("../UTC")
    subprocess.run(["dpkg-deb", "-Zgzip", "-b", root, folder / "a.deb"], check=True, capture_output=True)
    return folder / "a.deb"


@pytest.mark.skipif(not Path("/usr/bin/dpkg-deb").exists(), reason="needs dpkg-deb")
def test_of_a_debian_package_only_what_runs_is_taken(tmp_path):
    files = {
        "usr/bin/python3.11": ("elf", 0o755),
        "usr/lib/python3.11/os.py": ("", 0o644),
        "usr/lib/python3.11/test/x.py": ("", 0o644),
        "lib/x86_64-linux-gnu/libc.so.6": ("", 0o644),
        "usr/share/zoneinfo/UTC": ("utc", 0o644),
        "usr/share/doc/a/copyright": ("", 0o644),
        "etc/profile": ("", 0o644),
    }
    unpack.deb(a_deb(tmp_path, files), tmp_path / "tree")
    found = {str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*") if not path.is_dir()}
    zones = {f"share/zoneinfo/{name}" for name in ("UTC", "Near", "Etc/Far")}
    assert found == {"runtime/python3.11", "lib/python3.11/os.py", "runtime/libc.so.6", "share/licenses/debian/a", *zones}
    assert (tmp_path / "tree/share/zoneinfo/Etc/Far").read_text() == "utc"
    assert (tmp_path / "tree/runtime/python3.11").stat().st_mode & 0o777 == 0o755


def test_a_wheel_brings_its_libraries_and_no_script(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        for name in ("a/__init__.py", "a.data/scripts/a", "../evil.py", "kubernetes/aio/x.py"):
            archive.writestr(name, "")
    unpack.wheel(tmp_path / "a.whl", tmp_path / "tree")
    assert [path.name for path in (tmp_path / "tree").rglob("*.py")] == ["__init__.py"]
    assert not (tmp_path / "evil.py").exists()


def test_the_libraries_that_a_program_needs_are_read_from_it():
    assert any(name.startswith("libc.so") for name in elf.needed(Path(sys.executable).resolve()))
    assert elf.is_elf(Path(sys.executable).resolve())
    assert not elf.is_elf(Path(__file__))


def test_a_launcher_puts_nothing_into_the_environment(tmp_path):
    launchers.write(tmp_path, "arm64", "/opt/x/1")
    text = (tmp_path / "bin/kelvin-provision").read_text()
    assert "@" not in text.replace('"$@"', "")
    assert "export" not in text
    assert "LD_LIBRARY_PATH" not in text
    assert "ld-linux-aarch64.so.1" in text


def test_the_example_has_every_key_and_sets_nothing():
    text = documents.example()
    assert yaml.safe_load(text) is None
    keys = yaml.safe_load("\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")))
    for key in KEYS:
        found = keys
        for part in key.name.split("."):
            assert part in found, key.name
            found = found[part]


def test_the_units_are_those_that_the_program_would_write():
    found = units.rendered("/usr/lib/kelvin-provision")
    assert set(found) == {f"kelvin-provision-{name}" for name in ("agent.service", "agent.path", "api.service", "api.socket")}
    assert "ExecStart=/usr/lib/kelvin-provision/current/bin/kelvin-provision agent run" in found["kelvin-provision-agent.service"]


def test_a_package_has_one_time_whenever_its_tree_was_made(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").touch()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("none")
    deb.date(tmp_path, 5)
    assert {path.lstat().st_mtime for path in tmp_path.rglob("*")} == {5}


def test_an_sdist_is_of_nobody_at_the_time_of_the_commit(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in ("b", "a"):
            member = tarfile.TarInfo(name)
            member.uname, member.size = "anna", 1
            archive.addfile(member, io.BytesIO(b"x"))
    for made in ("one", "two"):
        python_dist._normalised(tmp_path / "a.tar.gz", tmp_path / made, 5)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as archive:
        assert [(each.name, each.uname, each.mtime) for each in archive] == [("a", "", 5), ("b", "", 5)]


def test_a_build_between_releases_sorts_behind_the_release_and_names_its_commit(tmp_path):
    def git(*words):
        identity = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000", "PATH": "/usr/bin:/bin", "HOME": "/"}
        words = ["git", "-C", str(tmp_path / "p"), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(words, check=True, env=identity, capture_output=True)

    (tmp_path / "p/kelvin_provision").mkdir(parents=True)
    (tmp_path / "p/kelvin_provision/__init__.py").write_text('__version__ = "1.2.0"\n')
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    found = source.exported(tmp_path / "p", tmp_path / "one")
    assert re.fullmatch(r"1\.2\.0\+20231114\.221320\.g[0-9a-f]{8}", found.version)
    assert found.version in (found.folder / "kelvin_provision/__init__.py").read_text()
    git("tag", "v1.2.0")
    assert source.exported(tmp_path / "p", tmp_path / "two").version == "1.2.0"
