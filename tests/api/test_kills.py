"""`kill -9` in the middle: of the API at every step of 200 orders, and of the agent while it carries one out. Each is done once or not at all."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.orders import Outcome
from tests.kit import fake_agent
from tests.kit.api import Client, cheap_users
from tests.kit.api_process import ApiProcess
from tests.kit.servers.process import dying_with_us
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KELVIN_PROVISION_TEST_KILLS", "60"))
"""Of an API; 200 are the long form."""
V4 = "/api/v4/workloads"


class Mortal:
    """APIs that are forked from a process which has imported the program, and die at a step of their first order; see tests.kit.mortal_api."""

    def __init__(self, folder):
        self.users = cheap_users(folder / "state", lambda: "2026-11-23T00:00:00Z")
        command = [sys.executable, "-m", "tests.kit.mortal_api", "--state-dir", str(folder / "state"), "--listen", "127.0.0.1:0"]
        self.parent = subprocess.Popen(
            dying_with_us(command), env=fake_agent.environment(folder), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.tokens = {}

    def born(self, step=0):
        """The next one; with 0 it counts its steps and does not die."""
        self.parent.stdin.write(f"{step}\n")
        self.parent.stdin.flush()
        self.pid, port = map(int, self.parent.stdout.readline().split())
        self.client = Client(port)
        self.client.tokens = self.tokens
        return self.client

    def gone(self):
        """End it, and wait until it is gone; the number of its steps."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return int(self.parent.stdout.readline())

    def close(self):
        self.parent.stdin.close()
        self.parent.wait(PATIENCE)
        self.parent.stdout.close()


@pytest.fixture
def mortal(tmp_path):
    made = Mortal(tmp_path)
    yield made
    made.close()


def asked(client, name):
    """Whether the client was told that it is accepted."""
    with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
        return client.get(f"{V4}/{name}/stop", Level.OPERATE).status == 200
    return False


def dying_at(number, steps):
    """A quarter is spread over the steps before anything is written, three quarters are the last steps, one each."""
    early, late = KILLS // 4, KILLS - KILLS // 4
    return 1 + number * (steps - late) // early if number < early else steps - late + 1 + (number - early)


def test_an_api_that_dies_at_any_step_of_an_order_loses_none_and_doubles_none(tmp_path, mortal):
    """The steps are the calls of our functions while it answers. Every other client sends its request again, as after a timeout."""
    with fake_agent.beside(tmp_path, "--many", str(KILLS + 1)):
        mortal.born().as_level(Level.OPERATE)
        mortal.gone()
        assert asked(mortal.born(), f"w-{KILLS:03d}")
        steps = mortal.gone()
        assert steps > 100
        accepted = {}
        for number in range(KILLS):
            name = f"w-{number:03d}"
            accepted[name] = asked(mortal.born(dying_at(number, steps)), name)
            mortal.gone()
            if number % 2:
                accepted[name] = asked(mortal.born(), name)
                assert accepted[name], "it is sent again, to an API that lives"
                mortal.gone()
        with Ledger(tmp_path / "state" / "ledger.db") as ledger:
            until(lambda: all(order.ended for order in orders.recent(ledger, 1000)), seconds=60)
            placed = orders.recent(ledger, 1000)
    done = Counter(name for order in placed for name in order.names)
    assert {order.outcome for order in placed} == {Outcome.DONE}
    assert set(done.values()) == {1}, "none is stored twice"
    assert [name for name, told in accepted.items() if told and name not in done] == [], "what was accepted is not lost"
    stored = sum(name in done for name in accepted if int(name[2:]) % 2 == 0)
    assert 0 < stored < KILLS // 2, "some died before it was stored, some after"
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    assert {name: calls[f"stop {name}"] for name in accepted} == {name: done[name] for name in accepted}, "and each is done once"


def _afterwards(name, outcome):
    """Version and state: as before, if the order has failed."""
    assert outcome in {"done", "failed"}
    if outcome == "failed":
        return "1.0.0", "running"
    return ("2.0.0", "running") if name == "pump" else ("1.0.0", "stopped")


def _shown(client, name):
    """The agent looks at the cluster a moment after the order has ended."""
    document = client.get(f"{V4}/{name}/get").json
    return document["app_version"], document["status"]["state"]


@pytest.mark.parametrize("call", ["plan pump", "put pump", "wait pump", "finish pump", "stop fan"])
def test_an_agent_that_dies_in_the_middle_of_an_order_is_seen_and_the_order_ends_once(tmp_path, call):
    name = call.partition(" ")[2]
    with fake_agent.beside(tmp_path, "--die", call):
        api = ApiProcess(tmp_path / "state", fake_agent.environment(tmp_path), tmp_path)
        client = api.client
        answer = client.get(f"{V4}/fan/stop", Level.OPERATE) if name == "fan" else client.post(f"{V4}/apply", {"workload_names": [name]})
        assert answer.status == 200
        until(lambda: not process.alive(tmp_path / "state"))
        assert client.get("/edge/v1/agent").json["agent"]["alive"] is False
        assert client.get(f"{V4}/{name}/get").json["status"]["state"] != "failed"
    try:
        with fake_agent.beside(tmp_path):
            until(lambda: client.get("/edge/v1/orders").json["data"][0]["ended"])
            (order,) = client.get("/edge/v1/orders").json["data"]
            expected = _afterwards(name, order["outcome"])
            until(lambda: _shown(client, name) == expected, why=lambda: f"{order}: {_shown(client, name)}, not {expected}")
            with Ledger(tmp_path / "state" / "ledger.db") as ledger:
                lines = Counter(line.outcome for line in history.history(ledger, name) if line.action.endswith(" order"))
    finally:
        assert api.end() == 0
    assert (lines["accepted"], lines["begun"]) == (1, 1)
    assert order["outcome"] == "done" or order["note"]
