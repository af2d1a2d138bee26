"""Send the report of this box to follow.report now."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Send the report of this box to follow.report now.

    The agent does it by itself, when something has changed and once a day. The report has the states, versions and failures of the
    workloads, without secrets, and is signed with the key of this box (`follow key`). `fleet status` at a desk shows the reports.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.following.reporting import send_report

    with operating(session) as ctx:
        sent = send_report(ctx)
    more = {"repository": sent.repository, "tag": sent.tag, "digest": sent.digest}
    return Report("follow send", (Item("report", f"{sent.repository}:{sent.tag}", "sent", sent.digest),), more=more, names=(sent.tag,))
