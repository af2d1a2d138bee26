"""The name of this box in the cluster's lease. It stays out of a copy of the ledger: a box that is made from one is another leader."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, system_errors, write_durably

FILE = "lead.json"
SCHEMA = 1
_HOLDER = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,199})_[0-9a-f]{16}")


@dataclass(frozen=True)
class Leader:
    """`holder` is the name in the lease. `term`: the highest that this box knows of; a member follows no leader of a lower one.

    `over`: the leader from which a person has moved the lead to this box, until the lease says so, too.
    """

    holder: str
    term: int = 1
    over: str = ""

    @property
    def host(self) -> str:
        return host_of(self.holder)


def host_of(holder: str) -> str:
    """The host's name in the name of a holder, for people."""
    return holder.rpartition("_")[0] or holder


def path(state_dir: Path) -> Path:
    return state_dir / FILE


def read(state_dir: Path) -> Leader | None:
    """None for a box that leads no other node. Who may change the cluster is not guessed.

    Raises StateDamaged for a file that is damaged, and as `system_errors` for trouble that passes.
    """
    with system_errors():
        if not path(state_dir).exists():  # almost all boxes: they are asked at every turn, and need no file descriptor for it
            return None
        data = read_own(path(state_dir))
    try:
        document = json.loads(data)
        return _leader(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateDamaged(f"{path(state_dir)} is damaged") from error


def write(state_dir: Path, leader: Leader) -> None:
    """Durable when it returns."""
    document = {"schema": SCHEMA, **vars(leader)}
    write_durably(path(private_folder(state_dir)), [json.dumps(document).encode() + b"\n"])


def ensure(state_dir: Path) -> Leader:
    """This box begins to lead other nodes, unless it does already. Called under a lock, or where a race only loses a name."""
    known = read(state_dir)
    if known is None:
        known = Leader(new_holder())
        write(state_dir, known)
    return known


def new_holder() -> str:
    """No two are the same, on one host either."""
    host = re.sub(r"[^a-z0-9.-]", "-", os.uname().nodename.lower()).strip("-.")[:200] or "box"
    return f"{host}_{os.urandom(8).hex()}"


def _leader(document: Any) -> Leader:
    if document["schema"] != SCHEMA:
        raise ValueError("another schema")
    holder, term, over = document["holder"], document["term"], document["over"]
    if not (is_holder(holder) and (over == "" or is_holder(over)) and type(term) is int and 0 < term < 1 << 31):
        raise ValueError("no leader")
    return Leader(holder, term, over)


def is_holder(text: object) -> bool:
    """Whether this program has made this name."""
    return isinstance(text, str) and _HOLDER.fullmatch(text) is not None
