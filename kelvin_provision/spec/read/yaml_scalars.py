"""What an unquoted scalar of YAML stands for: as kubectl reads it, which is YAML 1.1 without its dates and its numbers to base 60. Pure."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = (16, 2, 8, 10)
_SHORT_FLOAT = re.compile(r"[0-9]{1,5}\.[0-9]{0,2}[1-9]")
_WHOLE = range(-(2**63), 2**64)
_STANDARD = "tag:yaml.org,2002:"


class Misread(Exception):
    """The scalar does not match its tag or cannot be a key; the text says what to write."""


def resolved(text: str) -> Any:
    """The value of a plain scalar."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    if text[0] in "0123456789+-":
        digits = text.replace("_", "")
        if match := _INTEGER.fullmatch(digits):
            return _integer(match)
        return _float(digits, text)
    return _float(text, text) if text[0] == "." else text


def is_respelled(value: Any, text: str) -> bool:
    """Whether true, false or an integer is written in another way than JSON has it."""
    if isinstance(value, bool):
        return text.lower() != str(value).lower()
    return isinstance(value, int) and str(value) != text


def integer(text: str, base: int = 10) -> int:
    """The number with these digits. Very long ones become one that is refused, because int() is slow for them or refuses."""
    return int(text, base) if len(text) < 70 else 2**64


def key_of(text: str) -> str:
    """The text of a plain key. kubectl turns a number and true into text; here this is allowed only if the text stays as written."""
    value = resolved(text)
    if isinstance(value, str):
        return value
    if value is None:
        raise Misread("the key is null; keys must be text: put it in quotes")
    if isinstance(value, float) or value not in _WHOLE:
        canonical = text if _SHORT_FLOAT.fullmatch(text) else "a number"
    else:
        canonical = str(value).lower()
    if canonical != text:
        raise Misread(f"the key '{text[:60]}' would be read as {canonical}; put it in quotes")
    return text


def tagged(tag: str, text: str) -> Any:
    """The value of a scalar with a tag. Raises Misread."""
    name = tag.removeprefix(_STANDARD)
    if tag == "!" or name in {"str", "timestamp"}:
        return text
    if name == "binary":
        return _binary(text)
    belongs = _BELONGS.get(name)
    if belongs is None:
        raise Misread("this YAML tag is not supported; write a plain value or quoted text")
    value = resolved(text)
    if not belongs(value):
        raise Misread(f"the value does not match its tag !!{name}; write a plain value or quoted text")
    return value


def _integer(match: re.Match[str]) -> int:
    sign, *groups = match.groups()
    digits, base = next((digits, base) for digits, base in zip(groups, _BASES, strict=True) if digits is not None)
    number = integer(digits, base)
    return -number if sign == "-" else number


def _float(digits: str, text: str) -> Any:
    """Text if it is not a number, or too large for one: `12e45789` is more likely part of a hash."""
    number = float(digits) if _FLOAT.fullmatch(digits) else math.inf
    return number if math.isfinite(number) else text


def _binary(text: str) -> str:
    """As text: JSON has no other place for it."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Misread("not base64 of UTF-8 text; write base64 as plain text, without !!binary") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_BELONGS: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "float": _is_number,
}
