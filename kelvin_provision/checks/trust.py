"""The keys whose signatures this box accepts: whether each can be used, and what must be signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.runner import Check, Fact
from kelvin_provision.errors import ApiMissing
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.policy import KINDS, required
from kelvin_provision.trust.trusted import InspectedKey, inspected


@dataclass(frozen=True)
class TrustState:
    """`can_verify`: the library that verifies is installed."""

    settings: TrustSettings
    keys: Sequence[InspectedKey]
    can_verify: bool


def state_of(settings: TrustSettings) -> TrustState:
    return TrustState(settings, inspected(settings), find_spec("cryptography") is not None)


def trust(state: TrustState) -> Iterator[CheckFinding]:
    """`trust`: every file of trust.keys is a key that no other user can have written."""
    if not state.keys:
        yield ok("no trusted keys: nothing has to be signed")
        return
    if not state.can_verify:
        yield error("signatures cannot be verified: cryptography is not installed", ApiMissing.hint_default)
    first: dict[str, InspectedKey] = {}
    for key in state.keys:
        if key.error is not None:
            yield error(str(key.error), key.error.hint)
        elif key.key is not None and first.setdefault(key.key.key_id, key) is not key:
            yield warning(f"trusted key {key.path} is the same as {first[key.key.key_id].path}, and counts once")
    if all(key.error is None for key in state.keys):
        names = ", ".join(f"{key.key.name} ({key.key.key_id[:12]})" for key in first.values() if key.key)
        yield ok(f"trusted: {names}; must be signed: {must_be_signed(state.settings)}")


def must_be_signed(settings: TrustSettings) -> str:
    return " and ".join(f"{kind}s" for kind in KINDS if required(settings, kind)) or "nothing"


CHECK = Check("trust", "Trusted keys", "With a key that cannot be used, nothing that must be signed is accepted.", trust, ("trust",))


def fact(settings: TrustSettings) -> Fact[TrustState]:
    return Fact(lambda: state_of(settings))
