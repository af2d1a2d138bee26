"""A preview as JSON. Secrets are `***`, long texts are unified diffs, absent values have no key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.masking.masked import Masked
from kelvin_provision.preview.changes import DriftOutcome, ObjectChange, WorkloadChange
from kelvin_provision.preview.image_diff import ImageChange, ImageInfo
from kelvin_provision.spec.diff.fields import ABSENT, Field
from kelvin_provision.spec.diff.unified import unified

MORE = "~ more has changed, not shown"


def document(change: WorkloadChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "old": _revision(change.old) if change.old else None,
        "new": _revision(change.new),
        "changes": not change.empty,
        "downtime": {"expected": downtime(change), "why": [interruption.why for interruption in change.interruptions]},
        "images": [_image(image) for image in change.images],
        "rewritten": [{"object": rewrite.object} | field(rewrite.field) for rewrite in change.rewritten],
        "objects": [_object(item) for item in change.objects],
        "drift": [_drifted(drift) for drift in change.drift],
        "findings": [{"code": finding.code, "object": finding.object, "message": finding.message} for finding in change.findings],
    }


def downtime(change: WorkloadChange) -> str:
    """`none`, `possible` or `short`."""
    if not change.interruptions:
        return "none"
    return "short" if any(interruption.certain for interruption in change.interruptions) else "possible"


def _revision(revision: Revision) -> dict[str, Any]:
    return {"app_name": revision.spec.app_name, "app_version": revision.spec.app_version, "revision": revision.number}


def _image(change: ImageChange) -> dict[str, Any]:
    old, new = (_picture(image) if image else None for image in (change.old, change.new))
    return {"old": old, "new": new, "new_bytes": change.new_bytes, "shared_bytes": change.shared_bytes}


def _picture(image: ImageInfo) -> dict[str, Any]:
    return {"reference": image.reference, "digest": image.digest or None, "size": image.size, "additional": image.additional}


def _object(change: ObjectChange) -> dict[str, Any]:
    return {
        "op": change.op.value,
        "object": change.object,
        "replaces": change.replaces or None,
        "replaced_by": change.replaced_by or None,
        "why": change.why,
        "forbidden": change.forbidden,
        "fields": [field(field_change) for field_change in change.fields],
    }


def field(field: Field) -> dict[str, Any]:
    """A path with `old` and `new`, or with the `lines` of a long text; `hidden` if a value is masked."""
    lines = text_lines(field)
    document: dict[str, Any] = {"path": field.path}
    if lines is not None:
        document["lines"] = lines
    else:
        document |= {name: plain(value) for name, value in (("old", field.old), ("new", field.new)) if value is not ABSENT}
    return document | ({"hidden": True} if isinstance(field.old, Masked) or isinstance(field.new, Masked) else {})


def text_lines(field: Field) -> list[str] | None:
    """The unified diff of a long text; None for other values."""
    texts = ["" if value is ABSENT else plain(value) for value in (field.old, field.new)]
    if not all(isinstance(text, str) for text in texts) or not any("\n" in text for text in texts):
        return None
    lines = unified(*texts)
    return [*lines, MORE] if lines and _hides(field, lines) else lines


def _hides(field: Field, lines: Sequence[str]) -> bool:
    """Whether lines differ only in masked values."""
    under = [value.under for value in (field.old, field.new) if isinstance(value, Masked)]
    return len(under) == 2 and _changed(unified(*under)) > _changed(lines)


def _changed(lines: Sequence[str]) -> int:
    return sum(line.startswith(("-", "+")) for line in lines)


def plain(value: Any) -> Any:
    """A value without masked parts."""
    if isinstance(value, Masked):
        return value.shown
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _drifted(outcome: DriftOutcome) -> dict[str, Any]:
    drift = outcome.drift
    values = (("applied", drift.applied), ("live", drift.live), ("then", outcome.after))
    document = {"object": drift.object, "path": drift.path} | {name: plain(value) for name, value in values if value is not ABSENT}
    return document | {"stays": outcome.stays, "by": drift.by or None, "when": drift.when or None}
