from datetime import UTC, datetime, timedelta, timezone

import pytest

from kelvin_provision import timestamps


def test_a_time_of_any_zone_is_written_in_utc() -> None:
    assert timestamps.rfc3339(datetime(2026, 11, 23, 3, 0, 5, 999999, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-23T02:00:05Z"


def test_microseconds_are_written_when_asked_for() -> None:
    assert timestamps.rfc3339(datetime(2026, 11, 23, 2, tzinfo=UTC), "microseconds") == "2026-11-23T02:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T02:00:05Z", datetime(2026, 11, 23, 2, 0, 5, tzinfo=UTC)),
        ("2026-11-23T02:00:05.123456789Z", datetime(2026, 11, 23, 2, 0, 5, 123456, tzinfo=UTC)),
        ("2026-11-23T03:00:05+01:00", datetime(2026, 11, 23, 2, 0, 5, tzinfo=UTC)),
    ],
)
def test_what_docker_kubernetes_and_we_write_is_read(text: str, moment: datetime) -> None:
    assert timestamps.parse(text) == moment


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1970-01-01T00:00:00Z"), (1764000000.9, "2025-11-24T16:00:00Z"), (1e18, ""), (float("inf"), "")]
)
def test_a_time_of_a_file_that_no_calendar_has_is_empty(seconds: float, text: str) -> None:
    assert timestamps.rfc3339_of_epoch(seconds) == text


def test_what_only_looks_like_a_time_stays_as_it_is() -> None:
    text = "no 2026-13-45T99:99:99Z, no 2016-12-31T23:59:60Z"
    assert timestamps.with_local_times(text) == text
