"""Errors between processes of ours: an error as a JSON document, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kelvin_provision.errors.base import ProvisionError, leaves
from kelvin_provision.errors.box import OurBug
from kelvin_provision.hints import Hint


def to_document(error: ProvisionError) -> dict[str, Any]:
    hint = {field.name: getattr(error.hint, field.name) for field in fields(Hint)}
    return {"code": error.code, "message": str(error), "hint": hint, "evidence": list(error.evidence)}


def from_document(document: Mapping[str, Any]) -> ProvisionError:
    """Of the same class, as far as this process has imported it; else OurBug."""
    kind = next((kind for kind in leaves() if kind.code == document["code"]), OurBug)
    words = document["hint"]
    hint = Hint(**words | {"arguments": tuple(words["arguments"]), "names": tuple(words["names"])})
    return kind(document["message"], hint=hint, evidence=document["evidence"])
