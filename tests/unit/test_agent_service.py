"""The agent as a service: the unit as text, written and removed, and what systemd is told."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd import service, unit
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import CannotWrite, PermissionRefused, ServiceFailed
from kelvin_provision.files.lock import exclusive
from kelvin_provision.systemd import words
from kelvin_provision.systemd.installing import Done
from kelvin_provision.systemd.systemctl import Systemd
from tests.kit.cli import run
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).with_name("agent.service")
ENVIRONMENT = {"KUBECONFIG": "/root/.kube/config", "DOCKER_HOST": "unix:///run/100%/docker.sock"}
COMMAND = ["/opt/kelvin provision/bin/kelvin-provision", "agent", "run", "--state-dir", "/var/lib/kelvin-provision"]


@pytest.fixture
def systemd(tmp_path):
    """A box without systemd."""
    return Systemd(tmp_path / "units", booted=tmp_path / "not-booted")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A box with a systemd that writes down what it is told; a file `fails` makes it refuse that verb, `active` makes it say it runs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "systemctl"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n'
        f'case "$1" in is-active) test -e {tmp_path}/active; exit;; esac\n'
        f'if [ "$(cat {tmp_path}/fails 2>/dev/null)" = "$1" ]; then echo "no such luck" >&2; exit 5; fi\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "booted").mkdir()
    return Systemd(tmp_path / "units", booted=tmp_path / "booted")


def install(systemd, tmp_path, *, now=True, environ=None, arguments=None, **more):
    state = tmp_path / "state"
    return service.install(systemd, state, arguments or ["--state-dir", str(state)], environ or {}, now=now, **more)


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_the_unit_is_what_it_was():
    assert unit.render(COMMAND, Path("/var/lib/kelvin-provision"), ENVIRONMENT) == GOLDEN.read_text()


def test_a_box_with_an_agent_of_before_gets_what_starts_it_and_is_not_disturbed(told, tmp_path):
    install(told, tmp_path)
    told.path(unit.STARTER).unlink()
    assert not service.starts_on_request(told, tmp_path / "state")
    (tmp_path / "active").touch()
    (tmp_path / "told").unlink()
    assert install(told, tmp_path).outcome == "restarted"
    assert lines(tmp_path / "told")[-1] == "restart kelvin-provision-agent.path"
    assert service.starts_on_request(told, tmp_path / "state")


def test_words_of_a_unit_mean_what_they_say():
    assert words.quoted("/plain/word-1.x") == "/plain/word-1.x"
    assert words.quoted("two words") == '"two words"'
    assert words.quoted('a"b\\c') == '"a\\"b\\\\c"'
    assert words.quoted("100%") == "100%%"
    assert words.quoted("") == '""'
    assert words.argument("$HOME") == "$$HOME"


def test_systemd_understands_every_line_of_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / unit.NAME
    path.write_text(unit.render(["/bin/true", "agent", "run"], tmp_path, ENVIRONMENT))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert [line for line in done.stderr.splitlines() if unit.NAME in line] == []


def test_where_systemd_does_not_run_the_unit_is_written_and_the_next_command_is_said(systemd, tmp_path):
    done = install(systemd, tmp_path)
    assert (done.outcome, done.unit) == ("written", tmp_path / "units" / "kelvin-provision-agent.service")
    assert done.warnings == (
        "systemd does not run here; where it does: systemctl enable --now kelvin-provision-agent.service kelvin-provision-agent.path",
    )
    assert (done.unit.stat().st_mode & 0o777, (tmp_path / "state").stat().st_mode & 0o777) == (0o644, 0o700)
    assert install(systemd, tmp_path).outcome == "unchanged"
    assert service.looks_after(systemd, tmp_path / "state")
    assert not service.looks_after(systemd, tmp_path / "other")


def test_the_service_is_told_what_the_session_was_told(systemd, tmp_path):
    environ = {"KUBECONFIG": "here.yaml", "DOCKER_HOST": "", "KELVIN_PROVISION_REGISTRY": "r.io", "PASSWORD": "hunter2", "PATH": "/bin"}
    text = install(
        systemd, tmp_path, environ=environ, arguments=["--state-dir", str(tmp_path / "state"), "--config", "/c.yaml"]
    ).unit.read_text()
    assert f"\nEnvironment=KUBECONFIG={Path('here.yaml').absolute()}\n" in text
    assert "\nEnvironment=KELVIN_PROVISION_REGISTRY=r.io\n" in text
    assert f" agent run --state-dir {tmp_path / 'state'} --config /c.yaml\n" in text
    assert "hunter2" not in text
    assert "DOCKER_HOST" not in text


def test_the_service_uses_the_sessions_proxies_and_addresses_but_no_login_of_theirs(systemd, tmp_path):
    environ = {"https_proxy": "http://proxy:3128", "NO_PROXY": ".local", "HTTP_PROXY": "http://me:hunter2@proxy:3128"}
    environ |= {"DOCKER_HOST": "ssh://me:hunter2@box", "KELVIN_PROVISION_RUNTIME__ADDRESS": "tcp://:hunter2@box:2375"}
    done = install(systemd, tmp_path, environ=environ)
    text = done.unit.read_text()
    assert "\nEnvironment=NO_PROXY=.local\nEnvironment=https_proxy=http://proxy:3128\n" in text
    assert "hunter2" not in text
    assert [warning.partition(" contains a login ")[0] for warning in done.warnings][:3] == [
        "DOCKER_HOST", "HTTP_PROXY", "KELVIN_PROVISION_RUNTIME__ADDRESS",
    ]  # fmt: skip


def test_installing_enables_and_starts_and_a_second_time_disturbs_nothing(told, tmp_path):
    assert install(told, tmp_path) == Done("started", told.path(unit.NAME))
    name = "kelvin-provision-agent.service"
    both = f"{name} kelvin-provision-agent.path"
    assert lines(tmp_path / "told") == ["daemon-reload", f"enable {both}", f"is-active --quiet {name}", f"start {both}"]
    (tmp_path / "active").touch()
    (tmp_path / "told").unlink()
    assert install(told, tmp_path).outcome == "unchanged"
    assert lines(tmp_path / "told") == ["daemon-reload", f"enable {both}", f"is-active --quiet {name}"]
    assert install(told, tmp_path, environ={"KUBECONFIG": "/new"}).outcome == "restarted"
    assert lines(tmp_path / "told")[-1] == f"restart {name}"


def test_without_now_it_only_starts_with_the_box(told, tmp_path):
    assert install(told, tmp_path, now=False).warnings == (
        "it starts with the box; at once: systemctl start kelvin-provision-agent.service kelvin-provision-agent.path",
    )
    assert lines(tmp_path / "told") == ["daemon-reload", "enable kelvin-provision-agent.service kelvin-provision-agent.path"]


def test_what_systemd_refuses_is_said_in_its_words(told, tmp_path):
    (tmp_path / "fails").write_text("enable")
    with pytest.raises(
        ServiceFailed, match=r"systemctl enable kelvin-provision-agent\.service kelvin-provision-agent\.path: exit code 5"
    ) as caught:
        install(told, tmp_path)
    assert caught.value.evidence == ("no such luck",)


def test_a_detached_agent_makes_room_for_the_service(told, tmp_path):
    state = tmp_path / "state"
    words = [str(Path(sys.executable)), "-m", "kelvin_provision", "agent", "run", "--state-dir", str(state)]
    child = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
    )
    try:
        for _ in range(200):
            if process.alive(state):
                break
            time.sleep(0.05)
        assert process.alive(state)["pid"] == child.pid
        assert install(told, tmp_path) == Done("started", told.path(unit.NAME))
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()
        child.wait()


def test_an_agent_that_does_not_end_in_time_is_named_and_followed_later(told, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    (tmp_path / "state").mkdir()
    with exclusive(process.lock_path(tmp_path / "state"), command="agent run"):
        assert install(told, tmp_path, handover=0.2).warnings == ("another agent is running; the service takes over when it ends",)


def test_uninstalling_stops_and_removes_and_a_second_time_does_nothing(told, tmp_path):
    install(told, tmp_path)
    (tmp_path / "told").unlink()
    done = service.uninstall(told)
    assert (done.outcome, told.path(unit.NAME).exists()) == ("removed", False)
    assert list(told.folder.iterdir()) == []
    assert lines(tmp_path / "told") == ["disable --now kelvin-provision-agent.service kelvin-provision-agent.path", "daemon-reload"]
    assert service.uninstall(told) == Done("not installed", told.path(unit.NAME))


def test_an_installed_service_is_started_rather_than_a_detached_agent(told, tmp_path):
    install(told, tmp_path)
    service.ensure(told, tmp_path / "state", [])
    assert lines(tmp_path / "told")[-1] == "start kelvin-provision-agent.service"
    assert process.alive(tmp_path / "state") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CannotWrite, match="cannot write /proc/units"):
        install(Systemd(Path("/proc/units"), booted=tmp_path / "no"), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_without_permission_nothing_is_written_and_the_hint_says_so():
    with tempfile.TemporaryDirectory() as name:
        box = Path(name)
        (box / "units").mkdir(mode=0o755)
        (box / "state").mkdir()
        for folder, mode in ((box, 0o755), (box / "state", 0o777)):
            folder.chmod(mode)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionRefused, match="no permission to write") as caught:
                install(Systemd(box / "units", booted=box / "no"), box)
        finally:
            os.seteuid(0)
        assert shell_line(caught.value.hint) == "run as root: sudo kelvin-provision ..."
        assert list((box / "units").iterdir()) == []
        install(Systemd(box / "units", booted=box / "no"), box)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionRefused, match="no permission to remove"):
                service.uninstall(Systemd(box / "units", booted=box / "no"))
        finally:
            os.seteuid(0)


def test_the_commands_say_what_they_did(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_UNIT_DIR", str(tmp_path / "units"))
    state = str(tmp_path / "state")
    result = run("agent", "install", "--state-dir", state)
    result.check(stdout=f"unit {tmp_path}/units/kelvin-provision-agent.service: written\n")
    assert "systemctl enable --now kelvin-provision-agent.service" in result.stderr
    assert "Service: installed\n" in run("agent", "status", "--state-dir", state).stdout
    assert run("agent", "uninstall").stdout == f"unit {tmp_path}/units/kelvin-provision-agent.service: removed\n"
    assert "Service: not installed" in run("agent", "status", "--state-dir", state).stdout
