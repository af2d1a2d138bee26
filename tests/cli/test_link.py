"""A download that waits for its window, as people see it: `downloading`, with what it waits for, and never as a failure."""

import json
import re
import time
from itertools import count

import pytest

from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.context import silent
from kelvin_provision.errors import NotReady
from kelvin_provision.events import Note, Resting, Retrying, Started, Status
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.staging_state import Downloading, Ready, Waiting
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.limits.policy import local_time
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.ledgers import migrated

CAUSE = "waits for the download window, which opens at 22:00"


@pytest.fixture
def box(tmp_path):
    """Its state folder; `pump` waits for the download window, `fan` for a registry, `valve` for the apply window."""
    waiting = {
        "pump": (Method.STAGED, Downloading(), WaitReason(WaitKind.DOWNLOAD_WINDOW, until="22:00")),
        "fan": (Method.STAGED, Downloading(), WaitReason(WaitKind.REGISTRY_UNREACHABLE, "r.io: no route to host")),
        "valve": (Method.INSTANT, Ready(), WaitReason(WaitKind.APPLY_WINDOW, "22:00-05:00", "2026-11-23T22:00:00Z")),
    }
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        for name, (method, event, reason) in waiting.items():
            spec = Spec(name=name, title=name, app_name="a", app_version="2", cluster_name="c", method=method, image="r.io/a:2")
            (revision,) = ledger.accept([spec], name)
            ledger.advance(revision, event)
            ledger.advance(revision, Waiting(reason))
    return tmp_path


def said(box, *words):
    found = run(*words, "--state-dir", str(box))
    assert found.exit_code == 0
    return found


def test_list_and_show_say_what_is_waited_for(box):
    listed = said(box, "workloads", "list", "--staged")
    assert f"pump: {CAUSE}" in listed.stderr
    document = json.loads(said(box, "workloads", "list", "--name", "pump", "--json").stdout)
    (item,) = document["data"]
    assert (item["download_status"], item["download_error"], item["staged"]["status"]["state"]) == ("downloading", CAUSE, "downloading")
    assert f"warning: {CAUSE}\n" in said(box, "workloads", "show", "-n", "pump").stdout


def test_agent_status_says_it_in_one_sentence(box, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    text = said(box, "agent", "status").stdout
    assert f"pump {CAUSE}\n" in text
    assert "fan waits: r.io: no route to host\n" in text
    assert "valve waits for the apply window 22:00-05:00, which opens at 2026-11-23 22:00+00:00\n" in text
    monkeypatch.delenv("TZ")
    time.tzset()
    assert {"name": "pump", "cause": CAUSE, "next_try": None} in json.loads(said(box, "agent", "status", "--json").stdout)["waiting"]


def test_agent_status_says_what_is_left_of_the_days_budget(box, monkeypatch):
    assert "Budget" not in said(box, "agent", "status").stdout
    assert json.loads(said(box, "agent", "status", "--json").stdout)["budget"] is None
    monkeypatch.setenv("KELVIN_PROVISION_DOWNLOAD__BUDGET", "2G")
    today = local_time().day
    with Ledger(box / "ledger.db") as ledger:
        traffic.draw(ledger, "2020-01-01", 5, 10)
        traffic.draw(ledger, today, 312_500_000, 2_000_000_000)
    assert "Budget:  312.5 MB of 2 GB used today\n" in said(box, "agent", "status").stdout
    document = json.loads(said(box, "agent", "status", "--json").stdout)
    assert document["budget"] == {"day": today, "used": 312_500_000, "limit": 2_000_000_000}


def test_deploy_with_wait_says_what_it_waits_for_and_that_other_causes_are_tried_again(box):
    kit = Box(box)
    revisions = tuple(kit.ledger.workload(name).staged for name in ("pump", "fan"))
    with pytest.raises(NotReady, match=r"^pump, fan: not done yet; the agent continues in the background$"):
        follow(kit.ctx, FollowRequest(revisions, timeout=0))
    kit.close()
    assert Note(f"pump: {CAUSE}") in kit.said
    assert Note("fan: r.io: no route to host; the agent tries again") in kit.said


FAN = Status("staging fan")
MOMENTS = [
    ("its turn has begun", [FAN], "; trying again now"),
    ("nothing of it has arrived", [FAN, Started("r.io/a:2", "downloading", 5000)], "; trying again now"),
    ("its turn is over, and the agent's is not", [FAN, Status("")], "; trying again now"),
    ("the agent rests", [FAN, Status(""), Resting(2_592_000)], r"; next try in (30d|719h\d\dm)"),
    ("its next turn has begun", [FAN, Status(""), Resting(2_592_000), FAN], "; trying again now"),
    ("another's turn", [FAN, Status(""), Status("staging pump")], ""),
    ("another's download is retried", [FAN, Status(""), Status("staging pump"), Retrying("r.io/b:1", "no", 9.0)], ""),
]


@pytest.mark.parametrize(("events", "told"), [moment[1:] for moment in MOMENTS], ids=[moment[0] for moment in MOMENTS])
def test_whenever_a_command_looks_it_is_told_when_the_registry_is_asked_again(box, events, told):
    activity = Activity(process.now_path(box), silent, clock=map(float, count(0, 2)).__next__)
    with exclusive(process.lock_path(box), command="agent run"):
        for event in events:
            activity(event)
        listed, shown, status = (said(box, *words) for words in (("workloads", "list"), ("workloads", "show", "fan"), ("agent", "status")))
    assert re.search(rf"warning: fan: r.io: no route to host{told}\n", listed.stderr)
    assert re.search(rf"warning: r.io: no route to host{told}\n", shown.stdout)
    assert re.search(rf"fan waits: r.io: no route to host{told}\n", status.stdout)


def test_limits_are_settings_like_any_other(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("download:\n  window: 22:00-05:00\n  rate: 500k\n  budget: 200M\n")
    shown = json.loads(run("config", "show", "--config", str(config), "--json").stdout)["settings"]
    values = {one["key"]: one["value"] for one in shown if one["key"].startswith("download.")}
    assert values == {
        "download.parallel": "auto",
        "download.rate": "500k",
        "download.window": "22:00-05:00",
        "download.budget": "200M",
        "download.stall_timeout": "30s",
        "download.keep_free": "5%",
        "download.deltas": "auto",
    }
