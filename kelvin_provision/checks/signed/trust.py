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
from kelvin_provision.ledger.reading.trust import RevokedRow
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.model import ROLES, TrustDocument
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
    return TrustState(settings, inspected(settings), can_verify, accepted, beyond=beyond)


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
        yield from _document(state, state.document)
        return
    first: dict[str, InspectedKey] = {}
    for key in state.keys:
        if key.error is not None:
            yield error(str(key.error), key.error.hint)
        elif key.key is not None and first.setdefault(key.key.key_id, key) is not key:
            yield warning(f"trusted key {key.path} is the same as {first[key.key.key_id].path}, and counts once")
    if all(key.error is None for key in state.keys):
        names = ", ".join(key.key.text for key in first.values() if key.key)
        yield ok(f"trusted: {names}; must be signed: {must_be_signed(state.settings)}")


def _document(state: TrustState, document: TrustDocument) -> Iterator[CheckFinding]:
    """The keys of the site are read again where this box loses its state: then the documents begin at them."""
    used = {key.key_id for name in ROLES if (role := document.role(name)) for key in role.keys}
    for key in state.keys:
        if key.key is None or key.key.key_id in used:
            continue
        again = "begin with the keys of the newest document, for when the state of this box is lost"
        hint = command("config set", "trust.keys", "FILE", sudo=True, instruction=again)
        ended = key.key.key_id in document.revoked.keys
        what = "is revoked by" if ended else "is no longer in use: it is in no role of"
        yield warning(f"trusted key {key.path} {what} trust document {document.number}", hint)
    roles = "; ".join(f"{name}: {_role(document, name)}" for name in ROLES)
    must = must_be_signed(state.settings, has_document=True)
    yield ok(f"trust document {document.number}; {roles}; must be signed: {must}; revoked: {_revoked(document)}")


def _role(document: TrustDocument, name: str) -> str:
    role = document.role(name)
    if role is None:
        return "none"
    names = ", ".join(key.text for key in role.keys)
    return names if role.threshold == 1 else f"{role.threshold} of {names}"


def _revoked(document: TrustDocument) -> str:
    lists = {"key": document.revoked.keys, "bundle": document.revoked.bundles, "image": document.revoked.images}
    return ", ".join(f"{len(digests)} {what}{'' if len(digests) == 1 else 's'}" for what, digests in lists.items() if digests) or "nothing"


def must_be_signed(settings: TrustSettings, *, has_document: bool = False) -> str:
    return " and ".join(f"{kind}s" for kind in KINDS if required(settings, kind, has_document=has_document)) or "nothing"


def revoked(rows: Sequence[RevokedRow]) -> Iterator[CheckFinding]:
    """`revoked`: nothing that runs, or is staged, is revoked."""
    for row in rows:
        replaced = command("workloads deploy", "FILE", instruction="deploy and apply a version that is not revoked")
        dropped = command("workloads undeploy", "--staged", names=(row.workload,), instruction="drop it")
        text = f"{row.workload}: the version that {'runs' if row.runs else 'is staged'} is revoked: {row.reason}"
        yield warning(text, replaced if row.runs else dropped)
    if not rows:
        yield ok("nothing that runs or is staged")


CHECKS = (
    Check("trust", "Trusted keys", "With a key that cannot be used, nothing that must be signed is accepted.", trust, ("trust",)),
    Check(
        "revoked",
        "Revoked versions",
        "What is revoked goes on running until it is replaced, and is not brought up again.",
        revoked,
        ("revoked",),
    ),
)


def fact(settings: TrustSettings, document: Callable[[], TrustDocument | None], state_dir: Path) -> Fact[TrustState]:
    return Fact(lambda: state_of(settings, document, state_dir))
