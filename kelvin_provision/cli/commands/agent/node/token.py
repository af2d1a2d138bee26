"""Make a token with which one node joins this leader."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Line, Report


def command(session: Session) -> Report:
    """Make a token with which one node joins this leader.

    It serves one node, once, within 15 minutes. Standard output has the token and nothing else; it also names this leader, so that the
    node joins no other. Run it on the node that has the workloads, with `nodes.listen` set.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.managing import make_token

    with context_of(session) as ctx:
        made = make_token(ctx)
    document = {"schema": SCHEMA, **made.to_json()}
    then = f"on the other node, within 15 minutes: kelvin-provision node join {made.url} --token -"
    return Report("node token", lines=(Line(made.text),), document=document, warnings=made.warnings, next_step=then)
