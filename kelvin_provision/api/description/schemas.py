"""Words for JSON schemas (draft 2020-12)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}
MAPPING: Schema = {"type": "object"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def record(optional: Mapping[str, Schema] | None = None, /, **required: Schema) -> Schema:
    """An object with these keys and no others."""
    properties = required | dict(optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def items(schema: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": schema, **limits}


def values(schema: Schema) -> Schema:
    """An object whose keys are names."""
    return {"type": "object", "additionalProperties": schema}


def nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}


def any_case(words: Iterable[str], *, extra: Iterable[str] = ()) -> Schema:
    """One of these words, whatever the case of its letters; `extra` words only as they stand. Nothing stands for the default."""
    cased = ["".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word) for word in words]
    return {"type": "string", "pattern": f"^({'|'.join([*cased, *map(re.escape, extra), ''])})$"}


def named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
