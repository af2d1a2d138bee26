"""Why an attempt failed, long after it: `show`, `history`, their JSON and the support bundle; and what is still to come: orders."""

import io
import json
import re
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.status import Verb
from tests.kit.box import Box

EVIDENCE = [
    "pump: pod pump-1 restarted 2 times, exit code 3",
    "pump: event BackOff: restarting a failed container",
    "pump: log: reading /etc/pump.conf",
    "pump: log: password=*** accepted",
    "pump: log: valve 7 does not answer",
    "pump: log: panic: no pressure",
    "pump: log: exit",
]


@pytest.fixture
def box(tmp_path, monkeypatch):
    """`pump` 1.0.0 runs; 2.0.0 was applied, failed and was rolled back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    opened = Box(tmp_path / "state")
    opened.deploy("pump")
    opened.turn()
    opened.command_apply("pump")
    opened.deploy("pump", "fan", version="2.0.0")
    opened.turn()
    opened.cluster.evidence = lambda workload: tuple(line.removeprefix("pump: ") for line in EVIDENCE)
    (lock,) = opened.ledger.workload("pump").staged.locks
    opened.cluster.broken = {lock.pinned_reference: "exit code 3"}
    yield opened
    opened.close()
    monkeypatch.delenv("TZ")
    time.tzset()


def apply(box):
    result = box.run("workloads", "apply", "-n", "pump")
    assert result.exit_code == 1
    return result


def shown(box, *words):
    result = box.run("workloads", *words)
    assert result.exit_code == 0
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", result.stdout), result.stderr


def test_the_hint_of_a_failed_apply_leads_to_the_first_lines_and_these_to_the_rest(box):
    assert apply(box).stderr.endswith(" hint: kelvin-provision workloads show -n pump\n")
    text, _ = shown(box, "show", "pump")
    failed = text[text.index("Failed:") : text.index("Created:")]
    assert failed == (
        "Failed:     apply of 2.0.0 by anna, just now: undone, pump: exit code 3\n"
        "            pump: pod pump-1 restarted 2 times, exit code 3\n"
        "            pump: event BackOff: restarting a failed container\n"
        "            pump: log: reading /etc/pump.conf\n"
        "            pump: log: password=*** accepted\n"
        "            pump: log: valve 7 does not answer\n"
        "            ... 2 more lines: kelvin-provision workloads history -n pump -v\n"
    )
    _, footer = shown(box, "history", "pump")
    assert footer == "Total: 4 lines; -v shows the evidence of 1 failed attempt\n"
    text, footer = shown(box, "history", "pump", "-v")
    assert text.splitlines()[-8].endswith("  undone    pump: exit code 3")
    assert text.splitlines()[-7:] == [f"  {line}" for line in EVIDENCE]
    assert footer == "Total: 4 lines\n"


def test_the_documents_have_all_of_it(box):
    apply(box)
    failure = json.loads(box.run("workloads", "show", "pump", "--json").stdout)["last_failure"]
    assert (failure["action"], failure["version"], failure["outcome"], failure["evidence"]) == ("apply", "2.0.0", "undone", EVIDENCE)
    entries = json.loads(box.run("workloads", "history", "pump", "--json").stdout)["entries"]
    assert [entry["evidence"] for entry in entries] == [[], [], [], EVIDENCE]


def test_the_support_bundle_has_it(box, monkeypatch):
    monkeypatch.setattr("kelvin_provision.support.host.journal", lambda unit: "")
    apply(box)
    assert box.run("support-bundle", "-o", "bundle.tar.gz").exit_code == 0
    with tarfile.open(fileobj=io.BytesIO(Path("bundle.tar.gz").read_bytes())) as tar:
        (name,) = [name for name in tar.getnames() if name.endswith("/history.jsonl")]
        lines = [json.loads(line) for line in tar.extractfile(name).read().splitlines()]
    assert [line["evidence"] for line in lines if line.get("evidence")] == [EVIDENCE]


def test_a_failure_that_was_made_good_is_not_shown_to_people_any_more(box):
    apply(box)
    box.cluster.broken.clear()
    assert box.run("workloads", "apply", "-n", "pump").exit_code == 0
    assert "Failed:" not in shown(box, "show", "pump")[0]
    assert json.loads(box.run("workloads", "show", "pump", "--json").stdout)["last_failure"]["outcome"] == "undone"


# --- orders ---------------------------------------------------------------------------------------


def test_pending_orders_of_every_verb_are_shown(box):
    at = datetime(2026, 12, 24, 2, 0, tzinfo=UTC)
    workload = box.ledger.workload("fan")
    orders.place(box.ledger, orders.apply_of([workload], actor="anna", at=at.strftime("%Y-%m-%dT%H:%M:%SZ")))
    placed = orders.place(box.ledger, OrderRequest("web:otto", Verb.STOP, (Target("pump"),)))
    orders.note(box.ledger, placed.order, "pump is being applied")
    status = box.run("agent", "status").stdout
    assert (
        "Orders:  stop pump, requested by web:otto; waits: pump is being applied\n"
        "         apply fan at 2026-12-24 02:00+00:00, requested by anna\n"
    ) in status
    assert "Stop:       as soon as possible, requested by web:otto; waits: pump is being applied\n" in shown(box, "show", "pump")[0]
    document = json.loads(box.run("workloads", "show", "pump", "--json").stdout)
    assert [(order["verb"], order["actor"], order["at"], order["note"]) for order in document["orders"]] == [
        ("stop", "web:otto", None, "pump is being applied")
    ]
    listed = box.run("workloads", "list")
    assert "warning: pump: stop requested by web:otto; waits: pump is being applied\n" in listed.stderr
    assert "pending_stop" in listed.stdout
