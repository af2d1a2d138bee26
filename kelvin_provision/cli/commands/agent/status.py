"""Show whether the agent is alive and what it does."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """Show whether the agent is alive and what it does.

    With --json: `agent` (alive, pid, user, since, service, log), `work` (doing, since, updated, tasks with bytes and rate; null when it
    is not alive), `pending` (names), `waiting` (name and cause), `orders` (pending ones: id, verb, names, actor, at, asked, begun, ended,
    outcome, note), `appointed` (those with a time: at, names, who, note), `budget` (day, used, limit: bytes of download.budget; null when
    none is set), `deltas` (layers, bytes, instead_of: what deltas have brought in place of whole layers, in all).

    On a member of several nodes also `member`: its leader, when that answered last, why it does not now, how many images are here, and
    which are missing.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.services import agent_text
    from kelvin_provision.queries.agent import agent

    with context_of(session) as ctx:
        status = agent(ctx)
    return Report("agent status", document={"schema": SCHEMA} | status.to_json(), text=agent_text(status, whole=session.whole))
