"""Whether this node is a member. A box of one node imports nothing for that."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.errors import NodeRoleWrong


def refuse_member(ctx: Context) -> None:
    """Raises NodeRoleWrong where this node is a member."""
    if not (ctx.settings.state_dir / "nodes" / "membership.json").exists():
        return
    from kelvin_provision.nodes.keys.files import membership

    if known := membership(ctx.settings.state_dir):
        raise NodeRoleWrong(f"this node is a member of {known.leader}: that is a matter of its leader")
