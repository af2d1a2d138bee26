"""Values that another node has sent, checked: each is hostile until then. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from kelvin_provision.errors import NodeProtocolInvalid, ReferenceInvalid

LARGEST = {"join": 16 << 10, "renew": 16 << 10, "report": 1 << 20, "wanted": 8 << 20, "admission": 32 << 10}
"""Bytes of each document: who sends more is refused before it is read."""
LONGEST_TEXT = 500
NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
VERSION = re.compile(r"[0-9A-Za-z.+-]{1,64}")
ADDRESS = re.compile(r"(?:\[[0-9a-f:.]{2,45}\]|[0-9.]{7,15}|[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?):[0-9]{1,5}")
KEY = re.compile(r"[0-9a-f]{64}")


def is_name(name: str) -> bool:
    """Whether a node can have this name: that of a node of Kubernetes (RFC 1123)."""
    return NAME.fullmatch(name) is not None


def encoded(document: Mapping[str, Any]) -> bytes:
    """As it is sent."""
    return json.dumps(document, separators=(",", ":")).encode()


WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, ReferenceInvalid)


def invalid(kind: str, error: Exception | None) -> NoReturn:
    raise NodeProtocolInvalid(f"the document {kind} is not one of this program") from error


def parsed(data: bytes, kind: str) -> dict[str, Any]:
    if len(data) > LARGEST[kind]:
        raise NodeProtocolInvalid(f"the document {kind} has more than {LARGEST[kind]} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        invalid(kind, error)
    if type(document) is not dict:
        invalid(kind, None)
    return document


def text(value: Any, longest: int = LONGEST_TEXT) -> str:
    """One line, and nothing that would control a terminal."""
    if type(value) is not str or len(value) > longest or not value.isprintable():
        raise ValueError("a text")
    value.encode()  # half a surrogate pair
    return value


def pem(value: Any, longest: int) -> str:
    """It has lines, and is not shown."""
    if type(value) is not str or len(value) > longest:
        raise ValueError("a certificate")
    text(value.replace("\n", ""), longest)
    return value


def line(foreign: str) -> str:
    """As `text` accepts it: an error may have several lines, and names that others have made."""
    return "".join(sign if sign.isprintable() else " " for sign in foreign)[:LONGEST_TEXT]


def matching(pattern: re.Pattern[str], value: Any) -> str:
    checked = text(value)
    if not pattern.fullmatch(checked):
        raise ValueError("a name")
    return checked


def node_name(value: Any) -> str:
    return value if value == "" else matching(NAME, value)


def address_of(value: Any) -> str:
    checked = text(value)
    if checked.startswith(":"):
        return matching(re.compile(r":[0-9]{1,5}"), checked)
    return checked if checked == "" else matching(ADDRESS, checked)


def number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("a number")
    return value


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("a flag")
    return value


def items(value: Any, most: int) -> list[Any]:
    if type(value) is not list or len(value) > most:
        raise ValueError("a list")
    return value
