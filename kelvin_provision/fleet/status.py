"""What the boxes of a fleet report, for a desk: each box, how many run which version, and who is behind. A query: it changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import FileUnreadable, ImageNotFound, ProvisionError, hinted
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.fleet.reports import Received, received
from kelvin_provision.publications.pacing import reported_within
from kelvin_provision.publications.report import Followed, Report, ReportedWorkload, tag_of
from kelvin_provision.refs import Reference
from kelvin_provision.trust.key_files import public_key
from kelvin_provision.trust.public_keys import PublicKey

KNOWN, OTHER, UNKNOWN, UNREADABLE, MISSING = "known", "other", "unknown", "unreadable", "missing"
"""Of a box: a report by its own key under its own tag, by the key of another box or a copy, by an unknown key, unreadable, and none."""
_PUBLICATIONS = 16
"""Tags whose present digest is asked for."""
_WORKLOADS = 500_000
"""That are kept of all boxes together; of more, only how many there are."""
_WITHIN = reported_within(300.0)
"""Seconds in which a box reports again that does not say it."""
_SUFFIXES = (".pub", ".pem")


@dataclass(frozen=True)
class BoxRow:
    """`key` is one of the words above; `behind` are the publications of which it has an older one.

    `late`: it should have reported again since, by its own clock and what it says of itself.
    """

    box: str
    tag: str
    key: str
    key_id: str = ""
    created: str = ""
    program: str = ""
    platform: str = ""
    cluster: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    following: tuple[Followed, ...] = ()
    behind: tuple[str, ...] = ()
    workloads: tuple[ReportedWorkload, ...] = ()
    reason: str = ""
    late: bool = False

    @property
    def failed(self) -> tuple[ReportedWorkload, ...]:
        return tuple(each for each in self.workloads if each.state == "failed" or each.error)

    def to_json(self) -> dict[str, Any]:
        return {
            "box": self.box,
            "tag": self.tag,
            "key": self.key,
            "key_id": self.key_id,
            "created": self.created,
            "program": self.program,
            "platform": self.platform,
            "cluster": self.cluster,
            "labels": dict(self.labels),
            "following": [
                {"reference": each.reference, "serial": each.serial, "digest": each.digest, "error": each.error} for each in self.following
            ],
            "behind": list(self.behind),
            "workloads": [_workload_json(each) for each in self.workloads],
            "reason": self.reason,
            "late": self.late,
        }


def _workload_json(workload: ReportedWorkload) -> dict[str, Any]:
    return {
        "name": workload.name,
        "state": workload.state,
        "running": workload.running.version if workload.running else None,
        "staged": workload.staged.version if workload.staged else None,
        "error": workload.error,
    }


@dataclass(frozen=True)
class FleetStatus:
    """`versions` count boxes by workload, version that runs, version that is staged and state. `checked`: keys were given.

    `current` are the present digests of publications, as far as they could be read. `left_out`: workloads that are counted only.
    """

    repository: str
    boxes: tuple[BoxRow, ...]
    versions: tuple[tuple[tuple[str, str, str, str], int], ...]
    current: Mapping[str, str]
    checked: bool
    left_out: int = 0

    @property
    def behind(self) -> tuple[BoxRow, ...]:
        return tuple(row for row in self.boxes if row.behind)

    def to_json(self) -> dict[str, Any]:
        return {
            "repository": self.repository,
            "checked": self.checked,
            "boxes": [row.to_json() for row in self.boxes],
            "versions": [
                {"workload": name, "running": running or None, "staged": staged or None, "state": state, "boxes": count}
                for (name, running, staged, state), count in self.versions
            ],
            "publications": dict(self.current),
            "behind": [row.box for row in self.behind],
            "left_out": self.left_out,
        }


@hinted({ImageNotFound: "check the name of the repository: it is follow.report of the boxes"})
def fleet_status(ctx: Context, repository: Reference, keys: Path | None = None) -> FleetStatus:
    """`keys` is a folder with the public key of each box, as BOX.pub.

    Raises FileUnreadable, KeyInvalid for a file there; UsageRefused for too many reports; what the registry raises.
    """
    known = {key.key_id: key for key in keys_in(keys)} if keys else {}
    now = timestamps.parse(ctx.connections.wiring.clock())
    rows: list[BoxRow] = []
    versions: Counter[tuple[str, str, str, str]] = Counter()
    kept = left_out = 0
    for each in received(ctx, repository, known):
        row = row_of(each, now, checked=keys is not None)
        # What anyone can have written is shown, and counts for nothing where keys say who the boxes are.
        if row.key == KNOWN or keys is None:
            versions.update(_versions(row))
        if kept + len(row.workloads) > _WORKLOADS:
            left_out += len(row.workloads)
            row = _without_workloads(row)
        kept += len(row.workloads)
        rows.append(row)
    current = _current(ctx, repository, rows, trusted_only=keys is not None)
    reporting = {row.key_id for row in rows if row.key == KNOWN}
    rows += [BoxRow(key.name, "", MISSING, key_id) for key_id, key in known.items() if key_id not in reporting]
    boxes = tuple(sorted((_compared(row, current) for row in rows), key=lambda row: (row.box, row.tag)))
    return FleetStatus(repository.name, boxes, tuple(sorted(versions.items())), current, keys is not None, left_out)


def keys_in(folder: Path) -> Iterator[PublicKey]:
    """Raises FileUnreadable, KeyInvalid."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    except OSError as error:
        raise FileUnreadable(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    yield from map(public_key, paths)


def row_of(received: Received, now: datetime, *, checked: bool) -> BoxRow:
    report = received.report
    if report is None:
        return BoxRow(received.tag, received.tag, UNREADABLE, received.key_id, reason=received.reason)
    return BoxRow(
        report.box,
        received.tag,
        _key_of(received, report, checked=checked),
        received.key_id,
        report.created,
        report.program,
        str(report.platform),
        report.cluster,
        report.labels,
        report.following,
        workloads=report.workloads,
        reason=_doubt(received, report),
        late=(now - timestamps.parse(report.created)).total_seconds() > (report.within or _WITHIN),
    )


def _key_of(received: Received, report: Report, *, checked: bool) -> str:
    if received.signer is None or not checked:
        return UNKNOWN
    return OTHER if _doubt(received, report) else KNOWN


def _doubt(received: Received, report: Report) -> str:
    """Why a report with a good signature does not count; empty if it does. Anyone can give what a box has signed another tag as well."""
    if received.signer is None:
        return ""
    if received.signer.name != report.box:
        return f"signed with the key of {received.signer.name}"
    own = tag_of(report.box, received.key_id)
    return "" if received.tag == own else f"a copy: the report of this box has the tag {own}"


def _versions(row: BoxRow) -> Iterator[tuple[str, str, str, str]]:
    for each in row.workloads:
        yield each.name, each.running.version if each.running else "", each.staged.version if each.staged else "", each.state


def _without_workloads(row: BoxRow) -> BoxRow:
    return replace(row, workloads=())


def _current(ctx: Context, repository: Reference, rows: Sequence[BoxRow], *, trusted_only: bool) -> Mapping[str, str]:
    """The present digests of what is followed, at the registry of the reports: a report must not say which hosts this desk asks."""
    followed = Counter(each.reference for row in rows if row.key == KNOWN or not trusted_only for each in row.following)
    current: dict[str, str] = {}
    for text, _ in followed.most_common(_PUBLICATIONS):
        try:
            reference = Reference.parse(text)
            data = ctx.destination.read(reference, reference.tag or "latest") if reference.host == repository.host else None
        except ImageNotFound:
            continue
        except ProvisionError as error:
            if error.temporary:
                raise
            continue
        if data is not None:
            current[text] = digest_of(data)
    return current


def _compared(row: BoxRow, current: Mapping[str, str]) -> BoxRow:
    behind = tuple(each.reference for each in row.following if current.get(each.reference, each.digest) != each.digest)
    return replace(row, behind=behind) if behind else row
