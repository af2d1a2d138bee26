"""Durations as options, written as in the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.settings.model import Settings


def seconds(text: str) -> float:
    """The seconds of a duration; raises the parser's own error for an invalid one."""
    from kelvin_provision.quantity import InvalidQuantity, parse_duration

    try:
        return parse_duration(text)
    except InvalidQuantity as error:
        import typer

        raise typer.BadParameter(str(error)) from error


def duration(name: str, about: str) -> Any:
    """An option that takes a duration: 90, 30s, 5m, 1h30m."""
    return Option(name, metavar="DURATION", parser=seconds, help=about)


Timeout = Annotated[float | None, duration("--timeout", "How long the workloads may take to come up.  [default: apply.timeout]")]
RollbackTimeout = Annotated[
    float | None, duration("--rollback-timeout", "How long a rollback may take.  [default: apply.rollback_timeout]")
]


def patient(settings: Settings, timeout: float | None, back: float | None = None) -> Settings:
    """The settings with these timeouts instead of their own."""
    limits = settings.apply
    chosen = replace(limits, timeout=timeout or limits.timeout, rollback_timeout=back or limits.rollback_timeout)
    return replace(settings, apply=chosen)


def flags(names: list[str]) -> str:
    """Names as they are typed, for the operator lock."""
    return " ".join(f"-n {name}" for name in names)
