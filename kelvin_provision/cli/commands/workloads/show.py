"""Show everything about one workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kelvin_provision.cli.frame.arguments import Name
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.cli.render.transfers import arrivals, words

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Workload


def command(
    session: Session,
    *,
    name: Name,
    live: Annotated[bool, typer.Option("--live", help="Ask the cluster now instead of showing what was seen last.")] = False,
) -> Report:
    """Show everything about one workload.

    With --json: the platform's own document, and beside its keys `images`: for each image how many bytes are here, where they came from
    (`source`: cache, containerd, network or cluster; `cached`, `taken` and `fetched` in bytes), and the rate and seconds left meanwhile.
    """
    return show(session, name, live=live)


def show(session: Session, name: str, *, live: bool) -> Report:
    """From the ledger alone, unless `live`."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.queries import documents

    with context_of(session) as ctx:
        workload = ctx.ledger.workload(name)
        if live and workload.running:
            from kelvin_provision.applying.observe import observe

            observe(ctx.ledger, ctx.cluster, [name])
            workload = ctx.ledger.workload(name)
        images = arrivals(ctx, workload)
    document = documents.shown(workload) | {"images": [image.to_json() for image in images]}
    lines = [f"{image.image} ({words(image)})" for image in images]
    text = _text(document, lines, [*_held(workload), *_appointed(workload)])
    return Report("workloads show", document=document, text=text, names=(name,))


def _held(workload: Workload) -> list[tuple[str, str]]:
    from kelvin_provision import timestamps
    from kelvin_provision.cli.render.tables import ago

    now = timestamps.now()
    return [("Held", f"by {hold.by}, {ago(hold.since, now).lower()}: {hold.reason or 'no reason given'}") for hold in workload.holds]


def _appointed(workload: Workload) -> list[tuple[str, str]]:
    from kelvin_provision import timestamps
    from kelvin_provision.cli.frame.times import shown

    one = workload.scheduled_apply
    if one is None or one.at is None:
        return []
    others = [name for name in one.names if name != workload.name]
    together = f", together with {', '.join(others)}" if others else ""
    return [("Apply", f"{shown(timestamps.parse(one.at))}, asked for by {one.actor}{together}{f'; waits: {one.note}' * bool(one.note)}")]


def _text(document: Mapping[str, Any], images: Sequence[str], more: Sequence[tuple[str, str]]) -> str:
    status, staged = document["status"], document["staged"]
    lines = [
        ("Name", document["name"]),
        ("Title", document["title"]),
        ("App", f"{document['app_name']} {document['app_version']}"),
        ("Cluster", document["cluster_name"]),
        ("Status", status["message"]),
        *(("", f"warning: {text}") for text in status["warnings"]),
        ("Last seen", status["last_seen"] or "-"),
        ("Staged", f"{staged['app_version']}, {staged['status']['message'].lower()}" if staged else "nothing"),
        *more,
        ("Created", document["created"]),
        ("Updated", document["updated"]),
        *(("Images" if number == 0 else "", image) for number, image in enumerate(images)),
    ]
    return "".join(f"{f'{key}:' if key else '':<12}{value}\n" for key, value in lines)
