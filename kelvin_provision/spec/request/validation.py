"""Shapes (pydantic models) against values: what pydantic finds becomes our own sentences, with what would be right.

The only module that knows pydantic's words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from kelvin_provision.spec.read.findings import Findings, Path, got, kind_of, unknown

_NAME = "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
WORDS: Mapping[str, str] = {
    r"^[a-z]([-a-z0-9]*[a-z0-9])?$": _NAME,
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "lower-case letters, digits and '-', beginning and ending with a letter or digit",
    r"^[a-zA-Z][a-zA-Z0-9_]*$": "letters, digits and '_', beginning with a letter",
    r"^[0-9]+(\.[0-9]+)?(K|M|G|Ki|Mi|Gi)$": "an amount of memory as text, like 256Mi or 1G",
    r"^[0-9]+(\.[0-9]+)?m?$": "a number of CPUs as text, like '0.4' or 400m",
    r"^[0-7]{3,4}$": "octal digits as text, like '0644'",
    r"^krn:[a-z0-9-]+:\S+$": "a KRN like krn:user:demo@kelvin.ai",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$": "a version like 1.0.0 or 1.0.0-rc1+build5",
    r"^/": "a path that begins with /",
}
"""Every pattern of a shape, in words."""

MOST = 100
"""Findings of one value that are written out; nobody reads more, and the nearest key is slow to find."""

S = TypeVar("S", bound="Shape")


class Shape(BaseModel):
    """Keys and types, strictly: no unknown key, no text for a number; a key with null is a key that is absent."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, value: Any) -> Any:
        """The platform's older clients send every key, null when unset."""
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def check(shape: type[S], value: Any, path: Path, findings: Findings) -> S | None:
    """The value in its shape, or None with the findings noted."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=True)
    for one in errors[:MOST]:
        place = (*path, *one["loc"])
        findings.add(place, _sentence(shape, one, place))
    if len(errors) > MOST:
        findings.add(path, f"and {len(errors) - MOST} findings more")
    return None


def check_rest(shape: type[S], value: Any, path: Path, findings: Findings) -> S:
    """Like `check`, but what is wrong is left out and the rest goes on, so that its findings come too. Every key is optional."""
    whole = check(shape, value, path, findings)
    if whole is not None:
        return whole
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    try:
        shape.model_validate(given)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors()}
        given = {key: item for key, item in given.items() if key not in wrong}
    return shape.model_validate(given)


def _sentence(shape: type[BaseModel], error: ErrorDetails, path: Path) -> str:
    kind, place, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return "missing; right is to give it"
    if kind == "extra_forbidden":
        return unknown(str(place[-1]), _keys_at(shape, place[:-1]))
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}, got {got(value, path) if kind in _SCALARS else kind_of(value)}{_quotes(kind, value)}"
    if kind == "literal_error":
        return f"expected {_either(context['expected'])}, got {got(value, path)}"
    if kind == "string_pattern_mismatch":
        return f"expected {WORDS[context['pattern']]}, got {got(value, path)}"
    return f"expected {_limit(kind, context)}, got {got(value, path)}"


_SCALARS = {"bool_type": "true or false", "int_type": "a whole number", "string_type": "text"}
_TYPES = _SCALARS | {"dict_type": "a mapping", "model_type": "a mapping", "list_type": "a list"}


def _quotes(kind: str, value: Any) -> str:
    return "; right is to put it in quotes" if kind == "string_type" and isinstance(value, bool | int | float) else ""


def _either(expected: str) -> str:
    """The words `'a', 'b' or 'c'` of pydantic without the quotes."""
    return expected.replace("'", "")


def _limit(kind: str, context: dict[str, Any]) -> str:
    words = {
        "string_too_short": "text that is not empty",
        "string_too_long": "at most {max_length} characters",
        "too_short": "a list that is not empty",
        "too_long": "a list of at most {max_length}",
        "greater_than_equal": "a number from {ge}",
        "less_than_equal": "a number up to {le}",
    }
    return words.get(kind, "another value").format(**context)


def _keys_at(shape: type[BaseModel], place: Path) -> Collection[str]:
    """The keys that a shape knows at some depth."""
    here = shape
    for step in place:
        if isinstance(step, str):
            here = _shape_in(here.model_fields[step].annotation)
    return list(here.model_fields)


def _shape_in(annotation: Any) -> type[BaseModel]:
    """The one shape in an annotation like `list[Shape] | None`."""
    while not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        annotation = next(inner for inner in get_args(annotation) if inner is not type(None))
    return annotation
