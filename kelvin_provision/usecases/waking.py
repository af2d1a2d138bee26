"""Starting the agent for what was stored. Apart from `operation`, so that a process that only stores orders loads nothing that applies."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.errors import CannotWrite, NoSpace, PermissionRefused
from kelvin_provision.files.durable import in_words

NO_SERVICE_WARNING = "the agent does not survive a reboot until it is installed as a service (agent install)"


def wake(ctx: Context) -> tuple[str, ...]:
    """Start or wake the agent for what was stored; returns warnings, also of a box that cannot start a process. Raises AgentSilent."""
    try:
        return ctx.launcher.ensure(ctx.settings)
    except (NoSpace, CannotWrite, PermissionRefused, OSError) as error:
        return (f"the agent could not be started, and the stored work waits for it (agent start): {in_words(error)}",)
