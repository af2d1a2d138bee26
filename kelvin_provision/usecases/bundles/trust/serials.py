"""Older bundles of the same signer. Order comes from numbers that signers count up, never from a clock.

An unsigned bundle is compared with those of its name. What has neither requests nor images is not compared: documents of
trust have numbers of their own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.bundles.model import Contents
from kelvin_provision.errors import BundleOlder, ProvisionError
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger


@dataclass(frozen=True)
class Older:
    """That a bundle is older than `newest`, the one with the highest serial that was imported of its signer."""

    name: str
    serial: int
    newest: str
    newest_serial: int
    signed: bool

    @property
    def text(self) -> str:
        whose = " of the same signer" if self.signed else ""
        this = f"has serial {self.serial}" if self.serial else "has none"
        return f"bundle {self.newest} with serial {self.newest_serial}{whose} was imported before, and this one {this}"

    @property
    def note(self) -> str:
        """For the history."""
        return f"older than serial {self.newest_serial}"

    @property
    def error(self) -> BundleOlder:
        return BundleOlder(f"bundle {self.name} is not the newest: {self.text}")


def signers_of(accepted: Accepted) -> tuple[str, ...]:
    """Under which names the ledger counts its serial: that of each key, else that of the bundle. Empty for what is not compared."""
    contents = accepted.contents
    if not _is_compared(contents):
        return ()
    return tuple(signer.key_id for signer in accepted.signers) or (f"name:{contents.name}",)


def _is_compared(contents: Contents) -> bool:
    return bool(contents.requests or contents.images)


def older(ledger: Ledger, accepted: Accepted) -> Older | None:
    """None unless a bundle of one of its signers with a higher serial was imported. Without a serial it is older than any that has one."""
    highest = ledger.highest_serial(signers_of(accepted))
    contents = accepted.contents
    if highest is None or highest.number <= contents.serial:
        return None
    return Older(contents.name, contents.serial, highest.name, highest.number, bool(accepted.signers))


def older_here(state_dir: Path, accepted: Accepted) -> Older | None:
    """The same where there may be no box, or one that this user may not read."""
    path = state_dir / "ledger.db"
    if os.path.exists(path):  # noqa: PTH110  (not an error where the folder may not be read)
        with suppress(ProvisionError), Ledger(path) as ledger:
            return older(ledger, accepted)
    return None
