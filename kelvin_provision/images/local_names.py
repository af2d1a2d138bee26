"""Local names: the additional images of a workload under the references with a tag that its containers ask the runtime for.

A tag may be in use by the version that runs, so staging sets none. Which name stands for which image is in the ledger first
(`ledger.local_names`); every function here may be repeated, and makes the runtime agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kelvin_provision.errors import StateDamaged, WorkloadUnknown
from kelvin_provision.ledger import journal
from kelvin_provision.ledger import local_names as stored
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.reading.left import left_revisions
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.identity import identities
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
            if targets.get(name.name) not in identities(name.lock):
                runtime().set_name(name.name, name.lock)
        done = required


def tidy(ledger: Ledger, runtime: Connect) -> None:
    """Clear the names that no version on the cluster needs. Does nothing while an operation is open: recovery sees to that one."""
    if not stored.local_names(ledger) or journal.unfinished(ledger) is not None:
        return
    revisions, complete = on_cluster(ledger)
    names = {name: lock for revision in revisions for name, lock in revision.local_names.items()}
    stored.require(ledger, names, no_others=complete)
    keep(ledger, runtime)
    rows = stored.local_names(ledger)
    replaced = [name for name in rows if not name.required]
    obsolete = [name for name in replaced if name.name not in {row.name for row in rows if row.required}]
    for name in obsolete:
        runtime().clear_name(name.name, name.lock)
    targets = runtime().targets([name.name for name in obsolete]) if obsolete else {}
    stored.forget(ledger, [name for name in replaced if targets.get(name.name) not in identities(name.lock)])


def on_cluster(ledger: Ledger) -> tuple[tuple[Revision, ...], bool]:
    """The versions on the cluster, and whether that is known of every workload: after `--no-rollback` it is not the running slot."""
    readable, left = ledger.readable(), left_revisions(ledger)
    revisions: list[Revision | None] = [workload.running for name, workload in readable.workloads.items() if name not in left]
    complete = not readable.damaged
    for name in left:
        try:
            revisions.append(ledger.revision(name, left[name] or 0))
        except (WorkloadUnknown, StateDamaged):
            complete = False
    return tuple(filter(None, revisions)), complete
