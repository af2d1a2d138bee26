"""While the agent is busy, every answer comes in time, a request that is sent again is done once, and all see the same (EDGE-API 5.4: 8, 9, 18)."""

import contextlib
import http.client
import select
import socket
import threading
import time

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.model.orders import Outcome
from tests.kit.agent_thread import agent
from tests.kit.api import serving
from tests.kit.events import listening
from tests.kit.requests import platform_request
from tests.kit.waiting import PATIENCE, ended, until

pytestmark = pytest.mark.slow

V4, APPS, EDGE = "/api/v4/workloads", "/api/v4/apps/workloads", "/edge/v1"
IN_TIME = 60.0
"""Seconds: what waits for the apply has its answer never; a busy machine is late with each."""


class Busy:
    """An agent in the middle of an apply of `pump`, until `go` is set."""

    def __init__(self, box):
        self.began, self.go = threading.Event(), threading.Event()
        self.applies = 0
        box.cluster.before = self._before

    def _before(self, verb, workload):
        if verb == "wait" and workload == "pump":
            self.applies += 1
            self.began.set()
            assert self.go.wait(5 * PATIENCE)


@pytest.fixture
def busy(box):
    found = Busy(box)
    box.cluster.log_lines["pump"] = box.cluster.log_lines["fan"] = ["42 rpm"]
    found.agent = type(box)(box.settings.state_dir, like=box)
    with agent(found.agent):
        yield found
        found.go.set()
    found.agent.close()


@pytest.fixture
def api(busy, box):
    """The API, while an apply that it was asked for is under way."""
    with serving(box) as client:
        assert client.post(f"{V4}/apply", {"workload_names": ["pump"]}).status == 200
        assert busy.began.wait(PATIENCE)
        yield client
        busy.go.set()


QUESTIONS = (
    f"{V4}/list", f"{V4}/list?staged=true&pagination_type=limits", f"{V4}/pump/get", f"{V4}/fan/logs/get", f"{V4}/pump/configurations/get",
    f"{APPS}/list", f"{APPS}/pump/get", f"{EDGE}/agent", f"{EDGE}/box", f"{EDGE}/history", f"{EDGE}/orders", f"{EDGE}/workloads/valve/diff",
    f"{EDGE}/workloads/valve/check", f"{EDGE}/images", f"{EDGE}/disk", f"{EDGE}/explain/not-ready", "/healthz", "/metadata", "/workloads/list",
)  # fmt: skip
CHANGES = (
    (200, f"{V4}/apply", {"workload_names": ["valve"]}),
    (204, f"{APPS}/stop", {"workload_names": ["fan", "pump"]}),
    (204, f"{APPS}/start", {"workload_names": ["fan"]}),
    (201, f"{V4}/deploy", platform_request()),
    (200, f"{V4}/motor/configurations/update", {"configuration": {"speed": 4}}),
    (200, f"{APPS}/motor/patch", {"title": "New"}),
    (204, f"{EDGE}/workloads/valve/hold", {"reason": "measuring"}),
    (204, f"{EDGE}/workloads/valve/release", {}),
    (202, f"{EDGE}/workloads/schedule", {"workload_names": ["valve"], "at": "2099-11-23T02:00:00Z"}),
    (200, f"{EDGE}/workloads/cancel", {"workload_names": ["valve"]}),
    (202, f"{EDGE}/images/prune", {}),
    (200, f"{V4}/motor/undeploy?staged=true", None),
    (200, f"{V4}/fan/undeploy", None),
)


def test_every_answer_comes_in_time_while_the_agent_applies(busy, api):
    late = []

    def timed(ask, *words, **more):
        began = time.monotonic()
        answer = ask(*words, **more)
        if time.monotonic() - began > IN_TIME:
            late.append(words)
        return answer

    for path in QUESTIONS:
        answer = timed(api.get, path)
        assert answer.status == 200, (path, answer.body)
    for status, path, body in CHANGES:
        answer = timed(api.post, path, body)
        assert answer.status == status, (path, answer.body)
    assert api.get(f"{V4}/pump/get").json["status"]["state"] == "deploying", "what is under way comes before what is asked for"
    assert (late, busy.applies, busy.go.is_set()) == ([], 1, False)


@contextlib.contextmanager
def swallowing(port):
    """A connection to the API that sends everything on and gives no answer back, as on a link that goes down in the middle."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", port)) as api:
                while api not in select.select([client, api], [], [], PATIENCE)[0]:  # a request comes in parts
                    api.sendall(client.recv(65536))
                assert api.recv(65536), "the API answered, and the answer was lost"

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        ended(thread)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{V4}/apply", b'{"workload_names": ["valve"]}'),
        ("GET", f"{V4}/fan/stop", None),
        ("POST", f"{V4}/fan/undeploy?staged=False", b""),
    ],
)
def test_whose_answer_was_lost_sends_it_again_and_it_is_done_once(box, busy, method, path, body):
    with serving(box) as api:
        token = api.as_level(Level.ADMIN)
        with (
            swallowing(api.port) as port,
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection,
        ):
            connection.request(method, path, body, {"Authorization": f"Bearer {token}", "Host": f"127.0.0.1:{api.port}"})
            with pytest.raises((http.client.BadStatusLine, ConnectionError)):
                connection.getresponse()
        for _ in range(2):
            assert api.ask(method, path, token=token, body=body).status == 200
        until(lambda: all(order.outcome for order in orders.recent(box.ledger)))
        assert api.ask(method, path, token=token, body=body).status == 200, "the same answer also when it is done"
    (order,) = orders.recent(box.ledger)
    assert order.outcome is Outcome.DONE
    done = [line for line in history.history(box.ledger, *order.names) if line.action == order.verb.value and line.who.endswith("via api")]
    assert len(done) == 1, "one transaction"


def test_all_see_the_same_also_after_a_restart_in_the_middle(box, busy):
    """A reload, a second browser, a phone that slept, and an API that was started again."""
    with serving(box) as api:
        with listening(api) as stream:
            stream.until("complete")
            assert api.post(f"{V4}/apply", {"workload_names": ["pump"]}, Level.OPERATE).status == 200
            stream.until("workload", name="pump")
            assert busy.began.wait(PATIENCE)
            last = stream.last
        seen = api.get(f"{V4}/pump/get").json["status"]
        (order,) = api.get(f"{EDGE}/orders").json["data"]
    (box.settings.state_dir / "api-users.json").unlink()
    with serving(box) as api:
        assert api.get(f"{V4}/pump/get").json["status"] == seen
        assert api.get(f"{EDGE}/orders/{order['id']}").json == order
        with listening(api, last=last) as first, listening(api) as second:
            states = [
                next(event.data["after"] for event in stream.until("complete") if event.data.get("name") == "pump")
                for stream in (first, second)
            ]
            assert states[0] == states[1]
            busy.go.set()
            began = time.monotonic()
            for stream in (first, second):
                stream.until("workload", name="pump", after="running")
            assert time.monotonic() - began < IN_TIME
        assert api.get(f"{EDGE}/orders/{order['id']}").json["outcome"] == "done"
