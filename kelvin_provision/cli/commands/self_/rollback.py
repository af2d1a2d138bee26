"""Go back to the version of this program before this one."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:  # noqa: ARG001  (every command gets one)
    """Go back to the version of this program before this one.

    In one step, and without a network; a second time leads forward again. A change that is under way is waited for, and agent and API are
    started again. It is refused (78) where that version cannot read the state any more.
    """
    from kelvin_provision.installation.changing import roll_back
    from kelvin_provision.installation.outside import Outside
    from kelvin_provision.installation.trees import prefix_of

    done = roll_back(prefix_of(), Outside())
    item = Item("program", done.tree.version, "current", f"in place of {done.before}")
    return Report("self rollback", (item,), warnings=done.warnings)
