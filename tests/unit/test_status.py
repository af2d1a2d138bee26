"""The state of a workload over every combination of slots, download, operation and observation."""

import itertools

import pytest

from kelvin_provision.observation import Hold, Observation, Observed
from kelvin_provision.spec.enums import Download, Method, State
from kelvin_provision.status import OperationKind, PendingOrder, Situation, Slot, Trouble, Verb, derive, of_staged
from kelvin_provision.wait_reason import WaitKind, WaitReason

SLOTS = [None] + [
    Slot(method, download, error, blocked)
    for method in Method
    for download in Download
    for error in (None, "no route to host")
    for blocked in (False, True)
]
OBSERVATIONS = [None] + [
    Observation(observed, warnings, "2026-11-23T02:00:00Z", 1, reachable)
    for observed in Observed
    for warnings in ((), ("back-off 5m0s restarting failed container=gateway",))
    for reachable in (True, False)
]
SITUATIONS = [
    Situation(running, slot, doing, observation)
    for running, slot, doing, observation in itertools.product((False, True), SLOTS, [None, *OperationKind], OBSERVATIONS)
    if running or slot
]


def expected(now: Situation) -> State:
    """The table of DESIGN section 5, written down a second time and in another way."""
    if now.operation is not None:
        words = {"apply": "deploying", "rollback": "deploying", "start": "starting", "stop": "stopping", "undeploy": "stopping"}
        return State(words[now.operation.value])
    if now.running and now.observation is not None and now.observation.reachable is False:
        return State.UNREACHABLE
    instant = now.staged is not None and now.staged.method is not Method.STAGED
    beside = now.running and now.staged is not None and now.staged.method is Method.INSTANT
    if instant and not now.staged.blocked and not beside:
        return State.PENDING_DEPLOY if now.staged.download is Download.PENDING else State.RECEIVED
    if now.running:
        if now.observation is None:
            return State.RUNNING
        return State.FAILED if now.observation.observed is Observed.ABSENT else State(now.observation.observed.value)
    return State.FAILED if instant else State.STAGED


def test_every_combination_has_the_state_of_the_table():
    wrong = [(now, derive(now).state) for now in SITUATIONS if derive(now).state is not expected(now)]
    assert wrong == []
    assert len(SITUATIONS) > 10_000


def test_failed_always_names_a_cause():
    assert [now for now in SITUATIONS if derive(now).state is State.FAILED and not derive(now).warnings] == []


def test_the_cause_of_a_failed_try_is_shown_beside_what_runs():
    slot = Slot(Method.STAGED, Download.READY, "version 2.0.0 was not applied: back-off")
    status = derive(Situation(running=True, staged=slot, observation=Observation(Observed.RUNNING, seen="2026-11-23T02:00:00Z")))
    assert (status.state, status.warnings) == (State.RUNNING, ("version 2.0.0 was not applied: back-off",))
    assert status.last_seen == "2026-11-23T02:00:00Z"


@pytest.mark.parametrize(
    ("download", "state"),
    [
        (Download.PENDING, State.RECEIVED),
        (Download.RECEIVED, State.RECEIVED),
        (Download.PROCESSING, State.RECEIVED),
        (Download.DOWNLOADING, State.DOWNLOADING),
        (Download.READY, State.READY),
        (Download.FAILED, State.FAILED),
    ],
)
def test_the_staged_part_never_says_processing(download, state):
    assert of_staged(Slot(Method.STAGED, download)).state is state


def test_a_blocked_staged_revision_is_failed_whatever_its_download():
    assert of_staged(Slot(Method.INSTANT, Download.READY, "it crashed", blocked=True)).state is State.FAILED


def test_messages_are_the_states_words_with_a_capital():
    assert State.PENDING_DEPLOY.message == "Pending for deploy"
    assert State.RUNNING.message == "Running"
    assert State.PENDING_APPLY.message == "Pending apply"


def test_an_observation_survives_json():
    observation = Observation(Observed.FAILED, ("a", "b"), "2026-11-23T02:00:00Z", 4, reachable=False)
    assert Observation.from_json(observation.to_json()) == observation


@pytest.mark.parametrize(
    ("running", "observed", "state"),
    [
        (False, None, State.PENDING_APPLY),
        (True, None, State.PENDING_APPLY),
        (True, Observed.RUNNING, State.PENDING_APPLY),
        (True, Observed.STARTING, State.STARTING),
        (True, Observed.FAILED, State.FAILED),
        (True, Observed.STOPPED, State.STOPPED),
    ],
)
def test_what_is_to_be_applied_at_once_is_pending_unless_what_runs_is_in_trouble(running, observed, state):
    seen = Observation(observed, ("exit 3",) if observed is Observed.FAILED else ()) if observed else None
    status = derive(
        Situation(running, Slot(Method.STAGED, Download.READY), None, seen, orders=(PendingOrder(Verb.APPLY, "apply requested"),))
    )
    assert status.state is state
    assert "apply requested" in status.warnings


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize(("running", "state"), [(False, State.STAGED), (True, State.RUNNING)])
def test_what_is_planned_for_a_time_does_not_change_the_state(verb, running, state):
    order = PendingOrder(verb, f"{verb} at 02:00", scheduled=True)
    status = derive(Situation(running, Slot(Method.STAGED, Download.READY), orders=(order,)))
    assert (status.state, status.warnings) == (state, (f"{verb} at 02:00",))


@pytest.mark.parametrize(
    ("method", "download", "blocked", "waiting", "trouble"),
    [
        (Method.STAGED, Download.READY, False, None, None),
        (Method.STAGED, Download.DOWNLOADING, True, None, None),
        (Method.STAGED, Download.FAILED, True, None, Trouble.STAGING_FAILED),
        (Method.INSTANT, Download.FAILED, True, None, Trouble.STAGING_FAILED),
        (Method.STAGED, Download.READY, True, None, Trouble.APPLY_FAILED),
        (Method.INSTANT, Download.READY, True, None, Trouble.APPLY_FAILED),
        (Method.STANDARD, Download.PENDING, True, None, Trouble.APPLY_FAILED),
        (Method.STAGED, Download.READY, False, WaitReason(WaitKind.REFUSED, "no"), Trouble.REFUSED),
        (Method.STAGED, Download.READY, True, WaitReason(WaitKind.ROLLED_BACK, "version 1.0.0"), Trouble.ROLLED_BACK),
        (Method.INSTANT, Download.READY, True, WaitReason(WaitKind.ROLLED_BACK, "version 1.0.0"), Trouble.ROLLED_BACK),
        (Method.STAGED, Download.READY, False, WaitReason(WaitKind.HOLD, workloads=("a",)), None),
    ],
)
def test_a_staged_version_in_trouble_is_failed_and_says_in_which(method, download, blocked, waiting, trouble):
    slot = Slot(method, download, "x" if blocked else None, blocked, waiting)
    assert slot.trouble is trouble
    assert (of_staged(slot).state is State.FAILED) is (trouble not in {None, Trouble.ROLLED_BACK})


@pytest.mark.parametrize(
    ("verb", "observed", "state"),
    [
        (Verb.START, Observed.STOPPED, State.PENDING_START),
        (Verb.START, Observed.STARTING, State.STARTING),
        (Verb.STOP, Observed.RUNNING, State.PENDING_STOP),
        (Verb.STOP, Observed.STOPPING, State.STOPPING),
        (Verb.UNDEPLOY, Observed.FAILED, State.PENDING_STOP),
        (Verb.ROLLBACK, Observed.FAILED, State.PENDING_APPLY),
        (Verb.HOLD, Observed.RUNNING, State.RUNNING),
        (Verb.RELEASE, Observed.RUNNING, State.RUNNING),
        (Verb.DEPLOY, Observed.RUNNING, State.RUNNING),
        (Verb.PRUNE, Observed.RUNNING, State.RUNNING),
    ],
)
def test_what_the_agent_is_asked_for_is_pending_where_nothing_is_on_its_way(verb, observed, state):
    order = PendingOrder(verb, f"{verb} requested by admin")
    status = derive(Situation(running=True, observation=Observation(observed), orders=(order,)))
    assert status.state is state
    assert f"{verb} requested by admin" in status.warnings


def test_the_first_order_that_changes_the_state_names_it_and_all_are_warnings():
    orders = (PendingOrder(Verb.HOLD, "hold"), PendingOrder(Verb.STOP, "stop"), PendingOrder(Verb.START, "start"))
    status = derive(Situation(running=True, observation=Observation(Observed.RUNNING), orders=orders))
    assert (status.state, status.warnings) == (State.PENDING_STOP, ("hold", "stop", "start"))


def test_a_hold_is_shown_beside_whatever_state():
    hold = Hold("drilling", "anna", "2026-11-23T02:00:00Z")
    status = derive(Situation(running=True, holds=(hold, Hold("", "Pod/web-1"))))
    assert (status.state, status.warnings) == (
        State.RUNNING,
        ("held by anna since 2026-11-23T02:00:00Z: drilling", "held by Pod/web-1: no reason given"),
    )


def test_a_hold_outlives_the_ledger_s_json():
    seen = Observation(Observed.RUNNING, hold=Hold("drilling", "anna"))
    assert Observation.from_json(seen.to_json()) == seen
    assert Observation.from_json(Observation(Observed.RUNNING).to_json()).hold is None
