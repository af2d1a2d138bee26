"""The whole story with the real program: real processes, a real registry, and a real Docker Engine or Kubernetes."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.kit.images import push, web_image
from tests.kit.real_box import ROOT, Box, docker_settings, push_versions
from tests.kit.servers.registry import docker_registry
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import PATIENCE, until

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]


def test_staged_by_one_process_applied_by_another_with_no_registry(request, tmp_path):
    settings = docker_settings(request)
    port = free_port(32000, 32768)
    published = {"ports": [{"name": "http", "type": "service", "service": {"port": 8080, "exposed": True, "exposed_port": port}}]}

    def answer():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as page:
            return page.read().decode().strip()

    with docker_registry(tmp_path / "registry") as host:
        push_versions(host)
        box = Box(tmp_path, host, settings)
        box.stage("pump", "1.0.0", **published)
        box.run("workloads", "apply", "-n", "pump")
        assert answer() == "web 1.0.0"
        box.stage("pump", "2.0.0", **published)
        assert answer() == "web 1.0.0"
    try:
        box.run("workloads", "apply", "-n", "pump")
        assert answer() == "web 2.0.0"
        assert box.states() == {"pump": ("2.0.0", "running", None)}
    finally:
        box.end()


test_staged_by_one_process_applied_by_another_with_no_registry = pytest.mark.docker(
    test_staged_by_one_process_applied_by_another_with_no_registry
)


def test_stage_apply_look_undeploy(box):
    out, err = box.stage("pump", "1.0.0")
    assert out == "workload pump: ready, web 1.0.0, staged-only: waits for `workloads apply`\n"
    assert "pump: ready\n" in err
    assert box.states() == {"pump": ("1.0.0", "staged", "ready")}
    out, _ = box.run("workloads", "apply", "-n", "pump")
    assert out == "workload pump: running, web 1.0.0, new\n"
    document = box.json("workloads", "show", "-n", "pump")
    assert (document["status"]["state"], document["staged"], document["download_status"]) == ("running", None, "ready")
    assert document["payload"]["defaults"]["configuration"] == {"speed": 3}
    box.stage("pump", "2.0.0")
    assert box.states() == {"pump": ("1.0.0", "running", "ready")}
    out, _ = box.run("workloads", "apply", "--all")
    assert out == "workload pump: running, web 2.0.0, before 1.0.0\n"
    assert box.run("workloads", "apply", "--all") == ("", "Nothing to do.\n")
    assert box.json("workloads", "apply", "-n", "pump", code=66)["error"]["code"] == "nothing-staged"
    box.undeploy("pump")
    assert box.json("workloads", "list")["data"] == []


def test_a_version_that_dies_is_undone_with_its_last_words(box):
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "3.0.0")
    began = time.monotonic()
    error = box.json("workloads", "apply", "-n", "pump", code=1)["error"]
    assert time.monotonic() - began < 200, "what does not come up is given up after 300 seconds"
    assert error["code"] == "apply-failed"
    assert "rolled back to what ran before" in error["message"]
    assert any("the last words" in line for line in error["evidence"]), error
    assert box.states() == {"pump": ("1.0.0", "running", "failed")}
    assert any("version 3.0.0 was not applied" in text for text in box.json("workloads", "list")["data"][0]["status"]["warnings"])


def test_instant_apply_takes_a_group_to_running_by_itself(box):
    paths = [box.request(name, "1.0.0", method="staged+instant-apply") for name in ("pump", "valve")]
    out, _ = box.run("workloads", "deploy", "-f", paths[0], "-f", paths[1], "--wait", "--timeout", "90")
    assert out.count(": running, web 1.0.0") == 2
    assert box.states() == {"pump": ("1.0.0", "running", None), "valve": ("1.0.0", "running", None)}


def test_an_image_for_another_platform_or_not_there_is_found_at_staging(box):
    error = box.json("workloads", "deploy", "-f", box.request("pump", "4.0.0"), "--wait", code=1)["error"]
    assert (error["code"], "the image is for linux/arm64" in error["message"]) == ("staging-failed", True)
    error = box.json("workloads", "deploy", "-f", box.request("pump", "9.9.9"), "--wait", code=1)["error"]
    assert "has no web:9.9.9" in error["message"]
    assert box.states() == {"pump": ("9.9.9", "staged", "failed")}


def test_a_download_goes_on_when_the_terminal_is_gone_and_after_the_agent_was_killed(box):
    box.environment["KELVIN_PROVISION_REGISTRY"] = f"127.0.0.1:{free_port()}"  # nobody listens there yet
    deployed = box.start("workloads", "deploy", "-f", box.request("pump", "1.0.0"), start_new_session=True)
    deployed.communicate(timeout=60)
    agent = box.agent()["pid"]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(deployed.pid, signal.SIGHUP)
    assert Path(f"/proc/{agent}").exists()
    os.kill(agent, signal.SIGKILL)
    until(lambda: not box.agent()["alive"])
    _, err = box.run("workloads", "list")
    assert "no agent is running" in err
    port = int(box.environment["KELVIN_PROVISION_REGISTRY"].rpartition(":")[2])
    with docker_registry(box.folder / "late", port=port) as host:
        push(host, "web", "1.0.0", web_image("web 1.0.0"))
        box.run("agent", "run", "--until-idle")
    assert box.states() == {"pump": ("1.0.0", "staged", "ready")}


def test_two_real_processes_fight_for_the_lock(box):
    box.stage("pump", "1.0.0")
    box.state.mkdir(exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(box.state / "lock")], env=box.environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    error = box.json("workloads", "apply", "-n", "pump", code=75)["error"]
    assert error["code"] == "locked"
    assert f"(pid {holder.pid})" in error["message"]
    assert "workloads apply -n valve" in error["message"]
    assert box.states() == {"pump": ("1.0.0", "staged", "ready")}  # readers are not blocked
    holder.kill()
    holder.communicate()
    box.run("workloads", "apply", "-n", "pump")  # the key is gone with the process


HOLD = """
import sys, pathlib
from kelvin_provision.files.lock import exclusive
with exclusive(pathlib.Path(sys.argv[1]), command="workloads apply -n valve"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_is_wrong_is_refused_whole_and_nothing_is_stored(box):
    bad = box.folder / "bad.yaml"
    bad.write_text("app_name: web\nname: Pump_1\nstaged: 'yes'\nimages: []\n---\napp_name: web\napp_version: latest\nstaged: true\n")
    error = box.json("workloads", "deploy", "-f", str(bad), code=65)["error"]
    assert error["code"] == "request-refused"
    assert len([line for line in error["evidence"] if line.startswith(f"{bad}, document 1")]) >= 3
    assert any(f"{bad}, document 2" in line and "latest" in line for line in error["evidence"])
    assert box.json("workloads", "list")["data"] == []
    assert box.agent()["alive"] is False


def test_errors_of_usage_and_confirmation_have_their_codes(box):
    assert box.json("workloads", "apply", code=2)["error"]["code"] == "usage"
    assert box.json("workloads", "show", "-n", "nobody", code=66)["error"]["code"] == "workload-unknown"
    box.stage("pump", "1.0.0")
    assert box.json("workloads", "undeploy", "-n", "pump", code=2)["error"]["code"] == "confirmation-needed"


def test_an_interrupted_apply_goes_back(box):
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "3.0.0")
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "8"
    process = box.start("workloads", "apply", "-n", "pump", "--json")
    until(lambda: box.peek()["pump"][1] == "deploying")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode in {1, 130}, (out, err)  # it may have died of itself in the same moment
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "2"
    assert box.states()["pump"][:2] == ("1.0.0", "running")


def test_a_killed_apply_is_undone_by_the_next_command(box):
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "2.0.0")
    os.kill(box.agent()["pid"], signal.SIGKILL)
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "8"
    process = box.start("workloads", "apply", "-n", "pump")
    until(lambda: box.peek()["pump"][1] == "deploying")
    process.kill()
    process.communicate()
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "2"
    out, err = box.run("workloads", "apply", "-n", "pump")
    assert "an interrupted apply of pump was undone" in err
    assert out == "workload pump: running, web 2.0.0, before 1.0.0\n"
    assert box.states() == {"pump": ("2.0.0", "running", None)}


def test_a_killed_apply_is_undone_by_the_living_agent(box):
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "2.0.0")
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "8"
    process = box.start("workloads", "apply", "-n", "pump")
    until(lambda: box.peek()["pump"][1] == "deploying")
    process.kill()
    process.communicate()
    until(lambda: box.peek() == {"pump": ("1.0.0", "running", "ready")}, seconds=2 * PATIENCE)
    until(lambda: "an interrupted apply of pump was undone" in (box.state / "agent.log").read_text())


def test_the_lock_is_a_real_flock(tmp_path):
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-c", HOLD, str(path)],
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    assert "Locked" in done.stderr
