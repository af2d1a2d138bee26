"""Secrets in a text, found by the names before them: options, variables, fields, logins in addresses. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from kelvin_provision.masking.names import is_harmless_variable, promises_secret
from kelvin_provision.masking.prose import is_prose
from kelvin_provision.spec.references import REFERENCE

MASK = "***"

LOGIN = re.compile(r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40}://)(?P<login>[^\s/\"'<>\\]*)@")
"""`scheme://user:password@`, the login alone in a group."""
_FIELD = re.compile(r"""(?<![\w.-])-{0,2}(?P<name>[A-Za-z0-9_][\w.-]{1,200})\\?["']?[ \t]*[:=][ \t]*""")
"""`name=value`, `--name=value`, `name: value`, `"name": "value"`, and the same as text inside of JSON; up to the value."""
_SUBJECT = re.compile(r"[\w.-]/[\w.-]+:$|\b[A-Z]\w+/[\w.-]+:[ \t]*$|(?:\b(?:pod|container|workload|staging) )[\w.-]+:[ \t]*$")
"""`r.io/auth:1.2.0`, `pod auth-0: BackOff`: the name of an image or of a part of the cluster, and no field."""
HEADER = re.compile(
    r"(?i)\b(?P<name>(?:proxy-)?authorization|(?:set-)?cookie|x-registry-auth|x-api-key)(?:\\?[\"']?\s*[:=]\s*)(?P<value>[^\r\n\"'\\]+)"
)
"""A header with its value, which may have several words: `Authorization: Bearer abc`."""
_OPTION = re.compile(r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]{1,63})[ \t]+(?!-)")
"""`--name value`, up to the value."""
_VALUE = re.compile(
    r"""(?P<mark>\\["'])(?P<escaped>.*?)(?:(?P=mark)|$)|"(?P<double>(?:[^"\\\n]|\\.)*)|'(?P<single>[^'\n]*)|(?P<bare>[^\s,;&"'\\}\])<>\[{|]+)""",
    re.MULTILINE,
)
_LINE = re.compile(r"(?m)^([^\n:=]*[:=][ \t]*)(\S[^\n]*)$")
"""`name: value` and `name = value` in a file: up to the value, and the value."""
_NO_NAME = re.compile(r"[^\w.-]")
_DIGIT, _LETTER, _PUNCTUATION = re.compile(r"[0-9]"), re.compile(r"[A-Za-z]"), re.compile(r"[^\w\s./:,-]")
_SHORTEST_RANDOM = 6
_ENTRY = frozenset({"key", "keys"})
_NO_VALUES = frozenset({"", "true", "false", "null", "none", "yes", "no", MASK})

# --- command lines: any option may hold a secret ----------------------------------------------------

_ASSIGNMENT = re.compile(r"(?<![\w-])(?P<name>[A-Z_][A-Z0-9_]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s;&|\"']+)")
SHORT_OPTION = re.compile(r"-[Ppaw]")
"""What `mosquitto_pub -P`, `sshpass -p`, `redis-cli -a` and `ldapsearch -w` take a password after."""
_SHORT = re.compile(
    r"(?<![\w-])-(?:[Ppaw][ \t]+|[Pp](?=[^\s\"']*[\dA-Z!@#$%^&*+])(?=[^\s\"']{4}))(?P<value>\"[^\"]*\"|'[^']*'|[^\s;&|\"'-][^\s;&|\"']*)"
)
_USER = re.compile(r"(?<![\w-])(?:-u|--user)[ \t=]+[^\s:\"']+:(?P<value>[^\s\"']+)")
_HARMLESS_ARGUMENT = re.compile(r"[0-9]{1,3}|\.{0,2}/.*|\.{1,2}")
_NUMBER = re.compile(r"[0-9]+")


class Span(NamedTuple):
    """The position of a secret. `certain`: its name promises a secret; otherwise it is only masked at this position."""

    begin: int
    end: int
    certain: bool = True


def is_value(text: str) -> bool:
    """Whether it can be a secret at all: not empty, not a word of JSON or YAML, not a reference to a secret of this box."""
    return text.strip().lower() not in _NO_VALUES and not REFERENCE.fullmatch(text.strip())


def looks_random(text: str) -> bool:
    """Whether it looks like a secret rather than a word, a path or a number of a few digits."""
    text = text.strip()
    if len(text) < _SHORTEST_RANDOM or text.startswith(("/", "./")):
        return False
    has_digit, has_letter = _DIGIT.search(text) is not None, _LETTER.search(text) is not None
    return (has_digit and has_letter) or text.isdigit() or len(text.split()) > 2 or _PUNCTUATION.search(text) is not None


def is_harmless_argument(text: str) -> bool:
    return _HARMLESS_ARGUMENT.fullmatch(text) is not None


def spans(text: str) -> Iterator[Span]:
    """In free text: fields, options and logins. Not in order; they may overlap."""
    yield from _named(_FIELD, text)
    yield from _named(_OPTION, text)
    for match in LOGIN.finditer(text):
        yield Span(*match.span("login"))
    for match in HEADER.finditer(text):
        if is_value(match["value"]) and not is_prose(match["value"]):
            yield Span(*match.span("value"))


def field_spans(text: str, subjects: Collection[str] = ()) -> Iterator[Span]:
    return _named(_FIELD, text, subjects)


def option_spans(text: str) -> Iterator[Span]:
    return _named(_OPTION, text)


def file_spans(text: str) -> Iterator[Span]:
    """In the text of a file: also whole lines, whose values may have blanks."""
    yield from spans(text)
    for match in _LINE.finditer(text):
        *_, name = _NO_NAME.split(match[1].rstrip(" \t:=\"'"))
        if promises_secret(name) and is_value(match[2].strip("\"' ,")) and not is_prose(match[2]):
            yield Span(*match.span(2))


def command_spans(text: str) -> Iterator[Span]:
    """In an argument of a command or a line of a shell: also variables, `-P value` and `--user name:password`."""
    yield from spans(text)
    for match in _ASSIGNMENT.finditer(text):
        value = match["value"].strip("\"'")
        if is_value(value) and not is_harmless_variable(match["name"], value):
            yield _unquoted(match, certain=promises_secret(match["name"]))
    for match in _SHORT.finditer(text):
        if is_value(match["value"]) and not is_harmless_argument(match["value"]):
            yield _unquoted(match, certain=False)
    for match in _USER.finditer(text):
        if is_value(match["value"]) and not _NUMBER.fullmatch(match["value"]):
            yield Span(*match.span("value"))


def mask_spans(text: str, spans: Iterable[Span]) -> str:
    kept, position = [], 0
    for begin, end, _ in _merged(spans):
        kept += [text[position:begin], MASK]
        position = end
    return "".join((*kept, text[position:]))


def mask_logins(text: str) -> str:
    """Only logins in addresses, for texts that hold no other secret."""
    return mask_spans(text, (Span(*match.span("login")) for match in LOGIN.finditer(text)))


def secrets_in_text(text: str) -> Iterator[str]:
    """The secrets of a free text, also as they were before they were written as JSON."""
    for begin, end, _ in _named(_FIELD, text):
        yield from unescaped(text[begin:end])
    for begin, end, _ in _named(_OPTION, text):
        yield from unescaped(text[begin:end])
    for match in LOGIN.finditer(text):
        yield match["login"].partition(":")[2] or match["login"]


def unescaped(value: str) -> Iterator[str]:
    yield value
    if "\\" in value:
        try:
            plain = json.loads(f'"{value}"')
        except ValueError:
            return
        yield plain


def _named(pattern: re.Pattern[str], text: str, subjects: Collection[str] = ()) -> Iterator[Span]:
    """Values behind names that promise a secret. A value behind another name is searched itself: `message: token=x`.

    `subjects` are names of what messages are about: a workload may be called `auth`.
    """
    position = 0
    while match := pattern.search(text, position):
        position = match.end()
        is_subject = match["name"].lower() in subjects and "=" not in match[0]
        if is_subject or _SUBJECT.search(text, max(match.start() - 20, 0), position):
            continue
        is_entry = match["name"].lower() in _ENTRY
        value = _VALUE.match(text, position) if is_entry or promises_secret(match["name"]) else None
        group = value.lastgroup if value else None
        if not value or not group or not is_value(value[group]) or (is_entry and not looks_random(value[group])):
            continue
        if group == "bare" and "=" not in match[0] and is_prose(text[position : position + 80]):
            continue
        position = value.end(group)
        yield Span(*value.span(group))


def _unquoted(match: re.Match[str], *, certain: bool) -> Span:
    begin, end = match.span("value")
    quoted = match["value"][0] in "\"'"
    return Span(begin + quoted, end - quoted, certain)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """In order, without overlaps."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.begin < merged[-1].end:
            last = merged[-1]
            merged[-1] = Span(last.begin, max(last.end, span.end), last.certain or span.certain)
        elif span.begin < span.end:
            merged.append(span)
    return merged
