"""Print the completion script of a shell."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.docs.completion_scripts import SCRIPTS
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    shell: Annotated[Shell | None, Argument(metavar="[bash|zsh|fish]", help="The shell.  [default: $SHELL]")] = None,
) -> Report:
    """Print the completion script of a shell.

    For bash: source <(kelvin-provision completion bash)
    """
    chosen = shell or _own(os.environ.get("SHELL", ""))
    script = SCRIPTS[chosen]
    return Report("completion", text=script, document={"schema": SCHEMA, "shell": chosen.value, "script": script}, names=(chosen.value,))


def _own(path: str) -> Shell:
    name = Path(path).name
    if name not in set(Shell):
        raise UsageRefused(f"no completion script for {name or 'a shell without a name'}", hint=to_type("completion", "bash"))
    return Shell(name)
