"""Publications for people."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision import timestamps
from kelvin_provision.cli.render.report import Item, Table
from kelvin_provision.following.overview import PublicationOverview, Stage, WorkloadOverview
from kelvin_provision.following.taking import Taken

_COLUMNS = ("workload", "state", "running", "staged", "serial", "publication", "signed by", "looked")


def table(publications: Sequence[PublicationOverview]) -> Table:
    """A row for each workload; what is wrong with a publication stands below its first row, and its name where it is too long."""
    rows: list[tuple[str, ...]] = []
    below: dict[int, list[str]] = {}
    for publication in publications:
        if trouble := publication.followed.trouble:
            below[len(rows)] = [f"not taken in since {timestamps.local(trouble.since, 'minutes')}: {trouble.text}"]
        rows += [_row(publication, workload) for workload in publication.workloads or (None,)]
    return Table(
        _COLUMNS,
        rows,
        wide=frozenset({"signed by", "looked"}),
        empty="This box follows no publication (follow.publications).",
        gives=("publication",),
        heading="publication",
        folds=frozenset({"publication"}),
        below=below,
    )


def _row(publication: PublicationOverview, workload: WorkloadOverview | None) -> tuple[str, ...]:
    each = publication.followed
    looked = timestamps.local(publication.looked, "minutes") if publication.looked else "never"
    own = (workload.followed.workload, workload.stage.value, workload.running or "-", workload.staged or "-") if workload else ("-",) * 4
    return (*own, str(each.serial or "-"), each.reference, ", ".join(each.signers) or "-", looked)


def items_of(result: Taken) -> tuple[Item, ...]:
    """What became of one publication."""
    if result.error:
        return (Item("publication", result.reference, "not taken in", str(result.error)),)
    signers = f"serial {result.serial}, signed by {', '.join(result.signers)}"
    changes = [
        *(Item("workload", revision.workload, Stage.STAGED, revision.spec.app_version) for revision in result.staged),
        *(Item("workload", name, "dropped", "what runs is published again") for name in result.dropped),
        *(
            Item("workload", name, Stage.WITHDRAWN, "" if name in result.pruned else "it stays until it is undeployed")
            for name in result.withdrawn
        ),
    ]
    return (*changes, Item("publication", result.reference, "taken in" if changes else "unchanged", signers))
