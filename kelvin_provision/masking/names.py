"""The secrets that a document or a text holds under names that promise one (spec.secrecy)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kelvin_provision.masking.secret_names import promises_secret, stands_under
from kelvin_provision.spec.secrets import REFERENCE

GONE = "***"
LOGIN = re.compile(r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40}://)(?P<login>[^\s/\"'<>\\]*)@")
"""`scheme://user:password@`, the login alone in a group."""
NAMED = re.compile(r"""(?<![\w.-])(?P<name>[A-Za-z0-9_][\w.-]{1,200})\\?["']?[ \t]*[:=][ \t]*""")
"""`name=value`, `name: value`, `"name": "value"`, and the same as text inside of JSON; up to the value."""
OPTION = re.compile(r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]{1,63})[ \t]+(?!-)")
"""`--name value`, up to the value."""
_VALUE = re.compile(
    r"""(?P<mark>\\["'])(?P<escaped>.*?)(?:(?P=mark)|$)|"(?P<double>(?:[^"\\\n]|\\.)*)|'(?P<single>[^'\n]*)|(?P<bare>[^\s,;&"'\\}\])<>\[{|]+)""",
    re.MULTILINE,
)
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.+)", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*")
_NO_VALUES = frozenset({"", "true", "false", "null", "none", "yes", "no", GONE})


def blanked(value: Any, name: str = "") -> Any:
    """A copy of a document with `***` wherever the name of a value, or of what it is in, promises a secret. References stay."""
    if isinstance(value, Mapping):
        return {key: blanked(item, below) for key, item, below in stands_under(value, name)}
    if isinstance(value, list | tuple):
        return [blanked(item, name) for item in value]
    return GONE if _is_secret(value, name) else _encoded(value, name)


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """What `blanked` would take out, and what text and encoded text in the document holds."""
    if isinstance(value, Mapping):
        for _, item, below in stands_under(value, name):
            yield from secrets_in(item, below)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, name)
    elif _is_secret(value, name):
        variable = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
        yield variable["value"] if variable and promises_secret(variable["name"]) else str(value)
        decoded = _decoded(str(value))
        yield from ([decoded] if "PRIVATE KEY" in decoded else secrets_in_text(decoded))
    elif isinstance(value, str):
        yield from secrets_in_text(value)
        yield from secrets_in_text(_decoded(value) if name == "data" else "")


def secrets_in_text(text: str) -> Iterator[str]:
    """Values under such names, and the passwords of addresses."""
    for begin, end in (*named(NAMED, text), *named(OPTION, text)):
        yield text[begin:end]
        yield from _unescaped(text[begin:end])
    for found in LOGIN.finditer(text):
        yield found["login"].partition(":")[2] or found["login"]


def named(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where secrets stand under their names. What is no secret is looked into: `message: token=x`."""
    at = 0
    while found := pattern.search(text, at):
        at = found.end()
        value = _VALUE.match(text, at) if promises_secret(found["name"]) else None
        group = value.lastgroup if value else None
        if value and group and is_value(value[group]):
            at = value.end(group)
            yield value.span(group)


def is_value(text: str) -> bool:
    """Whether it can be a secret at all: neither a word of JSON nor a reference to a secret of this box."""
    return text.strip().lower() not in _NO_VALUES and not REFERENCE.fullmatch(text.strip())


def _is_secret(value: Any, name: str) -> bool:
    if isinstance(value, bool) or value is None or not is_value(str(value)):
        return False
    variable = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return promises_secret(name) or bool(variable and promises_secret(variable["name"]) and is_value(variable["value"]))


def _encoded(value: Any, name: str) -> Any:
    """The bytes of a file, in base64 under `data`: nobody can see what is in there, so it goes."""
    return GONE if name == "data" and isinstance(value, str) and _BASE64.fullmatch(value) else value


def _decoded(text: str) -> str:
    """The text behind base64; nothing where there is none."""
    if not _BASE64.fullmatch(text):
        return ""
    try:
        return base64.b64decode(text, validate=False).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _unescaped(value: str) -> Iterator[str]:
    """What it was before it was written as JSON."""
    if "\\" in value:
        try:
            plain = json.loads(f'"{value}"')
        except ValueError:
            return
        yield plain
