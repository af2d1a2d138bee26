"""List the publications that this box follows, and what became of each workload in them."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """List the publications that this box follows, and what became of each workload in them.

    A publication that cannot be taken in says why, and since when. `failed`: that version is not tried again until the publisher has
    another one. `withdrawn`: the publisher no longer has the workload, and undeploying it is up to this site (follow.prune).
    """
    from kelvin_provision.cli.commands.follow.shown import table
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.following.overview import overview, report_overview

    with context_of(session) as ctx:
        publications, report = overview(ctx), report_overview(ctx)
    document = {
        "schema": SCHEMA,
        "command": "follow list",
        "report": report and report.to_json(),
        "publications": [each.to_json() for each in publications],
    }
    warnings = (f"reporting to {report.repository}: {report.trouble.text}",) if report and report.trouble else ()
    names = tuple(each.followed.reference for each in publications)
    return Report("follow list", document=document, table=table(publications), warnings=warnings, names=names)
