"""`--at`: which moment is meant, and what is refused instead of guessed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import TimeRefused
from kelvin_provision.local_times import moment

BERLIN = ZoneInfo("Europe/Berlin")


def meant(text, now):
    return moment(text, datetime.fromisoformat(now), BERLIN).isoformat()


def refused(text, now="2026-11-22T12:00:00+01:00"):
    with pytest.raises(TimeRefused) as caught:
        meant(text, now)
    return str(caught.value), shell_line(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("2026-11-23 02:00", "2026-11-22T12:00:00+01:00", "2026-11-23T01:00:00+00:00"),
        ("2026-11-23T02:00:30", "2026-11-22T12:00:00+01:00", "2026-11-23T01:00:30+00:00"),
        ("2026-11-23T02:00:00Z", "2026-11-22T12:00:00+01:00", "2026-11-23T02:00:00+00:00"),
        ("2026-11-23t02:00:00z", "2026-11-22T12:00:00+01:00", "2026-11-23T02:00:00+00:00"),
        ("2026-11-23 02:00-05:00", "2026-11-22T12:00:00+01:00", "2026-11-23T07:00:00+00:00"),
        ("02:00", "2026-11-22T12:00:00+01:00", "2026-11-23T01:00:00+00:00"),
        ("13:00", "2026-11-22T12:00:00+01:00", "2026-11-22T12:00:00+00:00"),
        ("12:00", "2026-11-22T12:00:00+01:00", "2026-11-23T11:00:00+00:00"),
        ("00:00", "2026-11-22T23:59:59+01:00", "2026-11-22T23:00:00+00:00"),
        # 02:30 comes twice that night: the next one is meant, whichever that is.
        ("02:30", "2026-10-25T01:00:00+02:00", "2026-10-25T00:30:00+00:00"),
        ("02:30", "2026-10-25T02:45:00+02:00", "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:00:00+02:00", "2026-10-25T01:30:00+00:00"),
        ("2026-07-01 02:00", "2026-06-01T00:00:00+02:00", "2026-07-01T00:00:00+00:00"),
    ],
)
def test_a_time_means_one_moment(text, now, expected):
    assert meant(text, now) == expected


def test_what_is_past_is_refused_with_what_the_clock_shows():
    assert refused("2026-11-22 11:59") == (
        "--at 2026-11-22 11:59 is past: it is 2026-11-22 12:00:00+01:00 here",
        "without --at it is applied now",
    )


def test_what_is_far_away_is_a_wrong_year():
    assert refused("2062-11-23 02:00")[0] == "--at 2062-11-23 02:00 is more than a year away: it is 2026-11-22 12:00:00+01:00 here"


def test_a_time_that_the_clock_skips_is_refused():
    assert refused("2027-03-28 02:30")[0] == "--at 2027-03-28 02:30 does not exist here: the clock is put forward over it"
    assert refused("02:30", "2027-03-27T12:00:00+01:00")[0] == "--at 02:30 does not exist on 2027-03-28: the clock is put forward over it"


def test_a_time_that_comes_twice_is_refused_with_both():
    assert refused("2026-10-25 02:30", "2026-10-24T12:00:00+02:00") == (
        "--at 2026-10-25 02:30 exists twice here: the clock is put back over it",
        "--at 2026-10-25T02:30:00+02:00 or --at 2026-10-25T02:30:00+01:00",
    )


@pytest.mark.parametrize(
    "text", ["tomorrow", "", "2 am", "25:00", "02:60", "2026-11-23", "23.11.2026 02:00", "20261123T0200", "2026-W48-1"]
)
def test_what_is_no_time_is_refused(text):
    said, hint = refused(text)
    assert said == f"--at {text} is no time"
    assert hint == 'a time is 02:00 (the next one), "2026-11-23 02:00" (local), or 2026-11-23T02:00:00+01:00'


def test_a_day_that_the_calendar_lacks_is_refused():
    assert refused("2026-11-31 02:00")[0].startswith("--at 2026-11-31 02:00 is no time: ")


def test_the_box_s_own_zone_is_the_default(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        now = datetime.fromisoformat("2026-10-24T10:00:00+00:00")
        assert moment("2026-10-24 13:00", now).isoformat() == "2026-10-24T11:00:00+00:00"
        with pytest.raises(TimeRefused, match="exists twice here"):
            moment("2026-10-25 02:30", now)
        with pytest.raises(TimeRefused, match="does not exist here"):
            moment("2027-03-28 02:30", now)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
