"""The window of the day: what a wall clock shows, on ordinary days and on the two on which it is moved."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kelvin_provision.settings.window import Window, clock

BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def opening(window, text, zone=BERLIN):
    return Window.parse(window).next_opening(at(text, zone), zone).isoformat()


@pytest.mark.parametrize(
    ("window", "clock", "expected"),
    [
        ("02:00-05:00", "01:59", False),
        ("02:00-05:00", "02:00", True),
        ("02:00-05:00", "04:59", True),
        ("02:00-05:00", "05:00", False),
        ("22:00-05:00", "23:59", True),
        ("22:00-05:00", "00:00", True),
        ("22:00-05:00", "12:00", False),
        ("02:00-03:00, 12:00-13:00", "12:30", True),
        ("02:00-03:00,12:00-13:00", "11:59", False),
        ("00:00-24:00", "23:59", True),
        ("23:00-00:00", "23:30", True),
        ("23:00-00:00", "00:00", False),
    ],
)
def test_a_window_is_open_by_the_wall_clock(window, clock, expected):
    assert Window.parse(window).is_open(at(f"2026-11-24 {clock}"), BERLIN) is expected


def test_the_clock_is_that_of_the_zone_and_not_that_of_the_moment():
    assert Window.parse("22:00-23:00").is_open(datetime(2026, 11, 24, 21, 30, tzinfo=UTC), BERLIN)


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        ("22:00-05:00", "2026-11-24 12:00", "2026-11-24T22:00:00+01:00"),
        ("02:00-05:00", "2026-11-24 12:00:30", "2026-11-25T02:00:00+01:00"),
        ("02:00-05:00", "2026-11-24 03:00:30", "2026-11-24T03:00:30+01:00"),
        ("02:00-03:00,12:00-13:00", "2026-11-24 11:59:59", "2026-11-24T12:00:00+01:00"),
        # The clock is put forward from 02:00 to 03:00: a window inside that hour does not open, one that is longer opens at 03:00.
        ("02:10-02:50", "2026-03-29 01:00", "2026-03-30T02:10:00+02:00"),
        ("02:30-05:00", "2026-03-29 01:00", "2026-03-29T03:00:00+02:00"),
        # The clock is put back from 03:00 to 02:00: the same window opens twice, in summer time first.
        ("02:10-02:50", "2026-10-25 01:00", "2026-10-25T02:10:00+02:00"),
        ("02:10-02:50", "2026-10-25 02:55", "2026-10-25T02:10:00+01:00"),
    ],
)
def test_the_next_opening(window, now, expected):
    assert opening(window, now) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02:00-02:00", "different start and end times in a span; for always, 00:00-24:00"),
        ("22:00-05:00,12:00-12:00", "different start and end times in a span; for always, 00:00-24:00"),
        ("24:00-05:00", "times of day from 00:00 to 24:00"),
        ("22:00-24:30", "times of day from 00:00 to 24:00"),
        ("22:00", "times of day such as 22:00-05:00, several separated by commas"),
        ("", "times of day such as 22:00-05:00, several separated by commas"),
        ("22:00-05:00,", "times of day such as 22:00-05:00, several separated by commas"),
        ("22-05", "times of day such as 22:00-05:00, several separated by commas"),
        ("25:00-05:00", "times of day such as 22:00-05:00, several separated by commas"),
        ("22:60-05:00", "times of day such as 22:00-05:00, several separated by commas"),
    ],
)
def test_what_is_no_window_is_refused_with_what_would_be_right(text, expected):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Window.parse(text)
    assert str(caught.value) == expected


def test_a_window_is_written_as_it_is_read():
    assert str(Window.parse("22:00-05:00, 12:00-24:00")) == "22:00-05:00,12:00-24:00"


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
def test_a_minute_is_in_a_window_or_it_opens_at(window, at, opens):
    found = Window.parse(window)
    assert (None if found.has(minutes(at)) else clock(found.next_start(minutes(at)))) == opens


def test_a_window_is_minutes_of_the_day():
    assert Window.parse("22:00 - 05:30,12:00-13:00") == Window(((1320, 330), (720, 780)))
