"""A command with the values of its parameters, as a parser has found them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kelvin_provision.cli.frame import edge
from kelvin_provision.cli.frame.arguments import Either, joined
from kelvin_provision.cli.frame.command_table import SHARED_OPTIONS
from kelvin_provision.cli.frame.declared import parameters
from kelvin_provision.cli.frame.session import CONFIG_VARIABLE, Output, Session, agreed, single
from kelvin_provision.cli.render.report import Report

KINDS: Mapping[str, type] = {"output": Output, "state_dir": Path, "config": Path}
"""The types of the shared options that take a value."""


def argument_name(option: str) -> str:
    """The name under which the arguments of an `Either` are passed."""
    return f"{option}_arguments"


def invoked(command: Callable[..., Report], name: str, values: Mapping[str, Any]) -> int:
    """Run it. Values: by parameter, for an `Either` those of the options and of the arguments, and the shared options.

    Returns the exit code. Raises UsageRefused for values that contradict each other.
    """
    own = {key: value for key, value in values.items() if key not in SHARED_OPTIONS}
    session = session_of({key: values[key] for key in SHARED_OPTIONS if key in values})
    for parameter in parameters(command):
        if isinstance(parameter.mark, Either):
            own[parameter.name] = joined(parameter.mark, own.get(parameter.name), own.pop(argument_name(parameter.name), None), name)
    return edge.run(session, name, lambda: command(session, **own))


def session_of(shared: Mapping[str, Any]) -> Session:
    """The session for these options. Raises UsageRefused when they contradict each other."""
    variable = os.environ.get(CONFIG_VARIABLE)
    return Session(
        agreed(shared.get("output") or (), json=shared.get("json", False)),
        shared.get("verbose", False),
        shared.get("quiet", False),
        shared.get("no_color", False),
        single("--state-dir", shared.get("state_dir") or ()),
        single("--config", shared.get("config") or ()) or (Path(variable) if variable else None),
    )
