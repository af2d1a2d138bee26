"""Hours as people write them."""

import pytest

from kelvin_provision.settings import hours
from kelvin_provision.settings.hours import Hours


def minutes(text):
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        ("22:00-05:00", "22:00", None), ("22:00-05:00", "23:59", None), ("22:00-05:00", "00:00", None), ("22:00-05:00", "04:59", None),
        ("22:00-05:00", "05:00", "22:00"), ("22:00-05:00", "21:59", "22:00"),
        ("01:00-02:30", "00:59", "01:00"), ("01:00-02:30", "02:29", None), ("01:00-02:30", "02:30", "01:00"),
        ("22:00-24:00", "23:59", None), ("22:00-24:00", "00:00", "22:00"),
        ("22:00-05:00, 12:00-13:00", "12:30", None), ("22:00-05:00,12:00-13:00", "11:00", "12:00"), ("22:00-05:00,12:00-13:00", "13:00", "22:00"),
    ],
)  # fmt: skip
def test_a_window_is_open_or_opens_at(window, at, opens):
    found = hours.parse(window)
    assert (None if found.open(minutes(at)) else hours.clock(found.opens(minutes(at)))) == opens


@pytest.mark.parametrize(
    "text", ["", "22-5", "22:00", "22:00-22:00", "00:00-24:00", "24:00-05:00", "25:00-05:00", "22:60-05:00", "22:00-05:00,"]
)
def test_what_is_no_window(text):
    assert hours.parse(text) is None


def test_a_window_is_minutes_of_the_day():
    assert hours.parse("22:00 - 05:30,12:00-13:00") == Hours(((1320, 330), (720, 780)))
