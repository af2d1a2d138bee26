"""The rate limit as arithmetic: no test sleeps."""

import pytest

from kelvin_provision.registry.response import read_size
from kelvin_provision.staging.limits.rate import RateLimit, TokenBucket

MIB = 1 << 20


def spent(rate, size, seconds, *, transfers=1, read=0.0, late=0.0):
    """Bytes of some transfers that read a piece, pay for it and sleep, each on its own, in so many seconds."""
    bucket, total = TokenBucket(rate, 0.0), 0
    ready = [read] * transfers
    while (now := min(ready)) < seconds:
        total += size
        wait = bucket.take(size, now)
        ready[ready.index(now)] = now + wait + (late if wait else 0.0) + read
    return total


@pytest.mark.parametrize("rate", [1_000, 20_000, 500_000, 2_000_000, 50_000_000])
@pytest.mark.parametrize("transfers", [1, 4, 16])
def test_ten_seconds_hold_ten_times_the_rate_within_five_percent(rate, transfers):
    assert spent(rate, read_size(rate), 10.0, transfers=transfers, read=0.001) == pytest.approx(10 * rate, rel=0.05, abs=16 * 512)


def test_oversleeping_is_caught_up():
    assert spent(500_000, read_size(500_000), 10.0, late=0.1) == pytest.approx(5_000_000, rel=0.05)


def test_an_idle_time_is_not_caught_up():
    bucket = TokenBucket(1_000_000, 0.0)
    assert bucket.take(250_000, 3600.0) == 0.0
    assert bucket.take(100_000, 3600.0) == pytest.approx(0.1)


def test_a_slow_transfer_waits_for_at_most_one_chunk_of_each_other():
    bucket = TokenBucket(400_000, 0.0)
    waits = [bucket.take(40_000, 0.0) for _ in range(4)]
    assert waits == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert bucket.take(1_000, 0.2) == pytest.approx(0.2025)


def test_a_clock_that_goes_backwards_changes_nothing():
    bucket = TokenBucket(1_000, 100.0)
    assert bucket.take(1_000, 100.0) == 1.0
    assert bucket.take(0, 50.0) == 1.0
    assert bucket.take(0, 51.0) == 0.0


def test_without_a_limit_there_is_no_delay():
    assert RateLimit().delay_after(1 << 40) == 0.0


def test_one_limit_holds_for_all_transfers_together():
    pace = RateLimit(1_000, clock=lambda: 5.0)
    assert [pace.delay_after(500), pace.delay_after(500)] == [0.5, 1.0]


def test_reads_are_small_beside_the_rate():
    assert [read_size(rate) for rate in (None, 1_000, 100_000, 100 * MIB)] == [256 << 10, 512, 2_500, 256 << 10]
