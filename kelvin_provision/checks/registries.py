"""Whether the registries answer, and accept this box's logins: `doctor --online`, the only check that needs the network. And whether what
is followed from them was taken in, as the ledger has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kelvin_provision import timestamps
from kelvin_provision.check_result import CheckFinding, ok, skipped, warning
from kelvin_provision.checks.runner import Check
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.following.overview import PublicationOverview, ReportOverview, Stage, overview, report_overview
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.refs import Reference
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.images import images_of
from kelvin_provision.staging.threads import SIDE_BY_SIDE, side_by_side


@dataclass(frozen=True)
class Greeting:
    """What came of asking a registry; `error` is None where it answered."""

    host: str
    error: ProvisionError | None = None


def hosts(settings: Settings, workloads: Iterable[Workload]) -> list[str]:
    """That images come from: the setting `registry`, those of running and staged versions, and the mirrors of all of these."""
    revisions = [revision for workload in workloads for revision in (workload.running, workload.staged) if revision]
    images = [Reference.parse(image).host for revision in revisions for image in images_of(revision.spec)]
    names = [*([settings.registry.partition("/")[0]] if settings.registry else []), *images]
    mirrors = [mirror.partition("/")[0] for name in names if name in settings.registries for mirror in settings.registries[name].mirrors]
    return list(dict.fromkeys([*names, *mirrors]))


def greet_all(greet: Callable[[str], None], names: Sequence[str]) -> tuple[Greeting, ...]:
    """Ask them side by side."""
    results = side_by_side(greet, names, limit=SIDE_BY_SIDE)
    for result in results.values():
        if isinstance(result, BaseException) and not isinstance(result, ProvisionError):
            raise result
    return tuple(Greeting(name, error if isinstance(error := results[name], ProvisionError) else None) for name in names)


def registries(greetings: Sequence[Greeting]) -> Iterator[CheckFinding]:
    """`registries`: each of them, by name."""
    if not greetings:
        yield skipped("no registry is set, and no image comes from one")
    answering = [greeting.host for greeting in greetings if greeting.error is None]
    for greeting in greetings:
        if greeting.error is not None:
            yield warning(str(greeting.error), greeting.error.hint)
    if answering and len(answering) == len(greetings):
        yield ok(f"{', '.join(answering)}: {'answers' if len(answering) == 1 else 'answer'}")


@dataclass(frozen=True)
class Follows:
    """What this box follows, and whether it reports."""

    publications: tuple[PublicationOverview, ...] = ()
    report: ReportOverview | None = None


def following(follows: Follows) -> Iterator[CheckFinding]:
    """`following`: each publication, and the report."""
    if not follows.publications and follows.report is None:
        yield ok("this box follows no publication")
    for publication in follows.publications:
        yield from _publication(publication)
    if (report := follows.report) is not None:
        sent = f"sent {timestamps.local(report.sent)}" if report.sent else "none was sent yet"
        if report.trouble:
            yield warning(f"reports to {report.repository}: {report.trouble.text} (since {timestamps.local(report.trouble.since)})", _SEND)
        else:
            yield ok(f"reports to {report.repository}: {sent}")


def _publication(publication: PublicationOverview) -> Iterator[CheckFinding]:
    each = publication.followed
    if each.trouble:
        hint = command("follow now", each.reference, instruction="look again, once that is repaired")
        yield warning(f"{each.reference}: {each.trouble.text} (since {timestamps.local(each.trouble.since)})", hint)
    elif each.taken:
        yield ok(f"{each.reference}: serial {each.serial}, signed by {', '.join(each.signers)}")
    else:
        yield ok(f"{each.reference}: not looked at yet")
    gone = [workload.followed.workload for workload in publication.workloads if workload.stage is Stage.WITHDRAWN]
    if gone:
        hint = command("workloads undeploy", names=tuple(gone), note="its data on this box goes, too")
        yield warning(f"{each.reference} does not have {', '.join(gone)} any more", hint)


_SEND = command("follow send", instruction="send it once more")
CHECK = Check(
    "following", "Following", "New versions for this box come from publications; what is wrong keeps it behind.", following, ("follows",)
)


def follows(ctx: Context) -> Follows:
    """From the ledger."""
    if not ctx.connections.has_ledger:
        return Follows()
    return Follows(overview(ctx), report_overview(ctx))
