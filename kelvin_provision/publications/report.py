"""What a box reports to its publisher: what it follows, and the states of its workloads. No secrets, no addresses.

As a value, and as the bytes that the box signs with its own key.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from kelvin_provision.bundles.strict import Strict
from kelvin_provision.errors import ReportInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.dense import is_dense
from kelvin_provision.publications import limits
from kelvin_provision.refs import Platform
from kelvin_provision.trust.dsse import REPORT

SCHEMA, KIND = 1, "report"
PAYLOAD_TYPE = REPORT
"""What the signature is over, besides the bytes."""
LONGEST_ERROR = 300
"""Characters of the text of an error; a box cuts it."""
_SHORT_ERROR = 60
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME_IN_TAG = 100
_BOX = re.compile(r"[^\s/]{1,253}")
_NAME = re.compile(r"[a-z0-9.-]{1,253}")
_VERSION = re.compile(r"[^\s]{1,128}")
_KEYS = frozenset({"schema", "kind", "box", "created", "program", "platform", "cluster", "labels", "following", "workloads"})
_MORE = frozenset({"within"})
_FOLLOWED = frozenset({"reference", "serial", "digest", "error"})
_WORKLOAD = frozenset({"name", "state", "running", "staged", "error"})
_REVISION = frozenset({"version", "request"})


@dataclass(frozen=True)
class Followed:
    """A publication as this box has it: the last that it accepted, serial 0 and no digest before the first; `error` of the last turn."""

    reference: str
    serial: int = 0
    digest: str | None = None
    error: str = ""


@dataclass(frozen=True)
class ReportedRevision:
    """`request` is the digest of the deploy body, None where the revision was not published."""

    version: str
    request: str | None = None


@dataclass(frozen=True)
class ReportedWorkload:
    """`state` is that of `workloads list`; `error` says why it failed, in one line."""

    name: str
    state: str
    running: ReportedRevision | None = None
    staged: ReportedRevision | None = None
    error: str = ""


@dataclass(frozen=True)
class Report:
    """`created` is by the clock of the box, which may be wrong. `program` is the version of this program there.

    `within` are the seconds in which a box that is well reports again, None in a report of a program that did not say so.
    """

    box: str
    created: str
    program: str
    platform: Platform
    cluster: str
    labels: tuple[tuple[str, str], ...] = ()
    following: tuple[Followed, ...] = ()
    workloads: tuple[ReportedWorkload, ...] = ()
    within: int | None = None


def _wrong(what: str) -> ReportInvalid:
    return ReportInvalid(f"the report is not valid: {what}")


_READ = Strict(_wrong)


def encode(report: Report) -> bytes:
    """The same value gives the same bytes."""
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "box": report.box,
        "created": report.created,
        "program": report.program,
        "platform": str(report.platform),
        "cluster": report.cluster,
        "labels": dict(report.labels),
        "following": [
            {"reference": each.reference, "serial": each.serial, "digest": each.digest, "error": each.error} for each in report.following
        ],
        "workloads": [
            {
                "name": each.name,
                "state": each.state,
                "running": _revision_document(each.running),
                "staged": _revision_document(each.staged),
                "error": each.error,
            }
            for each in report.workloads
        ],
    }
    if report.within is not None:
        document["within"] = report.within
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


def _revision_document(revision: ReportedRevision | None) -> dict[str, Any] | None:
    return None if revision is None else {"version": revision.version, "request": revision.request}


def fitting(report: Report) -> Report:
    """The same, or what of it the format takes: with shorter texts of errors, without them, without the last workloads."""
    for longest in (LONGEST_ERROR, _SHORT_ERROR, 0):
        cut = _with_errors(report, longest)
        if _fits(cut):
            return cut
    while not _fits(cut) and cut.workloads:
        cut = replace(cut, workloads=cut.workloads[: len(cut.workloads) * 3 // 4])
    return cut


def _fits(report: Report) -> bool:
    data = encode(report)
    return len(data) <= limits.REPORT and not is_dense(data)


def _with_errors(report: Report, longest: int) -> Report:
    following = tuple(replace(each, error=each.error[:longest]) for each in report.following)
    return replace(report, following=following, workloads=tuple(replace(each, error=each.error[:longest]) for each in report.workloads))


def tag_of(name: str, key_id: str) -> str:
    """Of the report of a box. For people, and still its own where two boxes have one name. At most 128 characters, as registries allow."""
    cleaned = _NOT_IN_TAGS.sub("-", name).strip("-.")[:_LONGEST_NAME_IN_TAG]
    return f"{cleaned or 'box'}-{key_id[:16]}"


# --- reading ----------------------------------------------------------------------------------------


def decode(data: bytes) -> Report:
    """Every limit is checked, of a report by an unknown key, too: what comes back is sound. Raises ReportInvalid."""
    if is_dense(data):
        raise _wrong("more values than a document of its size has")
    document = _READ.parsed(data, limits.REPORT)
    if other := _READ.other_schema(document, SCHEMA):
        raise ReportInvalid(f"the report has {other}")
    if document.get("kind") != KIND:
        raise _wrong("it is of another kind")
    _READ.record(document, _KEYS, _MORE)
    labels = document["labels"]
    if not isinstance(labels, dict) or len(labels) > limits.LABELS:
        raise _wrong(f"labels are not an object of at most {limits.LABELS}")
    report = Report(
        box=_READ.matching(_BOX, _READ.text(document["box"], "the name of the box"), "the name of the box"),
        created=_READ.moment(document["created"], "created"),
        program=_READ.matching(_VERSION, _READ.text(document["program"], "program"), "program"),
        platform=_READ.platform(document["platform"]),
        cluster=_READ.text(document["cluster"], "cluster"),
        labels=tuple((_READ.text(key, "a label"), _READ.text(value, "a label")) for key, value in labels.items()),
        following=_READ.items(document["following"], limits.FOLLOWED, _followed, "following"),
        workloads=_READ.items(document["workloads"], limits.WORKLOADS, _workload, "workloads"),
        within=_READ.number(document["within"], "within", least=1) if "within" in document else None,
    )
    if len({each.name for each in report.workloads}) != len(report.workloads):
        raise _wrong("a workload stands twice")
    return report


def _followed(value: Any) -> Followed:
    document = _READ.record(value, _FOLLOWED)
    digest = None if document["digest"] is None else _READ.digest(document["digest"])
    return Followed(_READ.text(document["reference"], "a reference"), _READ.number(document["serial"], "serial"), digest, _error(document))


def _workload(value: Any) -> ReportedWorkload:
    document = _READ.record(value, _WORKLOAD)
    name, state = _READ.matching(_NAME, document["name"], "a name"), _READ.text(document["state"], "a state")
    return ReportedWorkload(name, state, _revision(document["running"]), _revision(document["staged"]), _error(document))


def _revision(value: Any) -> ReportedRevision | None:
    if value is None:
        return None
    document = _READ.record(value, _REVISION)
    request = None if document["request"] is None else _READ.digest(document["request"])
    return ReportedRevision(_READ.text(document["version"], "a version"), request)


def _error(document: dict[str, Any]) -> str:
    return _READ.text(document["error"], "an error")[:LONGEST_ERROR]
