"""What the agent is to apply at a time.

Nobody has to remember to end one: it stands only while exactly the revisions that it names are staged, so a new deploy, an undeploy
and an apply by hand end it by what they do. `lapse` then takes it away and writes it down.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from kelvin_provision.errors import NotReady
from kelvin_provision.ledger import rows
from kelvin_provision.ledger.journal import append
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, ScheduledApply, Workload

ACTION = "apply --at"


def make(ledger: Ledger, found: Sequence[Workload], at: str, *, who: str, forced: bool) -> tuple[str, ...]:
    """Ask for it. The names of all whose earlier appointment this ends, those that it was made together with too.

    Raises NotReady when what is staged is not what was found any more.
    """
    now = ledger.clock()
    members = tuple((workload.name, workload.staged.number) for workload in found if workload.staged)
    with ledger.writing() as db:
        staged = rows.staged_numbers(db, [name for name, _ in members])
        moved = [name for name, number in members if staged.get(name) != number]
        if moved:
            raise NotReady(f"{', '.join(moved)}: its staged version was replaced in the meantime")
        ended = _cancel(db, [name for name, _ in members], who, now)
        values = (at, now, who, int(forced), json.dumps(members))
        db.execute("INSERT INTO appointments (at, made, who, forced, members) VALUES (?, ?, ?, ?, ?)", values)
        for name, number in members:
            append(db, Entry(now, who, ACTION, name, number, "accepted", at))
    return ended


def cancel(ledger: Ledger, names: Collection[str], *, who: str) -> tuple[str, ...]:
    """Those that name one of these, whole: what was to come up together is not applied in parts. The names of all whom it concerns."""
    with ledger.writing() as db:
        return _cancel(db, names, who, ledger.clock())


def _cancel(db: sqlite3.Connection, names: Collection[str], who: str, now: str) -> tuple[str, ...]:
    ended = rows.end_appointments(db, names)
    for name, number, at in ended:
        append(db, Entry(now, who, ACTION, name, number, "cancelled", at))
    return tuple(dict.fromkeys(name for name, _, _ in ended))


def standing(ledger: Ledger) -> tuple[ScheduledApply, ...]:
    """Those whose revisions are all still staged, the next one first."""
    with ledger.reading() as db:
        appointments, staged = _all(db)
        return tuple(appointment for appointment in appointments if appointment.stands(staged))


def _all(db: sqlite3.Connection) -> tuple[list[ScheduledApply], dict[str, int | None]]:
    appointments = rows.appointments(db)
    return appointments, rows.staged_numbers(db, [name for appointment in appointments for name in appointment.names])


def lapse(ledger: Ledger, *, who: str) -> tuple[str, ...]:
    """Take away those that do not stand any more; the names of all whom it concerns. Writes nothing when there are none."""
    with ledger.reading() as db:
        appointments, staged = _all(db)
        if all(appointment.stands(staged) for appointment in appointments):
            return ()
    with ledger.writing() as db:
        appointments, staged = _all(db)
        gone: list[str] = []
        for one in appointments:
            if not one.stands(staged):
                db.execute("DELETE FROM appointments WHERE id = ?", (one.id,))
                moved = ", ".join(name for name, number in one.members if staged.get(name) != number)
                for name, number in one.members:
                    append(db, Entry(ledger.clock(), who, ACTION, name, number, "cancelled", f"{one.at}: {moved} changed since"))
                gone += one.names
    return tuple(dict.fromkeys(gone))


def end(ledger: Ledger, appointment: ScheduledApply, outcome: str, detail: str, *, who: str) -> None:
    """It is over without having begun. One that is gone already is left alone."""
    with ledger.writing() as db:
        if db.execute("DELETE FROM appointments WHERE id = ?", (appointment.id,)).rowcount:
            for name, number in appointment.members:
                append(db, Entry(ledger.clock(), who, ACTION, name, number, outcome, f"{appointment.at}: {detail}"))


def note(ledger: Ledger, appointment: ScheduledApply, text: str) -> None:
    """What keeps the agent from it, for `list`. The same again writes nothing."""
    if appointment.note != text:
        with ledger.writing() as db:
            db.execute("UPDATE appointments SET note = ? WHERE id = ?", (text, appointment.id))
