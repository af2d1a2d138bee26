"""What is asked about one workload costs the same however many others there are."""

import itertools
import json
import sqlite3

import pytest

from kelvin_provision.agent import turn as agent_turn
from kelvin_provision.agent.reconcile import observe_running
from kelvin_provision.errors import NoSpace
from kelvin_provision.ledger import documents
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows import plain
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.queries.agent import agent
from kelvin_provision.queries.history import HistoryRequest, history
from kelvin_provision.queries.workload import WorkloadRequest, workload
from kelvin_provision.spec.workload import System, Variable
from kelvin_provision.usecases.hold import hold, release
from tests.kit.box import Box
from tests.kit.ledgers import migrated
from tests.kit.many import many
from tests.kit.specs import spec


def turn(box):
    """One of an agent that has looked at every workload before."""
    memory = agent_turn.Memory.of(box.agent())
    memory.damage.complete = True
    agent_turn.take(box.agent(), memory)


ACTS = {
    "deploy": lambda box: box.deploy("pump"),
    "stage": turn,
    "turn of an idle agent": turn,
    "show": lambda box: workload(box.ctx, WorkloadRequest("pump")),
    "apply": lambda box: box.command_apply("pump"),
    "show --live": lambda box: workload(box.ctx, WorkloadRequest("pump", live=True)),
    "deploy again": lambda box: box.deploy("pump", version="2.0.0"),
    "stage again": turn,
    "apply again": lambda box: box.command_apply("pump"),
    "rollback": lambda box: box.rollback("pump"),
    "stop": lambda box: box.stop("pump"),
    "start": lambda box: box.start("pump"),
    "hold": lambda box: hold(box.ctx, ["pump"], "inspection"),
    "release": lambda box: release(box.ctx, ["pump"]),
    "history": lambda box: history(box.ctx, HistoryRequest(("pump",))),
    "agent status": lambda box: agent(box.ctx),
}


def _costs(folder, count):
    """Instructions of SQLite's machine that each act takes, in hundreds."""
    many(folder / "ledger.db", count)
    box = Box(folder)
    with box.operation():
        pass  # a migrated ledger: what is to be freed is looked for once
    box.turn()  # and whether it can be read
    costs = {}
    for name, act in ACTS.items():
        passed = itertools.count()
        box.ledger._connection.set_progress_handler(lambda passed=passed: next(passed) and None, 100)
        act(box)
        costs[name] = next(passed)
    box.close()
    return costs


@pytest.mark.slow
def test_one_workload_costs_the_same_among_few_and_among_many(tmp_path):
    few, very_many = _costs(tmp_path / "few", 50), _costs(tmp_path / "many", 1500)
    assert {name: cost for name, cost in very_many.items() if cost > 1.5 * few[name] + 10} == {}


# --- who looks for secrets reads revisions that may have some ------------------------------------

SECRET = System(environment=(Variable("PASSWORD", "hunter2-hunter2"),))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as opened:
        yield opened


def names(ledger):
    return sorted(key.workload for key in documents.keys(ledger))


def test_a_revision_without_secrets_is_not_read(ledger):
    ledger.accept([spec("open"), spec("literal", system=SECRET), spec("referring", configuration={"key": "<% secrets.KEY %>"})], "batch")
    assert names(ledger) == ["literal", "referring"]


def test_objects_may_have_secrets_that_the_request_does_not_have(ledger):
    (revision,) = ledger.accept([spec("pump")], "batch")
    ledger.set_objects(revision, [{"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"password": "hunter2-hunter2"}}])
    assert names(ledger) == ["pump"]
    ledger.set_objects(revision, [{"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"MODE": "fast"}}])
    assert names(ledger) == []
    with ledger.writing() as db:
        db.execute("UPDATE revisions SET objects = ?", (json.dumps([{"kind": "Secret"}]),))  # by another program
    assert names(ledger) == ["pump"]


def test_with_other_rules_all_are_read_until_they_were_looked_at_again(ledger, tmp_path):
    ledger.accept([spec("open"), spec("literal", system=SECRET)], "batch")
    with ledger.writing() as db:
        db.execute("UPDATE revisions SET plain = 'rules-of-an-earlier-version plain' WHERE workload = 'open'")
        db.execute("UPDATE revisions SET plain = NULL WHERE workload = 'literal'")
    assert names(ledger) == ["literal", "open"]
    assert ledger.review_secrets(1) is True
    assert ledger.review_secrets(100) is False
    assert names(ledger) == ["literal"]
    version = ledger.version()
    assert ledger.review_secrets(100) is False
    assert ledger.version() == version
    assert plain.plain().endswith(" plain")


def test_the_agent_looks_again_when_it_starts_and_a_full_disk_keeps_it_from_nothing(tmp_path, monkeypatch):
    box = Box(tmp_path)
    box.deploy("pump")
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET plain = NULL")
    box.work(until_idle=True)
    assert names(box.ledger) == []
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET plain = NULL")

    def full(*_):
        raise NoSpace("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(plain, "review", full)
        box.deploy("fan")
        box.work(until_idle=True)
    assert "reviewing the ledger: no space left" in [getattr(event, "text", "") for event in box.said]
    assert box.states()["fan"] == ("staged", "ready")


# --- images are freed after a revision was dropped ------------------------------------------------


def test_images_are_looked_for_only_after_a_revision_was_dropped(tmp_path):
    box = Box(tmp_path)
    box.deploy("pump")
    box.turn()
    box.command_apply("pump")
    assert box.ledger.garbage() is None
    box.deploy("fan")
    box.turn()
    box.ledger.drop_staged("fan")
    first = box.ledger.garbage()
    box.deploy("fan")
    box.ledger.drop_staged("fan")
    assert box.ledger.garbage() not in (None, first)
    box.ledger.no_garbage(first)  # what was dropped since is still to be freed
    assert box.ledger.garbage() is not None
    with box.operation():
        pass
    assert (box.ledger.garbage(), box.ledger.unneeded_images()) == (None, ())


def test_an_image_that_a_new_version_needs_by_now_is_still_remembered(tmp_path, monkeypatch):
    """Requests and the agent do not wait for who frees images."""
    box = Box(tmp_path)
    box.deploy("fan")
    box.turn()
    locks = box.ledger.workload("fan").staged.locks
    box.ledger.drop_staged("fan")
    remove = box.runtime.remove

    def and_meanwhile(lock):
        remove(lock)
        (revision,) = box.ledger.accept([spec("fan")], "batch")
        box.ledger.set_locks(revision, [lock])

    monkeypatch.setattr(box.runtime, "remove", and_meanwhile)
    with box.operation():
        pass
    assert box.ledger.imported_images() == locks


def test_what_a_running_download_needs_is_freed_after_it(tmp_path):
    box = Box(tmp_path)
    box.deploy("fan")
    box.turn()
    locks = box.ledger.workload("fan").staged.locks
    with box.store.lease(locks):
        box.ledger.drop_staged("fan")
        with box.operation():
            pass
        assert box.ledger.garbage() is not None
    with box.operation():
        pass
    assert box.ledger.garbage() is None
    assert not any(box.store.has(blob) for lock in locks for blob in lock.blobs())


# --- migration ------------------------------------------------------------------------------------


def test_where_bytes_came_from_moves_to_the_revision(tmp_path):
    raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    for migration in schema.MIGRATIONS[:9]:
        for statement in migration.split(";\n"):
            raw.execute(statement)
    raw.execute("PRAGMA user_version = 9")
    raw.execute("INSERT INTO revisions (workload, number, batch, created, spec, download) VALUES ('pump', 1, 'b', 'x', '{}', 'ready')")
    raw.execute("INSERT INTO workloads (name, title, created, updated, staged) VALUES ('pump', 'Pump', 'x', 'x', 1)")
    raw.execute("INSERT INTO facts VALUES ('origins', ?)", (json.dumps({"b/pump": {"image": [1, 2]}, "gone": {}}),))
    raw.close()
    with Ledger(tmp_path / "ledger.db") as ledger, ledger.reading() as db:
        assert db.execute("SELECT origins, plain FROM revisions").fetchone()[:] == ('{"image":[1,2]}', None)
        assert (ledger.fact("origins"), ledger.garbage(), ledger.stale_listing()) == (None, "1", ())


# --- what runs unchanged is not written again for each -------------------------------------------


def test_that_everything_runs_as_before_is_one_fact(tmp_path, monkeypatch):
    box = Box(tmp_path)
    for name in ("pump", "fan"):
        box.deploy(name)
    box.turn()
    box.command_apply("pump", "fan")
    minute = itertools.count(1)
    monkeypatch.setattr("tests.kit.fakes.cluster.SEEN", "2026-01-02T03:00:00Z")
    observe_running(box.agent())

    def look_again():
        monkeypatch.setattr("tests.kit.fakes.cluster.SEEN", f"2026-01-02T03:{next(minute):02}:00Z")
        observe_running(box.agent())
        with box.ledger.reading() as db:
            return [json.loads(row[0])["seen"][14:16] for row in db.execute("SELECT observation FROM workloads ORDER BY name")]

    def shown():
        return [workload.observation.seen[14:16] for workload in box.ledger.workloads()]

    assert (look_again(), shown()) == (["00", "00"], ["01", "01"])
    box.cluster.broken["pump"] = "exit code 3"
    assert (look_again(), shown()) == (["00", "02"], ["02", "02"])
    box.cluster.unreachable = True
    assert (look_again(), shown()) == (["02", "02"], ["02", "02"])  # when it was last seen stays what it was
    box.cluster.unreachable = False
    assert (look_again(), shown()) == (["04", "04"], ["04", "04"])
    minute = itertools.count(3)  # the clock goes back
    assert (look_again(), shown()) == (["03", "03"], ["03", "03"])
    minute = itertools.count(5)
    assert (look_again(), shown()) == (["03", "03"], ["05", "05"])
