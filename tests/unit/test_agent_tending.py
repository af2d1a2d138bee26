"""The living agent on fakes: it hears, looks, puts back, and outlives what goes away and what goes wrong."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from kelvin_provision.agent import reconciler
from kelvin_provision.agent.reconcile import observe_running
from kelvin_provision.agent.reconciler import Reconciler
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, NoSpace, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.events import Note
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box
from tests.kit.clock import Clock
from tests.kit.waiting import ended, until

pytestmark = pytest.mark.slow


@pytest.fixture
def box(tmp_path, monkeypatch):
    found = Box(tmp_path)
    found.timings = replace(found.timings, reconcile_settle=0.02, reconcile_pause=0.05)
    yield found
    found.close()


@contextmanager
def living(box):
    """The agent in a thread."""
    over = threading.Event()
    thread = threading.Thread(target=box.work, args=(over.is_set,), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        over.set()
        ended(thread)


def running(box, *names):
    box.deploy(*names)
    box.turn()
    box.command_apply(*names)


def notes(box):
    return [said.text for said in box.said if isinstance(said, Note)]


def stepped(box, clock, rounds=1):
    """A reconciler that is driven by hand."""
    found = Reconciler(box.agent(), clock=clock)
    for _ in range(rounds):
        found._round(changed=False)
    return found


def test_what_happens_on_the_cluster_is_in_the_list_at_once(box):
    running(box, "a")
    with living(box):
        until(lambda: ("observe", "") in box.cluster.calls)
        box.cluster.broken = {"a": "back-off restarting failed container"}
        box.cluster.changed.set()
        until(lambda: box.states() == {"a": ("failed", None)})
        box.cluster.unreachable = True
        box.cluster.changed.set()
        until(lambda: box.states() == {"a": ("unreachable", None)})
        box.cluster.unreachable, box.cluster.broken = False, {}
        box.cluster.changed.set()
        until(lambda: box.states() == {"a": ("running", None)})


def test_a_cluster_that_says_nothing_is_looked_at_once_a_minute(box):
    running(box, "a")
    box.cluster.calls.clear()
    clock = Clock()
    tended = stepped(box, clock)
    assert box.cluster.calls.count(("observe", "")) == 1
    clock.now += 59
    tended._round(changed=False)
    assert box.cluster.calls.count(("observe", "")) == 1
    clock.now += 1
    tended._round(changed=False)
    assert box.cluster.calls.count(("observe", "")) == 2


def test_many_changes_are_one_look(box, monkeypatch):
    box.timings = replace(box.timings, reconcile_settle=0.5)
    running(box, "a")
    clock = Clock()
    tended = stepped(box, clock)
    box.cluster.calls.clear()
    for _ in range(5):
        tended._round(changed=True)
        clock.now += 0.05
    assert ("observe", "") not in box.cluster.calls
    clock.now += 0.5
    tended._round(changed=False)
    tended._round(changed=False)
    assert box.cluster.calls == [("observe", "")]


def test_a_workload_that_restarts_all_the_time_does_not_keep_the_agent_busy(box):
    running(box, "a")
    clock = Clock()
    tended = stepped(box, clock)
    box.cluster.calls.clear()

    def dear(verb, workload):
        clock.now += 0.5 if verb == "observe" else 0.0

    box.cluster.before = dear
    began = clock.now
    while clock.now - began < 55:
        tended._round(changed=True)
        clock.now += 0.1
    assert box.cluster.calls.count(("observe", "")) == 6


def test_what_was_seen_a_moment_ago_is_not_written_again(box):
    running(box, "a")
    observe_running(box.agent())
    before = box.ledger.version()
    for _ in range(10):
        observe_running(box.agent())
    assert box.ledger.version() == before
    box.cluster.broken = {"a": "exit code 3"}
    observe_running(box.agent())
    assert box.ledger.version() != before


def test_nothing_is_asked_of_a_cluster_that_runs_nothing(box):
    box.deploy("a")
    box.turn()
    box.cluster.calls.clear()
    with living(box):
        time.sleep(0.2)
    assert box.cluster.calls == []


def test_an_image_that_somebody_removed_is_back_after_the_next_round_and_asked_for_with_one_question(box, monkeypatch):
    running(box, "a", "b", "c")
    clock = Clock()
    tended = stepped(box, clock)
    asked = []
    monkeypatch.setattr(box.runtime, "has", lambda lock: asked.append(lock.name) or type(box.runtime).has(box.runtime, lock))
    clock.now += 30
    tended._round(changed=False)
    assert asked == []
    (lock,) = box.ledger.workload("b").running.locks
    box.runtime.garbage_collect(lock)
    clock.now += 30
    tended._round(changed=False)
    assert asked[0] == lock.name
    assert set(asked) == {lock.name}
    assert lock.name in box.runtime.owned()
    clock.now += 3600
    asked.clear()
    tended._round(changed=False)
    assert len(set(asked)) == 3


def test_a_runtime_that_is_away_is_said_once_and_its_return_too(box):
    running(box, "a")
    clock = Clock()
    tended = stepped(box, clock)
    box.said.clear()
    box.runtime.error = RuntimeUnreachable("containerd does not answer")
    for _ in range(3):
        clock.now += 30
        tended._contained("round", lambda: tended._round(changed=False))
    box.runtime.error = None
    clock.now += 30
    tended._round(changed=False)
    assert notes(box) == ["containerd does not answer", "working again"]


def test_where_watching_is_refused_the_cluster_is_looked_at_all_the_same(box, monkeypatch):
    running(box, "a")

    def refused(stop):
        raise ClusterDenied("watching is not for you")
        yield

    monkeypatch.setattr(box.cluster, "watch", refused)
    box.cluster.broken = {"a": "exit code 3"}
    with living(box):
        until(lambda: box.states() == {"a": ("failed", None)})
    assert notes(box).count("watching is not for you") == 1


def test_a_refusal_that_lasts_is_told_once_while_everything_else_works(box, monkeypatch):
    running(box, "a")
    clock, box.said[:] = Clock(), []
    tended = Reconciler(box.agent(), clock=clock)

    def refused(stop):
        raise ClusterDenied("watching is not for you")
        yield

    def granted(stop):
        yield False
        raise ClusterDenied("not any more")

    for watch in (refused, refused, refused, granted):
        monkeypatch.setattr(box.cluster, "watch", watch)
        clock.now += 60
        tended._contained("watch", tended._watch)
        tended._contained("round", lambda: tended._round(changed=False))
    assert notes(box) == ["watching is not for you", "working again", "not any more"]


def turns(tended, number=1):
    for _ in range(number):
        tended._clock.now += 20
        tended._contained("watch", tended._watch)
        tended._contained("round", lambda: tended._round(changed=False))


def test_every_outage_is_told_once_and_its_end_too(box, monkeypatch):
    """As when credentials are unreadable for a while: the watch and the look say the same."""
    running(box, "a")
    away, box.said[:] = [True], []
    tended = Reconciler(box.agent(), clock=Clock())

    def look(ctx=None):
        if away:
            raise ClusterUnreachable("the cluster is away")

    def watch(stop):
        look()
        yield True
        away.append(True)
        look()

    monkeypatch.setattr(box.cluster, "watch", watch)
    monkeypatch.setattr(reconciler, "observe_running", look)
    for _ in range(2):
        turns(tended, 10)
        away.clear()
        tended._clock.now += 60
    assert notes(box) == ["the cluster is away", "working again", "the cluster is away"]
    turns(tended)
    assert notes(box) == ["the cluster is away", "working again"] * 2 + ["the cluster is away"]


def test_a_look_that_fails_is_told_once_however_often_none_is_due(box, monkeypatch):
    running(box, "a")
    box.said[:] = []
    tended = Reconciler(box.agent(), clock=Clock())

    def denied(what):
        raise ClusterDenied(f"{what} is not for you")

    monkeypatch.setattr(box.cluster, "watch", lambda stop: denied("watching"))
    monkeypatch.setattr(reconciler, "observe_running", lambda ctx: denied("looking"))
    turns(tended, 20)
    assert notes(box) == ["watching is not for you", "looking is not for you"]


def test_a_bug_in_the_looking_after_is_told_with_its_traceback_and_is_not_the_end(box):
    running(box, "a")
    box.cluster.before = lambda verb, workload: 1 / 0 if verb == "observe" else None
    with living(box):
        until(lambda: any("ZeroDivisionError" in text for text in notes(box)))
        box.cluster.before = lambda verb, workload: None
        box.cluster.broken = {"a": "exit code 3"}
        until(lambda: box.states() == {"a": ("failed", None)})
    assert "reconciling: our bug: ZeroDivisionError: division by zero" in notes(box)
    assert any(text.startswith("Traceback") for text in notes(box))


def test_a_bug_in_one_staging_is_that_revisions_and_the_others_go_on(box, monkeypatch):
    box.deploy("a", "b", "c")
    resolve = box.source.resolve

    def buggy(reference, platform, support):
        if reference.repository == "b":
            raise AssertionError("this cannot be")
        return resolve(reference, platform, support)

    monkeypatch.setattr(box.source, "resolve", buggy)
    with living(box):
        until(lambda: box.states()["c"] == ("staged", "ready"))
    assert box.states()["a"] == ("staged", "ready")
    assert box.ledger.workload("b").staged.cause == "our bug: AssertionError: this cannot be"
    assert not box.ledger.workload("b").staged.blocked
    assert "staging b: our bug: AssertionError: this cannot be" in notes(box)
    assert any("in buggy" in text for text in notes(box))
    assert len([text for text in notes(box) if text.startswith("Traceback")]) == 1


def test_a_bug_in_an_apply_is_undone_and_kept_with_the_group(box):
    box.deploy("a", method=Method.STANDARD)
    box.cluster.before = lambda verb, workload: 1 / 0 if verb == "plan" else None
    assert box.turn() is False
    assert box.ledger.workload("a").staged.cause == "our bug: ZeroDivisionError: division by zero"
    box.cluster.before = lambda verb, workload: None
    box.turn()
    assert box.states() == {"a": ("running", None)}


def test_a_full_disk_does_not_end_the_agent(box, monkeypatch):
    advance = box.ledger.advance
    full = [True]

    def write(*words, **more):
        if full[0]:
            raise NoSpace("no space left for ledger.db")
        return advance(*words, **more)

    monkeypatch.setattr(box.ledger, "advance", write)
    box.deploy("a")
    with living(box):
        until(lambda: any("no space left for ledger.db" in text for text in notes(box)))
        full[0] = False
        until(lambda: box.states() == {"a": ("staged", "ready")})


def test_a_runtime_that_is_away_when_a_download_begins_is_waited_for(box, monkeypatch):
    box.deploy("a")
    box.runtime.error = RuntimeUnreachable("Docker Engine does not answer")
    with living(box):
        until(lambda: box.ledger.workload("a").staged.cause == "Docker Engine does not answer")
        box.runtime.error = None
        until(lambda: box.states() == {"a": ("staged", "ready")})
    assert box.ledger.workload("a").staged.cause is None


def test_a_box_whose_runtime_cannot_even_be_found_keeps_its_agent(box):

    box.deploy("a")
    runtime, box.runtime = box.runtime, RuntimeUnreachable("containerd does not listen")
    with living(box):
        until(lambda: box.ledger.workload("a").staged.cause == "containerd does not listen")
        box.runtime = runtime
        until(lambda: box.states() == {"a": ("staged", "ready")})


def test_what_comes_in_while_the_agent_works_is_not_overlooked(box, monkeypatch):
    """Between reading what is to do and noting the ledger's version, another process deploys."""
    resolve, came = box.source.resolve, []

    def slow(reference, platform, support):
        if not came:
            came.append(1)
            other = Box(box.settings.state_dir, like=box)
            other.deploy("late")
            other.close()
        return resolve(reference, platform, support)

    monkeypatch.setattr(box.source, "resolve", slow)
    box.timings = replace(box.timings, agent_retry=600.0)
    box.deploy("a")
    with living(box):
        until(lambda: box.states().get("late") == ("staged", "ready"))


def test_a_registry_that_is_away_is_tried_again_and_an_idle_agent_tries_nothing(box, monkeypatch):
    turns = []
    resolve = box.source.resolve
    box.source.resolve = lambda *words: turns.append(1) or resolve(*words)
    box.deploy("a")
    box.source.down = RegistryUnreachable("no route to host")
    with living(box):
        until(lambda: len(turns) > 3)
        box.source.down = None
        until(lambda: box.states() == {"a": ("staged", "ready")})
        time.sleep(0.1)
        count = len(turns)
        time.sleep(0.3)
        assert len(turns) == count
