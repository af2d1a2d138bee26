"""When the agent looks at publications, and what a look that finds nothing costs."""

import threading
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kelvin_provision.errors import Locked, RegistryBusy, RegistryUnreachable
from kelvin_provision.following.follower import Follower
from kelvin_provision.following.overview import looked_path, overview
from kelvin_provision.following.taking import take
from kelvin_provision.ledger import orders
from kelvin_provision.publications.pacing import DAY
from kelvin_provision.settings.model import FollowSettings
from kelvin_provision.trust import computing
from kelvin_provision.usecases.hold import hold, release
from tests.kit.box import Box
from tests.kit.publishing import publish, request
from tests.kit.signing import computed_here, key_pair, trusting
from tests.kit.waiting import until

SITE = "r.io/fleet/site:stable"
ANNA = key_pair()


class Thread:
    """The follower of a box, whose clock is set by hand, and what it has taken in."""

    def __init__(self, box):
        self.box, self.now, self.taken, self.reports = box, 0.0, [], []
        self.error = None
        self.follower = self.restarted()

    def restarted(self):
        self.follower = Follower(self.box.agent(), self, clock=lambda: self.now, now=lambda: self.now, chance=lambda: 0.5)
        return self.follower

    def report(self, stop):
        if self.error:
            raise self.error
        self.reports.append(self.now)

    def take_in(self, reference, stop):
        if self.error:
            raise self.error
        self.taken.append(reference)
        return take(self.box.ctx, reference).error is None

    def after(self, seconds):
        self.now += seconds
        self.follower.turn()
        return len(self.taken)


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    with closing(Box(tmp_path / "state", trust=trusting(tmp_path, ANNA), follow=FollowSettings((SITE,)))) as opened:
        publish(opened, SITE, ANNA, 1, request("pump"))
        yield opened


@pytest.fixture
def thread(box):
    return Thread(box)


def test_the_first_look_takes_in_and_the_next_ones_only_what_is_new(box, thread):
    assert [thread.after(seconds) for seconds in (149, 1, 299, 1, 300)] == [0, 1, 1, 1, 1]
    publish(box, SITE, ANNA, 2, request("pump", "2.0.0"))
    assert thread.after(300) == 2


def test_a_look_that_finds_nothing_writes_nothing_to_the_ledger(box, thread):
    thread.after(150)
    before = box.ledger.version()
    served = len(box.source.served)
    thread.after(300)
    assert (box.ledger.version(), len(box.source.served), thread.taken) == (before, served, [SITE])


def test_the_next_agent_takes_in_once_more_as_its_settings_may_be_others(box, thread):
    thread.after(150)
    box.settings = replace(box.settings, labels=("line=4",))
    thread.restarted()
    assert [thread.after(150), thread.after(300)] == [2, 2]


def test_failures_make_the_pauses_longer_and_an_answer_ends_that(box, thread):
    box.source.down = RegistryUnreachable("away")
    looks = {}
    look = box.source.digest
    box.source.digest = lambda *arguments: look(*arguments) if looks.setdefault(thread.now) is None else None
    for _ in range(400):
        thread.after(10)
    assert list(looks) == [150, 450, 1050, 2250]
    assert overview(box.ctx)[0].followed.trouble.code == "registry-unreachable"
    box.source.down = None
    for _ in range(400):
        thread.after(10)
    assert list(looks)[4:] == [4650, 4950, 5250, 5550, 5850, 6150, 6450, 6750, 7050, 7350, 7650, 7950]
    assert overview(box.ctx)[0].followed.trouble is None


def test_a_registry_that_says_how_long_to_wait_is_left_alone_for_so_long(box, thread):
    busy = RegistryBusy("busy")
    busy.retry_after = 5000.0
    box.source.down = busy
    thread.after(150)
    box.source.down = None
    assert [thread.after(seconds) for seconds in (5149, 1)] == [0, 1]


@pytest.mark.parametrize("error", [Locked("at work"), ValueError("a bug")])
def test_no_error_of_the_child_ends_the_thread(box, thread, error):
    thread.error = error
    thread.after(150)
    thread.error = None
    assert thread.after(300) == 1


def test_a_withdrawn_workload_that_was_held_goes_when_it_is_released(box, thread):
    box.settings = replace(box.settings, follow=replace(box.settings.follow, prune=True))
    box._connections = None
    thread.restarted()
    thread.after(150)
    hold(box.ctx, ("pump",), "not now")
    publish(box, SITE, ANNA, 2, withdrawn=("pump",))
    thread.after(300)
    assert orders.pending(box.ledger) == ()
    release(box.ctx, ("pump",))
    thread.after(300)
    assert [order.names for order in orders.pending(box.ledger)] == [("pump",)]


def test_the_thread_ends_at_once_and_looks_when_it_is_due(box):
    ended, looks = threading.Event(), []
    child = SimpleNamespace(take_in=lambda reference, stop: bool(looks.append(reference)) or True)
    follower = Follower(box.agent(), child, chance=lambda: 0.0)
    running = threading.Thread(target=follower.run, args=(ended,))
    running.start()
    until(lambda: looks == [SITE], 60)
    ended.set()
    running.join(60)
    assert not running.is_alive()


def test_when_the_registry_answered_last_is_known(box, thread):
    assert overview(box.ctx)[0].looked is None
    thread.after(150)
    assert overview(box.ctx)[0].looked is not None
    path = looked_path(box.settings.state_dir, SITE)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_report_is_sent_when_something_has_changed_and_once_a_day_and_failures_back_off(box, thread):
    box.settings = replace(box.settings, follow=FollowSettings(report="r.io/reports"))
    box._connections = None
    thread.restarted()
    for _ in range(4):
        thread.after(300)
    assert thread.reports == [300]
    box.deploy("fan")
    thread.after(300)
    box.turn()
    thread.after(300)
    thread.after(300)
    assert thread.reports == [300, 1500, 1800]
    thread.after(DAY)
    assert thread.reports[3:] == [2100 + DAY]
    thread.error = RegistryUnreachable("away")
    box.deploy("pump")
    thread.after(300)
    thread.after(300)
    thread.error = None
    thread.after(300)
    assert thread.reports[4:] == []
    thread.after(300)
    assert thread.reports[4:] == [3300 + DAY]
