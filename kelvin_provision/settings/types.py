"""The types of settings: how a value is read from a file and from the text of a variable."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.quantity import DURATION_FORM, Headroom, InvalidQuantity, parse_bytes, parse_duration, parse_rate
from kelvin_provision.settings.lockout import Lockout
from kelvin_provision.settings.window import Window

T = TypeVar("T")

# Text, not compiled here: the module `re` does that at the first use, and most commands come by without one.
_REALM = r"[A-Za-z0-9][-A-Za-z0-9_]{0,63}"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMED_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?=[A-Za-z0-9._-]{1,63}"
MOST_PATHS = 32
MOST_LABELS = 64
MOST_NODES = 1000


class InvalidValue(Exception):
    """A value does not have its setting's type; the text says what is accepted."""


@dataclass(frozen=True)
class Type:
    """`read` takes a value of a file and raises InvalidValue. `from_text` makes such a value of a variable's text."""

    name: str
    read: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str


def choice(*words: str) -> Type:
    accepted = f"{', '.join(words[:-1])} or {words[-1]}"

    def read(value: Any) -> str:
        if value is False and "off" in words:  # as YAML reads the word
            return "off"
        if not isinstance(value, str) or value not in words:
            raise InvalidValue(accepted)
        return value

    return Type(accepted, read)


def _nodes(value: Any) -> str | int:
    if value in ("all", "available") or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_NODES):
        return value  # type: ignore[no-any-return]  # one of the two words, or a number
    raise InvalidValue(f"all, available or a number from 1 to {MOST_NODES}")


def integer(minimum: int, maximum: int | None = None, *, words: dict[str, int | None] | None = None) -> Type:
    """`words` are accepted in place of a number."""
    bounds = f"from {minimum} to {maximum}" if maximum else f"of at least {minimum}"
    accepted = f"an integer {bounds}" + "".join(f", or {word}" for word in words or {})

    def read(value: Any) -> int | None:
        if words and isinstance(value, str) and value in words:
            return words[value]
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum or (maximum and value > maximum):
            raise InvalidValue(accepted)
        return value

    return Type(accepted.removeprefix("an "), read, _number_from)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidValue("text")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("true or false")
    return value


def expanded(text: str) -> Path:
    """With the home directory for `~` and `~user`; as it is where there is no such user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  (pathlib's raises RuntimeError)


def absolute(text: str) -> Path:
    """Relative to the working directory and the home of this process."""
    return expanded(text).absolute()


def _path(value: Any) -> Path:
    path = expanded(value) if isinstance(value, str) and value else Path()
    if not path.is_absolute():
        raise InvalidValue("an absolute path, or one that begins with ~")
    return path


def _paths(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list) or len(value) > MOST_PATHS:
        raise InvalidValue(f"a list of at most {MOST_PATHS} absolute paths")
    return tuple(_path(item) for item in value)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_LABELS:
        raise InvalidValue(f"a list of at most {MOST_LABELS} labels")
    if not all(isinstance(item, str) and re.fullmatch(_NAMED_VALUE, item) for item in value):
        raise InvalidValue("a list of NAME=VALUE, such as line=3")
    if len({item.partition("=")[0] for item in value}) != len(value):
        raise InvalidValue("one value for each label")
    return tuple(value)


def choices(*words: str) -> Type:
    """A list of these words. As a text, `none` is the empty list."""
    accepted = f"a list of {', '.join(words[:-1])} and {words[-1]}"

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(word, str) and word in words for word in value):
            raise InvalidValue(accepted)
        return tuple(dict.fromkeys(value))

    return Type(accepted.removeprefix("a "), read, lambda text: [] if text == "none" else list_from(text))


def _realm(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_REALM, value):
        raise InvalidValue("letters, digits, '-' and '_', at most 64 characters")
    return value


def _namespace(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_LABEL, value):
        raise InvalidValue("lower-case letters, digits and '-', at most 63 characters")
    return value


def _duration(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValue(DURATION_FORM)
    return _quantity(parse_duration, str(value))


def _at_least_a_minute(value: Any) -> float:
    """Less would end a login before anything is done, and ask a registry again for what changes once a day."""
    seconds = _duration(value)
    if seconds < 60:
        raise InvalidValue("a duration of at least 1m")
    return seconds


def _headroom(value: Any) -> Headroom:
    return _quantity(Headroom.parse, value if isinstance(value, str) else "")


def _bytes(parse: Callable[..., int], minimum: int) -> Type:
    def read(value: Any) -> int:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        return _quantity(partial(parse, minimum=minimum), text)

    return Type("bytes", read)


def _quantity(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except InvalidQuantity as error:
        raise InvalidValue(error.expected) from None


def _window(value: Any) -> Window:
    if not isinstance(value, str):
        raise InvalidValue("times of day such as 22:00-05:00, several separated by commas")
    try:
        return Window.parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from error


def _lockout(value: Any) -> Lockout | None:
    try:
        return Lockout.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        raise InvalidValue(str(error)) from error


def _number_from(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def list_from(text: str) -> Any:
    """Of a variable's text, separated by commas."""
    return [part.strip() for part in text.split(",")]


def _bool_from(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


TEXT = Type("text", _text)
BOOL = Type("true or false", _bool, _bool_from)
NODES = Type("all, available or a number", _nodes, _number_from)
PATH = Type("path", _path)
PATHS = Type("list of paths", _paths, list_from)
LABELS = Type("list of NAME=VALUE", _labels, list_from)
REALM = Type("name", _realm)
NAMESPACE = Type("name", _namespace)
DURATION = Type("duration", _duration)
MINUTES = Type("duration of at least 1m", _at_least_a_minute)
WINDOW = Type("HH:MM-HH:MM, ...", _window)
LOCKOUT = Type("none or failures/time", _lockout)
HEADROOM = Type("size or percent", _headroom)
RATE = _bytes(parse_rate, 1000)
BUDGET = _bytes(parse_bytes, 1_000_000)
