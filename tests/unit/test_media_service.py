"""What is done with a medium that arrives: the rule and the unit as text, written and removed."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.errors import ServiceFailed
from kelvin_provision.media_service import service, units
from kelvin_provision.settings.model import MediaSettings, Settings
from kelvin_provision.systemd.systemctl import Systemd

GOLDEN = Path(__file__).parent
COMMAND = ["/opt/kelvin provision/bin/kelvin-provision", "media", "arrived", "--state-dir", "/var/lib/kelvin-provision"]


@pytest.fixture
def systemd(tmp_path):
    """A box without systemd."""
    return Systemd(tmp_path / "etc/systemd/system", booted=tmp_path / "not-booted")


def install(systemd, tmp_path, **media):
    settings = Settings(state_dir=tmp_path / "state", media=MediaSettings(**media))
    return service.install(systemd, settings, ["--state-dir", str(tmp_path / "state")], {"HOME": "/root"})


def test_unit_and_rule_are_what_they_were():
    unit = units.render_unit(COMMAND, Path("/var/lib/kelvin-provision"), {"DOCKER_HOST": "unix:///run/100%/docker.sock"})
    assert unit == (GOLDEN / "media.service").read_text()
    assert units.render_rule() == (GOLDEN / "media.rules").read_text()


def test_systemd_understands_every_line_of_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / units.UNIT.replace("@", "@sdx1")
    path.write_text(units.render_unit(["/bin/true"], tmp_path, {}))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if units.UNIT.partition("@")[0] in line] == []


def test_udev_understands_every_line_of_the_rule(tmp_path):
    if not shutil.which("udevadm") or subprocess.run(["udevadm", "verify", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no `udevadm verify`")
    path = tmp_path / units.RULE
    path.write_text(units.render_rule())
    done = subprocess.run(["udevadm", "verify", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_are_written_once_and_removed(systemd, tmp_path):
    done = install(systemd, tmp_path, auto="inspect")
    rule = tmp_path / "etc/udev/rules.d" / units.RULE
    assert (done.outcome, done.unit, rule.read_text()) == ("installed", systemd.path(units.UNIT), units.render_rule())
    assert done.warnings == ("systemd does not run here; where it does, the unit is started by udev", service.NO_AGENT)
    assert f"media arrived --state-dir {tmp_path}/state /dev/%i\n" in done.unit.read_text()
    assert install(systemd, tmp_path, auto="inspect").outcome == "unchanged"
    rule.write_text("")
    assert install(systemd, tmp_path, auto="inspect").outcome == "installed"
    assert service.uninstall(systemd).outcome == "removed"
    assert (rule.exists(), done.unit.exists()) == (False, False)
    assert service.uninstall(systemd).outcome == "not installed"


def test_a_masked_unit_stays_masked(systemd, tmp_path):
    systemd.folder.mkdir(parents=True)
    systemd.path(units.UNIT).symlink_to("/dev/null")
    with pytest.raises(ServiceFailed, match="is masked"):
        install(systemd, tmp_path)
    assert service.uninstall(systemd).outcome == "not installed"
    assert systemd.masked(units.UNIT)


def test_while_the_setting_is_off_it_is_said_that_nothing_will_be_done(systemd, tmp_path):
    assert install(systemd, tmp_path).warnings[-1] == service.OFF
    assert replace(Settings(state_dir=tmp_path)).media.auto == "off"
