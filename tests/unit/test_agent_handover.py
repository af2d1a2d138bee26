"""Which settings the living agent works with, how it is replaced, and that nobody is left without one."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.agent import loop
from kelvin_provision.agent.lifecycle import logfile, process
from kelvin_provision.agent.lifecycle.identity import fingerprint
from kelvin_provision.agent.systemd import service
from kelvin_provision.events import Note
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.model import ClusterSettings, RegistrySettings, Settings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.systemd.environment import with_absolute_paths
from kelvin_provision.systemd.systemctl import Systemd
from tests.kit.box import Box
from tests.kit.waiting import PATIENCE, ended, until

pytestmark = pytest.mark.slow

REPLACED = ("the settings have changed: the agent was restarted",)
LATER = ("the settings have changed: the agent finishes its present work, then restarts with the new ones",)

ENSURE = """
import json, os, sys
from pathlib import Path
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd import service
from kelvin_provision.settings.load import load
from kelvin_provision.systemd.systemctl import Systemd
process.ensure.__kwdefaults__["patience"] = float(sys.argv[3])
state, config = Path(sys.argv[1]), Path(sys.argv[2])
settings = load(config=config, state_dir=state, environ=os.environ, is_root=True).settings
systemd = Systemd(state.parent / "units", booted=Path("/dev/null"))
print(json.dumps(service.ensure(systemd, state, [sys.executable, "-m", "kelvin_provision", "agent", "run", "--until-empty", "--state-dir", str(state), "--config", str(config)], settings)))
"""


@pytest.fixture
def box(tmp_path, monkeypatch):
    found = Box(tmp_path / "state")
    yield found
    found.close()


class Detached:
    """A state folder with a workload that waits for ever, a configuration, and agents as `deploy` starts them."""

    def __init__(self, folder):
        self.state, self.config = folder / "state", folder / "config.yaml"
        self.systemd = Systemd(folder / "units", booted=Path(os.devnull))
        self.write("/tmp/nobody-1.sock")
        with Ledger(self.state / "ledger.db") as ledger:
            spec = Spec(name="a", title="a", app_name="a", app_version="1", cluster_name="c", method=Method.STAGED, image="127.0.0.1:1/a:1")
            ledger.accept([spec], "batch")

    def write(self, runtime):
        self.config.write_text(f"cluster: {{type: docker}}\nruntime: {{type: containerd, address: {runtime}}}\n")

    def ensure(self, deploys=1, patience=PATIENCE):
        """What each of so many deploys at once says; in processes of their own, which end before the agent does."""
        words = [sys.executable, "-c", ENSURE, str(self.state), str(self.config), str(patience)]
        found = [subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) for _ in range(deploys)]
        said = [tuple(json.loads(text)) for text in [one.communicate(timeout=2 * PATIENCE)[0] for one in found]]
        return said if deploys > 1 else said[0]

    def error(self):
        with Ledger(self.state / "ledger.db") as ledger:
            return ledger.workload("a").staged.cause or ""

    def pid(self):
        return (process.alive(self.state) or {}).get("pid")


@pytest.fixture
def detached(tmp_path):
    found = Detached(tmp_path)
    yield found
    for lock in ("agent.next", "agent.lock"):
        if pid := (holder(found.state / lock) or {}).get("pid"):
            os.kill(pid, signal.SIGTERM)
            until(lambda lock=lock: holder(found.state / lock) is None)


# --- nobody is left without an agent --------------------------------------------------------------


def test_what_is_deployed_after_the_last_look_of_an_agent_that_ends_is_worked_on(box, monkeypatch):
    """The deploy finds a living agent, and that one has looked for the last time."""
    look, woke = box.ledger.is_empty, []

    def is_empty():
        found = look()
        if found and not woke:
            box.deploy("a", method=Method.STANDARD)
            woke.append(process.ensure(box.settings.state_dir, []))
            monkeypatch.setattr(box.ledger, "is_empty", lambda: box.states()["a"][0] == "running")
        return found

    monkeypatch.setattr(box.ledger, "is_empty", is_empty)
    box.work(lambda: False, until_empty=True)
    assert woke == [False]
    assert box.states() == {"a": ("running", None)}
    assert process.alive(box.settings.state_dir) is None


def test_what_is_deployed_after_the_last_look_of_an_idle_agent_is_worked_on(box, monkeypatch):
    left_to_do, woke, turns = loop.scheduler.left_to_do, [], []

    def looked(ctx, workloads):
        found = left_to_do(ctx, workloads)
        turns.append(found)
        if not found and not woke and len(turns) == 2:  # the first look is that of the turn
            woke.append(process.alive(box.settings.state_dir) is not None)
            box.deploy("a", method=Method.STANDARD)
        return found

    monkeypatch.setattr(loop.scheduler, "left_to_do", looked)
    box.work(lambda: False, until_idle=True)
    assert woke == [True]
    assert box.states() == {"a": ("running", None)}


def test_an_agent_that_another_took_over_from_in_that_moment_ends_without_a_word(box, monkeypatch):
    others = threading.Event()

    def live(ctx, until, answer, jobs):
        box.deploy("a")
        monkeypatch.setattr(loop, "_surely", taken)

    held = exclusive(process.lock_path(box.settings.state_dir), command="agent run")

    def taken(ctx, until):
        held.__enter__()
        others.set()
        return False

    monkeypatch.setattr(loop, "_live", live)
    box.work(lambda: False, until_empty=True)
    assert others.is_set()
    held.__exit__(None, None, None)


def test_a_bug_in_the_recovery_leaves_the_box_with_an_agent(box, monkeypatch):
    @contextmanager
    def broken(ctx, ticket):
        raise ZeroDivisionError(ticket.command)
        yield

    box.deploy("a")
    monkeypatch.setattr(loop, "operation", broken)
    box.work(lambda: False, until_idle=True)
    assert box.states() == {"a": ("staged", "ready")}
    assert any("our bug: ZeroDivisionError: agent: recovery" in said.text for said in box.said if isinstance(said, Note))


# --- settings -------------------------------------------------------------------------------------


def test_the_same_settings_are_the_same_word_wherever_they_were_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings(state_dir=tmp_path)
    relative = replace(settings, cluster=ClusterSettings(kubeconfig=Path("a.yaml:/b.yaml")))
    absolute = replace(settings, cluster=ClusterSettings(kubeconfig=Path(f"{tmp_path}/a.yaml:/b.yaml")))
    assert fingerprint(relative) == fingerprint(absolute) != fingerprint(settings)
    hosts = {"a.io": RegistrySettings(insecure=True), "b.io": RegistrySettings()}
    assert fingerprint(replace(settings, registries=hosts)) == fingerprint(replace(settings, registries=dict(reversed(hosts.items()))))
    assert fingerprint(replace(settings, registries=hosts)) != fingerprint(settings)
    assert fingerprint(replace(settings, registry="r.io", default_method=Method.STAGED)) == fingerprint(settings)
    assert fingerprint(replace(settings, keep_revisions=3)) != fingerprint(settings)


def test_a_new_login_or_kubeconfig_is_another_word(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    kubeconfig, login = tmp_path / "k.yaml", tmp_path / "config.json"
    settings = Settings(state_dir=tmp_path, cluster=ClusterSettings(kubeconfig=kubeconfig))
    seen = {fingerprint(settings)}
    login.write_text("{}")
    seen.add(fingerprint(settings))
    kubeconfig.write_text("x")
    seen.add(fingerprint(settings))
    os.utime(kubeconfig, (1, 1))
    seen.add(fingerprint(settings))
    assert len(seen) == 4


def test_an_agent_with_the_same_settings_is_left_alone(detached):
    assert detached.ensure() == ()
    before = detached.pid()
    detached.config.touch()
    assert detached.ensure() == ()
    assert detached.pid() == before


def test_an_agent_with_other_settings_is_replaced(detached):
    detached.ensure()
    before = detached.pid()
    detached.write("/tmp/nobody-2.sock")
    assert detached.ensure() == REPLACED
    until(lambda: detached.pid() not in {None, before})  # who has the lock has not said who it is in the same moment
    assert holder(detached.state / "agent.next") is None
    until(lambda: "nobody-2.sock" in detached.error())


def test_an_agent_is_not_replaced_in_the_middle_of_an_apply(detached):
    detached.ensure()
    before = detached.pid()
    detached.write("/tmp/nobody-2.sock")
    with exclusive(detached.state / "lock", command="agent: apply a", wait=10.0):  # its recovery has it first
        assert detached.ensure(patience=3.0) == LATER
        assert detached.ensure(patience=3.0) == LATER  # and no second one waits
        assert detached.pid() == before
    until(lambda: detached.pid() not in {None, before})
    assert detached.ensure() == ()


def test_two_deploys_at_once_replace_it_once(detached):
    detached.ensure()
    before = detached.pid()
    detached.write("/tmp/nobody-2.sock")
    said = detached.ensure(deploys=3)
    until(lambda: detached.pid() not in {None, before})
    after = detached.pid()
    assert set(said) <= {REPLACED, LATER, ()}
    time.sleep(0.5)
    assert detached.pid() == after


@pytest.mark.parametrize("installed", [True, False])
def test_an_agent_that_no_command_started_is_not_ended_but_told_of(detached, installed):
    if installed:
        service.install(detached.systemd, detached.state, ["--state-dir", str(detached.state)], {}, now=False)
    with exclusive(process.lock_path(detached.state), command="agent run", more={"settings": "old", "detached": False}):
        (said,) = detached.ensure()
        assert detached.pid() == os.getpid()
    assert said == (
        "the agent works with other settings than this command: restart it (agent restart),"
        " or install it again (agent install) where they come from this session's environment"
        if installed
        else "the settings have changed, and the agent works with the old ones until it is restarted (agent restart)"
    )


def test_an_agent_that_could_not_say_who_it_is_is_left_alone(detached):
    with exclusive(process.lock_path(detached.state), command="agent run"):
        os.truncate(process.lock_path(detached.state), 0)
        assert process.alive(detached.state) == {}
        assert detached.ensure() == ()


def test_paths_in_the_environment_mean_the_same_to_the_agent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"KELVIN_PROVISION_SITE_CONFIG": "site.yaml", "DOCKER_CONFIG": "docker", "KUBECONFIG": "a:/b", "NOTIFY_SOCKET": "/run/x"}
    found = with_absolute_paths(given)
    assert found["KELVIN_PROVISION_SITE_CONFIG"] == f"{tmp_path}/site.yaml"
    assert found["DOCKER_CONFIG"] == f"{tmp_path}/docker"
    assert found["KUBECONFIG"] == f"{tmp_path}/a:/b"
    assert "NOTIFY_SOCKET" not in found


# --- its log --------------------------------------------------------------------------------------


def test_a_log_that_has_grown_too_long_is_put_aside_while_it_is_written(tmp_path):
    log = tmp_path / "agent.log"
    code = "import sys, time\nfor line in sys.stdin: sys.stderr.write(line); print('done', flush=True)"
    with (
        log.open("ab") as sink,
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True) as writer,
    ):

        def write(line):
            writer.stdin.write(line)
            writer.stdin.flush()
            writer.stdout.readline()

        write("x" * (1 << 20) + "\n")
        logfile.shorten(log)
        write("after\n")
        logfile.shorten(log)
    assert log.read_bytes() == b"after\n"
    assert logfile.earlier(log).read_bytes() == b"x" * (1 << 20) + b"\n"
    assert logfile.earlier(log).stat().st_mode & 0o777 == 0o600


def test_of_a_log_that_is_far_too_long_the_end_is_kept(tmp_path):
    log = tmp_path / "agent.log"
    log.write_bytes(b"a" * (5 << 20) + b"end")
    logfile.shorten(log)
    kept = logfile.earlier(log).read_bytes()
    assert (len(kept), kept[-4:], log.stat().st_size) == (2 << 20, b"aend", 0)


def test_a_log_that_cannot_be_put_aside_is_shortened_all_the_same(tmp_path):
    log = tmp_path / "agent.log"
    log.write_bytes(b"a" * (2 << 20))
    logfile.earlier(log).mkdir()
    logfile.shorten(log)
    assert log.stat().st_size == 0
    logfile.shorten(tmp_path / "absent")


def test_the_living_agent_shortens_its_log(box):
    box.timings = replace(box.timings, systemd_status=0.02)
    log = process.log_path(box.settings.state_dir)
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"a" * (2 << 20))
    over = threading.Event()
    thread = threading.Thread(target=box.work, args=(over.is_set,), daemon=True)
    thread.start()
    until(lambda: log.stat().st_size == 0)
    over.set()
    ended(thread)
