"""The sequences of states that the platform's page promises, recorded from the ledger while the real thing happens."""

import contextlib
import os
import threading
import time

import pytest

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.queries.items import item_of

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]


class Recorder:
    """Every state that a reader of `list` could have seen, in order, each once in a row."""

    def __init__(self, box, name):
        self.box, self.name = box, name
        self.states, self.staged, self.downloads = [], [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.2)
        self._over.set()
        self._thread.join()

    def _watch(self):
        with contextlib.suppress(OSError):  # before everybody else, where it may: a state that lasts some milliseconds is missed otherwise
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))
        with Ledger(self.box.state / "ledger.db") as ledger:
            seen_version = None
            while not self._over.is_set():
                version = ledger.version()
                if version == seen_version:
                    time.sleep(0.001)
                    continue
                seen_version = version
                found = [workload for workload in ledger.workloads() if workload.name == self.name]
                if found:
                    seen = item_of(found[0]).to_json()
                    note(self.states, seen["status"]["state"])
                    note(self.staged, seen["staged"] and seen["staged"]["status"]["state"])
                    note(self.downloads, seen["download_status"])


def note(found, state):
    if not found or found[-1] != state:
        found.append(state)


def test_standard(box):
    with Recorder(box, "pump") as seen:
        box.run("workloads", "deploy", "-f", box.request("pump", "1.0.0", method="standard"), "--wait", "--timeout", "90")
    assert seen.states == ["pending_deploy", "received", "deploying", "running"]
    assert seen.staged == [None]


def test_standard_that_fails(box):
    with Recorder(box, "pump") as seen:
        box.run("workloads", "deploy", "-f", box.request("pump", "3.0.0", method="standard"), "--wait", "--timeout", "90", code=1)
    assert seen.states == ["pending_deploy", "received", "deploying", "failed"]


def test_instant_apply(box):
    with Recorder(box, "pump") as seen:
        box.run("workloads", "deploy", "-f", box.request("pump", "1.0.0", method="staged+instant-apply"), "--wait", "--timeout", "90")
    assert seen.states == ["pending_deploy", "received", "deploying", "running"]
    assert seen.staged == ["received", "downloading", "ready", None]
    assert seen.downloads == ["pending", "processing", "downloading", "ready"]


def test_staged_then_applied(box):
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    with Recorder(box, "pump") as seen:
        box.stage("pump", "2.0.0")
        box.run("workloads", "apply", "-n", "pump")
    assert seen.staged == [None, "received", "downloading", "ready", None]
    assert seen.downloads == ["ready", "pending", "processing", "downloading", "ready"]
    assert seen.states == ["running", "deploying", "running"]
