"""Starting, stopping and restarting the agent: through systemd, or by the pid in its lock."""

import os
import signal
import subprocess
import sys

import pytest

from kelvin_provision.agent.lifecycle import control, process
from kelvin_provision.agent.systemd import service
from kelvin_provision.errors import Locked, PermissionRefused
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.systemd.systemctl import Systemd
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.waiting import PATIENCE

HOLD = """
import signal, sys, time
from pathlib import Path
from kelvin_provision.files.lock import exclusive
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with exclusive(Path(sys.argv[1]), command="agent run", more={"detached": True}):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def bare(tmp_path):
    """A box without systemd."""
    return Systemd(tmp_path / "units", booted=tmp_path / "not-booted")


@pytest.fixture
def booted(tmp_path, monkeypatch):
    """A box whose systemd writes down what it is told; it runs the service while the file `active` is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ncase "$1" in is-active) test -e {tmp_path}/active; exit;; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "booted").mkdir()
    systemd = Systemd(tmp_path / "units", booted=tmp_path / "booted")
    service.install(systemd, tmp_path / "state", ["--state-dir", str(tmp_path / "state")], {}, now=False)
    (tmp_path / "told").unlink()
    return systemd


@pytest.fixture
def agent(tmp_path):
    """Another process that holds the agent's lock and ends with SIGTERM."""
    (tmp_path / "state").mkdir(exist_ok=True)
    lock = process.lock_path(tmp_path / "state")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True) as child:
        child.stdout.readline()
        yield child
        child.kill()


def told(tmp_path):
    path = tmp_path / "told"
    return [line for line in path.read_text().splitlines() if not line.startswith("is-active")] if path.exists() else []


def test_a_service_is_started_stopped_and_restarted_by_systemd(booted, tmp_path):
    state = tmp_path / "state"
    assert control.start(booted, state, []).outcome == "started"
    (tmp_path / "active").touch()
    assert control.restart(booted, state, []).outcome == "restarted"
    assert control.stop(booted, state).warnings == ("it starts again with the box",)
    assert told(tmp_path) == [f"{verb} kelvin-provision-agent.service" for verb in ("start", "restart", "stop")]


def test_a_service_that_does_not_run_is_not_stopped_again(booted, tmp_path):
    assert control.stop(booted, tmp_path / "state") == control.Result("unchanged", "it does not run", service=True)
    assert told(tmp_path) == []


def test_the_service_of_another_state_directory_is_left_alone(booted, tmp_path):
    (tmp_path / "active").touch()
    assert control.stop(booted, tmp_path / "other").outcome == "unchanged"
    assert told(tmp_path) == []


def test_a_detached_agent_is_stopped_by_its_pid(bare, tmp_path, agent):
    state = tmp_path / "state"
    done = control.stop(bare, state)
    assert (done.outcome, done.detail) == ("stopped", f"pid {agent.pid}")
    assert (agent.wait(timeout=PATIENCE), process.alive(state)) == (0, None)
    assert control.stop(bare, state) == control.Result("unchanged", "it does not run")


def test_an_agent_that_runs_is_not_started_again(bare, tmp_path, agent):
    assert control.start(bare, tmp_path / "state", []) == control.Result("unchanged", f"it runs already, pid {agent.pid}")


def test_one_that_does_not_end_in_time_is_said_to_end_later(bare, tmp_path, agent):
    os.kill(agent.pid, signal.SIGSTOP)
    assert control.stop(bare, tmp_path / "state", timeout=0.2).outcome == "stopping"
    os.kill(agent.pid, signal.SIGCONT)


def test_an_agent_that_applies_is_not_stopped(bare, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    with exclusive(process.lock_path(state), command="agent run"), exclusive(state / "lock", command="apply of motor"):
        for call in (control.stop, lambda *words: control.restart(*words, [])):
            with pytest.raises(Locked, match=r"the agent has a change under way since .*: apply of motor"):
                call(bare, state)
        assert holder(process.lock_path(state))["pid"] == os.getpid()


def test_the_agent_of_another_user_is_refused(bare, tmp_path, agent, monkeypatch):
    def refuse(_pid, _signal):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(control.os, "kill", refuse)
        with pytest.raises(PermissionRefused, match=f"the agent, pid {agent.pid}, belongs to "):
            control.stop(bare, tmp_path / "state")


def test_without_a_workload_no_agent_is_started(tmp_path):
    result = run("agent", "start", "--state-dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, f"agent {tmp_path}: unchanged, there are no workloads\n")
    assert run("agent", "stop", "--state-dir", str(tmp_path)).stdout == f"agent {tmp_path}: unchanged, it does not run\n"


@pytest.mark.slow
def test_the_command_starts_an_agent_of_its_own_for_a_box_with_a_workload(tmp_path):
    box = Box(tmp_path / "state")
    box.deploy("pump")
    box.close()
    state = tmp_path / "state"

    def agent(verb):
        """In a process of its own, as the agent outlives the command."""
        return subprocess.run([sys.executable, "-m", "kelvin_provision", "agent", verb, "--state-dir", str(state)], check=True)

    try:
        agent("start")
        pid = process.alive(state)["pid"]
        agent("restart")
        assert process.alive(state)["pid"] != pid
    finally:
        agent("stop")
    assert process.alive(state) is None
