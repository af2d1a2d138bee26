"""The state of a fleet as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from kelvin_provision.cli.render.report import Table
from kelvin_provision.cli.render.tables import ago
from kelvin_provision.fleet.status import KNOWN, MISSING, OTHER, UNREADABLE, BoxRow, FleetStatus
from kelvin_provision.naming import counted

_NO_REPORT = "no report"


def versions(status: FleetStatus) -> Table:
    """How many boxes have what."""
    rows = [(name, running or "-", staged or "-", state, str(count)) for (name, running, staged, state), count in status.versions]
    columns = ("workload", "running", "staged", "state", "boxes")
    return Table(columns, rows, empty="No box has reported a workload.", footer=_footer(status))


def boxes(status: FleetStatus, rows: Sequence[BoxRow], now: datetime) -> Table:
    lines = [
        (
            row.box,
            ago(row.created, now) if row.created else "-",
            " ".join(str(each.serial) for each in row.following) or "-",
            _state(row),
            row.platform or "-",
            row.program or "-",
        )
        for row in rows
    ]
    columns = ("box", "reported", "serial", "state", "platform", "program")
    wide = frozenset({"platform", "program"})
    below = {number: notes for number, row in enumerate(rows) if (notes := tuple(_notes(row, checked=status.checked)))}
    return Table(columns, lines, wide=wide, empty="No box needs attention.", footer=_footer(status), gives=("reported",), below=below)


def attention(status: FleetStatus) -> tuple[BoxRow, ...]:
    return tuple(row for row in status.boxes if any(_notes(row, checked=status.checked)))


def warnings(status: FleetStatus) -> tuple[str, ...]:
    unread = [row.box for row in status.boxes if row.key in {OTHER, UNREADABLE}]
    texts = [] if status.checked or not status.boxes else ["no report was verified; --keys FOLDER names the keys of the boxes"]
    if unread:
        texts.append(f"reports that do not count: {counted(unread, 'box')}")
    if status.left_out:
        texts.append(f"{status.left_out} workloads are counted and not listed")
    return tuple(texts)


def _state(row: BoxRow) -> str:
    """Of its workloads, what a person looks at first."""
    states = [each.state for each in row.workloads]
    for state in ("failed", "unreachable"):
        if state in states:
            return state
    others = [state for state in states if state != "running"]
    return others[0] if others else "running" if states else "-"


def _notes(row: BoxRow, *, checked: bool) -> Iterator[str]:
    if row.key == MISSING:
        yield _NO_REPORT
        return
    if row.key == UNREADABLE:
        yield row.reason
        return
    if checked and row.key != KNOWN:
        yield row.reason or f"unknown key {row.key_id[:12]}"
    if row.late:
        yield "has not reported since, or the registry gives an older report"
    for reference in row.behind:
        yield f"behind {reference}"
    for each in row.following:
        if each.error:
            yield f"{each.reference}: {each.error}"
    for workload in row.failed:
        yield f"{workload.name}: {workload.error or workload.state}"


def _footer(status: FleetStatus) -> str:
    reported = [row for row in status.boxes if row.key != MISSING]
    texts = [f"{len(reported)} box{'' if len(reported) == 1 else 'es'} reported"]
    for count, what in (
        (len(status.behind), "behind"),
        (sum(bool(row.failed) for row in status.boxes), "with failures"),
        (sum(row.late for row in status.boxes), "late"),
        (sum(row.key not in {KNOWN, MISSING} for row in status.boxes) if status.checked else 0, "not known"),
        (sum(row.key == MISSING for row in status.boxes), "without a report"),
    ):
        if count:
            texts.append(f"{count} {what}")
    return f"{', '.join(texts)}. `fleet status --attention` lists what to look at." if len(texts) > 1 else f"{texts[0]}."
