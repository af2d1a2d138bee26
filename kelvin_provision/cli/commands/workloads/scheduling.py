"""`workloads apply --at` and `--cancel`: what the agent is to do is written down, and an agent lives that will do it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.node import Node

NAME = "workloads apply"
NO_SERVICE_WARNING = "the agent does not survive a reboot; to make it a service: kelvin-provision agent install"


def appoint(session: Session, names: list[str] | None, text: str, *, force: bool) -> Report:
    """Refuse what cannot be meant, write it down, wake the agent. Raises TimeRefused, ClockBehind, OutsideWindow."""
    from kelvin_provision.agent import service
    from kelvin_provision.applying import apply
    from kelvin_provision.applying import schedule as ops
    from kelvin_provision.cli.frame.box import node_of, same_box, settings_of
    from kelvin_provision.cli.frame.times import moment
    from kelvin_provision.ledger import appointments

    settings = settings_of(session)
    with node_of(session, settings=settings) as node:
        at = moment(text, node.now)
        found = apply.choose(node.ledger, names or (), everything=not names)
        if not found:
            return Report(NAME)
        ops.refuse_wrong_clock(found, node.now)
        ops.refuse_what_applies_itself(found)
        if not force:
            ops.refuse_closed(at, settings.apply.window, [workload.name for workload in found])
        stamp = timestamps.rfc3339(at)
        ended = appointments.make(node.ledger, found, stamp, who=node.who, forced=force)
        unready = [workload.name for workload in found if workload.staged and not apply.appliable(workload.staged)]
        systemd = service.Systemd.of(os.environ)
        told = service.ensure(systemd, settings.state_dir, same_box(session, settings), settings)
        mortal = () if service.looks_after(systemd, settings.state_dir) else (NO_SERVICE_WARNING,)
    items = tuple(Item("workload", workload.name, "accepted", f"applied {shown(at)}") for workload in found)
    late = (f"{', '.join(unready)}: not ready yet; what is not ready by then is not applied",) if unready else ()
    return Report(NAME, items, warnings=(*_replaced(ended, [one.name for one in found]), *late, *told, *mortal))


def _replaced(ended: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    others = [name for name in ended if name not in names]
    words = "was to be applied together with one of these; that is cancelled for it, too"
    return tuple(f"{name} {words}" for name in others)


def cancel(session: Session, names: list[str] | None) -> Report:
    """Take back what was asked for; with no names all of it."""
    from kelvin_provision.cli.frame.box import node_of
    from kelvin_provision.ledger import appointments

    with node_of(session) as node:
        found = node.ledger.workloads(names)
        ended = appointments.cancel(node.ledger, [workload.name for workload in found], who=node.who)
    asked = [workload.name for workload in found if names]
    unchanged = (Item("workload", name, "unchanged", "no apply of it was asked for") for name in asked if name not in ended)
    return Report(f"{NAME} --cancel", (*(Item("workload", name, "cancelled") for name in ended), *unchanged))


def shown(at: datetime) -> str:
    """By the box's own clock, with how far that is from UTC."""
    return at.astimezone().isoformat(sep=" ", timespec="minutes")


def ended_by(node: Node, names: Sequence[str]) -> tuple[str, ...]:
    """What a change of these workloads' staged versions ends, in words; ask before it."""
    found = {one.appointment for one in node.ledger.workloads() if one.appointment and set(one.appointment.names) & set(names)}
    return tuple(f"the apply of {', '.join(one.names)} at {one.at} is cancelled" for one in sorted(found, key=lambda one: one.id))
