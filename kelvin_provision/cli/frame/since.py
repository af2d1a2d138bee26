"""`--since`: a time, or how long ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from kelvin_provision import timestamps
from kelvin_provision.errors import UsageRefused

_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def since(text: str, now: datetime) -> str:
    """RFC 3339 in UTC, from that or from a duration (`10m`, `1h30m`). Raises UsageRefused."""
    hint = "--since 10m, or --since 2026-11-23T02:00:00Z"
    if re.fullmatch(f"(?:{_PART.pattern})+", text):
        try:
            then = now - timedelta(seconds=sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)))
        except OverflowError as error:
            raise UsageRefused(f"--since {text} is before all time", hint=hint) from error
    else:
        try:
            then = timestamps.parse(text)
        except ValueError as error:
            raise UsageRefused(f"--since {text} is neither a time nor a duration", hint=hint) from error
        if then.tzinfo is None:
            raise UsageRefused(f"--since {text} does not say in which time zone", hint=f"--since {text}Z")
    return timestamps.rfc3339(then, "microseconds")
