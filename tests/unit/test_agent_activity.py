"""What `agent status` reads: written by an agent, stale without one, and cheap."""

import json
import os

import pytest

from kelvin_provision.agent import activity
from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.faults import LONGEST_PAUSE, Faults
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.context import silent
from kelvin_provision.events import Advanced, Finished, Note, Started, Status
from kelvin_provision.files.lock import exclusive
from tests.kit.cli import run
from tests.kit.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.now"


def test_a_download_is_told_with_bytes_and_rate(path, clock):
    now = Activity(path, silent, clock=clock)
    now(Status("staging a"))
    now(Started("r.io/a:1", "downloading", 5000))
    now(Advanced("r.io/a:1", 1000, 5000))
    clock.now += 2
    now(Advanced("r.io/a:1", 3000, 5000))
    found = activity.read(path, os.getpid())
    assert found["doing"] == "staging a"
    assert found["tasks"] == [
        {"name": "r.io/a:1", "verb": "downloading", "done": 3000, "total": 5000, "rate": 1000, "trouble": None, "next_try": None}
    ]
    now(Finished("r.io/a:1", "downloaded"))
    now(Status(""))
    clock.now += 1
    now.publish()
    assert (activity.read(path, os.getpid())["doing"], activity.read(path, os.getpid())["tasks"]) == ("idle", [])


def test_it_is_written_once_a_second_in_place_and_not_at_all_when_nothing_changes(path, clock):
    now = Activity(path, silent, clock=clock)
    now(Started("x", "downloading", 9))
    first = path.stat()
    for done in range(1000):
        now(Advanced("x", done, 9))
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    clock.now += 1
    now(Advanced("x", 9, 9))
    assert json.loads(path.read_text())["tasks"][0]["done"] == 9
    assert path.stat().st_ino == first.st_ino
    last = path.stat().st_mtime_ns
    clock.now += 60
    now(Note("hello"))
    now.publish()
    assert path.stat().st_mtime_ns == last


def test_a_shorter_text_leaves_nothing_of_a_longer_one(path, clock):
    now = Activity(path, silent, clock=clock)
    now(Status("x" * 500))
    clock.now += 1
    now(Status("y"))
    assert json.loads(path.read_text())["doing"] == "y"
    now.close()
    now.close()
    assert not path.exists()


def test_what_a_dead_agent_wrote_is_not_believed(path, clock):
    Activity(path, silent, clock=clock)(Status("staging a"))
    assert activity.read(path, 1) is None
    path.write_text("{torn")
    assert activity.read(path, os.getpid()) is None


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path):
    said = []
    Activity(tmp_path / "no" / "folder" / "agent.now", said.append)(Note("on we go"))
    assert said == [Note("on we go")]


def test_status_says_what_the_living_agent_does_and_nothing_of_a_dead_one(tmp_path, clock):
    now = Activity(process.now_path(tmp_path), silent, clock=clock)
    now(Status("staging a"))
    clock.now += 1
    now(Started("r.io/a:1", "downloading", 4096))
    words = ("agent", "status", "--state-dir", str(tmp_path))
    assert json.loads(run(*words, "--json").stdout)["work"] is None
    with exclusive(process.lock_path(tmp_path), command="agent run"):
        found = json.loads(run(*words, "--json").stdout)
        text = run(*words).stdout
    assert found["agent"]["alive"] is True
    assert found["agent"]["service"] is False
    assert (found["work"]["doing"], found["work"]["tasks"][0]["name"]) == ("staging a", "r.io/a:1")
    assert (found["pending"], found["waiting"]) == ([], [])
    assert "Work:    staging a, since " in text
    assert "         downloading r.io/a:1: 0 B of 4.0 KiB, 0%\n" in text


def test_a_bug_is_told_once_with_its_traceback_and_rests_longer_each_time(clock):
    faults = Faults(clock)
    assert not faults.backs_off("staging a/1")
    text, lines = faults.record("staging a/1", ZeroDivisionError("by zero"))
    assert (text, lines[-1]) == ("our bug: ZeroDivisionError: by zero", "ZeroDivisionError: by zero")
    assert faults.backs_off("staging a/1")
    assert not faults.backs_off("staging b/1")
    clock.now += 30
    assert not faults.backs_off("staging a/1")
    assert faults.record("staging a/1", ZeroDivisionError("by zero")) == (text, ())
    clock.now += 59
    assert faults.backs_off("staging a/1")
    assert faults.record("staging a/1", KeyError("other"))[1] != ()
    for _ in range(20):
        faults.record("staging a/1", KeyError("other"))
    clock.now += LONGEST_PAUSE
    assert not faults.backs_off("staging a/1")
    faults.clear("staging a/1")
    assert faults.record("staging a/1", KeyError("other"))[1] != ()
