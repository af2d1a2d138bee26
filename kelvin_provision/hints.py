"""What to do next, as data. A front end renders it: the command line as a line to paste, a page as a button."""

from __future__ import annotations

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
