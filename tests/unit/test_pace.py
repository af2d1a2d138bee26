"""The cap for the rate, as arithmetic: nobody sleeps here."""

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


def test_sleeps_that_are_too_long_are_made_up_for():
    assert spent(500_000, read_size(500_000), 10.0, late=0.1) == pytest.approx(5_000_000, rel=0.05)


def test_a_pause_is_not_saved_up_for():
    bucket = TokenBucket(1_000_000, 0.0)
    assert bucket.take(250_000, 3600.0) == 0.0
    assert bucket.take(100_000, 3600.0) == pytest.approx(0.1)


def test_a_slow_transfer_waits_for_one_piece_of_each_other_at_the_most():
    bucket = TokenBucket(400_000, 0.0)
    waits = [bucket.take(40_000, 0.0) for _ in range(4)]
    assert waits == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert bucket.take(1_000, 0.2) == pytest.approx(0.2025)


def test_a_clock_that_goes_backwards_is_no_credit_and_no_debt():
    bucket = TokenBucket(1_000, 100.0)
    assert bucket.take(1_000, 100.0) == 1.0
    assert bucket.take(0, 50.0) == 1.0
    assert bucket.take(0, 51.0) == 0.0


def test_without_a_rate_nobody_waits():
    assert RateLimit().delay_after(1 << 40) == 0.0


def test_one_pace_is_for_all_transfers_together():
    pace = RateLimit(1_000, clock=lambda: 5.0)
    assert [pace.delay_after(500), pace.delay_after(500)] == [0.5, 1.0]


def test_pieces_are_small_beside_the_rate():
    assert [read_size(rate) for rate in (None, 1_000, 100_000, 100 * MIB)] == [256 << 10, 512, 2_500, 256 << 10]
