"""Validates values against shapes (pydantic models) and translates pydantic's errors into findings with what is accepted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from kelvin_provision.spec.read.findings import Findings, Path, described, type_of, unknown_key

_NAME = "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
ACCEPTED: Mapping[str, str] = {
    r"^[a-z]([-a-z0-9]*[a-z0-9])?$": _NAME,
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "lower-case letters, digits and '-', beginning and ending with a letter or digit",
    r"^[a-zA-Z][a-zA-Z0-9_]*$": "letters, digits and '_', beginning with a letter",
    r"^[0-9]+(\.[0-9]+)?(K|M|G|Ki|Mi|Gi)$": "memory as text, such as 256Mi or 1G",
    r"^[0-9]+(\.[0-9]+)?m?$": "CPUs as text, such as '0.4' or 400m",
    r"^[0-7]{3,4}$": "octal digits as text, such as '0644'",
    r"^krn:[a-z0-9-]+:\S+$": "a KRN such as krn:user:demo@kelvin.ai",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$": "a semantic version such as 1.0.0-rc1+build5",
    r"^/": "a path that begins with /",
}
"""What each pattern of a shape accepts."""

MAX_FINDINGS = 100
"""Findings of one value; more would not be read, and the search for similar keys is slow."""

S = TypeVar("S", bound="Shape")


class Shape(BaseModel):
    """Strict: no unknown keys, no text in place of a number. A key with null is absent."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, value: Any) -> Any:
        """Older clients of the platform send all keys, with null when unset."""
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def check(shape: type[S], value: Any, path: Path, findings: Findings) -> S | None:
    """The value in its shape, or None with findings."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=True)
    for error_details in errors[:MAX_FINDINGS]:
        error_path = (*path, *error_details["loc"])
        findings.add(error_path, _message(shape, error_details, error_path))
    if len(errors) > MAX_FINDINGS:
        findings.add(path, f"and {len(errors) - MAX_FINDINGS} more findings")
    return None


def check_rest(shape: type[S], value: Any, path: Path, findings: Findings) -> S:
    """Like `check`, but without the invalid keys, so that the rest can be checked, too. For shapes in which every key is optional."""
    valid = check(shape, value, path, findings)
    if valid is not None:
        return valid
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    try:
        shape.model_validate(given)
    except ValidationError as error:
        invalid = {details["loc"][0] for details in error.errors()}
        given = {key: item for key, item in given.items() if key not in invalid}
    return shape.model_validate(given)


def _message(shape: type[BaseModel], error: ErrorDetails, path: Path) -> str:
    kind, place, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return "required field is missing"
    if kind == "extra_forbidden":
        return unknown_key(str(place[-1]), _keys_at(shape, place[:-1]))
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}, got {described(value, path) if kind in _SCALARS else type_of(value)}{_quotes(kind, value)}"
    if kind == "literal_error":
        return f"expected {_either(context['expected'])}, got {described(value, path)}"
    if kind == "string_pattern_mismatch":
        return f"expected {ACCEPTED[context['pattern']]}, got {described(value, path)}"
    return f"expected {_limit(kind, context)}, got {described(value, path)}"


_SCALARS = {"bool_type": "true or false", "int_type": "an integer", "string_type": "text"}
_TYPES = _SCALARS | {"dict_type": "a mapping", "model_type": "a mapping", "list_type": "a list"}


def _quotes(kind: str, value: Any) -> str:
    return "; put it in quotes" if kind == "string_type" and isinstance(value, bool | int | float) else ""


def _either(expected: str) -> str:
    """Pydantic's `'a', 'b' or 'c'` without the quotes."""
    return expected.replace("'", "")


def _limit(kind: str, context: dict[str, Any]) -> str:
    words = {
        "string_too_short": "non-empty text",
        "string_too_long": "at most {max_length} characters",
        "too_short": "a non-empty list",
        "too_long": "a list of at most {max_length} items",
        "greater_than_equal": "a number of at least {ge}",
        "less_than_equal": "a number of at most {le}",
    }
    return words.get(kind, "another value").format(**context)


def _keys_at(shape: type[BaseModel], path: Path) -> Collection[str]:
    """The keys of a shape at some depth."""
    inner = shape
    for step in path:
        if isinstance(step, str):
            inner = _shape_in(inner.model_fields[step].annotation)
    return list(inner.model_fields)


def _shape_in(annotation: Any) -> type[BaseModel]:
    """The shape in an annotation such as `list[Shape] | None`."""
    while not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        annotation = next(inner for inner in get_args(annotation) if inner is not type(None))
    return annotation
