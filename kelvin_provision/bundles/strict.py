"""JSON from a stranger, read strictly: no key twice, no number that is not whole, nothing longer than its limit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from kelvin_provision import timestamps
from kelvin_provision.bundles import limits
from kelvin_provision.errors import ProvisionError
from kelvin_provision.refs import DIGEST, Platform

_TEXT = 1024
"""Characters of one text."""
_IS_DIGEST = re.compile(DIGEST).fullmatch

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

T = TypeVar("T")


class Strict:
    """`wrong` makes the error that every method raises, from what is wrong."""

    def __init__(self, wrong: Callable[[str], ProvisionError]) -> None:
        self.wrong = wrong

    def parsed(self, data: bytes, most: int) -> dict[str, Any]:
        if len(data) > most:
            raise self.wrong(f"{len(data)} bytes, the limit is {most}")
        try:
            document = json.loads(
                data.decode("ascii"), object_pairs_hook=self._unique, parse_float=self._no_float, parse_constant=self._no_float
            )
        except UnicodeDecodeError as error:
            raise self.wrong(f"byte {error.start} is not ASCII") from error
        except (ValueError, RecursionError) as error:  # the depth of what is accepted is that of the format
            raise self.wrong("not JSON, nested too deep, or with a number of thousands of digits") from error
        if not isinstance(document, dict):
            raise self.wrong("not an object")
        return document

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise self.wrong("a key stands twice")
        return result

    def _no_float(self, text: str) -> float:
        raise self.wrong(f"{text[:20]} is not a whole number")

    def other_schema(self, document: dict[str, Any], reads: int) -> str:
        """What is to be said of another schema than this program reads; empty for this one."""
        schema = document.get("schema")
        if type(schema) is int and schema == reads:
            return ""
        shown = f"schema {schema}" if type(schema) is int and 0 <= schema < limits.NUMBER else "a schema that is no number"
        return f"{shown}, this program reads {reads}"

    def record(self, value: Any, keys: frozenset[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
        if not isinstance(value, dict) or not (value.keys() == keys or keys <= value.keys() <= keys | optional):
            raise self.wrong(f"an object with other keys than {', '.join(sorted(keys | optional))}")
        return value

    def items(self, value: Any, most: int, read: Callable[[Any], T], name: str) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(f"{name} is not a list of at most {most}")
        return tuple(map(read, value))

    def number(self, value: Any, name: str, least: int = 0) -> int:
        if type(value) is not int or not least <= value < limits.NUMBER:
            raise self.wrong(f"{name} is not a whole number in its range")
        return value

    def text(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or len(value) > _TEXT or not value.isprintable():
            raise self.wrong(f"{name} is not a short printable text")
        return value

    def matching(self, pattern: re.Pattern[str], value: Any, name: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.wrong(f"{name} has another form than {pattern.pattern}")
        return value

    def moment(self, value: Any, name: str) -> str:
        """A time in UTC, to the second, that a calendar has."""
        text = self.matching(_MOMENT, value, name)
        try:
            timestamps.parse(text)
        except ValueError:
            raise self.wrong(f"{name} is no time") from None
        return text

    def digest(self, value: Any) -> str:
        if not isinstance(value, str) or not _IS_DIGEST(value):
            raise self.wrong("a digest that is neither sha256 nor sha512")
        return value

    def platform(self, value: Any) -> Platform:
        try:
            return Platform.parse(self.text(value, "a platform"))
        except ValueError as error:
            raise self.wrong("a platform has another form than linux/arm64") from error
