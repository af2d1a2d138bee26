"""`--since`: a time, or how long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from kelvin_provision import timestamps
from kelvin_provision.errors import UsageRefused
from kelvin_provision.quantity import DAY, InvalidQuantity, parse_duration

_MAX = 100 * 366 * DAY


def since(text: str, now: datetime) -> str:
    """RFC 3339 in UTC, from a time or a duration (`10m`, `1h30m`). Raises UsageRefused."""
    hint = "--since 10m, or --since 2026-11-23T02:00:00Z"
    try:
        then = now - timedelta(seconds=parse_duration(text, maximum=_MAX))
    except InvalidQuantity:
        try:
            then = timestamps.parse(text)
        except ValueError as error:
            raise UsageRefused(f"--since {text} is neither a time nor a duration", hint=hint) from error
        if then.tzinfo is None:
            raise UsageRefused(f"--since {text} has no time zone", hint=f"--since {text}Z") from None
    try:
        return timestamps.rfc3339(then, "microseconds")
    except OverflowError as error:
        raise UsageRefused(f"--since {text} is out of range", hint=hint) from error
