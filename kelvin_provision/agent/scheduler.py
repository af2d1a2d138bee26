"""What the agent may apply now: whole groups that nothing keeps back, and what was asked for at a time that has come.

A closed window and a hold are no failures: they end by themselves. What waits for them is asked about again at every turn, and a
download of days makes way as soon as they let go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kelvin_provision.applying import apply
from kelvin_provision.applying.schedule import Timing, timing
from kelvin_provision.errors import Interrupted, Locked, ProvisionError, WorkloadHeld
from kelvin_provision.events import Note
from kelvin_provision.ledger import appointments
from kelvin_provision.ledger.model import ScheduledApply, Workload
from kelvin_provision.node import Node

Group = tuple[Workload, ...]


def let_through(node: Node, groups: Sequence[Group]) -> list[Group]:
    """Those of these groups that may be applied now; `list` says what the others wait for."""
    free = []
    for group in groups:
        obstacle = node.obstacle(group)
        if obstacle is None:
            free.append(group)
            continue
        for workload in group:
            if workload.staged:
                # A hold says for itself how long it has lasted; a text that changes every minute would be written every minute.
                holders = ", ".join(one.name for one in group if one.holds)
                words = f"waits until {holders} is released" if isinstance(obstacle, WorkloadHeld) else f"waits: {obstacle}"
                node.ledger.set_download(workload.staged, workload.staged.download, words)
    return free


def signs(node: Node) -> object:
    """Changes when another process has changed something, the window has opened or closed, or a time has come."""
    window, now = node.settings.apply.window, node.now
    return (node.ledger.version()[0], window is None or window.is_open(now), tuple(one.id for one in due(node)))


def due(node: Node) -> tuple[ScheduledApply, ...]:
    """What is to be applied now and can be."""
    standing = [one for one in appointments.standing(node.ledger) if _timing(node, one) is Timing.DUE]
    return tuple(one for one in standing if not _unready(node.ledger.workloads(one.names)))


def _unready(found: Sequence[Workload]) -> list[str]:
    return [workload.name for workload in found if workload.staged and not apply.appliable(workload.staged)]


def expected(node: Node) -> bool:
    """Whether there is something that only a look at the clock will bring on."""
    return bool(appointments.standing(node.ledger))


def close(node: Node) -> None:
    """End what does not stand any more and what is too late to begin with; say what the rest waits for."""
    appointments.lapse(node.ledger, who="agent")
    for one in appointments.standing(node.ledger):
        when, found = _timing(node, one), node.ledger.workloads(one.names)
        if when is Timing.MISSED:
            _miss(node, one, found)
        elif when is Timing.DUE and (late := _unready(found)):
            appointments.note(node.ledger, one, f"{', '.join(late)} not ready")


def _miss(node: Node, one: ScheduledApply, found: Sequence[Workload]) -> None:
    why = one.note or "neither box nor agent was up in time, or its clock was not right"
    appointments.end(node.ledger, one, "missed", why, who="agent")
    for workload in found:
        if workload.staged:
            text = f"the apply that {one.who} asked for at {one.at} was missed: {why}"
            node.ledger.set_download(workload.staged, workload.staged.download, text)
    node.progress(Note(f"applying {', '.join(one.names)} at {one.at} was missed: {why}"))


def keep(node: Node, one: ScheduledApply, stop: Callable[[], bool], *, wait: float) -> None:
    """Apply what was asked for, once: the commit that begins it ends the appointment, so that no crash has it done twice."""
    names = ", ".join(one.names)
    try:
        with node.changing(f"agent: apply {names}", wait=wait):
            # A person may have been faster while we waited for the lock.
            if _standing(node, one) is None or _timing(node, one) is not Timing.DUE:
                return
            found = node.ledger.workloads(one.names)
            apply.refuse_unready(found, node.store)
            node.apply(found, who="agent", stop=stop, force=one.forced)
    except Locked as error:
        node.progress(Note(f"applying {names} waits: {error}"))
    except ProvisionError as error:
        _put_off(node, one, error)


def _put_off(node: Node, one: ScheduledApply, error: ProvisionError) -> None:
    """What heals by itself may still come in time; what does not is over, unless it has begun and so is over already."""
    now = _standing(node, one)
    if now is not None and isinstance(error, Interrupted):
        return  # the agent ends, and nothing has begun: the next one may still be in time
    if now is not None and (error.temporary or error.exit_code == Locked.exit_code):
        text = "held" if isinstance(error, WorkloadHeld) else str(error)
        if now.note != text:
            node.progress(Note(f"applying {', '.join(one.names)} waits: {error}"))
        appointments.note(node.ledger, now, text)
        return
    appointments.end(node.ledger, one, "failed", str(error), who="agent")
    node.progress(Note(f"applying {', '.join(one.names)}: {error}"))


def _standing(node: Node, one: ScheduledApply) -> ScheduledApply | None:
    return next((now for now in appointments.standing(node.ledger) if now.id == one.id), None)


def _timing(node: Node, one: ScheduledApply) -> Timing:
    return timing(one, node.now, node.settings.apply.grace)
