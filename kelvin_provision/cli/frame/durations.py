"""How long a command waits, as options and as settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from kelvin_provision.settings.model import Settings

Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long they may take to run; apply.timeout unless told.")
]
Back = Annotated[
    float | None,
    typer.Option(
        "--rollback-timeout", metavar="SECONDS", min=0, help="How long the way back may take; apply.rollback_timeout unless told."
    ),
]


def patient(settings: Settings, timeout: float | None, back: float | None = None) -> Settings:
    """The settings with these limits in place of their own."""
    limits = settings.apply
    chosen = replace(limits, timeout=timeout or limits.timeout, rollback_timeout=back or limits.rollback_timeout)
    return replace(settings, apply=chosen)


def flags(names: list[str]) -> str:
    """Names as they are typed; the lock's holder is shown with them."""
    return " ".join(f"-n {name}" for name in names)
