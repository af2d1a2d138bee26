"""The trust document after another, or the first: what is not changed stays. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kelvin_provision.errors import UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.trust.documents.model import Revoked, Role, TrustDocument
from kelvin_provision.trust.public_keys import PublicKey

_ROLES = (("root", "root"), ("bundles", "bundle"), ("requests", "request"), ("images", "image"))


@dataclass(frozen=True)
class RoleChange:
    """`keys` take the place of those before, empty for the same ones. Without a `threshold`: the one before."""

    keys: tuple[PublicKey, ...] = ()
    threshold: int | None = None


@dataclass(frozen=True)
class Changes:
    root: RoleChange = RoleChange()
    bundles: RoleChange = RoleChange()
    requests: RoleChange = RoleChange()
    images: RoleChange = RoleChange()
    revoked: Revoked = Revoked()
    """What is revoked besides."""


def first(changes: Changes) -> TrustDocument:
    """Number 1. Bundles and requests are signed by the root keys, where no others are given. Raises UsageRefused."""
    if not changes.root.keys:
        hint = command("trust create", *("trust-1.json", "--root-key", "anna.pub"))
        raise UsageRefused("the first trust document needs a root key", hint=hint)
    base = TrustDocument(0, Role(changes.root.keys), Role(changes.root.keys), Role(changes.root.keys))
    return successor(base, changes)


def successor(before: TrustDocument, changes: Changes) -> TrustDocument:
    """One number higher. Revoked keys leave every role. Raises UsageRefused for a role that has too few keys then."""
    revoked = _joined(before.revoked, changes.revoked)
    roles = {name: _role(option, before.role(name), getattr(changes, name), revoked.keys) for name, option in _ROLES}
    root = roles["root"]
    if root is None:
        raise UsageRefused("the root keys would all be revoked", hint="name new ones with --root-key")
    return replace(
        before,
        number=before.number + 1,
        root=root,
        bundles=roles["bundles"],
        requests=roles["requests"],
        images=roles["images"],
        revoked=revoked,
    )


def _joined(before: Revoked, more: Revoked) -> Revoked:
    def both(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*old, *new)))

    return Revoked(both(before.keys, more.keys), both(before.bundles, more.bundles), both(before.images, more.images))


def _role(option: str, before: Role | None, change: RoleChange, revoked: tuple[str, ...]) -> Role | None:
    given = {key.key_id: key for key in change.keys}
    named = [key.name for key in change.keys if key.key_id in revoked]
    if named:
        raise UsageRefused(f"--{option}-key: {named[0]} is revoked, and stays so", hint="make a new key")
    known = before.keys if before else ()
    keys = tuple(given.values()) or tuple(key for key in known if key.key_id not in revoked)
    threshold = change.threshold or (before.threshold if before else 1)
    if not keys:
        if change.threshold or (before and not given):
            raise UsageRefused(f"no {option} key is left", hint=f"name new ones with --{option}-key")
        return None
    if threshold > len(keys):
        hint = f"name more keys with --{option}-key, or how many must sign with --{option}-threshold"
        raise UsageRefused(f"{threshold} {option} keys must sign, and there are {len(keys)}", hint=hint)
    return Role(keys, threshold)
