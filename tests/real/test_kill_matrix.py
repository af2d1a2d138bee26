"""kill -9 before every step of every change, on the real backends: the next command finishes or undoes it, and all three agree."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.node import opened
from kelvin_provision.ops import deploy
from kelvin_provision.settings.load import load
from kelvin_provision.spec.request import Defaults
from kelvin_provision.spec.request import accept as accept_all
from kelvin_provision.spec.source import read
from kelvin_provision.spec.words import Method

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]
MOST = 40


def killed(box, step, action, name):
    """The name of the step before which it died; None when it came through with fewer steps."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.real.killed", str(step), action, name],
        env=box.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode in {0, -9}, done
    return done.stdout.split()[0] if done.returncode else None


def recovered(box):
    """What the next command says. It is one that does nothing else."""
    _, err = box.run("agent", "run", "--until-idle")
    with Ledger(box.state / "ledger.db") as ledger:
        assert journal.unfinished(ledger) is None
        assert journal.broken_link(ledger) is None
    return [line.split(" ", 1)[1] for line in err.splitlines() if "interrupted" in line]


def agree(box, name, running):
    """Cluster, ledger and store tell the same: the version that runs, and nothing else of it under way."""
    live = box.json("workloads", "list", "--live")["data"]
    found = {item["name"]: (item["app_version"], item["status"]["state"]) for item in live}
    assert found.get(name) == (running and (running, "running")), (found, running)
    with Ledger(box.state / "ledger.db") as ledger:
        kept = {blob.digest for lock in ledger.kept_locks() for blob in lock.blobs()}
    blobs = {f"sha256:{path.name}" for path in (box.state / "images" / "blobs" / "sha256").iterdir()}
    assert kept <= blobs


def stop_agent(box):
    """The matrix plays without one: whoever comes next recovers."""
    if pid := box.agent()["pid"]:
        os.kill(pid, signal.SIGTERM)
        while box.agent()["alive"]:
            time.sleep(0.05)


def test_an_upgrade_killed_at_any_step(box, record_property):
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    running, matrix = "1.0.0", []
    for step in range(1, MOST):
        other = "2.0.0" if running == "1.0.0" else "1.0.0"
        box.stage("pump", other)
        stop_agent(box)
        where = killed(box, step, "apply", "pump")
        said = recovered(box)
        with Ledger(box.state / "ledger.db") as ledger:
            now = ledger.workload("pump").running.spec.app_version
        matrix.append((step, where, said, f"{running} -> {now}"))
        assert now in {running, other}
        agree(box, "pump", now)
        if now != running:
            assert box.json("workloads", "list")["data"][0]["staged"] is None
        running = now
        if where is None:
            break
    record_property("matrix", json.dumps(matrix))
    print(*matrix, sep="\n")
    ends = [end for _, _, said, end in matrix if said]
    assert any("undone" in line for _, _, said, _ in matrix for line in said)
    assert any("finished" in line for _, _, said, _ in matrix for line in said)
    assert matrix[-1][1] is None
    assert len(ends) >= 4


def test_an_upgrade_that_fails_killed_at_any_step_never_loses_the_old_version(box, record_property):
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "3.0.0")
    stop_agent(box)
    matrix = []
    for step in range(1, MOST):
        where = killed(box, step, "apply", "pump")
        said = recovered(box)
        matrix.append((step, where, said))
        agree(box, "pump", "1.0.0")
        assert box.json("workloads", "list")["data"][0]["staged"]["ready"] is True
        if where is None:
            break
    record_property("matrix", json.dumps(matrix))
    print(*matrix, sep="\n")
    assert {"put", "wait", "revert"} <= {where for _, where, _ in matrix}
    assert matrix[-1][1] is None


def test_a_rollback_killed_at_any_step(box):
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    for version in ("1.0.0", "2.0.0"):
        box.stage("pump", version)
        box.run("workloads", "apply", "-n", "pump")
    stop_agent(box)
    running, matrix = "2.0.0", []
    for step in range(1, MOST):
        where = killed(box, step, "rollback", "pump")
        said = recovered(box)
        with Ledger(box.state / "ledger.db") as ledger:
            now = ledger.workload("pump").running.spec.app_version
        matrix.append((step, where, said, f"{running} -> {now}"))
        agree(box, "pump", now)
        if now != running:
            box.run("workloads", "rollback", "-n", "pump", "--to", str(2 if running == "2.0.0" else 1))
        if where is None:
            break
    print(*matrix, sep="\n")
    assert {"put", "wait", "finish"} <= {where for _, where, _, _ in matrix}
    assert matrix[-1][1:] == (None, [], "2.0.0 -> 1.0.0")


def test_an_agent_killed_at_any_step_of_a_group_that_applies_itself(box):
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    running, matrix = "1.0.0", []
    for step in range(1, MOST):
        stop_agent(box)
        other = "2.0.0" if running == "1.0.0" else "1.0.0"
        accept(box, "pump", other)
        where = killed(box, step, "turn", "pump")
        said = recovered(box)  # and then goes on: what was accepted comes up in the end
        matrix.append((step, where, said))
        agree(box, "pump", other)
        assert box.json("workloads", "list")["data"][0]["staged"] is None
        running = other
        if where is None:
            break
    print(*matrix, sep="\n")
    assert {"write", "plan", "put", "wait", "finish"} <= {where for _, where, _ in matrix}
    assert matrix[-1][1] is None


def accept(box, name, version):
    """Deploy without an agent: the one that would be started is the one to be killed."""
    with opened(load(environ=box.environment, is_root=os.geteuid() == 0).settings) as node:
        defaults = Defaults(registry=box.registry, cluster_name="edge", method=Method.STANDARD, has_secret=lambda _: False)
        path = box.request(name, version, method="staged+instant-apply")
        deploy.run(node.ledger, accept_all(read(path, Path(path).read_bytes()), defaults).specs, who="test")


def test_an_undeploy_killed_at_any_step_is_finished(box):
    box.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
    for step in range(1, MOST):
        box.stage("pump", "1.0.0")
        box.run("workloads", "apply", "-n", "pump")
        stop_agent(box)
        where = killed(box, step, "undeploy", "pump")
        said = recovered(box)
        if where is None:
            break
        left = box.json("workloads", "list")["data"]
        if left:
            assert (said, where) == ([], "write")  # before the journal knew of it, it had not begun
            agree(box, "pump", "1.0.0")
            box.run("workloads", "undeploy", "-n", "pump", "--yes")
        else:
            agree(box, "pump", None)
    assert step >= 3
