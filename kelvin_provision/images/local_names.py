"""Local names: the additional images of a workload under the references with a tag that its containers ask the runtime for.

A tag may be in use by the version that runs, so staging sets none. Which name stands for which image is in the ledger first
(`ledger.local_names`); every function here may be repeated, and makes the runtime agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from kelvin_provision.errors import StateDamaged, WorkloadUnknown
from kelvin_provision.ledger import journal
from kelvin_provision.ledger import local_names as stored
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock

Connect = Callable[[], Runtime]


def put(ledger: Ledger, runtime: Connect, revisions: Mapping[str, int | None]) -> None:
    """Set the names of these revisions, by workload; other names stay, for the versions that are still there."""
    names: dict[str, ImageLock] = {}
    for workload, number in revisions.items():
        if number is not None:
            names |= ledger.revision(workload, number).local_names
    if names:
        stored.require(ledger, names)
        keep(ledger, runtime)


def keep(ledger: Ledger, runtime: Connect) -> None:
    """Set the required names that stand for something else or for nothing.

    The agent does this while a command may be changing what is required, so it looks once more whether that has happened.
    """
    done: tuple[stored.LocalName, ...] = ()
    while (required := tuple(name for name in stored.local_names(ledger) if name.required)) != done:
        targets = runtime().targets([name.name for name in required])
        for name in required:
            if not name.lock.is_target(targets.get(name.name, "")):
                runtime().set_name(name.name, name.lock)
        done = required


def tidy(ledger: Ledger, runtime: Connect) -> None:
    """Clear the names that no version on the cluster needs. Does nothing while an operation is open: recovery sees to that one."""
    if not stored.local_names(ledger) or journal.unfinished(ledger) is not None:
        return
    names, complete = _required(ledger)
    stored.require(ledger, names, no_others=complete)
    keep(ledger, runtime)
    rows = stored.local_names(ledger)
    replaced = [name for name in rows if not name.required]
    obsolete = [name for name in replaced if name.name not in {row.name for row in rows if row.required}]
    for name in obsolete:
        runtime().clear_name(name.name, name.lock)
    targets = runtime().targets([name.name for name in obsolete]) if obsolete else {}
    stored.forget(ledger, [name for name in replaced if not name.lock.is_target(targets.get(name.name, ""))])


def _required(ledger: Ledger) -> tuple[dict[str, ImageLock], bool]:
    """The names of what is on the cluster, and whether that is known of every workload."""
    readable, left = ledger.readable(), journal.left_revisions(ledger)
    names: dict[str, ImageLock] = {}
    complete = not readable.damaged
    for workload in readable.workloads.values():
        if workload.name not in left:
            names |= workload.running.local_names if workload.running else {}
            continue
        revision = None
        with suppress(WorkloadUnknown, StateDamaged):
            revision = ledger.revision(workload.name, left[workload.name] or 0)
        names |= revision.local_names if revision else {}
        complete = complete and revision is not None
    return names, complete
