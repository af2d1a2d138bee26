"""What to do next, as data. A front end renders it: the command line as a line to paste, a page as a button."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.fast_dataclass import dataclass


@dataclass(frozen=True)
class Hint:
    """A command, an instruction, or both. `action` is empty where there is no command.

    `action` is a command of this program ("workloads show") with the workloads it is about, or, where `system`, a program of the
    box. `instruction` stands before the command, `note` after it.
    """

    action: str = ""
    arguments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    instruction: str = ""
    note: str = ""
    system: bool = False
    sudo: bool = False

    def __bool__(self) -> bool:
        return bool(self.action or self.instruction)

    @classmethod
    def of(cls, value: Hint | str) -> Hint:
        """A plain text is an instruction."""
        return cls(instruction=value) if isinstance(value, str) else value


def command(action: str, *arguments: str, names: tuple[str, ...] = (), instruction: str = "", note: str = "", sudo: bool = False) -> Hint:
    """A command of this program."""
    return Hint(action, arguments, names, instruction, note, sudo=sudo)


def system(program: str, *arguments: str, instruction: str = "", note: str = "") -> Hint:
    """A command of the box."""
    return Hint(program, arguments, instruction=instruction, note=note, system=True)


THIS_COMMAND = "..."
"""As the action of a hint: the very command line that this process was started with."""
# Placeholders are not quoted: `-n NAME`, `-f FILE ...`, `HOST[:PORT]`.
_PLACEHOLDER = frozenset({"...", "HOST[:PORT][/PATH]", "'YYYY-MM-DD HH:MM:SS'", ">"})


def pasted(value: Hint | str) -> str:
    """The hint as a command to paste on any box."""
    return shell_line(value, "kelvin-provision")


def shell_line(value: Hint | str, program: str, this_command: Sequence[str] = (THIS_COMMAND,)) -> str:
    """The hint as a command to paste, with its instruction before and its note after; empty for no hint."""
    import shlex  # most commands show no hint

    hint = Hint.of(value)
    if not hint.action:
        return hint.instruction
    names = [word for name in hint.names for word in ("-n", name)]
    action = this_command if hint.action == THIS_COMMAND else hint.action.split()
    words = [*action, *names, *hint.arguments]
    text = " ".join(word if word in _PLACEHOLDER else shlex.quote(word) for word in words)
    start = "" if hint.system else f"{'sudo ' if hint.sudo else ''}{program} "
    before = f"{hint.instruction}: " if hint.instruction else ""
    after = f"{', ' if hint.note.startswith('or ') else '; '}{hint.note}" if hint.note else ""
    return f"{before}{start}{text}{after}"
