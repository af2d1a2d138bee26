"""Parameters of a query: each with one meaning, and a clear answer for a value that has none."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams

from kelvin_provision.api.messages.refusals import Refusal

W = TypeVar("W", bound=StrEnum)
MOST_VALUES = 100
"""Values of one parameter."""
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def refuse_unknown(names: Iterable[str], accepted: Collection[str]) -> None:
    """A filter that is misspelt would list everything."""
    for name in names:
        if name not in accepted:
            import difflib  # only for a mistake

            near = difflib.get_close_matches(name[:60], accepted, 1)
            advice = f"did you mean {near[0]}?" if near else f"accepted are {', '.join(accepted)}" if accepted else "this route has none"
            raise Refusal("bad-query", f"unknown parameter {name[:60]!r}; {advice}")


def single(query: QueryParams, name: str) -> str | None:
    """Its value; None where it is not given, or empty. Raises Refusal for several values."""
    values = list(dict.fromkeys(query.getlist(name)))
    if len(values) > 1:
        raise Refusal("bad-query", f"{name} is given {len(values)} times")
    return values[0] if values and values[0] else None


def many(query: QueryParams, name: str) -> tuple[str, ...]:
    """Its values. Raises Refusal for too many, also of empty ones, which count for nothing."""
    values = query.getlist(name)
    if len(values) > MOST_VALUES:
        raise Refusal("bad-query", f"{name} is given {len(values)} times; the limit is {MOST_VALUES}")
    return tuple(value for value in values if value)


def flag(query: QueryParams, name: str) -> bool | None:
    """In any case: clients write True, true and 1."""
    text = single(query, name)
    if text is None:
        return None
    if text.lower() not in _FLAGS:
        raise Refusal("bad-query", f"{name} is {text[:60]!r}; accepted are true and false")
    return _FLAGS[text.lower()]


def number(query: QueryParams, name: str, default: int, most: int) -> int:
    text = single(query, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or not 1 <= len(text) <= len(str(most)) or not 1 <= int(text) <= most:
        raise Refusal("bad-query", f"{name} is {text[:60]!r}; accepted are 1 to {most}")
    return int(text)


def word(query: QueryParams, name: str, default: W) -> W:
    text = single(query, name)
    return default if text is None else as_word(text, name, type(default))


def as_word(text: str, name: str, kind: type[W]) -> W:
    try:
        return kind(text.lower())
    except ValueError:
        raise Refusal("bad-query", f"{name} is {text[:60]!r}; accepted are {', '.join(kind)}") from None
