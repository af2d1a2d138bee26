"""Say whether the agent is alive and what it does."""

from __future__ import annotations

from kelvin_provision.cli.session import Session
from kelvin_provision.report import SCHEMA, Report


def command(session: Session) -> Report:
    """Say whether the agent is alive and what it does."""
    return status(session)


def status(session: Session) -> Report:
    """From its lock and the ledger."""
    from kelvin_provision.agent import process, turn
    from kelvin_provision.cli.box import node_of

    with node_of(session) as node:
        state_dir = node.settings.state_dir
        found = process.alive(state_dir)
        pending = [workload.name for workload in turn.pending(node)]
    agent = {"alive": found is not None, **{key: (found or {}).get(key) for key in ("pid", "user", "since")}}
    document = {"schema": SCHEMA, "agent": agent | {"log": str(process.log_path(state_dir))}, "pending": pending}
    words = f"alive, pid {agent['pid']}, since {agent['since']}" if found else "not running; `workloads deploy` starts one"
    waiting = ", ".join(pending) if pending else "nothing"
    text = f"Agent:    {words}\nWork:     {waiting}\nLog:      {process.log_path(state_dir)}\n"
    return Report("agent status", document=document, text=text)
