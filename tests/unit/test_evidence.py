"""Evidence of failed attempts: kept with the line of history, within bounds, and outside of its chain of hashes."""

import pytest

from kelvin_provision.ledger import evidence, history, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from tests.kit.ledgers import migrated
from tests.kit.specs import spec


@pytest.fixture
def ledger(tmp_path):
    ticks = iter(range(100_000))
    with Ledger(migrated(tmp_path / "ledger.db"), clock=lambda: f"2026-11-23T00:00:00.{next(ticks):06d}Z") as opened:
        yield opened


def failed(ledger, lines, name="pump", time="2026-11-23T00:00:00Z"):
    history.record(ledger, Entry(time, "anna", "apply", name, None, "undone", "exit code 3", evidence=tuple(lines)))


def test_evidence_is_read_where_it_is_asked_for_and_the_chain_is_over_the_lines_only(ledger):
    failed(ledger, ["pump: restarted 2 times", "pump: panic"])
    history.record(ledger, Entry("2026-11-23T00:00:00Z", "anna", "apply", "pump", None, "done"))
    assert [entry.evidence for entry in history.history(ledger)] == [(), ()]
    assert [entry.evidence for entry in history.history(ledger, evidence=True)] == [("pump: restarted 2 times", "pump: panic"), ()]
    with ledger.writing() as db:
        db.execute("DELETE FROM evidence")
    assert history.broken_link(ledger) is None


def test_the_last_failure_is_the_newest_attempt_with_evidence(ledger):
    assert history.last_failure(ledger, "pump") is None
    failed(ledger, ["first"], time="2026-11-23T00:00:01Z")
    failed(ledger, ["second"], time="2026-11-23T00:00:02Z")
    failed(ledger, ["another"], name="fan", time="2026-11-23T00:00:03Z")
    found = history.last_failure(ledger, "pump")
    assert (found.time, found.outcome, found.detail, found.evidence) == ("2026-11-23T00:00:02Z", "undone", "exit code 3", ("second",))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ()),
        (["a", "b"], ("a", "b")),
        ([str(number) for number in range(200)], tuple(str(number) for number in range(200))),
        (
            [str(number) for number in range(1000)],
            (*map(str, range(99)), "... 801 lines left out ...", *map(str, range(900, 1000))),
        ),
    ],
)
def test_too_many_lines_are_cut_in_the_middle(lines, expected):
    assert evidence.bounded(lines) == expected


@pytest.mark.parametrize("lines", [["x" * 1000] * 100, ["ü" * 60_000, "end"], ["y" * 1900] * 9, ["z"] * 199 + ["w" * 40_000]])
def test_no_more_than_so_many_bytes_are_kept(lines):
    kept = evidence.bounded(lines)
    assert sum(len(line.encode()) + 1 for line in kept) <= 16 << 10
    assert len(kept) <= 200
    assert evidence.bounded(kept) == kept
    assert any("left out" in line for line in kept)


def test_a_long_line_keeps_its_two_ends():
    (line,) = evidence.bounded(["a" * 3000 + "b" * 3000])
    assert line == "a" * 1004 + " ... 3992 bytes left out ... " + "b" * 1004


def test_old_evidence_goes_and_the_history_stays(ledger, monkeypatch):
    monkeypatch.setattr(evidence, "OF_WORKLOAD", 2)
    monkeypatch.setattr(evidence, "OF_ALL", 3)
    for number in range(3):
        failed(ledger, [f"pump {number}"])
    assert [entry.evidence for entry in history.history(ledger, "pump", evidence=True)] == [(), ("pump 1",), ("pump 2",)]
    failed(ledger, ["fan 0"], name="fan")
    failed(ledger, ["fan 1"], name="fan")
    assert [entry.evidence for entry in history.history(ledger, evidence=True)] == [(), (), ("pump 2",), ("fan 0",), ("fan 1",)]
    assert history.broken_link(ledger) is None


def test_a_refused_attempt_is_a_line_for_each_workload_and_written_once(ledger):
    revisions = requests.accept(ledger, [spec("pump"), spec("fan")], "batch", actor="anna").revisions
    findings = ["pump: Deployment/pump is not ours", "fan: port 80 is taken"]
    history.record_refused(ledger, revisions, "apply", "2 findings, nothing was changed", findings, actor="agent")
    before = ledger.version()
    history.record_refused(ledger, revisions, "apply", "2 findings, nothing was changed", findings, actor="agent")
    refused = [entry for entry in history.history(ledger, evidence=True) if entry.outcome == "refused"]
    assert [(entry.workload, entry.who, entry.action, entry.revision, entry.version) for entry in refused] == [
        ("pump", "agent", "apply", 1, "1.0.0"),
        ("fan", "agent", "apply", 1, "1.0.0"),
    ]
    assert {entry.evidence for entry in refused} == {tuple(findings)}
    assert ledger.version() == before
    history.record_refused(ledger, revisions, "apply", "2 findings, nothing was changed", findings[:1], actor="agent")
    history.record_refused(ledger, revisions, "apply", "2 findings, nothing was changed", findings[:1], actor="anna")
    assert len(history.history(ledger)) == 2 + 2 + 2 + 2
