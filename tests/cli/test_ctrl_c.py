"""Ctrl-C on a real pseudo-terminal: what is said, and when."""

import json
import os
import time

import pytest

from kelvin_provision.cli.main import main
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Phase
from tests.kit.box import Box
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.screen import Terminal

pytestmark = pytest.mark.slow

CTRL_C = "\x03"


class SlowCluster(FakeCluster):
    """Nothing comes up until the wait is stopped; an undo is waited for without end."""

    def wait(self, desired, policy, progress, stop, whole=()):
        while not stop():
            time.sleep(0.02)
        return super().wait(desired, policy, progress, stop)


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path / "state")
    box.deploy("pump")
    box.turn()
    box.command_apply("pump")
    box.deploy("pump", version="2.0.0")
    box.turn()
    slow = SlowCluster()
    vars(slow).update(vars(box.cluster))
    box.cluster = slow
    return box


def started(box, *words):
    box.close()
    box._connections = None
    return Terminal(lambda: main(("workloads", *words, "--state-dir", str(box.settings.state_dir)), wiring=box.wiring), 200)


def test_an_apply_says_at_once_that_it_undoes_and_then_who_does(box):
    terminal = started(box, "apply", "pump")
    terminal.until("applying pump")
    terminal.type(CTRL_C)
    terminal.until("stopped by a signal: undoing pump")
    terminal.type(CTRL_C)
    assert terminal.end() == 130
    assert terminal.screen.cursor_visible
    text = (
        "error: stopped by a second signal: the apply of pump is unfinished; the next command or the agent undoes it"
        " hint: kelvin-provision workloads list"
    )
    assert text in terminal.screen.text
    assert journal.unfinished(box.ledger).phase is Phase.UNDOING


class DeafCluster(SlowCluster):
    """Its wait does not end when it is stopped. It says how far it is."""

    def wait(self, desired, policy, progress, stop, whole=()):
        os.write(1, b"it waits\r\n")
        while not stop():
            time.sleep(0.02)
        os.write(1, b"it has heard\r\n")
        time.sleep(60)


def test_with_no_rollback_the_second_one_promises_no_undo(box):
    box.cluster.__class__ = DeafCluster
    terminal = started(box, "apply", "pump", "--no-rollback")
    terminal.until("it waits")
    terminal.type(CTRL_C)
    terminal.until("it has heard")
    terminal.type(CTRL_C)
    assert terminal.end() == 130
    assert "the next command or the agent leaves everything as it is" in terminal.screen.text


@pytest.mark.parametrize("presses", [1, 2])
def test_a_deploy_that_waits_says_that_the_download_continues(box, tmp_path, monkeypatch, presses):
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "fan", "title": "Fan", "description": "Fan", "version": "1.0.0"}
    request = {"name": "fan", "app_name": "fan", "app_version": "1.0.0", "cluster_name": "c", "deployment_type": "staged-only"}
    (tmp_path / "request.json").write_text(json.dumps(request | {"payload": payload}))
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    terminal = started(box, "deploy", "-f", str(tmp_path / "request.json"), "--wait")
    terminal.until("fan: ")
    terminal.type(CTRL_C * presses)
    assert terminal.end() == 130
    assert "the agent continues the download hint: kelvin-provision workloads list" in terminal.screen.text
