"""`workloads show` for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.render.orders import describe_for
from kelvin_provision.cli.render.overview import planned
from kelvin_provision.cli.render.tables import ago
from kelvin_provision.cli.render.transfers import describe
from kelvin_provision.hints import command
from kelvin_provision.queries.items import NOT_RUNNING, shown_state
from kelvin_provision.spec.manifest_keys import without_effect

if TYPE_CHECKING:
    from kelvin_provision.following.overview import WorkloadOverview
    from kelvin_provision.ledger.model.operations import Entry
    from kelvin_provision.ledger.model.workloads import Rehearsal
    from kelvin_provision.observation import Hold
    from kelvin_provision.queries.transfers import ImageTransfer
    from kelvin_provision.queries.workload import WorkloadResult

FIRST_LINES = 5
"""Lines of evidence that are shown; the history has all of them."""


def text(result: WorkloadResult) -> str:
    item, staged = result.item, result.item.staged
    lines = [
        ("Name", item.name),
        ("Title", item.title),
        ("App", f"{item.app_name} {item.app_version}"),
        ("Cluster", item.cluster_name),
        ("Status", shown_state(item).capitalize() if shown_state(item) == NOT_RUNNING else item.status.message),
        *(("", _warning(text, result)) for text in item.status.warnings),
        ("Last seen", timestamps.local(item.status.last_seen) if item.status.last_seen else "-"),
        ("Staged", planned(staged, _percent(result), timestamps.now()) if staged else "nothing"),
        *(_rehearsal(result.rehearsal) if result.rehearsal else ()),
        *(_followed(result.followed) if result.followed else ()),
        *(("Held", _hold(hold)) for hold in result.holds),
        *((order.verb.value.capitalize(), describe_for(order, item.name)) for order in result.orders),
        *(_failure(result.last_failure) if result.last_failure and not result.recovered else ()),
        ("Created", timestamps.local(item.created)),
        ("Updated", timestamps.local(item.updated)),
        *_manifest(result),
        *(("Images" if number == 0 else "", f"{image.image} ({_described(image)})") for number, image in enumerate(result.images)),
    ]
    return "".join(f"{f'{key}:' if key else '':<12}{value}\n" for key, value in lines)


def _warning(text: str, result: WorkloadResult) -> str:
    return f"warning: {timestamps.with_local_times(result.waits if result.waits and text == result.cause else text)}"


def _percent(result: WorkloadResult) -> int | None:
    """Of the download; None while a size is not known. At most 99: verification follows the last byte."""
    sizes = [image.size for image in result.images]
    total = sum(size or 0 for size in sizes)
    return min(100 * sum(image.here for image in result.images) // total, 99) if total and None not in sizes else None


def _described(image: ImageTransfer) -> str:
    signed = f", {image.signed.text}" if image.signed else ""
    return f"{describe(image)}{', additional' if image.additional else ''}{signed}"


def _manifest(result: WorkloadResult) -> Iterator[tuple[str, str]]:
    """What the platform alone uses: it has no effect here."""
    if keys := without_effect(result.payload):
        yield "Kept", f"for the app only, no effect on this box: {', '.join(keys)}"


def _followed(followed: WorkloadOverview) -> Iterator[tuple[str, str]]:
    """Which publication brings its versions."""
    yield "Followed", f"{followed.followed.reference}, since serial {followed.followed.serial}: {followed.stage}"


def _hold(hold: Hold) -> str:
    return f"by {hold.by}, {ago(hold.since, timestamps.now()).lower()}: {hold.reason or 'no reason given'}"


def _rehearsal(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    """Of the staged version, with the first lines of its evidence."""
    yield "Rehearsal", f"{rehearsal}, by {rehearsal.actor}, {ago(rehearsal.ended, timestamps.now()).lower()}"
    yield from (("", line) for line in rehearsal.evidence[:FIRST_LINES])


def _failure(entry: Entry) -> Iterator[tuple[str, str]]:
    """The failed attempt, the first lines of its evidence, and where the rest is."""
    version = f" of {entry.version}" if entry.version else ""
    what = f"{entry.action}{version} by {entry.who or 'an unknown user'}, {ago(entry.time, timestamps.now()).lower()}: {entry.outcome}"
    yield "Failed", f"{what}{f', {entry.detail}' if entry.detail else ''}"
    yield from (("", line) for line in entry.evidence[:FIRST_LINES])
    if more := len(entry.evidence) - FIRST_LINES:
        whole = hints.line(command("workloads history", "-v", names=(entry.workload,)))
        if more > 0:
            yield "", f"... {more} more line{'' if more == 1 else 's'}: {whole}"
