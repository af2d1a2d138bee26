"""Show which trust documents this box has accepted."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table


def command(session: Session) -> Report:
    """Show which trust documents this box has accepted.

    The newest first: when, by whom, on which medium, and who has signed it.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases.bundles.trust.showing import accepted, history_to_json

    with context_of(session) as ctx:
        documents = accepted(ctx)
    columns = ("number", "digest", "signers", "accepted", "actor", "origin")
    rows = [tuple(map(_cell, row.values())) for row in history_to_json(documents)]
    table = Table(columns, rows, empty="No trust document was accepted: trust.keys are believed.", wide=frozenset({"digest", "origin"}))
    return Report(
        "trust history",
        table=table,
        document={"schema": SCHEMA, "documents": history_to_json(documents)},
        names=tuple(str(document.number) for document in documents),
    )


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
