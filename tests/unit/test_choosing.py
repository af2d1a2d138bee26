"""What of a publication is meant for a box, and when it is looked at again."""

import random

import pytest

from kelvin_provision.publications.choosing import Traits, chosen, matches, percentile, suits
from kelvin_provision.publications.model import Publication, PublishedRequest, Selector
from kelvin_provision.publications.pacing import DAY, first_pause, pause, reported_within
from kelvin_provision.refs import Platform

BOX = Traits("hamburg-3", Platform.parse("linux/arm64"), "docker", (("line", "3"), ("site", "hamburg")))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(), True),
        (Selector(boxes=("hamburg-3",)), True),
        (Selector(boxes=("bremen-*", "hamburg-*")), True),
        (Selector(boxes=("hamburg",)), False),
        (Selector(labels=(("line", ("2", "3")),)), True),
        (Selector(labels=(("line", ("3",)), ("site", ("bremen",)))), False),
        (Selector(labels=(("colour", ("red",)),)), False),
        (Selector(clusters=("docker", "kubernetes")), True),
        (Selector(clusters=("kubernetes",)), False),
        (Selector(platforms=(Platform.parse("linux/amd64"), Platform.parse("linux/arm64/v8"))), True),
        (Selector(platforms=(Platform.parse("linux/amd64"),)), False),
        (Selector(boxes=("hamburg-*",), clusters=("kubernetes",)), False),
    ],
)
def test_every_field_of_a_selector_that_says_something_must_fit(selector, expected):
    assert suits(selector, BOX) is expected


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("a", ["a"], ["", "b", "aa", "A"]),
        ("*", ["", "a", "a.b"], []),
        ("a*", ["a", "ab"], ["ba"]),
        ("*a", ["a", "ba"], ["ab"]),
        ("a*b*c", ["abc", "a1b2c", "abbc"], ["ac", "abcd", "cba"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("*ab*ab*", ["abab", "xabyabz"], ["ab", "aab"]),
        ("a.b[1]?", ["a.b[1]?"], ["axb1x"]),
    ],
)
def test_a_star_stands_for_any_characters_and_nothing_else_is_special(pattern, names, others):
    assert [name for name in (*names, *others) if matches(pattern, name)] == names


def test_a_pattern_is_compared_in_linear_time():
    assert not matches("*a" * 100 + "b", "a" * 100_000)


def test_a_box_that_a_small_rollout_reaches_is_reached_by_every_larger_one():
    boxes = [Traits(f"box-{number}", BOX.platform, "docker") for number in range(2000)]
    reached = {
        percent: {box.name for box in boxes if chosen(Publication(1, "", (PublishedRequest("pump", "d", 1, rollout=percent),)), box)}
        for percent in (1, 10, 20, 50, 100)
    }
    assert reached[1] < reached[10] < reached[20] < reached[50] < reached[100]
    assert len(reached[100]) == 2000
    assert 150 < len(reached[10]) < 250  # fixed: it follows from the names


def test_each_workload_is_tried_by_other_boxes_first():
    first = [{box for box in range(1000) if percentile(name, f"box-{box}") < 10} for name in ("pump", "fan")]
    assert len(first[0] & first[1]) < 30


def test_the_first_entry_of_a_workload_that_is_meant_for_the_box_counts():
    entries = [
        PublishedRequest("pump", "new", 1, Selector(boxes=("bremen-*",))),
        PublishedRequest("pump", "middle", 1, Selector(labels=(("line", ("3",)),))),
        PublishedRequest("pump", "old", 1),
        PublishedRequest("fan", "fan", 1, Selector(clusters=("kubernetes",))),
    ]
    assert [request.digest for request in chosen(Publication(1, "", tuple(entries)), BOX)] == ["middle"]


def extremes(what, *arguments, **more):
    """The shortest and the longest pause."""
    return [what(300, lambda: 0.0, *arguments, **more), what(300, lambda: 1.0, *arguments, **more)]


def test_pauses_grow_with_failures_and_are_never_the_same_for_all():
    spread = [extremes(pause, failures=failures) for failures in (0, 1, 2, 3, 4, 5, 1000)]
    assert spread == [[150, 450], [150, 450], [300, 900], [600, 1800], [1200, 3600], [1200, 3600], [1200, 3600]]
    assert extremes(pause, failures=1, retry_after=1000) == [1000, 1300]


def test_after_a_start_boxes_that_are_due_are_spread_over_an_interval():
    assert extremes(first_pause, ago=None) == [0, 300]
    assert extremes(first_pause, ago=10_000) == [0, 300]
    assert extremes(first_pause, ago=100) == [200, 300]
    assert extremes(first_pause, ago=-50) == [0, 300]  # the clock was set back


def test_ten_thousand_boxes_do_not_come_back_together_after_an_outage():
    """Ten minutes without an answer: of the requests in any ten seconds afterwards there are at most three times as many as in the mean."""
    chance = random.Random(20)  # noqa: S311  (the same each time)
    interval, begin, end, until = 300.0, 1000.0, 1600.0, 4000.0
    bins = [0] * int(until / 10)
    for _ in range(10_000):
        at, failures = first_pause(interval, chance.random, ago=None), 0
        while at < until:
            bins[int(at / 10)] += 1
            failures = failures + 1 if begin <= at < end else 0
            at += pause(interval, chance.random, failures=failures)
    afterwards = bins[int(end / 10) :]
    assert max(afterwards) <= 3 * sum(afterwards) / len(afterwards)


@pytest.mark.parametrize("interval", [60.0, 300.0, 7 * DAY])
def test_a_box_that_is_well_reports_again_within_the_time_that_it_says(interval):
    """At the first turn that finds the last report a day old; the longest pause between turns comes before it."""
    longest = pause(interval, lambda: 1.0)
    assert DAY + longest < reported_within(interval)
