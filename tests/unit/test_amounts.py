"""Bytes and hours as people write them."""

import pytest

from kelvin_provision.settings import amounts, hours
from kelvin_provision.settings.hours import Hours


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("500k", 500_000), ("500K", 500_000), ("2M", 2_000_000), ("2MB", 2_000_000), ("1.5G", 1_500_000_000), ("2MiB", 2_097_152),
        ("2Mi", 2_097_152), ("2 MiB", 2_097_152), ("1T", 10**12), ("4096", 4096), ("4096B", 4096), ("0.5k", 500),
    ],
)  # fmt: skip
def test_amounts_of_bytes(text, found):
    assert amounts.parse(text) == found


@pytest.mark.parametrize("text", ["", "fast", "2Mbit", "2mb", "-1", "1e6", "2M/s", "1.M", "k", "2 M iB", "9" * 400])
def test_what_is_no_amount_of_bytes(text):
    assert amounts.parse(text) is None


def test_amounts_in_words():
    assert [amounts.words(count) for count in (0, 999, 1000, 1_536_000, 500_000_000, 2 << 30)] == [
        "0 B", "999 B", "1 kB", "1.5 MB", "500 MB", "2.1 GB",
    ]  # fmt: skip


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
