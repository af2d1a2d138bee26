"""A preview field by field: the running and the new objects as we rendered both, without the defaults of a cluster. Pure.

ADR 0017 tells why our own objects are compared and not the live ones.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from kelvin_provision.applying.target import Target
from kelvin_provision.cluster.plan import Change, Drift, Finding, Interruption, Op, names
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.masking.masked import mask
from kelvin_provision.preview import image_diff
from kelvin_provision.preview.model import Preview
from kelvin_provision.preview.rewrites import Rewrite, rewrites
from kelvin_provision.spec.diff.fields import ABSENT, Field, compare, flat
from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.spec.workload import Object, Spec

STAMPS = ("kelvin-provision/", *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "managed-by")))
"""Labels and annotations that only name the version of an object: they change with every version."""

HASHED = re.compile(r"-[0-9a-f]{10}$")
"""The end of names of objects that are replaced when their content changes."""

Objects = Mapping[str, Object]
P = TypeVar("P", Change, Finding, Interruption, Drift)


@dataclass(frozen=True)
class ObjectChange:
    """What happens to one object and why; `fields` as we rendered them, with secrets masked.

    `replaces` is the object of the old version that this one replaces under another name, `replaced_by` the one of the new version.
    `forbidden`: the cluster will not accept it.
    """

    op: Op
    object: str
    why: str
    fields: tuple[Field, ...] = ()
    replaces: str = ""
    replaced_by: str = ""
    forbidden: bool = False


@dataclass(frozen=True)
class DriftOutcome:
    """What was changed on the cluster, and what becomes of it: `after` is the value after the apply, ABSENT if it sets none."""

    drift: Drift
    after: Any = ABSENT

    @property
    def stays(self) -> bool:
        """Whether the drift remains: a field of another manager that we do not set is not ours to remove."""
        return bool(self.drift.by) and self.after is ABSENT and self.drift.live is not ABSENT


@dataclass(frozen=True)
class WorkloadChange:
    """`old` is None for a new workload."""

    name: str
    old: Revision | None
    new: Revision
    images: tuple[image_diff.ImageChange, ...]
    interruptions: tuple[Interruption, ...]
    rewritten: tuple[Rewrite, ...]
    objects: tuple[ObjectChange, ...]
    drift: tuple[DriftOutcome, ...]
    findings: tuple[Finding, ...]

    @property
    def empty(self) -> bool:
        """No object changes, and no additional image, which no object has in a field."""
        return all(change.op is Op.KEEP for change in self.objects) and all(image.same for image in self.images if image.additional)


def workload_changes(preview: Preview) -> tuple[WorkloadChange, ...]:
    plan = preview.plan
    parts = _Parts(_by_workload(plan.changes), _by_workload(plan.findings), _by_workload(plan.interruptions), _by_workload(preview.drift))
    return tuple(_workload(target, parts) for target in preview.targets)


class _Parts(NamedTuple):
    """What the plan says, by workload: looking all of it through for each workload would take the square of their number."""

    changes: Mapping[str, Sequence[Change]]
    findings: Mapping[str, Sequence[Finding]]
    interruptions: Mapping[str, Sequence[Interruption]]
    drift: Mapping[str, Sequence[Drift]]


def _by_workload(parts: Sequence[P]) -> Mapping[str, Sequence[P]]:
    groups: dict[str, list[P]] = {}
    for part in parts:
        groups.setdefault(part.workload, []).append(part)
    return groups


def _workload(target: Target, parts: _Parts) -> WorkloadChange:
    name, old, new = target.workload.name, target.workload.running, target.revision
    secret = _secret_files(new.spec) | (_secret_files(old.spec) if old else frozenset())
    before, after = _plain((old.objects or ()) if old else (), secret), _plain(target.objects, secret)
    findings = tuple(parts.findings.get(name, ()))
    return WorkloadChange(
        name,
        old,
        new,
        images=image_diff.compare(old, new),
        interruptions=tuple(parts.interruptions.get(name, ())),
        rewritten=tuple(rewrites(new, target.objects)),
        objects=tuple(_objects(parts.changes.get(name, ()), findings, before, after)),
        drift=tuple(DriftOutcome(drift, _value_after(drift, after)) for drift in parts.drift.get(name, ())),
        findings=findings,
    )


def _objects(changes: Sequence[Change], findings: Sequence[Finding], before: Objects, after: Objects) -> Iterator[ObjectChange]:
    """As planned. The plan has no change for a forbidden object, so that one is made of our own objects."""
    planned = {_key(change.object) for change in changes}
    refused = {_key(finding.object): finding for finding in findings}
    for key, item in after.items():
        if key in refused and key not in planned:
            op = Op.UPDATE if key in before else Op.CREATE
            changes = [*changes, Change(op, refused[key].workload, str(item["name"]), refused[key].message)]
    pairs = {_key(change.object): _replaced(_key(change.object), before, after) for change in changes if change.op is Op.CREATE}
    successors = {old: new for new, old in pairs.items() if old}
    for change in changes:
        key = _key(change.object)
        replaces, successor = pairs.get(key, ""), successors.get(key, "") if change.op is Op.DELETE else ""
        fields: tuple[Field, ...] = ()
        if key in after and change.op in {Op.CREATE, Op.UPDATE}:
            old = before.get(replaces or key) if change.op is Op.UPDATE or replaces else None
            fields = tuple(compare(old["body"], after[key]["body"])) if old else (Field("", new=after[key]["body"]),)
        shown = str(before[replaces]["name"]) if replaces else ""
        gone = str(after[successor]["name"]) if successor else ""
        yield ObjectChange(change.op, change.object, change.why, fields, shown, gone, forbidden=key in refused)


def _key(name: str) -> str:
    """Clusters spell kinds differently: `container/pump`, `Deployment/pump`."""
    kind, _, rest = name.partition("/")
    return f"{kind.lower()}/{rest}"


def _replaced(key: str, before: Objects, after: Objects) -> str:
    """The object of the old version that a new one replaces: same kind, same name but for the hash."""
    stem = HASHED.sub("", key)
    if stem == key:
        return ""
    return next((old for old in before if old not in after and old != key and HASHED.sub("", old) == stem), "")


def _value_after(drift: Drift, after: Objects) -> Any:
    """The value that an apply writes there."""
    item = after.get(_key(drift.object))
    if item is None or not drift.path:
        return ABSENT
    values = dict(flat(item["body"]))
    parts = [path for path in values if path.startswith((f"{drift.path}.", f"{drift.path}["))]
    return {path: values[path] for path in parts} if parts else values.get(drift.path, ABSENT)


# --- our own objects, as they are compared --------------------------------------------------------


def _secret_files(spec: Spec) -> frozenset[str]:
    return frozenset(volume.target for volume in spec.system.volumes if volume.kind is VolumeKind.SECRET)


def _plain(objects: Sequence[Object], secret: frozenset[str]) -> dict[str, Object]:
    """By key: the name as rendered, and the body without kind, name and stamps, with bytes as text and secrets masked."""
    named = zip(names(objects), objects, strict=True)
    return {_key(name): {"name": name, "body": _body(mask(_readable(item), secret))} for name, item in named}


def _body(item: Object) -> Object:
    body: Object = {key: value for key, value in item.items() if key not in {"apiVersion", "kind"}}
    unstamped: Object = _unstamped(body)
    metadata = {key: value for key, value in unstamped.get("metadata", {}).items() if key not in {"name", "namespace"}}
    unstamped.pop("metadata", None)
    return unstamped | ({"metadata": metadata} if metadata else {})


def _unstamped(value: Any) -> Any:
    if isinstance(value, list):
        return [_unstamped(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _unstamped(item) for key, item in value.items()}
    for group in ("labels", "annotations"):
        if isinstance(result.get(group), dict):
            result[group] = {key: item for key, item in result[group].items() if not str(key).startswith(STAMPS)}
    return {key: item for key, item in result.items() if item or key not in {"labels", "annotations", "metadata"}}


def _readable(item: Object) -> Object:
    """A copy in which files are text, or a description of their bytes."""
    readable = dict(item)
    if isinstance(item.get("binaryData"), dict):
        readable["binaryData"] = {key: _bytes(str(value)) for key, value in item["binaryData"].items()}
    spec = item.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("files"), list):
        readable["spec"] = spec | {"files": [_file(file) for file in spec["files"]]}
    return readable


def _file(file: Any) -> Any:
    if not isinstance(file, dict) or "base64" not in file:
        return file
    return {key: value for key, value in file.items() if key != "base64"} | {"text": _bytes(str(file["base64"]))}


def _bytes(encoded: str) -> str:
    try:
        content = base64.b64decode(encoded, validate=True)
        return content.decode()
    except binascii.Error:
        return encoded
    except UnicodeDecodeError:
        return f"{len(content)} bytes, sha256:{sha256_hex(content)[:12]}"
