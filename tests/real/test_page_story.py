"""The whole story of the page on real engines: two people with browsers, the terminal, and the API, which dies in the middle of it."""

import contextlib
import json
import re
import signal
import time
from pathlib import Path

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.ledger import Ledger, utc_now
from tests.kit.api_process import ApiProcess
from tests.kit.chromium import LAPTOP, PHONE, WITH_CHROMIUM, chromium, person, sync_api
from tests.kit.servers.line import Line
from tests.kit.waiting import until

__all__ = ["chromium", "person"]
pytestmark = [pytest.mark.slow, pytest.mark.registry, pytest.mark.timeout(600), WITH_CHROMIUM]

SOON = 15.0
"""Seconds in which every door shows what the ledger has, also on a busy machine; a page that heard nothing looks again after longer."""


class Served:
    """The API of a box at one port, also after it has died."""

    def __init__(self, box):
        self.box = box
        self.process = ApiProcess(box.state, box.environment, box.folder)
        self.port, self.url = self.process.client.port, self.process.url

    @property
    def client(self):
        return self.process.client

    def kill(self):
        self.process.end(signal.SIGKILL)

    def start(self):
        self.process = ApiProcess(self.box.state, self.box.environment, self.box.folder, listen=f"127.0.0.1:{self.port}")

    def stage(self, version):
        body = json.loads(Path(self.box.request("pump", version)).read_text())
        del body["deployment_type"]
        answer = self.client.post("/api/v4/workloads/deploy", body | {"staged": True, "instantly_apply": False})
        assert answer.status == 201, answer.body

    def shown(self):
        status = self.client.get("/api/v4/apps/workloads/pump/get").json
        return status["app_version"], status["status"]["state"]


@pytest.fixture
def served(box):
    found = Served(box)
    yield found
    found.process.end()


class Doors:
    """Anna's browser, which follows what she does, Ben's with the list, the terminal, and the API."""

    def __init__(self, box, served, ledger, line, person, record):
        self.box, self.served, self.ledger, self.record = box, served, ledger, record
        self.anna, self.ben = person(PHONE), person(LAPTOP, url=f"http://127.0.0.1:{line.port}")
        self.line = line
        self.ben.page.clock.install()
        self.anna.login()
        self.ben.login("read")

    @property
    def last(self):
        return orders.recent(self.ledger, 1)[0]

    def activate(self, version):
        """Staged by the API and seen by both, activated by one."""
        self.served.stage(version)
        self.lists(re.compile(rf"{version}.*Ready", re.DOTALL), 60.0)
        self.anna.page.goto("/ui/workloads/pump")
        self.press(f"Activate {version}")

    def press(self, words):
        """The link on the page of the workload, and the button on the page that asks."""
        self.anna.press("link", words)
        self.anna.press("button", words)

    def lists(self, text, seconds=SOON):
        sync_api.expect(self.ben.row("pump")).to_contain_text(text, timeout=1000 * seconds)

    def all_show(self, word, version):
        """Once the ledger has it."""
        state = version, "running"
        until(lambda: self.last.ended and self.box.peek()["pump"][:2] == state, 120, why=lambda: str((self.last, self.box.peek())))
        began = time.monotonic()
        self.lists(re.compile(rf"Running.*{version}", re.DOTALL))
        sync_api.expect(self.anna.status()).to_contain_text(word)
        took = time.monotonic() - began
        assert self.served.shown() == self.box.states()["pump"][:2] == state
        self.record(f"{word} {version} on both pages after", f"{took:.1f} s")
        assert took < SOON


@pytest.fixture
def doors(box, served, person, record_property):
    with Ledger(box.state / "ledger.db") as ledger, Line(served.port) as line:
        yield Doors(box, served, ledger, line, person, record_property)


def test_staged_activated_failed_undone_and_rolled_back_and_every_door_shows_the_same(box, doors):
    doors.activate("1.0.0")
    doors.all_show("Running", "1.0.0")
    doors.activate("2.0.0")
    the_api_dies_and_comes_back(doors)
    doors.all_show("Running", "2.0.0")
    assert [line.outcome for line in history.history(doors.ledger) if (line.action, line.revision) == ("apply", 2)] == ["done"]
    doors.anna.page.reload()
    sync_api.expect(doors.anna.status()).to_contain_text("Running")

    doors.activate("3.0.0")
    with asleep(doors.ben, doors.line):
        sync_api.expect(doors.anna.status()).to_contain_text("Undone", timeout=90_000)
        sync_api.expect(doors.anna.page.locator("main")).to_contain_text("the last words")
    doors.lists("Apply failed", 60.0)  # it notices that its connections are dead
    doors.all_show("Undone", "2.0.0")

    doors.anna.page.goto("/ui/workloads/pump")
    doors.press("Undo: back to 1.0.0")
    doors.all_show("Undone", "1.0.0")
    doors.anna.page.goto("/ui/workloads/pump")
    box.run("workloads", "rollback", "-n", "pump", "--to", "2")
    doors.all_show("Running", "2.0.0")
    assert doors.anna.foreign == doors.ben.foreign == []


def the_api_dies_and_comes_back(doors):
    """In the middle of an activation, which it does not carry out. Sessions are in its memory: the pages come back after a login."""
    until(lambda: doors.last.begun)
    agent, killed = process.alive(doors.box.state)["pid"], utc_now()
    doors.served.kill()
    ended = doors.last.ended
    assert ended is None or ended >= killed, "it was killed in the middle"
    sync_api.expect(doors.anna.page.locator("#offline")).to_be_visible()
    doors.served.start()
    for who, level in ((doors.anna, "operate"), (doors.ben, "read")):
        who.page.get_by_label("Password").wait_for()
        who.fill_in(level)
    assert process.alive(doors.box.state)["pid"] == agent


@contextlib.contextmanager
def asleep(who, line):
    """As a laptop that is shut for a minute: its connections die without a word, and its clock goes on."""
    line.die()
    before = who.row("pump").inner_text()
    yield
    assert who.row("pump").inner_text() == before
    line.revive()
    who.page.clock.fast_forward("01:00")
