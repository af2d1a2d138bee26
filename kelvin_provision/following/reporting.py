"""What this box says to its publisher where its site wants that (`follow.report`): states, versions and failures, signed, no secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kelvin_provision import __version__, timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import RegistryBusy, RegistryUnreachable, SettingMissing, hinted
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.following.boxkey import box_key
from kelvin_provision.following.overview import mark_looked
from kelvin_provision.following.reading import traits_of
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.rows import following
from kelvin_provision.publications import artifact, limits, report
from kelvin_provision.publications.pacing import reported_within
from kelvin_provision.publications.report import LONGEST_ERROR, Report, ReportedRevision, ReportedWorkload
from kelvin_provision.refs import Reference
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.status import derive
from kelvin_provision.trust.dsse import document
from kelvin_provision.trust.signing import sign

_NOT_IN_NAMES = re.compile(r"[\s/]+")
_LONGEST_NAME = 253


@dataclass(frozen=True)
class Reported:
    """`tag` is that of this box in the repository of reports."""

    repository: str
    tag: str
    digest: str
    report: Report


_HINTS = {
    RegistryUnreachable: "check the network; the agent sends it again by itself",
    RegistryBusy: "nothing to do: the agent sends it again",
}


@hinted(_HINTS)
def send_report(ctx: Context) -> Reported:
    """Push the report of now, in place of the one before. Raises SettingMissing where none is wanted, and what a push raises."""
    repository = ctx.settings.follow.report
    if repository is None:
        hint = command("config set", "follow.report", "REGISTRY/REPOSITORY", sudo=True)
        raise SettingMissing("this box sends no reports: follow.report is not set", hint=hint)
    key = box_key(ctx.settings.state_dir)
    value = report.fitting(report_of(ctx))
    content = report.encode(value)
    signatures = document([sign(report.PAYLOAD_TYPE, content, key.private)])
    made, reference = artifact.make(report.PAYLOAD_TYPE, content, signatures), Reference.parse(repository)
    for blob, data in made.blobs:
        ctx.destination.blob(reference, blob, data)
    tag = report.tag_of(value.box, key.public.key_id)
    ctx.destination.manifest(reference, made.manifest, OCI_MANIFEST, tag)
    mark_looked(ctx.settings.state_dir, repository)
    return Reported(repository, tag, made.digest, value)


def report_of(ctx: Context) -> Report:
    """From the ledger alone. Raises ClusterMissing."""
    traits = traits_of(ctx)
    with ctx.ledger.reading() as db:
        publications, brought = following.publications(db), following.revisions(db)
    followed = [publications.get(reference, following.Followed(reference)) for reference in ctx.settings.follow.publications]
    return Report(
        box=_NOT_IN_NAMES.sub("-", _line(ctx, traits.name))[:_LONGEST_NAME] or "-",
        created=timestamps.rfc3339(ctx.now),
        program=__version__,
        platform=traits.platform,
        cluster=traits.cluster,
        labels=traits.labels,
        following=tuple(
            report.Followed(each.reference, each.serial, each.digest or None, _line(ctx, each.trouble.text) if each.trouble else "")
            for each in followed
        ),
        workloads=tuple(_workload(ctx, workload, brought) for workload in ctx.ledger.each(ctx.ledger.names()[: limits.WORKLOADS])),
        within=reported_within(ctx.settings.follow.interval),
    )


def _workload(ctx: Context, workload: Workload, brought: Mapping[tuple[str, int], str]) -> ReportedWorkload:
    def reported(revision: Revision | None) -> ReportedRevision | None:
        if revision is None:
            return None
        return ReportedRevision(_line(ctx, revision.spec.app_version), brought.get((revision.workload, revision.number)))

    staged = workload.staged
    error = staged.cause if staged and staged.cause else ""
    state = derive(workload.situation).state
    return ReportedWorkload(workload.name, state, reported(workload.running), reported(staged), _line(ctx, error))


def _line(ctx: Context, text: str) -> str:
    """Without the secrets of this box, and in one printable line."""
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(ctx.sanitizer.text(text).split()))[:LONGEST_ERROR]
