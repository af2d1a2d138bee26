"""The agent as a process, on real parts: signals, terminals, systemd's socket, an engine that goes away and comes back."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from docker import APIClient

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.reconcile import restore_images
from kelvin_provision.agent.systemd import unit
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy
from tests.kit import forking
from tests.kit.box import Box as BoxWithFakes
from tests.kit.disks import bytes_below
from tests.kit.images import push, random_image, web_image
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers.confined import SCRIPT, confined
from tests.kit.servers.confined import why_not as why_not_confined
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.thin import thin_link
from tests.kit.staging import reach
from tests.kit.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
MiB = 1 << 20


AT_ONCE = PATIENCE
"""Far below every timeout that it might wait for instead; a busy machine needs some of it."""


class Box:
    """A state folder, a configuration, and the program as people start it."""

    def __init__(self, folder: Path, registry: str, docker: str):
        self.folder, self.state = folder, folder / "state"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        self.shared = ["--state-dir", str(self.state), "--config", str(folder / "config.yaml")]
        (folder / "config.yaml").write_text(
            f"cluster: {{type: docker}}\nruntime: {{type: docker, address: '{docker}'}}\nregistry: '{registry}'\n"
            "apply: {settle: 0.5}\ndownload: {parallel: 2, stall_timeout: 10m}\n"
        )

    def command(self, *words):
        return [sys.executable, "-m", "kelvin_provision", *words, *self.shared]

    def tool(self, *words, code=0):
        done = forking.run([*words, *self.shared], env=self.environment, cwd=self.folder, timeout=4 * PATIENCE)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    def states(self):
        page = json.loads(self.tool("workloads", "list", "--json"))["data"]
        return {item["name"]: item["status"]["state"] for item in page}

    def status(self):
        return json.loads(self.tool("agent", "status", "--json"))

    def deploy(self, name, *, staged=True):
        request = {"name": name, "title": name, "app_name": name, "app_version": "1.0.0", "staged": True, "instantly_apply": not staged}
        payload = {"spec_version": "5.0.0", "type": "docker", "name": name, "title": name, "description": name, "version": "1.0.0"}
        (self.folder / f"{name}.json").write_text(json.dumps(request | {"payload": payload}))
        return self.tool("workloads", "deploy", "-f", f"{name}.json")

    @contextlib.contextmanager
    def agent(self, **environment):
        """`agent run` in the foreground of nobody."""
        log = (self.folder / "foreground.log").open("ab")
        child = subprocess.Popen(
            self.command("agent", "run"), env=self.environment | environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            until(lambda: process.alive(self.state), why=(self.folder / "foreground.log").read_text)
            yield child
        finally:
            child.kill()
            child.wait()
            log.close()

    def end_detached(self):
        found = process.alive(self.state)
        if found:
            os.kill(found["pid"], signal.SIGTERM)
            until(lambda: not process.alive(self.state))

    def partial(self):
        return bytes_below(self.state / "partial")


@pytest.fixture
def box(tmp_path, registry, dockerd):
    found = Box(tmp_path, registry, dockerd)
    yield found
    found.end_detached()


def slow_box(tmp_path, link, dockerd):
    return Box(tmp_path, link.host, dockerd)


@pytest.mark.registry
@pytest.mark.docker
@pytest.mark.parametrize("rate", [200_000, 0], ids=["thin", "stalled"])
def test_sigterm_in_the_middle_of_a_download_ends_the_agent_at_once_and_keeps_every_byte(tmp_path, registry, dockerd, rate):
    push(registry, f"slow{rate}", "1.0.0", random_image([2 * MiB]))
    with thin_link(registry, 400_000) as link:
        box = slow_box(tmp_path, link, dockerd)
        with box.agent() as agent:
            box.deploy(f"slow{rate}")
            until(lambda: box.partial() > 100_000)
            link.rate = rate
            time.sleep(0.3)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(AT_ONCE) == 0
        kept, passed = box.partial(), link.passed
        assert kept > 100_000
        link.rate = 20 * MiB
        with box.agent():
            until(lambda: box.states() == {f"slow{rate}": "staged"} and box.tool("workloads", "list", "--staged").find("ready") > 0)
        assert link.passed - passed < 2 * MiB - kept + 100_000


@pytest.mark.registry
@pytest.mark.docker
def test_sigterm_while_a_registry_says_nothing_at_all_ends_the_agent_at_once(tmp_path, registry, dockerd):
    push(registry, "mute", "1.0.0", random_image([3000]))
    with thin_link(registry, 0) as link:
        box = slow_box(tmp_path, link, dockerd)
        with box.agent() as agent:
            box.deploy("mute")
            until(lambda: '"processing"' in box.tool("workloads", "show", "-n", "mute", "--json"))
            time.sleep(0.3)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(AT_ONCE) == 0


@pytest.mark.registry
@pytest.mark.docker
def test_status_says_how_far_and_how_fast_and_what_is_waited_for(tmp_path, registry, dockerd):
    push(registry, "far", "1.0.0", random_image([16 * MiB]))
    with thin_link(registry, 300_000) as link:
        box = slow_box(tmp_path, link, dockerd)
        with box.agent():
            box.deploy("far")

            def at_its_rate():
                now = box.status()
                tasks = now["work"] and now["work"]["tasks"]
                return now if tasks and 100_000 < tasks[0]["rate"] < 1_000_000 else None

            found = until(at_its_rate)
            (task,) = found["work"]["tasks"]
            assert (found["work"]["doing"], task["verb"], task["name"]) == ("staging far", "downloading", f"{link.host}/far:1.0.0")
            assert 0 < task["done"] < task["total"]
            assert found["pending"] == ["far"]
        assert box.status()["work"] is None


@pytest.mark.registry
@pytest.mark.docker
def test_a_terminal_that_is_closed_does_not_end_the_agent_that_was_started_from_it(box, registry):
    push(registry, "tty", "1.0.0", random_image([3000]))
    (box.folder / "r.yaml").write_text(
        "name: tty\ntitle: t\napp_name: tty\napp_version: 1.0.0\nstaged: true\ninstantly_apply: false\n"
        "payload: {spec_version: 5.0.0, type: docker, name: tty, title: t, description: d, version: 1.0.0}\n"
    )
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(box.folder)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and the shell could not be hung up
        script = f"{' '.join(box.command('workloads', 'deploy', '-f', 'r.yaml'))}; sleep 60"
        os.execve("/bin/sh", ["sh", "-c", script], box.environment)  # noqa: S606
    try:
        agent = until(lambda: process.alive(box.state))
        # The kernel hangs up on the whole session when its terminal goes.
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    os.kill(agent["pid"], signal.SIGHUP)  # and somebody may mean it
    until(lambda: "ready" in box.tool("workloads", "list", "--staged"))
    assert process.alive(box.state)["pid"] == agent["pid"]


@pytest.mark.registry
@pytest.mark.docker
def test_deploy_says_that_a_detached_agent_does_not_survive_a_reboot_until_there_is_a_service(box, registry):
    push(registry, "mortal", "1.0.0", random_image([3000]))
    box.environment["KELVIN_PROVISION_UNIT_DIR"] = str(box.folder / "units")

    def warnings():
        return json.loads(
            box.tool("workloads", "deploy", "-n", "mortal", "--app-name", "mortal", "--app-version", "1.0.0", *more, "--json")
        )["warnings"]

    more = ("--staged", "--no-instantly-apply")
    assert "the agent does not survive a reboot until it is installed as a service (agent install)" in warnings()
    box.tool("agent", "install")
    assert [text for text in warnings() if "reboot" in text] == []


@pytest.mark.docker
def test_systemd_hears_from_the_real_agent(box):
    name = str(box.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(PATIENCE)
        with box.agent(NOTIFY_SOCKET=name, WATCHDOG_USEC="2000000") as agent:
            assert manager.recv(4096) == b"READY=1\nSTATUS=idle"
            heard = {manager.recv(4096) for _ in range(3)}
            assert heard == {b"STATUS=idle", b"WATCHDOG=1"}
            agent.send_signal(signal.SIGTERM)
            while (said := manager.recv(4096)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1"
            assert agent.wait(PATIENCE) == 0


@pytest.mark.registry
@pytest.mark.docker
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_an_engine_that_is_stopped_and_started_is_seen_to_go_and_to_come_back(tmp_path, tmp_path_factory, registry):
    push(registry, "stopped-engine", "1.0.0", web_image("one"))
    with own_dockerd(tmp_path_factory.mktemp("e")) as engine:  # short: it makes sockets below
        (tmp_path / "box").mkdir()
        box = Box(tmp_path / "box", registry, engine.url)
        with box.agent() as agent:
            box.deploy("stopped-engine", staged=False)
            until(lambda: box.states() == {"stopped-engine": "running"})
            engine.process.send_signal(signal.SIGTERM)
            engine.process.wait(PATIENCE)
            until(lambda: box.states() == {"stopped-engine": "unreachable"})
            engine.start()
            until(lambda: box.states() == {"stopped-engine": "running"})
            assert agent.poll() is None
            with contextlib.closing(APIClient(engine.url)) as client:
                client.stop("stopped-engine", timeout=1)
                until(
                    lambda: box.states() in ({"stopped-engine": "failed"}, {"stopped-engine": "stopped"}), seconds=45.0
                )  # it looks by itself after 60
            with Ledger(box.state / "ledger.db") as ledger:
                assert ledger.workload("stopped-engine").observation.reachable


@pytest.mark.containerd
def test_an_image_that_the_kubelet_removed_is_back_after_one_round_that_asks_containerd_once(tmp_path, containerd):
    said, image, name = [], random_image([5000]), "registry.example.org/agent/back:1.0.0"
    runtime, lock, blob = ContainerdRuntime(containerd), lock_of(image, name), blobs_in(tmp_path / "blobs", image)
    box = BoxWithFakes(tmp_path)
    box.runtime, said = runtime, box.said
    (revision,) = deploy.store(box.ctx, [Spec("back", "t", "back", "1.0.0", "c", Method.STAGED, image=name)])[0]
    box.ledger.set_locks(revision, [lock])
    reach(box.ledger, revision, Download.READY)
    for part in lock.blobs():
        box.store.put(part, blob(part).read_bytes())
    try:
        restore_images(box.ctx, thorough=False)
        assert runtime.has(lock)
        subprocess.run(["ctr", "-a", containerd, "-n", "k8s.io", "images", "rm", lock.name], check=True, capture_output=True)
        assert not runtime.has(lock)
        restore_images(box.ctx, thorough=False)
        assert runtime.has(lock)
        said.clear()
        restore_images(box.ctx, thorough=False)
        assert said == []
    finally:
        runtime.remove(lock)
        box.close()


# --- as its unit confines it -----------------------------------------------------------------------


def test_the_unit_grants_what_the_confined_tests_grant():
    text = unit.render(["/x"], Path("/s"), {})
    assert "\nCapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH\n" in text
    assert "--bounding-set=-all,+dac_override,+dac_read_search" in SCRIPT


@pytest.mark.registry
@pytest.mark.docker
@pytest.mark.skipif(bool(why_not_confined()), reason=why_not_confined() or "-")
def test_a_confined_agent_stages_and_applies_on_docker(box, registry, dockerd):
    push(registry, "confined", "1.0.0", web_image("one"))
    box.state.mkdir(mode=0o700)
    with exclusive(process.lock_path(box.state), command="the test: no detached agent"):
        box.deploy("confined", staged=False)
    done = confined(box.command("agent", "run", "--until-idle"), box.state, box.environment | {"PYTHONDONTWRITEBYTECODE": "1"}, box.folder)
    assert done.returncode == 0, done.stderr
    try:
        assert box.states() == {"confined": "running"}, done.stderr
    finally:
        box.tool("workloads", "undeploy", "-n", "confined", "--yes")


@pytest.mark.containerd
@pytest.mark.skipif(bool(why_not_confined()), reason=why_not_confined() or "-")
def test_a_confined_agent_can_put_images_into_containerd(tmp_path, containerd):
    code = (
        "import sys; from pathlib import Path\n"
        "from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime\n"
        "from tests.kit.images import random_image\n"
        "from tests.kit.locks import blobs_in, lock_of\n"
        "image = random_image([5000]); lock = lock_of(image, 'registry.example.org/confined/one:1.0.0')\n"
        "runtime = ContainerdRuntime(sys.argv[1]); runtime.load(lock, blobs_in(Path(sys.argv[2]), image))\n"
        "assert runtime.has(lock); runtime.remove(lock)\n"
    )
    (tmp_path / "state").mkdir()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = confined([sys.executable, "-c", code, containerd, str(tmp_path / "state")], tmp_path / "state", environment, tmp_path)
    assert done.returncode == 0, done.stderr
