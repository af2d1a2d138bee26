"""A forecast for people: what matters first, then every field in unified lines. The same words with and without colours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.amounts import size
from kelvin_provision.cluster.protocol import Op
from kelvin_provision.ops.change_documents import document, downtime, plain, text_lines
from kelvin_provision.ops.changes import told
from kelvin_provision.report import Item, Line, Report, Tone
from kelvin_provision.spec.fields import ABSENT, Field
from kelvin_provision.spec.veil import Veiled

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Revision
    from kelvin_provision.ops.changes import Drifted, ObjectChange, WorkloadChange
    from kelvin_provision.ops.forecast import Forecast
    from kelvin_provision.ops.pictures import ImageChange, Picture

CHANGES = 3
"""The exit code for "there are changes"."""

LONGEST = 200
"""Signs of one value, and lines of one text, that are shown; `--json` has all of them."""

DONE = {Op.CREATE: "created", Op.UPDATE: "updated", Op.KEEP: "kept", Op.DELETE: "pruned"}
_PLAIN = re.compile(r"[^\s\"'\[{][^\n]*(?<!\s)")
_OTHER = re.compile(r"null|true|false|-?\d+(\.\d+)?")
_NONE = "/dev/null"


def report(command: str, forecast: Forecast, *, exit_code: bool, warnings: Sequence[str] = ()) -> Report:
    """The whole answer of a command that touches nothing; 3 for changes only where that was asked for."""
    found = told(forecast)
    changes = [change for change in forecast.plan.changes if change.op is not Op.KEEP]
    return Report(
        command,
        tuple(Item("change", f"{change.workload}: {change.object}", change.op.value, change.why) for change in changes),
        lines=tuple(line for change in found for line in _workload(change)),
        more={"changes": bool(changes), "workloads": [document(change) for change in found]},
        names=tuple(change.name for change in found),
        warnings=(*warnings, *forecast.notes),
        exit_code=CHANGES if exit_code and changes else 0,
        refusal=forecast.refusal,
    )


def _workload(change: WorkloadChange) -> Iterator[Line]:
    yield Line(f"{change.name}: {_versions(change.old, change.new)}", Tone.TITLE)
    breaks = change.interruptions
    yield Line(f"  downtime   {'none' if not breaks else _words(downtime(change))}", Tone.CHANGED if breaks else Tone.PLAIN)
    yield from (Line(f"             {one.why}", Tone.CHANGED) for one in breaks)
    for image in change.images:
        yield from _image(image)
    for number, made in enumerate(change.rewritten):
        yield Line(f"  {'' if number else 'offline':<11}{_value(made.field.old)} -> {_value(made.field.new)}")
        yield Line(f"             ({made.object} {made.field.path})")
    counts = Counter(one.op for one in change.objects)
    yield Line(f"  objects    {', '.join(f'{counts[op]} {word}' for op, word in DONE.items() if counts[op]) or 'none'}")
    if change.empty:
        yield Line("             nothing would change on the cluster")
    if change.drift:
        yield Line("  changed on the cluster by somebody else", Tone.TITLE)
        for drifted in change.drift:
            yield from _drifted(drifted)
    if change.findings:
        yield Line("  forbidden", Tone.BAD)
        yield from (Line(f"    {one.object}: {one.message} [{one.code}]", Tone.BAD) for one in change.findings)
    for item in change.objects:
        if item.op is not Op.KEEP:
            yield from _object(item, change.old, change.new)
    yield Line("")


def _versions(old: Revision | None, new: Revision) -> str:
    after = f"{new.spec.app_name} {new.spec.app_version}"
    if old is None:
        return f"{after}, new"
    before = old.spec.app_version if old.spec.app_name == new.spec.app_name else f"{old.spec.app_name} {old.spec.app_version}"
    to = new.spec.app_version if old.spec.app_name == new.spec.app_name else after
    name = f"{new.spec.app_name} " if old.spec.app_name == new.spec.app_name else ""
    return f"{name}{before} -> {to} (revision {old.number} -> {new.number})"


def _words(expected: str) -> str:
    return "a short interruption" if expected == "short" else "a short interruption is possible"


# --- images ---------------------------------------------------------------------------------------


def _image(change: ImageChange) -> Iterator[Line]:
    old, new = change.old, change.new
    if change.same and new:
        yield Line(f"  image      {new.reference}, as before{_about(new)}")
        return
    head = "image"
    for picture, sign, tone in ((old, "-", Tone.GONE), (new, "+", Tone.NEW)):
        if picture:
            yield Line(f"  {head:<10} {sign}{picture.reference}{_about(picture)}", tone)
            head = ""
    if new and change.fresh is not None and old:
        yield Line(f"             {size(change.fresh)} new, {size(change.shared or 0)} shared")
    elif new and change.fresh is None:
        yield Line("             the cluster pulls it")


def _about(picture: Picture) -> str:
    known = [picture.digest[:19]] if picture.digest else []
    known += [size(picture.size)] if picture.size is not None else []
    return f" ({', '.join(known)})" if known else ""


# --- what others did ------------------------------------------------------------------------------


def _drifted(one: Drifted) -> Iterator[Line]:
    drift = one.drift
    who = f", by {drift.by}{f' at {drift.when}' if drift.when else ''}" if drift.by else ""
    if not drift.path:
        yield Line(f"    {drift.object}: is gone{who}", Tone.CHANGED)
        return
    yield Line(f"    {drift.object} {drift.path}{who}", Tone.CHANGED)
    yield Line(f"      {_or_nothing(drift.applied)} -> {_or_nothing(drift.live)}; {_afterwards(one)}", Tone.CHANGED)


def _or_nothing(value: Any) -> str:
    return "not there" if value is ABSENT else _value(value)


def _afterwards(one: Drifted) -> str:
    if one.stays:
        return "this leaves it so"
    if one.then is ABSENT:
        return "the new version does not have it"
    if one.then == one.drift.applied:
        return "this puts it back"
    return "this sets it anew" if isinstance(one.then, dict) else f"this sets it to {_value(one.then)}"


# --- objects, in unified lines --------------------------------------------------------------------


def _object(change: ObjectChange, old: Revision | None, new: Revision) -> Iterator[Line]:
    before = f" (revision {old.number})" if old else ""
    name = change.replaces or change.object
    head = _NONE if change.op is Op.CREATE and not change.replaces else f"{name}{before}"
    done = "forbidden" if change.forbidden else DONE[change.op]
    why = "" if change.forbidden or (change.op is Op.UPDATE and change.fields) else f": {change.why}"
    tail = f"{_NONE} ({done}{why})" if change.op is Op.DELETE else f"{change.object} (revision {new.number}, {done}{why})"
    yield Line(f"--- {head}", Tone.TITLE)
    yield Line(f"+++ {tail}", Tone.BAD if change.forbidden else Tone.TITLE)
    for field in change.fields:
        yield from _field(field)


def _field(field: Field) -> Iterator[Line]:
    lines = text_lines(field)
    if lines:
        yield from _text(field.path, lines)
    elif lines is not None or (isinstance(field.old, Veiled) and isinstance(field.new, Veiled)):
        yield Line(f"~{field.path}: changed, not shown", Tone.CHANGED)
    else:
        if field.old is not ABSENT:
            yield Line(f"-{field.path}: {_value(field.old)}", Tone.GONE)
        if field.new is not ABSENT:
            yield Line(f"+{field.path}: {_value(field.new)}", Tone.NEW)


def _text(path: str, lines: Sequence[str]) -> Iterator[Line]:
    tones = {"-": Tone.GONE, "+": Tone.NEW}
    for line in lines[:LONGEST]:
        if line.startswith("@@"):
            yield Line(f"@@ {path}{line.removeprefix('@@').removesuffix(' @@')} @@", Tone.PLACE)
        else:
            yield Line(_cut(line), tones.get(line[:1], Tone.PLAIN))
    if len(lines) > LONGEST:
        yield Line(f"  and {len(lines) - LONGEST} lines more: --json has them")


def _value(value: Any) -> str:
    """As a person writes it; in quotes where it could be taken for something else."""
    shown = plain(value)
    if isinstance(shown, str) and _PLAIN.fullmatch(shown) and not _OTHER.fullmatch(shown):
        return _cut(shown)
    return _cut(json.dumps(shown, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} signs)"
