"""Units that a package brings: installed once they are enabled, not written again, and renewed with the package."""

import os

import pytest

from kelvin_provision.agent.systemd import service, unit
from kelvin_provision.systemd import environment, installing
from kelvin_provision.systemd.installing import Service
from kelvin_provision.systemd.systemctl import Systemd


@pytest.fixture
def systemd(tmp_path):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    return Systemd(tmp_path / "units", booted=tmp_path / "not-booted", shipped=(tmp_path / "none", shipped))


def enabled(systemd, name):
    wants = systemd.folder / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / name).symlink_to(systemd.shipped[1] / name)


def test_one_of_a_package_is_installed_once_it_is_enabled(systemd, tmp_path):
    (systemd.shipped[1] / unit.NAME).write_text(unit.render(["/x", "--state-dir", str(tmp_path)], tmp_path, {}))
    assert not service.looks_after(systemd, tmp_path)
    enabled(systemd, unit.NAME)
    assert service.looks_after(systemd, tmp_path)
    assert not service.looks_after(systemd, tmp_path / "other")


def test_the_same_text_is_not_written_in_front_of_it_and_another_one_is(systemd):
    (systemd.shipped[1] / "a.service").write_text("same")
    text = "same\nWantedBy=multi-user.target"
    (systemd.shipped[1] / "a.service").write_text(text)
    assert installing.preview(systemd, Service({"a.service": text}), now=False) == "unchanged"
    installing.install(systemd, Service({"a.service": text}), now=False)
    assert (systemd.folder / "multi-user.target.wants/a.service").readlink() == systemd.shipped_path("a.service")
    assert not systemd.path("a.service").exists()
    assert installing.install(systemd, Service({"a.service": "other"}), now=False).outcome == "written"
    assert systemd.installed("a.service") == b"other"


def test_removing_it_removes_no_file_of_the_package(systemd):
    (systemd.shipped[1] / "a.service").write_text("same")
    assert installing.uninstall(systemd, "a.service").outcome == "not installed"
    enabled(systemd, "a.service")
    systemd.folder.mkdir(exist_ok=True)
    assert installing.uninstall(systemd, "a.service").outcome == "removed"
    assert (systemd.shipped[1] / "a.service").exists()


def test_a_masked_one_hides_that_of_the_package(systemd):
    (systemd.shipped[1] / "a.service").write_text("same")
    systemd.folder.mkdir()
    systemd.path("a.service").symlink_to(os.devnull)
    assert systemd.shipped_content("a.service") is None


def test_a_unit_names_the_current_version_and_not_that_which_writes_it(tmp_path):
    tree = tmp_path / "1.0.0"
    (tree / "bin").mkdir(parents=True)
    executable = str(tree / "bin" / "python")
    assert str(environment.interpreter(executable)) == executable, "no link and no release: an environment of pip"
    (tree / "release.json").write_text("{}")
    (tmp_path / "current").symlink_to("1.0.0")
    assert environment.interpreter(executable) == tmp_path / "current/bin/python"
