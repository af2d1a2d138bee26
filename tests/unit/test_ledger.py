"""The ledger on a real file: what is durable, what is refused, what a reader sees."""

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from kelvin_provision.errors import Locked, PermissionRefused, StateDamaged, StateTooNew, WorkloadUnknown
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.ledger import history, journal, orders, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, OnFailure, Phase, Step
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.ledger.reading.left import left_workloads
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.ledger.sqlite.connection import WAL_LIMIT
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.enums import Download, ProbeKind, VolumeKind
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Port, Probe, Resources, System, Variable, Volume
from kelvin_provision.status import OperationKind, Verb
from tests.kit.ledgers import migrated
from tests.kit.specs import spec
from tests.kit.staging import reach

LOCK = ImageLock(
    reference=Reference.parse("registry.example:5000/motor-speed:1.0.0"),
    platform=Platform("linux", "amd64"),
    manifest=Descriptor("application/vnd.oci.image.manifest.v1+json", "sha256:" + "1" * 64, 400),
    config=Descriptor("application/vnd.oci.image.config.v1+json", "sha256:" + "2" * 64, 300),
    layers=(Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "sha256:" + "3" * 64, 5000),),
    diff_ids=("sha256:" + "4" * 64,),
)


@pytest.fixture
def ledger(tmp_path):
    ticks = iter(range(10_000))
    with Ledger(tmp_path / "state" / "ledger.db", clock=lambda: f"2026-11-23T00:00:00.{next(ticks):06d}Z") as opened:
        yield opened


def run_revision(ledger, name="docs-demo", version="1.0.0", keep=2):
    """Stage and apply a version the way a transaction does."""
    (revision,) = ledger.accept([spec(name, version)], "batch")
    before = ledger.workload(name).running
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, before.number if before else None, revision.number)])
    journal.commit(ledger, operation)
    journal.end(ledger, operation, [Entry(ledger.clock(), "anna", "apply", name, revision.number, "done")], keep=keep)
    return revision


def test_the_file_is_private_in_wal_mode_and_fully_synchronous(ledger):
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700
    with ledger.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA


def test_a_spec_with_every_field_survives_the_ledger(ledger):
    whole = spec(
        system=System(
            resources=Resources("0.4", "256Mi", "1", "1Gi"),
            privileged=True,
            environment=(Variable("A", "<% secrets.a %>"),),
            ports=(Port("http", 8080, "UDP", host_port=80), Port("api", 1, service_port=2, exposed=True, exposed_port=31000)),
            volumes=(Volume("v", VolumeKind.TEXT, "/etc/x", data="aGk="),),
            liveness=Probe(ProbeKind.EXEC, command=("/bin/true",)),
            readiness=Probe(ProbeKind.HTTP, port=8080, headers=(("a", "b"),)),
            metrics=(9090, "/metrics"),
        ),
        configuration={"speed": 3},
        payload={"spec_version": "5.0.0"},
        manifests=({"kind": "ConfigMap"},),
    )
    ledger.accept([whole], "batch")
    assert ledger.workload("docs-demo").staged.spec == whole


def test_a_request_becomes_the_staged_revision(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    found = ledger.workload("docs-demo")
    assert (found.staged, found.running, found.operation) == (revision, None, None)
    assert (revision.number, revision.download, revision.locks) == (1, Download.PENDING, None)


def test_a_new_request_replaces_the_waiting_one_and_takes_a_new_number(ledger):
    ledger.accept([spec(version="1.0.0")], "one")
    ledger.accept([spec(version="2.0.0")], "two")
    assert ledger.workload("docs-demo").staged.number == 2
    with pytest.raises(WorkloadUnknown, match="no revision 1 of docs-demo on this box"):
        ledger.revision("docs-demo", 1)


def test_a_group_is_stored_whole_or_not_at_all(ledger):
    with pytest.raises(AttributeError):
        ledger.accept([spec("one"), None], "batch")
    assert ledger.names() == []


def test_a_request_is_stored_with_its_line_of_history_or_not_at_all(ledger):
    with pytest.raises(TypeError):
        requests.accept(ledger, [spec()], "batch", actor=b"no text")
    assert (ledger.names(), history.history(ledger)) == ([], ())
    requests.accept(ledger, [spec()], "batch", actor="anna")
    assert [(entry.who, entry.action, entry.revision, entry.version) for entry in history.history(ledger)] == [
        ("anna", "deploy", 1, "1.0.0")
    ]


def test_a_transaction_inside_another_is_a_part_of_it(ledger):
    def change():
        with ledger.writing():
            ledger.remember("a", "1")
            with ledger.writing():
                ledger.remember("b", "2")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        change()
    assert (ledger.fact("a"), ledger.fact("b")) == (None, None)
    ledger.remember("c", "3")
    assert ledger.fact("c") == "3"


def test_locks_objects_and_progress_are_kept(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.set_locks(revision, [LOCK])
    ledger.set_objects(revision, [{"kind": "Deployment"}])
    reach(ledger, revision, Download.DOWNLOADING, "no route to host")
    found = ledger.revision("docs-demo", 1)
    assert (found.locks, found.objects, found.download, found.failure) == (
        (LOCK,), ({"kind": "Deployment"},), Download.DOWNLOADING, "no route to host",
    )  # fmt: skip
    assert ledger.kept_locks() == (LOCK,)


def test_saying_the_same_again_writes_nothing(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    reach(ledger, revision, Download.RECEIVED)
    ledger.remember("cluster.type", "docker")
    before = ledger.version()
    reach(ledger, revision, Download.RECEIVED)
    ledger.remember("cluster.type", "docker")
    assert ledger.version() == before


def test_progress_of_a_revision_that_is_gone_is_passed_over(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.drop_staged("docs-demo")
    reach(ledger, revision, Download.READY)
    assert ledger.names() == []
    assert not ledger.staged_now(revision)


def test_dropping_the_staged_revision_leaves_what_runs(ledger):
    run_revision(ledger)
    ledger.accept([spec(version="2.0.0")], "two")
    ledger.drop_staged("docs-demo")
    found = ledger.workload("docs-demo")
    assert (found.running.number, found.staged) == (1, None)


def test_a_commit_moves_staged_to_running_for_all_workloads_at_once(ledger):
    ledger.accept([spec("one"), spec("two")], "batch")
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step("one", None, 1), Step("two", None, 1)])
    assert [found.operation for found in ledger.workloads()] == [OperationKind.APPLY, OperationKind.APPLY]
    journal.commit(ledger, operation)
    assert [(found.running.number, found.staged) for found in ledger.workloads()] == [(1, None), (1, None)]
    assert journal.unfinished(ledger).phase is Phase.FINISHING
    journal.end(ledger, operation, [])
    assert journal.unfinished(ledger) is None


def test_a_request_that_arrives_while_its_predecessor_is_applied_takes_nothing_away_from_it(ledger):
    (first,) = ledger.accept([spec(version="1.0.0")], "one")
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step("docs-demo", None, first.number)])
    ledger.accept([spec(version="2.0.0")], "two")
    journal.commit(ledger, operation)
    journal.end(ledger, operation, [], keep=2)
    found = ledger.workload("docs-demo")
    assert (found.running.spec.app_version, found.staged.spec.app_version) == ("1.0.0", "2.0.0")


def test_only_so_many_earlier_revisions_are_kept(ledger):
    for number in range(1, 6):
        run_revision(ledger, version=f"{number}.0.0")
    kept = []
    for number in range(1, 6):
        try:
            kept.append(ledger.revision("docs-demo", number).number)
        except WorkloadUnknown:
            continue
    assert kept == [3, 4, 5]


def test_an_undeploy_takes_all_revisions_with_it(ledger):
    run_revision(ledger)
    operation = journal.begin(ledger, OperationKind.UNDEPLOY, Phase.REMOVING, [Step("docs-demo", 1, None)])
    journal.end_undeploy(ledger, operation, [Entry("2026-11-23T00:00:00Z", "anna", "undeploy", "docs-demo", 1, "done")])
    assert (ledger.names(), ledger.kept_locks(), journal.unfinished(ledger)) == ([], (), None)
    assert [entry.action for entry in history.history(ledger, "docs-demo")] == ["apply", "undeploy"]


def test_the_history_shows_a_changed_and_a_missing_line(ledger):
    for number in range(3):
        history.record(ledger, Entry(f"2026-11-23T00:00:0{number}Z", "anna", "apply", "docs-demo", number, "done"))
    assert history.broken_link(ledger) is None
    with ledger.writing() as db:
        db.execute("UPDATE history SET who = 'bert' WHERE seq = 2")
    assert history.broken_link(ledger) == 2
    with ledger.writing() as db:
        db.execute("DELETE FROM history WHERE seq = 2")
    assert history.broken_link(ledger) == 3


def test_observations_are_kept_for_known_workloads_only(ledger):
    ledger.accept([spec()], "batch")
    seen = Observation(Observed.RUNNING, seen="2026-11-23T02:00:00Z", revision=1)
    ledger.observe({"docs-demo": seen, "stranger": seen})
    assert ledger.workload("docs-demo").observation == seen
    ledger.observe({"docs-demo": None})
    assert ledger.workload("docs-demo").observation is None


def test_what_one_process_commits_the_other_reads(ledger):
    with Ledger(ledger.path) as other:
        before = other.version()
        ledger.accept([spec()], "batch")
        assert other.version() != before
        assert other.names() == ["docs-demo"]


def test_a_reader_is_not_blocked_by_a_writer(ledger):
    with Ledger(ledger.path) as other, ledger.writing() as db:
        db.execute("INSERT INTO facts VALUES ('a', 'b')")
        assert other.fact("a") is None


def test_threads_share_one_ledger(ledger):
    ledger.accept([spec()], "batch")

    def work(number):
        ledger.remember(f"key-{number}", "value")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ledger.fact(f"key-{number}") for number in range(8)] == ["value"] * 8


def test_a_newer_schema_is_refused_and_left_as_it_is(ledger):
    with ledger.writing() as db:
        db.execute("CREATE TABLE tomorrow (a TEXT)")
    raw = sqlite3.connect(ledger.path)
    raw.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    raw.close()
    with pytest.raises(StateTooNew, match=f"has schema {schema.SCHEMA + 1}, this program reads up to {schema.SCHEMA}"):
        Ledger(ledger.path)


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(StateDamaged, match=r"ledger\.db: file is not a database"):
        Ledger(path)


def test_unknown_workloads_are_named(ledger):
    with pytest.raises(WorkloadUnknown, match="no workload nobody on this box"):
        ledger.workload("nobody")


@pytest.fixture
def neighbours(ledger):
    """Fifty workloads of which `mine` is one: everything of the others is damaged, so that reading it fails."""
    names = [f"other-{number}" for number in range(49)]
    ledger.accept([spec(name) for name in names] + [spec("mine")], "batch")
    run_revision(ledger, "mine", "2.0.0")
    others = ledger.workloads(names)
    orders.place(ledger, orders.apply_of(others[:2], actor="anna", at="2026-11-24T02:00:00Z"))
    ledger.accept([spec("mine", "3.0.0")], "three")
    orders.place(ledger, orders.apply_of([ledger.workload("mine")], actor="anna", at="2026-11-24T03:00:00Z"))
    with ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = '{', locks = '{' WHERE workload <> 'mine'")
        db.execute("UPDATE workloads SET observation = '{' WHERE name <> 'mine'")
    return names


def test_one_workload_is_read_without_reading_another(ledger, neighbours):
    mine = ledger.workload("mine")
    assert (mine.running.number, mine.staged.number, mine.scheduled_apply.at) == (2, 3, "2026-11-24T03:00:00Z")
    assert list(ledger.existing(["stranger", "mine"])) == ["mine"]
    with pytest.raises(StateDamaged, match="table revisions, row other-0/1, column spec"):
        ledger.workload(neighbours[0])


def test_no_statement_that_reads_one_workload_scans_a_table_of_all(ledger, neighbours):
    statements = []
    with ledger.reading() as db:
        db.set_trace_callback(statements.append)
        ledger.workload("mine")
        db.set_trace_callback(None)
        plans = [row["detail"] for statement in statements for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert [plan for plan in plans if plan.startswith(("SCAN workloads", "SCAN revisions", "SCAN holds"))] == []
    assert [plan for plan in plans if "workloads" in plan] != []


def test_more_names_than_a_statement_has_parameters(ledger):
    ledger.accept([spec("mine")], "batch")
    assert list(ledger.existing(["mine", *(f"n-{number}" for number in range(40_000))])) == ["mine"]


def test_a_second_holder_of_the_lock_is_told_who_has_it(tmp_path):
    path = tmp_path / "lock"
    assert holder(path) is None
    with exclusive(path, command="workloads apply -n a"):
        assert holder(path)["command"] == "workloads apply -n a"
        with pytest.raises(Locked, match=r"held by .* \(pid \d+\) since .*: workloads apply -n a"), exclusive(path, command="other"):
            pass
    assert holder(path) is None


def test_a_lock_in_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    from kelvin_provision.errors import CannotWrite

    with pytest.raises(CannotWrite), exclusive(tmp_path / "no" / "lock", command="x"):
        pass


def test_a_locked_ledger_is_temporary(ledger):
    with Ledger(ledger.path, busy_timeout=0.01) as other, ledger.writing(), pytest.raises(Locked), other.writing():
        pass


def test_a_read_only_ledger_is_a_matter_of_permission(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    import sqlite3 as sql

    from kelvin_provision.ledger.sqlite.connection import translated_errors

    connection = sql.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(PermissionRefused), translated_errors(path):
        connection.execute("CREATE TABLE x (a)")
    connection.close()


# --- ledgers of earlier versions ------------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    """A file as the first schema wrote it."""
    path = tmp_path / "ledger.db"
    raw = sqlite3.connect(path)
    raw.executescript((Path(__file__).parent / "ledgers" / "schema-1.sql").read_text("utf-8"))
    raw.close()
    with Ledger(path) as opened:
        yield opened


def test_a_ledger_of_the_first_schema_is_migrated_with_its_slots(old):
    with old.reading() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA
    pump, fan = old.workload("pump"), old.workload("fan")
    assert (pump.running.number, pump.staged.number, fan.running.number, fan.staged) == (2, 3, 2, None)
    assert pump.observation.observed is Observed.RUNNING
    assert old.fact("cluster.type") == "docker"


def test_a_migrated_ledger_lists_what_it_has(old):
    assert old.stale_listing() == ()
    with old.reading() as db:
        assert [tuple(row) for row in db.execute("SELECT view, name FROM listing ORDER BY view, name")] == [
            (0, "fan"),
            (0, "pump"),
            (1, "pump"),
        ]


def test_a_migrated_ledger_knows_what_came_up_and_what_never_did(old):
    assert [old.revision("pump", number).applied for number in (1, 2, 3)] == [1, 2, None]
    assert [old.revision("fan", number).applied for number in (1, 2)] == [1, 4]
    assert [revision.number for revision in old.kept("pump")] == [1]


def test_a_migrated_history_is_still_whole_and_goes_on(old):
    assert len(history.history(old)) == 9
    assert history.broken_link(old) is None
    history.record(old, Entry("2026-11-23T00:00:00Z", "anna", "stop", "pump", 2, "done"))
    assert history.broken_link(old) is None
    last = history.history(old, "pump")[-1]
    assert (last.version, last.digest) == ("2.0.0", "sha256:" + "1" * 64)


def test_an_operation_that_was_under_way_before_the_migration_is_still_to_be_finished(old):
    operation = journal.unfinished(old)
    assert (operation.kind, operation.phase, operation.on_failure, operation.wait) == (
        OperationKind.APPLY, Phase.FINISHING, OnFailure.ROLL_BACK, True,
    )  # fmt: skip
    journal.end(old, operation, [], keep=2)
    assert [revision.number for revision in old.kept("fan")] == [1]


def test_images_that_were_loaded_before_they_were_remembered_are_known_after_the_migration(old):
    with old.reading() as db:
        names = {row[0] for row in db.execute("SELECT name FROM images")}
    assert names == {"registry.example:5000/motor-speed@sha256:" + "1" * 64}
    before = old.version()
    old.unneeded_images()
    assert old.version() == before


def test_what_was_left_before_the_migration_is_still_known(tmp_path):
    raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    for migration in schema.MIGRATIONS[:6]:
        for statement in migration.split(";\n"):
            raw.execute(statement)
    raw.execute("PRAGMA user_version = 6")
    for name in ("pump", "fan", "motor"):
        raw.execute("INSERT INTO workloads (name, title, created, updated) VALUES (?, '', 't', 't')", (name,))
    changes = [
        ("apply", "left", [["pump", 1, 2], ["fan", None, 1]]),
        ("stop", "finishing", [["pump", 1, 1]]),
        ("rollback", "finishing", [["fan", 1, 1]]),
        ("apply", "undoing", [["motor", 1, 2]]),
    ]
    for kind, phase, steps in changes:
        values = (kind, phase, json.dumps(steps))
        raw.execute("INSERT INTO operations (kind, phase, steps, started, finished) VALUES (?, ?, ?, 't', 't')", values)
    raw.close()
    with Ledger(tmp_path / "ledger.db") as opened:
        assert left_workloads(opened) == {"pump"}


@pytest.fixture
def fifth(tmp_path):
    """A file as the fifth schema wrote it."""
    path = tmp_path / "ledger.db"
    raw = sqlite3.connect(path)
    raw.executescript((Path(__file__).parent / "ledgers" / "schema-5.sql").read_text("utf-8"))
    raw.close()
    with Ledger(path) as opened:
        yield opened


def test_a_standing_appointment_becomes_an_order_with_a_time(fifth):
    (order,) = orders.pending(fifth)
    assert (order.actor, order.verb, order.at, order.asked) == (
        "anna", Verb.APPLY, "2026-11-24T02:00:00Z", "2026-11-20T00:00:21.000000Z",
    )  # fmt: skip
    assert (order.targets, order.forced, order.note) == ((Target("pump", 2), Target("fan", 1)), True, "held")
    assert fifth.workload("fan").scheduled_apply == order


def test_an_appointment_that_does_not_stand_any_more_is_cancelled_by_the_agent(fifth):
    (cancelled,) = orders.cancel_replaced(fifth, actor="agent")
    assert (cancelled.actor, cancelled.targets, cancelled.at) == ("bert", (Target("motor", 1),), "2026-11-24T03:00:00Z")


def test_a_wait_that_was_a_text_is_forgotten_and_a_failure_is_kept(fifth):
    valve, gate = fifth.workload("valve").staged, fifth.workload("gate").staged
    assert (valve.cause, valve.download, valve.blocked) == (None, Download.READY, False)
    assert (gate.failure, gate.download, gate.blocked) == ("r.io/gate:1: not found", Download.FAILED, True)


def test_what_an_operation_was_asked_to_do_on_failure_is_migrated(fifth):
    operation = journal.unfinished(fifth)
    assert (operation.steps, operation.on_failure, operation.wait) == ((Step("left", None, 1),), OnFailure.KEEP, True)
    with fifth.reading() as db:
        stored = db.execute("SELECT on_failure, wait FROM operations ORDER BY id").fetchall()
    assert [tuple(row) for row in stored] == [("roll-back", 0), ("keep", 1)]


def test_what_else_the_fifth_schema_kept_is_still_there(fifth):
    pump, fan = fifth.workload("pump"), fifth.workload("fan")
    assert (pump.running.number, pump.running.locks, pump.staged.number, pump.observation.observed) == (1, (LOCK,), 2, Observed.RUNNING)
    assert [hold.reason for hold in fan.holds] == ["drilling"]
    assert (len(history.history(fifth)), history.broken_link(fifth)) == (13, None)


# --- what is kept ---------------------------------------------------------------------------------


def go_back(ledger, number, name="docs-demo", keep=2):
    step = Step(name, ledger.workload(name).running.number, number)
    operation = journal.begin(ledger, OperationKind.ROLLBACK, Phase.APPLYING, [step])
    journal.commit(ledger, operation)
    journal.end(ledger, operation, [], keep=keep)


def kept(ledger, name="docs-demo"):
    return [revision.number for revision in ledger.kept(name)]


def kept_after(ledger, versions, keep=2):
    for version in versions:
        (revision,) = ledger.accept([spec(version=version)], "batch")
        ledger.set_objects(revision, [{"kind": "Deployment"}])
        before = ledger.workload("docs-demo").running
        step = Step("docs-demo", before.number if before else None, revision.number)
        operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [step])
        journal.commit(ledger, operation)
        journal.end(ledger, operation, [], keep=keep)
    return kept(ledger)


def test_going_back_keeps_what_it_came_from_so_that_one_can_go_forward_again(ledger):
    assert kept_after(ledger, ["1.0.0", "2.0.0", "3.0.0"]) == [2, 1]
    go_back(ledger, 1)
    assert kept(ledger) == [3, 2]


def test_what_ran_last_is_kept_rather_than_what_has_the_higher_number(ledger):
    kept_after(ledger, ["1.0.0", "2.0.0", "3.0.0"], keep=1)
    go_back(ledger, 2, keep=1)
    assert kept(ledger) == [3]
    assert kept_after(ledger, ["4.0.0"], keep=1) == [2]


def test_going_back_leaves_the_staged_revision_alone(ledger):
    kept_after(ledger, ["1.0.0", "2.0.0"])
    ledger.accept([spec(version="3.0.0")], "three")
    go_back(ledger, 1, keep=0)
    found = ledger.workload("docs-demo")
    assert (found.running.number, found.staged.number, kept(ledger)) == (1, 3, [])


def test_a_revision_that_never_came_up_is_not_kept_when_it_was_replaced_during_its_apply(ledger):
    kept_after(ledger, ["1.0.0"])
    (second,) = ledger.accept([spec(version="2.0.0")], "two")
    ledger.set_objects(second, [{"kind": "Deployment"}])
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step("docs-demo", 1, 2)])
    ledger.accept([spec(version="3.0.0")], "three")
    journal.end(ledger, operation, [])
    assert kept(ledger) == []
    assert kept_after(ledger, ["4.0.0"]) == [1]
    with pytest.raises(WorkloadUnknown):
        ledger.revision("docs-demo", 2)


def test_a_line_of_the_history_notes_the_digest_while_it_is_known(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.set_locks(revision, [LOCK])
    operation = journal.begin(ledger, OperationKind.UNDEPLOY, Phase.REMOVING, [Step("docs-demo", None, 1)])
    journal.end_undeploy(ledger, operation, [Entry("2026-11-23T00:00:00Z", "anna", "undeploy", "docs-demo", 1, "done")])
    (entry,) = history.history(ledger)
    assert (entry.version, entry.digest) == ("1.0.0", "sha256:" + "1" * 64)
    with ledger.writing() as db:
        db.execute("UPDATE history SET digest = 'sha256:other'")
    assert history.broken_link(ledger) == 1


# --- the write-ahead log --------------------------------------------------------------------------


def log_size(ledger):
    return Path(f"{ledger.path}-wal").stat().st_size


def fill(ledger, megabytes):
    for number in range(megabytes * 4):
        with ledger.writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (f"key-{number % 8}", "x" * (256 << 10)))


def test_the_log_is_bounded(ledger):
    fill(ledger, 12)
    assert log_size(ledger) <= WAL_LIMIT + (1 << 20)


def test_a_long_reader_lets_the_log_grow_and_it_shrinks_with_the_next_commit_after_it(tmp_path):
    path = migrated(tmp_path / "ledger.db")
    with Ledger(path, log_pause=0.0) as ledger, Ledger(path) as other:
        with other.reading() as db:
            db.execute("SELECT * FROM facts").fetchall()
            fill(ledger, 12)
            assert log_size(ledger) > 10 << 20
            assert db.execute("SELECT count(*) FROM facts").fetchone()[0] == 0  # its view is that of before
        ledger.remember("any", "value")
        assert log_size(ledger) <= WAL_LIMIT
        assert other.fact("any") == "value"
