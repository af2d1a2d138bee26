"""A time that a person typed, as for `--at`. Pure: now and the zone are given.

`HH:MM` is the next one on the local clock. A date with a time is local unless it has a UTC offset. At the start and end of daylight
saving time some times do not exist and some exist twice: such a time is refused instead of guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from kelvin_provision.errors import TimeRefused

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?([Zz]|[+-]\d{2}:\d{2})?")
FARTHEST = timedelta(days=366)
"""The furthest time: a mistyped year must not schedule an apply that is forgotten by then."""


def moment(text: str, now: datetime, zone: tzinfo | None = None, *, option: str = "--at ") -> datetime:
    """The time in UTC. `zone` defaults to that of the box; `option` stands before the text in messages. Raises TimeRefused."""
    clock = _CLOCK.fullmatch(text)
    try:
        result = _next(time(int(clock[1]), int(clock[2])), now, zone, option) if clock else _dated(text, zone, option)
    except (OverflowError, ValueError) as error:
        raise TimeRefused(f"{option}{text} is out of range") from error
    if result <= now:
        raise TimeRefused(
            f"{option}{text} is past: it is {_shown(now, zone)} here", hint="without --at it is applied now" if option else ""
        )
    if result - now > FARTHEST:
        raise TimeRefused(f"{option}{text} is more than a year away: it is {_shown(now, zone)} here")
    return result


def _dated(text: str, zone: tzinfo | None, option: str) -> datetime:
    if not _DATED.fullmatch(text):
        raise TimeRefused(f"{option}{text} is no time")
    try:
        parsed = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise TimeRefused(f"{option}{text} is no time: {error}") from error
    if parsed.tzinfo is not None:
        return parsed.astimezone(UTC)
    places = _places(parsed, zone)
    if not places:
        raise TimeRefused(f"{option}{text} does not exist here: the clock is put forward over it")
    if len(places) > 1:
        both = " or ".join(f"{option}{place.astimezone(zone).isoformat()}" for place in places)
        raise TimeRefused(f"{option}{text} exists twice here: the clock is put back over it", hint=both)
    return places[0]


def _next(clock: time, now: datetime, zone: tzinfo | None, option: str) -> datetime:
    """Today's or tomorrow's; not a later one if tomorrow does not have it."""
    today = now.astimezone(zone).date()
    for day in (today, today + timedelta(days=1)):
        places = _places(datetime.combine(day, clock), zone)
        later = [place for place in places if place > now]
        if later:
            return later[0]
        if not places:
            raise TimeRefused(f"{option}{clock:%H:%M} does not exist on {day}: the clock is put forward over it")
    raise TimeRefused(f"{option}{clock:%H:%M} has no next one")


def _places(local: datetime, zone: tzinfo | None) -> list[datetime]:
    """The times in UTC for a local time: one, or two or none when daylight saving time ends or starts."""
    moments = []
    for fold in (0, 1):
        placed = local.replace(fold=fold)
        place = (placed.replace(tzinfo=zone) if zone else placed.astimezone()).astimezone(UTC)
        if place.astimezone(zone).replace(tzinfo=None, fold=0) == local and place not in moments:
            moments.append(place)
    return moments


def _shown(now: datetime, zone: tzinfo | None) -> str:
    return now.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def shown(at: datetime) -> str:
    """In the box's time zone, with its UTC offset."""
    return at.astimezone().isoformat(sep=" ", timespec="minutes")
