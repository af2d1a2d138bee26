"""Several nodes: what leader and members say to each other."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class NodeProtocolInvalid(ProvisionError):
    """Another node sent something that is no document of this program, or of another version of it."""

    code, exit_code = "node-protocol-invalid", os.EX_DATAERR
    hint_default = "install the same version of kelvin-provision on all nodes"


class NodeForeign(ProvisionError):
    """The other node is not the one that this node was joined to, or does not know this node any more."""

    code, exit_code = "node-foreign", os.EX_NOPERM
    hint_default = "make a token on the leader, and join again with it"


class LeaderUnreachable(ProvisionError):
    """The leader does not answer; what runs goes on, and this node keeps its images."""

    code, exit_code, temporary = "leader-unreachable", os.EX_UNAVAILABLE, True
    hint_default = "on the leader, see whether its agent runs"


class CopyInvalid(ProvisionError):
    """The file is no copy of a ledger, or a damaged one."""

    code, exit_code = "copy-invalid", os.EX_DATAERR
    hint_default = "copy the file again, or make another one"


class JoinRefused(ProvisionError):
    """The leader does not admit the node: its token, its name or its key."""

    code, exit_code = "join-refused", os.EX_NOPERM
    hint_default = command("node token", instruction="on the leader, make another token")


class NodeUnknown(ProvisionError):
    """There is no member of that name."""

    code, exit_code = "node-unknown", os.EX_NOINPUT
    hint_default = command("node list")


class NodeRoleWrong(ProvisionError):
    """The command is for a leader, and this node is a member; or the other way round; or it can be neither."""

    code, exit_code = "node-role-wrong", 2
    hint_default = command("node list")
