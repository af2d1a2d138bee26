"""The keys whose signatures this box accepts: whether each can be used, and what must be signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.runner import Check, Fact
from kelvin_provision.errors import ApiMissing, StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.model import TrustDocument
from kelvin_provision.trust.policy import KINDS, required
from kelvin_provision.trust.trusted import InspectedKey, inspected


@dataclass(frozen=True)
class TrustState:
    """`can_verify`: the library that verifies is installed."""

    settings: TrustSettings
    keys: Sequence[InspectedKey]
    can_verify: bool
    document: TrustDocument | None = None
    """The newest that was accepted: then files of trust.keys do not count any more."""
    error: StateDamaged | None = None
    beyond: tuple[Path, ...] = ()
    """Documents in the state directory that the ledger does not know."""


def state_of(settings: TrustSettings, document: Callable[[], TrustDocument | None], state_dir: Path) -> TrustState:
    can_verify = find_spec("cryptography") is not None
    try:
        accepted = document()
    except StateDamaged as damaged:
        return TrustState(settings, (), can_verify, error=damaged)
    beyond = kept.beyond(state_dir, accepted.number if accepted else 0)
    return TrustState(settings, () if accepted else inspected(settings), can_verify, accepted, beyond=beyond)


def trust(state: TrustState) -> Iterator[CheckFinding]:
    """`trust`: every file of trust.keys is a key that no other user can have written; with a trust document, that it can be read."""
    if state.error is not None:
        yield error(str(state.error), state.error.hint)
        return
    if state.beyond:
        paths = tuple(map(str, state.beyond))
        hint = command("trust import", *paths, instruction="bring them again, from there or from a stick", sudo=True)
        yield warning(f"the ledger does not know {', '.join(paths)}: what they revoke may count again", hint)
    if not state.keys and state.document is None:
        yield ok("no trusted keys: nothing has to be signed")
        return
    if not state.can_verify:
        yield error("signatures cannot be verified: cryptography is not installed", ApiMissing.hint_default)
    if state.document is not None:
        yield from _believed(state.document, state.settings)
        return
    first: dict[str, InspectedKey] = {}
    for key in state.keys:
        if key.error is not None:
            yield error(str(key.error), key.error.hint)
        elif key.key is not None and first.setdefault(key.key.key_id, key) is not key:
            yield warning(f"trusted key {key.path} is the same as {first[key.key.key_id].path}, and counts once")
    if all(key.error is None for key in state.keys):
        names = ", ".join(f"{key.key.name} ({key.key.key_id[:12]})" for key in first.values() if key.key)
        yield ok(f"trusted: {names}; must be signed: {must_be_signed(state.settings)}")


def _believed(document: TrustDocument, settings: TrustSettings) -> Iterator[CheckFinding]:
    must = must_be_signed(settings, has_document=True)
    yield ok(f"trust document {document.number}: {document.root.threshold} of {len(document.root.keys)} root keys; must be signed: {must}")


def must_be_signed(settings: TrustSettings, *, has_document: bool = False) -> str:
    return " and ".join(f"{kind}s" for kind in KINDS if required(settings, kind, has_document=has_document)) or "nothing"


CHECK = Check("trust", "Trusted keys", "With a key that cannot be used, nothing that must be signed is accepted.", trust, ("trust",))


def fact(settings: TrustSettings, document: Callable[[], TrustDocument | None], state_dir: Path) -> Fact[TrustState]:
    return Fact(lambda: state_of(settings, document, state_dir))
