"""A workload's whole life by the command line, on a real engine and on a real Kubernetes, with the registry gone after staging."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import pytest

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.status import derive
from tests.kit import forking
from tests.kit.images import program, push
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.kubernetes import containerd_socket, fresh_namespace, kubeconfig
from tests.kit.servers.registry import docker_registry
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.timeout(600)
NAME = "life-motor-speed"
SERVE = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
DIE = "echo out of oil; sleep 0.7; exit 3"


class Box:
    """The program on one state folder; every command is a process of its own."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def say(self, *words, code=0):
        done = forking.run([*words, "--json"], env=self.environment)
        assert done.returncode == code, "\n".join((" ".join(words), done.stdout, done.stderr))
        return json.loads(done.stdout)

    def killed(self, *words, until):
        """Start a command and `kill -9` it as soon as the journal says that it is at work."""
        child = subprocess.Popen(
            [sys.executable, "-m", "kelvin_provision", *words], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE
        with Ledger(self.folder / "state" / "ledger.db") as ledger:
            while time.monotonic() < deadline and child.poll() is None and journal.unfinished(ledger) is None:
                time.sleep(0.001)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL, "it had ended by itself"
            found = derive(ledger.workload(NAME).situation).state
            # The living agent may be faster than we are: then it is done already what the next command would have done.
            assert found == until or journal.unfinished(ledger) is None, (found, until)

    def stage(self, version):
        payload = {"spec_version": "5.0.0", "type": "docker", "name": "life", "title": "L", "description": "d", "version": version}
        body = {"name": NAME, "title": "Life", "app_name": "life", "app_version": version, "payload": payload}
        path = self.folder / f"{version}.json"
        path.write_text(json.dumps(body | {"staged": True, "instantly_apply": False}))
        self.say("workloads", "deploy", "-f", str(path), "--wait")

    def apply(self, *more, code=0):
        return self.say("workloads", "apply", "-n", NAME, *more, code=code)

    def seen(self, *more):
        (item,) = self.say("workloads", "list", *more)["data"]
        return item

    def state(self, *more):
        return self.seen(*more)["status"]["state"]

    def now(self):
        found = self.seen("--live")
        return found["app_version"], found["status"]["state"]

    def close(self):
        agent = self.say("agent", "status")["agent"]
        forking.run(["workloads", "undeploy", "-n", NAME, "--yes"], env=self.environment)
        if agent["pid"]:
            with suppress(ProcessLookupError):
                os.kill(agent["pid"], signal.SIGTERM)
        until(lambda: not self.say("agent", "status")["agent"]["alive"])


def docker_here(folder, stack):
    if why_not():
        pytest.skip(why_not())
    (folder / "docker").mkdir()
    engine = stack.enter_context(own_dockerd(folder / "docker"))
    return {"DOCKER_HOST": engine.url, "KELVIN_PROVISION_CLUSTER__TYPE": "docker"}


def kubernetes_here(folder, stack):
    namespace = fresh_namespace()
    api = Api(kubeconfig=kubeconfig(), context=None)
    stack.callback(lambda: api.delete("v1", "Namespace", namespace, None))
    return {
        "KUBECONFIG": str(kubeconfig()),
        "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes",
        "KELVIN_PROVISION_CLUSTER__NAMESPACE": namespace,
        "KELVIN_PROVISION_RUNTIME__TYPE": "containerd",
        "KELVIN_PROVISION_RUNTIME__ADDRESS": containerd_socket(),
    }


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(docker_here, id="docker", marks=[pytest.mark.docker, pytest.mark.registry]),
        pytest.param(kubernetes_here, id="kubernetes", marks=[pytest.mark.kubernetes, pytest.mark.registry]),
    ],
)
def box(request, tmp_path_factory):
    """Versions 1 and 2 ran, 2 runs; 3 dies after a second and is staged; the registry is gone."""
    folder = tmp_path_factory.mktemp("life")
    with ExitStack() as stack:
        cluster = request.param(folder, stack)
        registry = stack.enter_context(ExitStack())
        host = registry.enter_context(docker_registry(folder / "registry"))
        for version, made in (("1.0.0", program(SERVE)), ("2.0.0", program(f"echo two; {SERVE}")), ("3.0.0", program(DIE))):
            push(host, "life", version, made)
        found = Box(
            folder,
            {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
            | cluster
            | {
                "KELVIN_PROVISION_STATE_DIR": str(folder / "state"),
                "KELVIN_PROVISION_SITE_CONFIG": str(folder / "no-site-file.yaml"),
                "KELVIN_PROVISION_REGISTRY": host,
                # A busy kubelet tells seconds late that a container has ended; one that has not told yet counts as up.
                "KELVIN_PROVISION_APPLY__SETTLE": "6" if "KUBECONFIG" in cluster else "3",
            },
        )
        stack.callback(found.close)
        for version in ("1.0.0", "2.0.0"):
            found.stage(version)
            found.apply()
        found.stage("3.0.0")
        registry.close()
        yield found


def test_there_and_back_offline(box):
    assert box.now() == ("2.0.0", "running")
    (item,) = box.say("workloads", "rollback", "-n", NAME)["items"]
    assert (item["outcome"], item["detail"]) == ("running", "life 1.0.0 (revision 1), before 2.0.0 (revision 2)")
    assert box.now() == ("1.0.0", "running")
    box.say("workloads", "rollback", "-n", NAME, "--to", "2")
    assert box.now() == ("2.0.0", "running")
    assert box.seen()["staged"]["app_version"] == "3.0.0"


def test_stopped_and_started(box):
    box.say("workloads", "stop", "-n", NAME, "--yes")
    assert box.now() == ("2.0.0", "stopped")
    assert box.say("workloads", "stop", "-n", NAME, "--yes")["items"][0]["outcome"] == "unchanged"
    box.say("workloads", "start", "-n", NAME)
    assert box.now() == ("2.0.0", "running")
    assert box.say("workloads", "start", "-n", NAME)["items"][0]["outcome"] == "unchanged"


def test_a_stopped_workload_whose_next_version_dies_is_stopped_again(box):
    box.say("workloads", "stop", "-n", NAME, "--yes")
    assert box.apply(code=1)["error"]["code"] == "apply-failed"
    assert box.now() == ("2.0.0", "stopped")
    box.say("workloads", "start", "-n", NAME)
    assert box.now() == ("2.0.0", "running")


def test_what_dies_is_left_when_that_is_asked_for_and_rollback_takes_it_back(box):
    error = box.apply("--no-rollback", code=1)["error"]
    assert (error["code"], error["hint"]) == ("apply-left", f"kelvin-provision workloads rollback -n {NAME}")
    assert error["evidence"]
    box.say("workloads", "rollback", "-n", NAME)
    assert box.now() == ("2.0.0", "running")
    assert box.seen()["staged"]["app_version"] == "3.0.0"


def test_a_start_and_a_stop_that_were_killed_are_finished_by_the_next_command(box):
    box.killed("workloads", "stop", "-n", NAME, "--yes", until="stopping")
    assert box.say("workloads", "stop", "-n", NAME, "--yes")["items"][0]["outcome"] == "unchanged"
    assert box.now() == ("2.0.0", "stopped")
    box.killed("workloads", "start", "-n", NAME, until="starting")
    assert box.say("workloads", "start", "-n", NAME)["items"][0]["outcome"] == "unchanged"
    assert box.now() == ("2.0.0", "running")


def test_a_rollback_that_was_killed_is_undone_by_the_next_command(box):
    box.killed("workloads", "rollback", "-n", NAME, "--to", "1", until="deploying")
    box.say("workloads", "rollback", "-n", NAME, "--to", "2")
    assert box.now() == ("2.0.0", "running")


def test_what_nobody_waits_for_shows_as_failed_and_can_be_gone_back_from(box):
    (item,) = box.apply("--no-wait")["items"]
    assert (item["outcome"], item["detail"]) == ("applied", "life 3.0.0, before 2.0.0; not waited for")
    until(lambda: box.now() == ("3.0.0", "failed"), 60, pause=0.2)
    box.say("workloads", "rollback", "-n", NAME)
    assert box.now() == ("2.0.0", "running")


def test_the_history_has_all_of_it_and_is_whole(box):
    document = box.say("workloads", "history", "-n", NAME, "--verify")
    done = [(entry["action"], entry["revision"], entry["outcome"]) for entry in document["entries"]]
    assert document["verified"]["lines"] == len(done)
    assert {("deploy", 3, "accepted"), ("apply", 3, "undone"), ("apply", 3, "failed, left as it is")} < set(done)
    assert {("apply", 3, "done, not waited for"), ("rollback", 2, "done"), ("stop", 2, "done"), ("start", 2, "done")} < set(done)
    assert {entry["digest"][:7] for entry in document["entries"] if entry["action"] != "deploy"} == {"sha256:"}
