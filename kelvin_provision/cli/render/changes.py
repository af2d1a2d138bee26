"""A preview for people: a summary first, then every field as a unified diff. The same text with and without colours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.render.report import CHANGES, Item, Line, Report, Tone
from kelvin_provision.cluster.plan import Op
from kelvin_provision.masking.masked import Masked
from kelvin_provision.preview.changes import STAMPS, workload_changes
from kelvin_provision.preview.documents import document, downtime, plain, text_lines
from kelvin_provision.quantity import format_bytes
from kelvin_provision.spec.diff.fields import ABSENT, Field, parted

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.workloads import Revision
    from kelvin_provision.preview.changes import DriftOutcome, ObjectChange, WorkloadChange
    from kelvin_provision.preview.image_diff import ImageChange, ImageInfo
    from kelvin_provision.preview.model import Preview

LONGEST = 200
"""The shown length of a value in characters, and of a text in lines; `--json` has all of it."""

DONE = {Op.CREATE: "created", Op.UPDATE: "updated", Op.KEEP: "kept", Op.DELETE: "pruned"}
_PLAIN = re.compile(r"[^\s\"'\[{][^\n]*(?<!\s)")
_OTHER = re.compile(r"null|true|false|-?\d+(\.\d+)?")
_NONE = "/dev/null"


def report(command: str, preview: Preview, *, exit_code: bool, warnings: Sequence[str] = ()) -> Report:
    """The report of a dry run; exit code 3 for changes if requested."""
    workloads = workload_changes(preview)
    changes = [change for change in preview.plan.changes if change.op is not Op.KEEP]
    changed = bool(changes) or not all(change.empty for change in workloads)
    return Report(
        command,
        tuple(Item("change", f"{change.workload}: {change.object}", change.op.value, change.why) for change in changes),
        lines=tuple(line for number, change in enumerate(workloads) for line in (*([Line("")] if number else []), *_workload(change))),
        more={"changes": changed, "workloads": [document(change) for change in workloads]},
        names=tuple(change.name for change in workloads),
        warnings=(*warnings, *preview.notes),
        exit_code=CHANGES if exit_code and changed else 0,
        refusal=preview.refusal,
    )


def _workload(change: WorkloadChange) -> Iterator[Line]:
    yield Line(f"{change.name}: {_versions(change.old, change.new)}", Tone.TITLE)
    breaks = change.interruptions
    yield Line(f"  downtime   {'none' if not breaks else _words(downtime(change))}", Tone.CHANGED if breaks else Tone.PLAIN)
    yield from (Line(f"             {interruption.why}", Tone.CHANGED) for interruption in breaks)
    for image in change.images:
        yield from _image(image)
    for number, made in enumerate(change.rewritten):
        yield Line(f"  {'' if number else 'offline':<11}{made.object} {made.field.path}")
        yield Line(f"             -{_or_nothing(made.field.old)}", Tone.GONE)
        yield Line(f"             +{_or_nothing(made.field.new)}", Tone.NEW)
    counts = Counter(object_change.op for object_change in change.objects)
    yield Line(f"  objects    {', '.join(f'{counts[op]} {word}' for op, word in DONE.items() if counts[op]) or 'none'}")
    yield from (Line(f"             {_outcome(item)}", Tone.BAD if item.forbidden else Tone.PLAIN) for item in change.objects)
    if change.drift:
        yield Line("  changed on the cluster by another client", Tone.TITLE)
        for drifted in change.drift:
            yield from _drifted(drifted)
    if change.findings:
        yield Line("  forbidden", Tone.BAD)
        yield from (Line(f"    {finding.object}: {finding.message} [{finding.code}]", Tone.BAD) for finding in change.findings)
    for item in change.objects:
        if item.fields:
            yield Line("")
            yield from _object(item, change.old, change.new)


def _versions(old: Revision | None, new: Revision) -> str:
    after = f"{new.spec.app_name} {new.spec.app_version}"
    if old is None:
        return f"{after}, new"
    before = f"{old.spec.app_name} {old.spec.app_version}"
    to = new.spec.app_version if old.spec.app_name == new.spec.app_name else after
    return f"{before} -> {to} (revision {old.number} -> {new.number})"


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
    if new and change.new_bytes is not None and old:
        yield Line(f"             {format_bytes(change.new_bytes)} new, {format_bytes(change.shared_bytes or 0)} shared")
    elif new and change.new_bytes is None:
        yield Line("             the cluster pulls it")


def _about(picture: ImageInfo) -> str:
    details = [picture.digest[:19]] if picture.digest else []
    details += [format_bytes(picture.size)] if picture.size is not None else []
    details += ["additional"] if picture.additional else []
    return f" ({', '.join(details)})" if details else ""


# --- drift ------------------------------------------------------------------------------------------


def _drifted(outcome: DriftOutcome) -> Iterator[Line]:
    drift = outcome.drift
    if not drift.path:
        yield Line(f"    {drift.object} is gone", Tone.CHANGED)
        return
    yield Line(f"    {drift.object} {drift.path}", Tone.CHANGED)
    if drift.by:
        yield Line(f"      by {drift.by}{f' at {drift.when}' if drift.when else ''}")
    lines = text_lines(Field(drift.path, drift.applied, drift.live))
    if lines is None:
        yield Line(f"      -{_or_nothing(drift.applied)}", Tone.GONE)
        yield Line(f"      +{_or_nothing(drift.live)}", Tone.NEW)
    for line in _text("", lines or ()):
        yield Line(f"      {line.text}", line.tone)
    yield Line(f"      {_afterwards(outcome)}")


def _or_nothing(value: Any) -> str:
    return "(not there)" if value is ABSENT else _value(value)


def _afterwards(outcome: DriftOutcome) -> str:
    if outcome.stays:
        return "stays: the new version does not set it"
    if outcome.after is ABSENT:
        return "is removed with the old version" if outcome.drift.live is not ABSENT else "the new version does not have it"
    return "is put back" if outcome.after == outcome.drift.applied else "is set to the value of the new version"


# --- objects, in unified lines --------------------------------------------------------------------


def _outcome(item: ObjectChange) -> str:
    if item.forbidden:
        return f"forbidden {item.object}"
    why = "new contents" if item.replaces else "replaced" if item.replaced_by else item.why
    if item.op is Op.UPDATE and (item.fields or _only_stamps(item.why)):
        why = "" if item.fields else "only what names its version"
    return f"{DONE[item.op]:<8}{item.object}{f': {why}' if why else ''}"


def _only_stamps(why: str) -> bool:
    return all(any(stamp in path for stamp in STAMPS) for path in why.split(", "))


def _object(change: ObjectChange, old: Revision | None, new: Revision) -> Iterator[Line]:
    fresh = change.op is Op.CREATE and not change.replaces
    name = _NONE if fresh else change.replaces or change.object
    yield Line(f"--- {name}{f' (revision {old.number})' if old and not fresh else ''}", Tone.TITLE)
    yield Line(f"+++ {change.object} (revision {new.number}{', forbidden' if change.forbidden else ''})", Tone.TITLE)
    place = ""
    for field in change.fields:
        parent, last = parted(field.path)
        lines, structured = text_lines(field), _is_structured(field)
        if lines:
            yield from _text(field.path, lines)
        else:
            here = field.path if structured else parent
            if here != place and here:
                yield Line(f"@@ {here} @@", Tone.PLACE)
            yield from _structure(field) if structured else _single(field, last)
        place = field.path if lines or structured else parent


def _is_structured(field: Field) -> bool:
    """Whether the old or new value is an object or list with content."""
    return any(isinstance(value, dict | list) and value for value in (field.old, field.new))


def _single(field: Field, name: str) -> Iterator[Line]:
    if isinstance(field.old, Masked) and isinstance(field.new, Masked):
        yield Line(f"~{name}: changed, not shown", Tone.CHANGED)
        return
    if field.old is not ABSENT:
        yield Line(f"-{name}: {_value(field.old)}", Tone.GONE)
    if field.new is not ABSENT:
        yield Line(f"+{name}: {_value(field.new)}", Tone.NEW)


def _structure(field: Field) -> Iterator[Line]:
    """An added or removed structure, as YAML."""
    for value, sign, tone in ((field.old, "-", Tone.GONE), (field.new, "+", Tone.NEW)):
        if value is not ABSENT:
            lines = written(plain(value)).splitlines()
            yield from (Line(f"{sign}{_cut(line)}", tone) for line in lines[:LONGEST])
            if len(lines) > LONGEST:
                yield Line(f"  and {len(lines) - LONGEST} lines more: --json has them")


def _text(path: str, lines: Sequence[str]) -> Iterator[Line]:
    tones = {"-": Tone.GONE, "+": Tone.NEW, "~": Tone.CHANGED}
    for line in lines[:LONGEST]:
        if line.startswith("@@"):
            yield Line(line.replace("@@", f"@@ {path}" if path else "@@", 1), Tone.PLACE)
        else:
            yield Line(_cut(line), tones.get(line[:1], Tone.PLAIN))
    if len(lines) > LONGEST:
        yield Line(f"  and {len(lines) - LONGEST} lines more: --json has them")


def written(value: Any) -> str:
    """YAML as people write it: long texts as blocks, no line folded."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """A class of our own, so that the YAML of other users of the library stays as it is."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (the library's own signature)
            """Repeated values are written out, without YAML aliases."""
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def _value(value: Any) -> str:
    """A scalar; in quotes where it could be taken for another type."""
    shown = plain(value)
    if isinstance(shown, str) and _PLAIN.fullmatch(shown) and not _OTHER.fullmatch(shown):
        return _cut(shown)
    return _cut(json.dumps(shown, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
