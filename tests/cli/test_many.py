"""Many workloads with one trouble: grouped and counted for people, all of them in JSON and with -v."""

import json

import pytest

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.ledger import holds
from kelvin_provision.naming import counted, grouped, listed
from tests.kit.box import Box

DEAD = "the registry r.io does not answer (connection refused)"
LATE = [f"pump-{number:03}" for number in range(30)]
FEW = "pump-000, pump-001, pump-002, pump-003, pump-004 and 25 more"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    found = Box(tmp_path_factory.mktemp("many") / "state")
    found.deploy("fan")
    found.turn()
    found.deploy(*LATE)
    found.source.down = RegistryUnreachable(DEAD)
    found.turn()
    yield found
    found.close()


def longest(text):
    return max(len(line) for line in text.splitlines())


def test_agent_status(box):
    short, whole = box.run("agent", "status").stdout, box.run("agent", "status", "-v").stdout
    assert f"Pending: 30 workloads: {FEW}\n" in short
    assert f"30 wait: {DEAD} ({FEW})\n" in short
    assert len(short.splitlines()) < 10
    assert all(f"{name} waits: {DEAD}\n" in whole for name in LATE)
    document = json.loads(box.run("agent", "status", "--json").stdout)
    assert (document["pending"], [waits["name"] for waits in document["waiting"]]) == (LATE, LATE)


@pytest.mark.parametrize("words", [("apply", "--all"), ("diff", "--all")])
def test_what_is_not_ready(box, words):
    result = box.run("workloads", *words)
    assert result.stderr.startswith(f"error: 30 workloads are not ready: {FEW}\n  {FEW}: processing: {DEAD}\n")
    assert longest(result.stderr) < 200
    assert len(box.run("workloads", *words, "-v").stderr.splitlines()) > 30
    error = json.loads(box.run("workloads", *words, "--json").stdout)["error"]
    assert error["evidence"] == [f"{name}: processing: {DEAD}" for name in LATE]


def test_check(box):
    result = box.run("workloads", "check", "--all")
    (line,) = [line for line in result.stdout.splitlines() if "not ready" in line]
    assert FEW in line
    assert "; 30 errors\n" in result.stderr
    assert "error: 30 errors: this apply would fail\n" in result.stderr
    assert sum("not ready" in line for line in box.run("workloads", "check", "--all", "-v").stdout.splitlines()) == 30
    assert len(json.loads(box.run("workloads", "check", "--all", "--json").stdout)["error"]["evidence"]) == 30


def test_warnings_of_the_list(box):
    assert f"warning: {FEW}: {DEAD}\n" in box.run("workloads", "list").stderr
    assert box.run("workloads", "list", "-v").stderr.count(f": {DEAD}\n") == 30


def test_a_wait_that_ends(box):
    result = box.run("workloads", "wait", *LATE, "--for", "ready", "--timeout", "0")
    assert f"error: not ready after 0 seconds: 30 workloads: {FEW}\n  {FEW}: received\n" in result.stderr


def test_holds(box):
    ready = [f"held-{number}" for number in range(8)]
    box.source.down = None
    box.deploy(*ready)
    box.turn()
    holds.hold(box.ledger, ready, "line 3 produces", actor="eve")
    error = json.loads(box.run("workloads", "apply", *ready, "--json").stdout)["error"]
    assert (error["code"], error["message"]) == ("held", "8 workloads: held-0, held-1, held-2, held-3, held-4 and 3 more are held")
    assert len(error["evidence"]) == 8
    assert all("line 3 produces" in line for line in error["evidence"])


def test_names_and_lines_that_are_few_stay_as_they_are():
    assert listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d, e, f"
    assert listed(["a", "b", "c", "d", "e", "f", "g"]) == "a, b, c, d, e and 2 more"
    assert (counted([], "workload"), counted(["a"], "workload")) == ("", "a")
    assert grouped(["a: x", "b: x", "c: y", "a: x", "plain", "plain", "log: panic", "log: panic"]) == [
        "a, b: x", "c: y", "a: x", "plain", "plain", "log: panic", "log: panic",
    ]  # fmt: skip
