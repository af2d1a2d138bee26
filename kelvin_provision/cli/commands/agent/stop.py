"""Stop the agent; workloads keep running."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Stop the agent; workloads keep running.

    A download stops at once and later continues at the byte where it stopped. It is refused (75) while the agent applies a change. A
    service starts again with the box: `agent uninstall` removes it.
    """
    return stop(session)


def stop(session: Session) -> Report:
    """Of this state directory alone."""
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.commands.agent.controlling import report, systemd
    from kelvin_provision.cli.frame.box import settings_of

    state_dir = settings_of(session).state_dir
    return report("stop", state_dir, control.stop(systemd(), state_dir))
