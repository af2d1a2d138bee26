"""Restores a copy into the state directory of a box without workloads, which leads from then on.

All files are first written beside their places and synced. Then this box is named as the next leader, and the files are renamed into
place, the ledger last: until it is there nothing leads, and the same command continues.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision.errors import LeadElsewhere, ProvisionError, StateDamaged, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, rename_durably, sync_folder, write_durably, writing_to
from kelvin_provision.files.lock import exclusive
from kelvin_provision.hints import THIS_COMMAND, command
from kelvin_provision.leading import identity, lease
from kelvin_provision.leading.copy import reading
from kelvin_provision.leading.copy.contents import LEDGER, Contents
from kelvin_provision.leading.identity import Leader
from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.nodes import membership as members
from kelvin_provision.ledger.staging_state import Received
from kelvin_provision.spec.enums import Download

if TYPE_CHECKING:
    from kelvin_provision.cluster.protocol import Cluster
    from kelvin_provision.store import Store

PARTIAL = ".copy.partial"
OF_A_MEMBER = ("nodes/membership.json", "nodes/joining.json", "nodes/node.pem")
"""What makes a node a member of another leader."""
WAS_MEMBER = "nodes/was-member.json"
"""Its membership while it becomes a leader: cut off, the same command still knows under which name the lost leader knew this box."""


def refuse_workloads(state_dir: Path) -> None:
    """Raises UsageRefused: a copy replaces a ledger, and one with workloads is not replaced."""
    path = state_dir / LEDGER
    if not path.exists():
        return
    with Ledger(path) as ledger:
        if not ledger.is_empty():
            raise UsageRefused(
                "this box has workloads of its own, which a copy would replace",
                hint=command("workloads undeploy", names=("NAME",), instruction="take another box, or undeploy each first"),
            )


def restore(path: Path, state_dir: Path, store: Store, *, actor: str) -> Contents:
    """Raises UsageRefused, Locked, FileUnreadable, CopyInvalid, StateTooNew, StateDamaged, NoSpace, CannotWrite."""
    refuse_workloads(state_dir)
    reading.verified(path)
    with exclusive(private_folder(state_dir) / "lock", command="setup --from"):
        partial = _unpacked(path, state_dir)
        contents = partial.contents
        _prepare(partial.folder / LEDGER, contents, store, actor, _name_as_member(state_dir))
        identity.write(state_dir, Leader(identity.new_holder(), contents.term + 1, over=contents.holder))
        for file in contents.files:
            if file.name != LEDGER:
                rename_durably(partial.folder / file.name, _place(state_dir, file.name))
        with writing_to(state_dir):
            if (state_dir / OF_A_MEMBER[0]).exists():
                rename_durably(state_dir / OF_A_MEMBER[0], state_dir / WAS_MEMBER)
            for name in (*OF_A_MEMBER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
                (state_dir / name).unlink(missing_ok=True)
            sync_folder(state_dir)
        rename_durably(partial.folder / LEDGER, state_dir / LEDGER)
        (state_dir / WAS_MEMBER).unlink(missing_ok=True)
        shutil.rmtree(partial.folder, ignore_errors=True)
    return contents


def take_lead(state_dir: Path, cluster: Callable[[], Cluster]) -> str:
    """Why the cluster does not say yet that this box leads: every change tries again. Empty where it does. Raises LeadElsewhere."""
    own = identity.read(state_dir)
    try:
        if own is not None:
            lease.take(state_dir, own, cluster())
    except LeadElsewhere:
        raise
    except ProvisionError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _Partial:
    contents: Contents
    folder: Path


def _unpacked(path: Path, state_dir: Path) -> _Partial:
    """Files that an earlier attempt left are written again."""
    folder = state_dir / PARTIAL
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    with reading.opened(path) as (contents, file):
        for each in contents.files:
            mode = 0o400 if each.name.startswith("history/") else 0o600
            write_durably(_place(folder, each.name), reading.chunks(file, each), mode=mode)
    return _Partial(contents, folder)


def _place(root: Path, name: str) -> Path:
    """The names are those of `contents.NAMES`, of at most one folder."""
    path = root / name
    private_folder(path.parent)
    return path


def _name_as_member(state_dir: Path) -> str:
    """Under which the lost leader knew this box; empty if it was no member of it."""
    for name in (OF_A_MEMBER[0], WAS_MEMBER):
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            return str(json.loads(read_own(state_dir / name))["name"])
    return ""


def _prepare(path: Path, contents: Contents, store: Store, actor: str, own_name: str) -> None:
    """The ledger of the copy, migrated, with a line that says where it came from, and without this box among its members.

    Raises StateDamaged for one that cannot be read.
    """
    with Ledger(path) as ledger:
        members.remove(ledger, own_name, actor=actor)
        _forget_images(ledger, store)
        detail = f"from the copy of {identity.host_of(contents.holder)}, term {contents.term}, made {contents.made}"
        entry = Entry(ledger.clock(), actor, "lead taken", "", None, "done", detail)
        with ledger.writing() as db:
            history.append(db, entry)
    if Path(f"{path}-wal").exists():  # the last one that closes it writes all of its log into it, and syncs
        raise StateDamaged(f"{path}: its log was not written into it", hint=command(THIS_COMMAND))


def _forget_images(ledger: Ledger, store: Store) -> None:
    """A staged version whose images are not on this box is staged again: what is here already is not downloaded."""
    for workload in ledger.each():
        staged = workload.staged
        if staged and staged.download is Download.READY:
            blobs = [blob for lock in staged.locks or () for blob in lock.blobs_of_all()]
            if not all(map(store.has, blobs)):
                ledger.advance(staged, Received())
