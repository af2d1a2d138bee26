"""The download window and the data budget."""

import os
import time

import pytest

from kelvin_provision.errors import BudgetTooSmall, DownloadWaits
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.window import Window
from kelvin_provision.staging.limits.budget import Budget
from kelvin_provision.staging.limits.policy import DownloadPolicy, LocalTime, local_time
from tests.kit.ledgers import migrated

LIMIT = 64_000
MONDAY, TUESDAY = "2026-11-23", "2026-11-24"


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as opened:
        yield opened


def test_without_limits_neither_clock_nor_ledger_is_read():
    def nobody():
        raise AssertionError

    free = DownloadPolicy(now=nobody)
    free.check()
    free.record_bytes(1 << 40)
    free.check_restart("a blob", 1 << 40)
    free.settle()


@pytest.mark.parametrize(
    ("minute", "words"),
    [(22 * 60, None), (0, None), (5 * 60, "waits for the download window, which opens at 22:00")],
)
def test_outside_the_window_it_waits_and_names_the_opening_time(minute, words):
    allowance = DownloadPolicy(Window.parse("22:00-05:00"), now=lambda: LocalTime(MONDAY, minute))
    if words is None:
        allowance.check()
    else:
        with pytest.raises(DownloadWaits) as caught:
            allowance.check()
        assert str(caught.value) == words
        assert caught.value.temporary


def test_a_clock_that_is_set_changes_the_decision():
    minute = 12 * 60
    allowance = DownloadPolicy(Window.parse("22:00-05:00"), now=lambda: LocalTime(MONDAY, minute))
    with pytest.raises(DownloadWaits):
        allowance.check()
    minute = 23 * 60
    allowance.check()


def test_local_time_follows_the_current_time_zone(monkeypatch):
    before = os.environ.get("TZ")
    try:
        monkeypatch.setenv("TZ", "UTC0")
        utc = local_time()
        monkeypatch.setenv("TZ", "XXX-6")
        assert (local_time().minute - utc.minute) % 1440 in {360, 361}
    finally:
        monkeypatch.undo()
        assert os.environ.get("TZ") == before
        time.tzset()


def test_a_budget_is_used_to_the_byte_and_then_waited_for(ledger):
    day = MONDAY
    allowance = DownloadPolicy(budget=Budget(LIMIT, ledger), now=lambda: LocalTime(day, 0))
    for _ in range(64):
        allowance.check()
        allowance.record_bytes(1_000)
    with pytest.raises(DownloadWaits, match=r"^waits for midnight: the 64 kB of download.budget are used up for today$"):
        allowance.check()
    day = TUESDAY
    allowance.check()
    assert [traffic.used(ledger, MONDAY), traffic.used(ledger, TUESDAY)] == [64_000, 0]


def test_another_process_knows_what_is_used_up(ledger, tmp_path):
    budget = Budget(LIMIT, ledger)
    budget.record_bytes(LIMIT, MONDAY)
    with Ledger(migrated(tmp_path / "ledger.db")) as later, pytest.raises(DownloadWaits):
        Budget(LIMIT, later).check(MONDAY)


def test_a_crash_counts_a_slice_too_much_and_never_a_byte_too_little(ledger):
    for number in range(1, 11):
        budget = Budget(LIMIT, ledger)  # killed without a word, ten times
        budget.check(MONDAY)
        budget.record_bytes(100, MONDAY)
        assert traffic.used(ledger, MONDAY) == number * (100 + LIMIT // 64)


def test_what_was_drawn_and_not_used_is_returned(ledger):
    budget = Budget(LIMIT, ledger)
    budget.record_bytes(100, MONDAY)
    budget.settle()
    budget.settle()
    assert traffic.used(ledger, MONDAY) == 100


def test_a_day_costs_at_most_one_commit_per_slice(ledger):
    before = ledger.version()[1]
    budget = Budget(LIMIT, ledger)
    for _ in range(LIMIT // 10):
        budget.record_bytes(10, MONDAY)
    # each commit changes one row; a day's slices, the first piece of each on top
    assert ledger.version()[1] - before <= 64


def test_checking_writes_nothing(ledger):
    budget = Budget(LIMIT, ledger)
    before = ledger.version()
    budget.check(MONDAY)
    budget.settle()
    assert ledger.version() == before
    budget.record_bytes(2 * LIMIT, MONDAY)
    before = ledger.version()
    for _ in range(3):
        with pytest.raises(DownloadWaits):
            budget.check(MONDAY)
    assert ledger.version() == before


def test_a_restarted_blob_must_fit_into_what_is_left(ledger):
    budget = Budget(LIMIT, ledger)
    budget.record_bytes(20_000, MONDAY)
    budget.check_restart("r.io/a:1: sha256:1", 44_000, MONDAY)
    with pytest.raises(DownloadWaits, match=r"^waits for midnight: r.io/a:1: sha256:1 cannot be resumed, and its 44 kB exceed"):
        budget.check_restart("r.io/a:1: sha256:1", 44_001, MONDAY)
    budget.check_restart("r.io/a:1: sha256:1", 64_000, TUESDAY)


def test_a_restarted_blob_that_never_fits_is_a_permanent_error(ledger):
    with pytest.raises(
        BudgetTooSmall, match=r"cannot be resumed from this registry, and its 64 kB exceed the download.budget of a whole day"
    ) as caught:
        Budget(LIMIT, ledger).check_restart("r.io/a:1: sha256:1", 64_001, MONDAY)
    assert not caught.value.temporary


def test_days_long_past_are_forgotten(ledger):
    for day in range(1, 60):
        traffic.draw(ledger, f"2026-{1 + day // 31:02d}-{day % 31:02d}", 5, LIMIT)
    with ledger.reading() as db:
        assert db.execute("SELECT count(*) FROM traffic").fetchone()[0] == traffic.KEPT
