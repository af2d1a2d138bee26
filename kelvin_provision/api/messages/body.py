"""Bodies of requests: bounded in bytes and in depth, each key once."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from kelvin_provision.api.messages.refusals import Refusal

LARGEST = 1 << 20
DEEPEST = 64
_MOST_FIELDS = 32
FORM = "application/x-www-form-urlencoded"


async def content(request: Request, largest: int = LARGEST) -> bytes:
    """Raises Refusal before more than is allowed was read.

    The rest is thrown away as it comes: most clients read no answer before they have sent everything.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest:
        raise _too_large(largest)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > largest:
            raise _too_large(largest)
        parts.append(part)
    return b"".join(parts)


def _too_large(largest: int) -> Refusal:
    return Refusal("body-too-large", f"the body may have {largest} bytes")


def parsed_object(data: bytes) -> dict[str, Any]:
    """A body as a JSON object; an empty body is an empty object. Raises Refusal."""
    if not data.strip():
        return {}
    _refuse_depth(data)
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise Refusal("bad-body", f"the body is not UTF-8: invalid byte at {error.start}") from error
    except json.JSONDecodeError as error:
        raise Refusal("bad-body", f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}") from error
    except ValueError as error:  # also of a number with thousands of digits
        raise Refusal("bad-body", f"the body is not accepted: {error}") from error
    _refuse_what_is_no_text(data, document)
    if not isinstance(document, dict):
        raise Refusal("bad-body", f"the body is not a JSON object, but {_kind(document)}")
    return document


def fields_in(data: bytes, accepted: Collection[str]) -> dict[str, Any]:
    """The keys of a body that are given; null is absent, as some clients send every key. Raises Refusal for another one."""
    document = parsed_object(data)
    for key in document:
        if key not in accepted:
            import difflib  # only for a mistake

            near = difflib.get_close_matches(key[:60], accepted, 1)
            advice = f"did you mean {near[0]}?" if near else f"accepted are {', '.join(accepted)}"
            raise Refusal("bad-body", f"unknown key {key[:60]!r}; {advice}")
    return {key: value for key, value in document.items() if value is not None}


async def fields_of(request: Request, accepted: Collection[str]) -> dict[str, Any]:
    """The same of a body that is still to be read."""
    return fields_in(await content(request), accepted)


def whole_number(value: Any, most: int) -> int | None:
    """From 1 to `most`, also as 7.0, which is the same number in JSON; None for anything else."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    return number if type(number) is int and 1 <= number <= most else None


def true_or_false(fields: dict[str, Any], name: str) -> bool:
    """False where it is not given. Raises Refusal."""
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise Refusal("bad-body", f"{name} is not true or false")
    return value


_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALIKE = bytes.maketrans(b"{}", b"[]")


def _refuse_depth(data: bytes) -> None:
    """Before parsing, which would go as deep as the document does. Each round removes the innermost level, without a loop over bytes."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return
    brackets = _TEXT.sub(b"", data).translate(_ALIKE, _ALL_BUT_BRACKETS)
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"")
    if brackets.count(b"["):
        raise Refusal("bad-body", f"the body is nested too deeply; the limit is {DEEPEST} levels")


_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_MAY_BE_NO_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _refuse_what_is_no_text(data: bytes, document: Any) -> None:
    """NUL and halves of a character, which only an escape can bring: neither the ledger nor a file name can have them."""
    rest = [document] if _MAY_BE_NO_TEXT.search(data) else []
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend((*value.keys(), *value.values()))
        elif isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, str) and _NO_TEXT.search(value):
            raise Refusal("bad-body", "the body has a text with a NUL or an unpaired surrogate", "use text that UTF-8 can encode")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"duplicate key {twice[:60]!r}")
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:60]} is not a finite number")
    return value


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}[type(value)]


async def form(request: Request) -> dict[str, str]:
    """The fields of a form, each at most once. Raises Refusal."""
    return form_fields(request, await content(request, 1 << 16))


def form_fields(request: Request, data: bytes) -> dict[str, str]:
    """The same of a body that was read."""
    if request.headers.get("content-type", FORM).partition(";")[0].strip().lower() != FORM:
        raise Refusal("bad-body", f"the body is not a form ({FORM})")
    try:
        pairs = parse_qsl(
            data.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(data), max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise Refusal("bad-body", "the body is not a valid form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal("bad-body", "a field of the form is given twice")
    return fields
