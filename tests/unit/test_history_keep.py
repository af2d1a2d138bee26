"""history.keep: older lines in sealed files, the chain through all of them, and nothing lost when the power goes."""

import json
import os
import tracemalloc

import pytest

from kelvin_provision.agent.sealing import Sealing
from kelvin_provision.errors import HistoryBroken, NoSpace
from kelvin_provision.ledger import archive, history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, Phase, Step
from kelvin_provision.ledger.rows.sealed import sealed
from kelvin_provision.queries.history import HistoryRequest
from kelvin_provision.queries.history import history as asked
from kelvin_provision.settings.model import HistorySettings
from kelvin_provision.status import OperationKind
from tests.kit.box import Box
from tests.kit.ledgers import migrated
from tests.kit.specs import spec

KEEP = 100


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as opened:
        write(opened, 0, 250)
        yield opened


def write(ledger, first, count):
    with ledger.writing() as db:
        for number in range(first, first + count):
            evidence = (f"evidence of {number}",) if number % 50 == 0 else ()
            history.append(db, Entry(ledger.clock(), "anna", "apply", "pump", None, "failed", f"line {number}", "1.0.0", evidence=evidence))


def details(ledger):
    return [entry.detail for entry in history.history(ledger)]


def files(ledger):
    return sorted(path.name for path in archive.folder(ledger).iterdir())


def test_older_lines_go_into_a_file_and_the_chain_goes_through_it(ledger):
    head = history.head(ledger)
    assert archive.seal(ledger, KEEP) == 150
    assert details(ledger) == [f"line {number}" for number in range(150, 250)]
    assert (history.head(ledger), history.broken_link(ledger), archive.verify(ledger)) == (head, None, 250)
    assert files(ledger) == ["000000000001.jsonl"]
    path = archive.folder(ledger) / "000000000001.jsonl"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o400, 0o700)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert lines[0] == {"schema": 1, "first": 1, "last": 150, "before": "", "lines": 150}
    assert (lines[1]["detail"], lines[1]["evidence"], "evidence" in lines[2]) == ("line 0", ["evidence of 0"], False)
    write(ledger, 250, 24)
    assert archive.seal(ledger, KEEP) == 0  # a file for each line would be no good
    write(ledger, 274, 1)
    assert archive.seal(ledger, KEEP) == 25
    assert files(ledger) == ["000000000001.jsonl", "000000000151.jsonl"]
    assert archive.verify(ledger) == 275


def test_a_very_long_history_goes_into_several_files(ledger, monkeypatch):
    monkeypatch.setattr(archive, "LONGEST", 60)
    assert archive.seal(ledger, KEEP) == 150
    assert files(ledger) == ["000000000001.jsonl", "000000000061.jsonl", "000000000121.jsonl"]
    assert archive.verify(ledger) == 250


@pytest.mark.parametrize("step", ["before the rename", "after the rename", "in the commit"])
def test_when_the_power_goes_nothing_is_lost_and_the_next_sealing_ends_it(ledger, monkeypatch, step):
    class PowerCut(BaseException):
        pass

    def cut(*_, **__):
        raise PowerCut

    with monkeypatch.context() as patch:
        if step == "before the rename":
            patch.setattr("pathlib.Path.replace", cut)
            patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)  # nobody tidies up
        elif step == "after the rename":
            patch.setattr(ledger, "writing", cut)
        else:
            patch.setattr("kelvin_provision.ledger.archive.asdict", cut)
        with pytest.raises(PowerCut):
            archive.seal(ledger, KEEP)
    assert len(details(ledger)) == 250
    assert archive.verify(ledger) == 250
    write(ledger, 250, 10)
    assert archive.seal(ledger, KEEP) == 160
    assert (files(ledger), archive.verify(ledger)) == (["000000000001.jsonl"], 260)


def test_a_full_disk_keeps_the_lines_in_the_ledger(ledger, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(NoSpace):
            archive.seal(ledger, KEEP)
    assert (len(details(ledger)), archive.verify(ledger), files(ledger)) == (250, 250, [])


def _change(text):
    return text.replace('"line 7"', '"line 8"')


def _without_a_line(text):
    lines = text.splitlines(keepends=True)
    return "".join(lines[:5] + lines[6:])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_change, "line 8 of the history, in .*000000000001.jsonl, does not match its hash"),
        (_without_a_line, "line 6 of the history, in .* does not match its hash"),
        (lambda text: "".join(text.splitlines(keepends=True)[:-3]), "ends with line 147, and should with 150"),
        (lambda text: text + "{", "cannot be read"),
        (lambda text: text.replace('"who": "anna", ', "", 1), "a line of the history cannot be read"),
        (lambda text: text.replace('"hash": ', '"hasi": ', 1), "a line of the history cannot be read"),
        (lambda text: text + "[" * 100_000, "cannot be read"),
        (lambda text: None, "ends with line 0, and should with 150: a file is missing"),
    ],
)
def test_a_changed_or_missing_file_is_found(ledger, damage, why):
    archive.seal(ledger, KEEP)
    path = archive.folder(ledger) / "000000000001.jsonl"
    text = damage(path.read_text())
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(HistoryBroken, match=why):
        archive.verify(ledger)


def test_a_broken_history_stays_where_it_is(ledger):
    with ledger.writing() as db:
        db.execute("UPDATE history SET detail = 'x' WHERE seq = 20")
    with pytest.raises(HistoryBroken, match="not intact"):
        archive.seal(ledger, KEEP)
    assert len(details(ledger)) == 250


@pytest.mark.parametrize("number", [-(2**62), 10**9])
def test_a_number_that_a_failing_disk_changed_takes_no_memory(ledger, monkeypatch, number):
    monkeypatch.setattr(archive, "LONGEST", 1000)
    with ledger.writing() as db:
        db.execute("UPDATE history SET seq = ? WHERE seq = 20", (number,))
    tracemalloc.start()
    try:
        with pytest.raises(HistoryBroken, match="not intact"):
            archive.seal(ledger, KEEP)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert len(details(ledger)) == 250


def test_operations_that_nothing_refers_to_go_with_it(ledger, monkeypatch):
    monkeypatch.setattr(archive, "OPERATIONS", 2)
    ledger.accept([spec("pump")], "batch")

    def operate(kind, step, *, commit=False):
        operation = journal.begin(ledger, kind, Phase.APPLYING, [step])
        if commit:
            journal.commit(ledger, operation)
        journal.end(ledger, operation, [])
        return operation.id

    brought_up = operate(OperationKind.APPLY, Step("pump", None, 1), commit=True)
    scaled = operate(OperationKind.STOP, Step("pump", 1, 2, (("web", 3),)))
    obsolete = [operate(OperationKind.STOP, Step("pump", 1, 1)) for _ in range(3)]
    newest = [operate(OperationKind.STOP, Step("pump", 1, 1)) for _ in range(2)]
    archive.seal(ledger, KEEP)
    with ledger.reading() as db:
        assert [row[0] for row in db.execute("SELECT id FROM operations ORDER BY id")] == [brought_up, scaled, *newest]
        assert sealed(db).last == 150
    text = (archive.folder(ledger) / "000000000001.jsonl").read_text()
    assert [json.loads(line)["operation"]["id"] for line in text.splitlines() if '"operation"' in line] == obsolete
    assert journal.scale_before(ledger, "pump", 1) == {"web": 3}


def test_so_many_operations_at_most_go_with_each_file(ledger, monkeypatch):
    monkeypatch.setattr(archive, "OPERATIONS", 2)
    monkeypatch.setattr(archive, "LONGEST", 60)
    with ledger.writing() as db:
        row = ("stop", Phase.FINISHING, "[]", ledger.clock(), ledger.clock())
        db.executemany("INSERT INTO operations (kind, phase, steps, started, finished) VALUES (?, ?, ?, ?, ?)", [row] * 102)
    archive.seal(ledger, KEEP)
    paths = [archive.folder(ledger) / name for name in files(ledger)]
    assert [path.read_text().count('"operation": ') for path in paths] == [60, 40, 0]


def test_a_change_seals_and_the_command_says_where_older_lines_are(tmp_path):
    box = Box(tmp_path, history=HistorySettings(KEEP))
    write(box.ledger, 0, 140)
    with box.operation():
        pass
    result = asked(box.ctx, HistoryRequest(verify=True))
    assert (len(result.entries), result.sealed, result.verified.lines) == (100, 40, 140)
    assert result.to_json()["sealed"] == {"lines": 40, "path": str(tmp_path / "history")}
    shown = box.run("workloads", "history", "--verify")
    assert f"140 lines, the last hash is {history.head(box.ledger)}; 40 older lines in {tmp_path / 'history'}" in shown.stderr


def test_lines_without_an_operation_are_sealed_by_the_agent_and_a_broken_history_is_said_once(tmp_path):
    """Logins, settings, users: before, nothing sealed on a box where nothing else happened."""
    box = Box(tmp_path, history=HistorySettings(KEEP))
    write(box.ledger, 0, 140)
    box.work(until_idle=True)
    assert len(details(box.ledger)) == KEEP
    write(box.ledger, 140, 30)
    sealing = Sealing()
    sealing.take(box.agent())
    assert (len(details(box.ledger)), archive.verify(box.ledger)) == (KEEP, 170)
    write(box.ledger, 170, 30)
    with box.operation():
        write(box.ledger, 200, 1)
        sealing.take(box.agent())  # a change is under way, which seals itself
        assert len(details(box.ledger)) == KEEP + 31
    write(box.ledger, 201, 30)
    with box.ledger.writing() as db:
        db.execute("UPDATE history SET detail = 'x' WHERE seq = 120")
    for _ in range(3):
        sealing.take(box.agent())
    said = [event for event in box.said if "older history was not sealed" in str(event)]
    assert len(said) == 1


def test_a_name_of_which_only_sealed_lines_may_tell_is_not_said_to_be_new(tmp_path):
    box = Box(tmp_path, history=HistorySettings(KEEP))
    history.record(box.ledger, Entry(box.ledger.clock(), "anna", "undeploy", "fan", None, "done", ""))
    assert "nothing was ever done to lamp" in box.run("workloads", "history", "lamp").stderr
    write(box.ledger, 0, 140)
    with box.operation():
        pass
    refused = box.run("workloads", "history", "fan")
    assert refused.exit_code == 66
    assert f"has nothing of fan; older lines (41) are in {tmp_path / 'history'}" in refused.stderr
