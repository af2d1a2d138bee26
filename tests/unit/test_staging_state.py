"""What every event makes of every state of a staged revision, and that nothing is written when nothing changes."""

from dataclasses import replace

import pytest

from kelvin_provision.errors import DownloadWaits, ImageNotFound, NoSpace, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.staging_state import (
    ApplyFailed,
    ApplyMissed,
    Downloading,
    Progressed,
    Ready,
    Received,
    Resolving,
    RolledBack,
    StagingFailed,
    StagingState,
    TakenBack,
    Tried,
    Waiting,
    of_error,
    reason_of,
    transition,
)
from kelvin_provision.spec.enums import Download
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.ledgers import migrated
from tests.kit.specs import spec

WINDOW = WaitReason(WaitKind.DOWNLOAD_WINDOW, until="22:00")
OFFLINE = WaitReason(WaitKind.REGISTRY_UNREACHABLE, "r.io: no route to host")

PENDING = StagingState(Download.PENDING)
TROUBLED = StagingState(Download.DOWNLOADING, waiting=OFFLINE)
COMPLETE = StagingState(Download.READY)
NOT_APPLIED = StagingState(Download.READY, "version 2.0.0 was not applied: x")
BLOCKED = StagingState(Download.READY, "version 2.0.0 was not applied: exit code 3", blocked=True)
REFUSED = StagingState(Download.READY, waiting=WaitReason(WaitKind.REFUSED, "no"))
REFUSED_AGAIN = replace(REFUSED, failure="1 finding")
TAKEN_BACK = StagingState(Download.READY, blocked=True, waiting=WaitReason(WaitKind.ROLLED_BACK, "version 2.0.0"))
BLOCKED_AFTERWARDS = StagingState(Download.READY, "exit code 3", blocked=True)
HELD = StagingState(Download.READY, waiting=WaitReason(WaitKind.HOLD, workloads=("a",)))
FAILED = StagingState(Download.FAILED, "r.io/a:1: not found", blocked=True)

TABLE = [
    (PENDING, Received(), StagingState(Download.RECEIVED)),
    (PENDING, Resolving(), StagingState(Download.PROCESSING)),
    (PENDING, Downloading(), StagingState(Download.DOWNLOADING)),
    (PENDING, Progressed(), PENDING),
    (PENDING, Ready(), COMPLETE),
    (PENDING, Ready("no"), REFUSED),
    (PENDING, Waiting(WINDOW), StagingState(Download.PENDING, waiting=WINDOW)),
    (PENDING, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (PENDING, ApplyFailed("no", blocks=True), StagingState(Download.PENDING, "no", blocked=True)),
    (PENDING, ApplyMissed("late"), StagingState(Download.PENDING, "late")),
    (PENDING, RolledBack("back"), StagingState(Download.PENDING, "back")),
    (PENDING, TakenBack("2.0.0"), replace(TAKEN_BACK, download=Download.PENDING)),
    (TROUBLED, TakenBack("2.0.0"), replace(TAKEN_BACK, download=Download.DOWNLOADING)),
    (COMPLETE, TakenBack("2.0.0"), TAKEN_BACK),
    (NOT_APPLIED, TakenBack("2.0.0"), TAKEN_BACK),
    (BLOCKED, TakenBack("2.0.0"), TAKEN_BACK),
    (FAILED, TakenBack("2.0.0"), replace(TAKEN_BACK, download=Download.FAILED)),
    (TROUBLED, Received(), StagingState(Download.RECEIVED)),
    (TROUBLED, Resolving(), StagingState(Download.PROCESSING, waiting=OFFLINE)),
    (TROUBLED, Downloading(), TROUBLED),
    (TROUBLED, Progressed(), StagingState(Download.DOWNLOADING)),
    (TROUBLED, Ready(), COMPLETE),
    (TROUBLED, Ready("no"), REFUSED),
    (TROUBLED, Waiting(WINDOW), StagingState(Download.DOWNLOADING, waiting=WINDOW)),
    (TROUBLED, Waiting(OFFLINE), TROUBLED),
    (TROUBLED, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (TROUBLED, ApplyFailed("no", blocks=False), StagingState(Download.DOWNLOADING, "no")),
    (TROUBLED, ApplyMissed("late"), StagingState(Download.DOWNLOADING, "late")),
    (TROUBLED, RolledBack("back"), StagingState(Download.DOWNLOADING, "back")),
    (COMPLETE, Received(), StagingState(Download.RECEIVED)),
    (COMPLETE, Resolving(), StagingState(Download.PROCESSING)),
    (COMPLETE, Downloading(), StagingState(Download.DOWNLOADING)),
    (COMPLETE, Progressed(), COMPLETE),
    (COMPLETE, Ready(), COMPLETE),
    (COMPLETE, Ready("no"), REFUSED),
    (PENDING, Tried("no"), PENDING),
    (TROUBLED, Tried(), TROUBLED),
    (COMPLETE, Tried(), COMPLETE),
    (COMPLETE, Tried("no"), REFUSED),
    (NOT_APPLIED, Tried(), NOT_APPLIED),
    (NOT_APPLIED, Tried("no"), NOT_APPLIED),
    (BLOCKED, Tried(), BLOCKED),
    (BLOCKED, Tried("no"), BLOCKED),
    (FAILED, Tried("no"), FAILED),
    (COMPLETE, Waiting(WINDOW), StagingState(Download.READY, waiting=WINDOW)),
    (COMPLETE, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (COMPLETE, ApplyFailed("no", blocks=True), StagingState(Download.READY, "no", blocked=True)),
    (COMPLETE, ApplyFailed("no", blocks=False), StagingState(Download.READY, "no")),
    (COMPLETE, ApplyMissed("late"), StagingState(Download.READY, "late")),
    (COMPLETE, RolledBack("back"), StagingState(Download.READY, "back")),
    (NOT_APPLIED, Received(), StagingState(Download.RECEIVED)),
    (NOT_APPLIED, Resolving(), StagingState(Download.PROCESSING, "version 2.0.0 was not applied: x")),
    (NOT_APPLIED, Downloading(), StagingState(Download.DOWNLOADING, "version 2.0.0 was not applied: x")),
    (NOT_APPLIED, Progressed(), COMPLETE),
    (NOT_APPLIED, Ready(), COMPLETE),
    (NOT_APPLIED, Ready("no"), REFUSED),
    (NOT_APPLIED, Waiting(WINDOW), StagingState(Download.READY, waiting=WINDOW)),
    (NOT_APPLIED, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (NOT_APPLIED, ApplyFailed("no", blocks=True), StagingState(Download.READY, "no", blocked=True)),
    (NOT_APPLIED, ApplyMissed("late"), StagingState(Download.READY, "late")),
    (NOT_APPLIED, RolledBack("back"), StagingState(Download.READY, "back")),
    (BLOCKED, Received(), StagingState(Download.RECEIVED)),
    (BLOCKED, Resolving(), StagingState(Download.PROCESSING, "version 2.0.0 was not applied: exit code 3", blocked=True)),
    (BLOCKED, Downloading(), StagingState(Download.DOWNLOADING, "version 2.0.0 was not applied: exit code 3", blocked=True)),
    (BLOCKED, Progressed(), StagingState(Download.READY, blocked=True)),
    (BLOCKED, Ready(), COMPLETE),
    (BLOCKED, Ready("no"), REFUSED),
    (BLOCKED, Waiting(WINDOW), BLOCKED),
    (BLOCKED, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (BLOCKED, ApplyFailed("cluster", blocks=False), StagingState(Download.READY, "cluster")),
    (BLOCKED, ApplyMissed("late"), StagingState(Download.READY, "late", blocked=True)),
    (BLOCKED, RolledBack("back"), StagingState(Download.READY, "back", blocked=True)),
    (FAILED, Received(), StagingState(Download.RECEIVED)),
    (FAILED, Resolving(), StagingState(Download.PROCESSING, "r.io/a:1: not found", blocked=True)),
    (FAILED, Downloading(), StagingState(Download.DOWNLOADING, "r.io/a:1: not found", blocked=True)),
    (FAILED, Progressed(), StagingState(Download.FAILED, blocked=True)),
    (FAILED, Ready(), COMPLETE),
    (FAILED, Ready("no"), REFUSED),
    (FAILED, Waiting(OFFLINE), FAILED),
    (FAILED, StagingFailed("no"), StagingState(Download.FAILED, "no", blocked=True)),
    (FAILED, ApplyFailed("no", blocks=True), StagingState(Download.FAILED, "no", blocked=True)),
    (FAILED, ApplyMissed("late"), StagingState(Download.FAILED, "late", blocked=True)),
    (FAILED, RolledBack("back"), StagingState(Download.FAILED, "back", blocked=True)),
]

WAITING_TABLE = [
    (HELD, Tried(), HELD),
    (HELD, Tried("no"), REFUSED),
    (REFUSED, Tried(), COMPLETE),
    (REFUSED, Tried("other"), StagingState(Download.READY, waiting=WaitReason(WaitKind.REFUSED, "other"))),
    (REFUSED, ApplyFailed("1 finding", blocks=False), REFUSED_AGAIN),
    (REFUSED, ApplyMissed("late"), replace(REFUSED_AGAIN, failure="late")),
    (REFUSED, ApplyFailed("exit code 3", blocks=True), StagingState(Download.READY, "exit code 3", blocked=True)),
    (TAKEN_BACK, Tried("no"), TAKEN_BACK),
    (TAKEN_BACK, ApplyFailed("1 finding", blocks=False), replace(TAKEN_BACK, failure="1 finding")),
    (TAKEN_BACK, ApplyMissed("late"), replace(TAKEN_BACK, failure="late")),
    (TAKEN_BACK, ApplyFailed("exit code 3", blocks=True), BLOCKED_AFTERWARDS),
    (TAKEN_BACK, Waiting(WINDOW), TAKEN_BACK),
    (REFUSED_AGAIN, Tried(), StagingState(Download.READY, "1 finding")),
]


@pytest.mark.parametrize(("before", "event", "after"), [*TABLE, *WAITING_TABLE])
def test_a_transition(before, event, after):
    assert transition(before, event) == after
    assert transition(after, event) == after, "an event that comes twice is one event"


def test_the_table_has_every_event_in_every_state():
    events = {
        Received,
        Resolving,
        Downloading,
        Progressed,
        Ready,
        Tried,
        Waiting,
        StagingFailed,
        ApplyFailed,
        ApplyMissed,
        RolledBack,
        TakenBack,
    }
    states = (PENDING, TROUBLED, COMPLETE, NOT_APPLIED, BLOCKED, FAILED)
    assert {(state, type(event)) for state, event, _ in TABLE} == {(state, event) for state in states for event in events}


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (RegistryUnreachable("r.io: no route to host"), WaitKind.REGISTRY_UNREACHABLE, "r.io: no route to host"),
        (RuntimeUnreachable("containerd", evidence=["a", "b"]), WaitKind.RUNTIME_UNREACHABLE, "containerd (b)"),
        (NoSpace("full"), WaitKind.NO_SPACE, "full"),
        (DownloadWaits("later"), WaitKind.ERROR, "later"),
    ],
)
def test_a_temporary_error_is_waited_out_by_its_code(error, kind, detail):
    assert of_error(error) == Waiting(WaitReason(kind, detail))


def test_a_permanent_error_blocks_and_what_an_error_says_of_waiting_goes_first():
    assert of_error(ImageNotFound("r.io/a:1: not found")) == StagingFailed("r.io/a:1: not found")
    assert reason_of(ImageNotFound("no runtime here")) == WaitReason(WaitKind.ERROR, "no runtime here")
    error = DownloadWaits("waits for the download window, which opens at 22:00")
    error.wait_reason = WINDOW
    assert of_error(error) == Waiting(WINDOW)


# --- the one writer -------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path):
    ticks = iter(range(10_000))
    with Ledger(migrated(tmp_path / "ledger.db"), clock=lambda: f"2026-11-23T00:00:00.{next(ticks):06d}Z") as opened:
        yield opened


@pytest.mark.parametrize("state", [PENDING, TROUBLED, COMPLETE, NOT_APPLIED, BLOCKED, FAILED])
def test_every_state_is_read_as_it_was_written(ledger, state):
    (revision,) = ledger.accept([spec()], "batch")
    events = {
        PENDING: [],
        TROUBLED: [Downloading(), Waiting(OFFLINE)],
        COMPLETE: [Ready()],
        NOT_APPLIED: [Ready(), ApplyFailed("version 2.0.0 was not applied: x", blocks=False)],
        BLOCKED: [Ready(), ApplyFailed("version 2.0.0 was not applied: exit code 3", blocks=True)],
        FAILED: [StagingFailed("r.io/a:1: not found")],
    }
    for event in events[state]:
        reached = ledger.advance(revision, event)
    assert not events[state] or reached == state
    assert ledger.workload("docs-demo").staged.staging == state


def test_an_event_that_changes_nothing_writes_nothing(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.advance(revision, Waiting(WINDOW))
    before = ledger.version()
    assert ledger.advance(revision, Waiting(WINDOW)) == StagingState(Download.PENDING, waiting=WINDOW)
    assert ledger.version() == before


def test_the_state_that_counts_is_the_stored_one_not_the_one_that_was_read_before(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.advance(revision, Ready())
    assert revision.download is Download.PENDING
    assert ledger.advance(revision, Waiting(WINDOW)).download is Download.READY


def test_events_of_a_revision_that_is_gone_are_passed_over(ledger):
    (revision,) = ledger.accept([spec()], "batch")
    ledger.drop_staged("docs-demo")
    assert ledger.advance(revision, Ready()) is None
    assert ledger.names() == []
