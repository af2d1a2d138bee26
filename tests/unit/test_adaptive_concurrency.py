"""The adaptive concurrency limit, on links that are formulas."""

import itertools

import pytest

from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency

MIB = 1 << 20


def widths(rate, seconds, *, most=4, width=None, stalls=(), step=0.05):
    """The widths that were chosen, each once, with the second; `rate` gives bytes a second for a width at a time."""
    width = width or AdaptiveConcurrency(most)
    width.start()
    total, now, chosen, stalls = 0.0, 0.0, [(0.0, width.limit)], list(stalls)
    while now < seconds:
        total, now = total + rate(width.limit, now) * step, now + step
        width.record_bytes(int(total), now)
        if stalls and now >= stalls[0]:
            stalls.pop(0)
            width.record_stall(now)
        if width.limit != chosen[-1][1]:
            chosen.append((round(now, 2), width.limit))
    return chosen


def test_a_fast_link_gets_the_maximum_after_its_first_megabyte():
    found = widths(lambda width, now: width * 200 * MIB, 20, step=0.001)
    assert [width for _, width in found] == [1, 4]
    assert found[1][0] < 0.02


def test_a_saturated_thin_link_stays_at_one():
    found = widths(lambda width, now: 300_000, 60)
    assert [width for _, width in found] == [1, 2, 1, 2, 1]
    assert [second for second, _ in found] == pytest.approx([0.0, 3.0, 7.0, 38.0, 42.0], abs=0.5)


def test_raises_become_rare_when_they_bring_nothing():
    found = widths(lambda width, now: 300_000, 3600)
    raised = [second for second, width in found if width == 2]
    pauses = [later - sooner for sooner, later in itertools.pairwise(raised)]
    assert pauses[:7] == pytest.approx([35, 65, 125, 245, 485, 605, 605], abs=5)


def test_a_registry_that_is_slow_for_each_connection_gets_four():
    found = widths(lambda width, now: width * 500_000, 60)
    assert [width for _, width in found] == [1, 2, 3, 4]
    assert found[-1][0] < 15


def test_a_link_that_supports_two_gets_two():
    assert [width for _, width in widths(lambda width, now: min(width * 500_000, 1_000_000), 30)] == [1, 2, 3, 2]


def test_a_first_burst_on_a_thin_link_does_not_make_it_fast():
    found = widths(lambda width, now: 20 * MIB if now < 0.5 else 200_000, 20)
    assert [width for _, width in found[:3]] == [1, 4, 1]
    assert found[2][0] < 8


def test_a_stall_lowers_the_limit_to_one_and_is_remembered():
    found = widths(lambda width, now: width * 500_000, 60, stalls=[20.0])
    assert [width for _, width in found] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [second for second, _ in found[4:6]] == pytest.approx([20, 52], abs=2)


def test_a_stall_on_a_fast_link_is_not_forgotten_with_the_next_megabyte():
    width = AdaptiveConcurrency(4)
    found = widths(lambda width, now: 100 * MIB, 20, width=width, stalls=[10.0], step=0.01)
    assert [width for _, width in found] == [1, 4, 1]


def test_a_stall_of_the_only_transfer_changes_nothing():
    width = AdaptiveConcurrency(4)
    width.record_stall(5.0)
    assert widths(lambda width, now: 200 * MIB, 1, width=width, step=0.001)[-1][1] == 4


def test_the_time_between_two_downloads_is_not_measured():
    width = AdaptiveConcurrency(4)
    widths(lambda width, now: 200 * MIB, 2, width=width)
    width.start()
    width.record_bytes(0, 5000.0)
    width.record_bytes(MIB, 5000.1)
    assert width.limit == 4


def test_the_maximum_is_never_exceeded():
    assert max(width for _, width in widths(lambda width, now: width * 500_000, 60, most=2)) == 2
