"""What `agent start`, `stop` and `restart` have in common: the agent of this state directory, and what became of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kelvin_provision.agent.lifecycle.control import Result
    from kelvin_provision.cli.frame.session import Session
    from kelvin_provision.systemd.systemctl import Systemd


def systemd() -> Systemd:
    """The systemd of this box."""
    from kelvin_provision.systemd.systemctl import Systemd

    return Systemd.of(os.environ)


def idle(session: Session) -> Path | None:
    """The state directory where an agent would end at once: without a workload, and without a service that keeps it."""
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.frame.box import context_of

    with context_of(session) as ctx:
        state_dir, names = ctx.settings.state_dir, ctx.ledger.names()
    return None if names or control.is_service(systemd(), state_dir) else state_dir


def run(session: Session, verb: str, act: Callable[[Systemd, Path, Sequence[str]], Result]) -> Report:
    """Start or restart the agent of this state directory alone; not where it would end at once."""
    from kelvin_provision.agent.lifecycle.launcher import detached_agent
    from kelvin_provision.cli.frame.box import settings_of

    if unused := idle(session):
        return Report(f"agent {verb}", (Item("agent", str(unused), "unchanged", "there are no workloads"),))
    settings = settings_of(session)
    command = detached_agent(settings.state_dir, session.config)
    return report(verb, settings.state_dir, act(systemd(), settings.state_dir, command))


def report(verb: str, state_dir: Path, done: Result) -> Report:
    """One item: the agent by its state directory."""
    return Report(f"agent {verb}", (Item("agent", str(state_dir), done.outcome, done.detail),), warnings=done.warnings)
