"""What this box follows, and what became of it: for lists, pages, `doctor` and reports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed, FollowedWorkload, Trouble


class Stage(StrEnum):
    """How far this box is with what is published for it."""

    RUNNING = "running"
    STAGED = "staged"
    FAILED = "failed"
    OTHER = "other version"
    REMOVED = "removed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class WorkloadOverview:
    """`running` and `staged` are versions, also of others than the publication."""

    followed: FollowedWorkload
    stage: Stage
    running: str | None = None
    staged: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.followed.workload,
            "state": self.stage,
            "request": self.followed.digest,
            "serial": self.followed.serial,
            "running": self.running,
            "staged": self.staged,
            "withdrawn": self.followed.withdrawn,
        }


@dataclass(frozen=True)
class PublicationOverview:
    """`looked` is when its registry last answered, None if it never did."""

    followed: Followed
    workloads: tuple[WorkloadOverview, ...] = ()
    looked: str | None = None

    def to_json(self) -> dict[str, Any]:
        each = self.followed
        return {
            "reference": each.reference,
            "serial": each.serial,
            "digest": each.digest or None,
            "document": each.document or None,
            "signers": list(each.signers),
            "published": each.created or None,
            "taken": each.taken,
            "looked": self.looked,
            "error": _trouble(each.trouble),
            "workloads": [workload.to_json() for workload in self.workloads],
        }


@dataclass(frozen=True)
class ReportOverview:
    """`sent` is when the newest report was, None before the first."""

    repository: str
    sent: str | None = None
    trouble: Trouble | None = None

    def to_json(self) -> dict[str, Any]:
        return {"repository": self.repository, "sent": self.sent, "error": _trouble(self.trouble)}


def _trouble(trouble: Trouble | None) -> dict[str, Any] | None:
    return {"since": trouble.since, "code": trouble.code, "message": trouble.text} if trouble else None


def report_overview(ctx: Context) -> ReportOverview | None:
    """None where this box reports nothing."""
    repository = ctx.settings.follow.report
    if repository is None:
        return None
    with ctx.ledger.reading() as db:
        trouble = following.publications(db).get(repository, Followed(repository)).trouble
    return ReportOverview(repository, _looked(ctx.settings.state_dir, repository), trouble)


def overview(ctx: Context) -> tuple[PublicationOverview, ...]:
    """In the order of the settings. Without any, nothing is read."""
    followed = ctx.settings.follow.publications
    if not followed:
        return ()
    with ctx.ledger.reading() as db:
        publications, brought = following.publications(db), following.revisions(db)
        rows = tuple(following.workloads(db).values())
    existing = ctx.ledger.existing([row.workload for row in rows])
    workloads = [_workload(row, existing.get(row.workload), brought) for row in rows]
    return tuple(
        PublicationOverview(
            publications.get(reference, Followed(reference)),
            tuple(workload for workload in workloads if workload.followed.reference == reference),
            _looked(ctx.settings.state_dir, reference),
        )
        for reference in followed
    )


def notes(publications: Iterable[PublicationOverview]) -> Iterator[str]:
    """What a person should know who looks at a list: what keeps this box behind, and what is withdrawn."""
    for publication in publications:
        each = publication.followed
        if each.trouble:
            yield f"{each.reference} was not taken in: {each.trouble.text}"
        for workload in publication.workloads:
            if workload.stage is Stage.WITHDRAWN:
                yield f"{workload.followed.workload} is withdrawn by {each.reference}; it stays until it is undeployed"


def followed_by(ctx: Context, name: str) -> WorkloadOverview | None:
    """This workload, if a publication that is followed has it. On a box that follows nothing, nothing is read."""
    workloads = (workload for publication in overview(ctx) for workload in publication.workloads)
    return next((workload for workload in workloads if workload.followed.workload == name), None)


def _workload(row: FollowedWorkload, workload: Workload | None, brought: Mapping[tuple[str, int], str]) -> WorkloadOverview:
    if workload is None:
        return WorkloadOverview(row, Stage.REMOVED)
    running, staged = workload.running, workload.staged
    versions = [each.spec.app_version if each else None for each in (running, staged)]
    return WorkloadOverview(row, _stage(row, running, staged, brought), *versions)


def _stage(row: FollowedWorkload, running: Revision | None, staged: Revision | None, brought: Mapping[tuple[str, int], str]) -> Stage:
    def is_it(revision: Revision | None) -> bool:
        return revision is not None and brought.get((revision.workload, revision.number)) == row.digest

    if row.withdrawn is not None:
        return Stage.WITHDRAWN
    if staged is not None and is_it(staged):
        return Stage.FAILED if staged.blocked else Stage.STAGED
    return Stage.RUNNING if is_it(running) else Stage.OTHER


def looked_path(state_dir: Path, reference: str) -> Path:
    """The file whose time is that of the last answer of the registry."""
    return state_dir / "following" / sha256_hex(reference)[:16]


def mark_looked(state_dir: Path, reference: str) -> None:
    """Never synced: after a power cut, a look more is made."""
    path = looked_path(state_dir, reference)
    with suppress(OSError, ProvisionError):
        try:
            os.utime(path)
        except FileNotFoundError:
            private_folder(path.parent)
            path.touch(mode=0o600)


def _looked(state_dir: Path, reference: str) -> str | None:
    with suppress(OSError):
        return timestamps.rfc3339(datetime.fromtimestamp(looked_path(state_dir, reference).stat().st_mtime, UTC))
    return None


def fingerprint(ctx: Context) -> str:
    """Changes with the states and versions that a report has: from what lists are made of, without reading a workload."""
    query = "SELECT view, name, app_version, enabled, situation FROM listing ORDER BY view, name"
    with ctx.ledger.reading() as db:
        rows = [list(row) for row in db.execute(query)]
        followed = [[each.reference, each.digest, each.trouble and each.trouble.code] for each in following.publications(db).values()]
    return sha256_hex(json.dumps([rows, followed], default=str))
