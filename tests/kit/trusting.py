"""Trust documents, made and signed in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.trust.documents.model import Revoked, Role, SignedDocument, TrustDocument
from kelvin_provision.trust.documents.reading import encode
from kelvin_provision.trust.dsse import TRUST, Entry, document
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.signing import PrivateKey
from tests.kit.signing import signature

Pair = tuple[PrivateKey, PublicKey]


def trust_document(
    number: int, *root: Pair, threshold: int = 1, bundles: Sequence[Pair] = (), revoked: Sequence[Pair] = (), **more: Any
) -> TrustDocument:
    """Of these pairs of keys, of which the root keys also sign bundles and requests, if no others do."""
    role = Role(tuple(public for _, public in root), threshold)
    others = Role(tuple(public for _, public in bundles)) if bundles else Role(role.keys)
    values: dict[str, Any] = {
        "bundles": others,
        "requests": others,
        "revoked": Revoked(tuple(public.key_id for _, public in revoked)),
    } | more
    return TrustDocument(number, role, **values)


def signed(value: TrustDocument | bytes, *pairs: Pair, kind: str = TRUST) -> SignedDocument:
    """A document, or its bytes, signed by these pairs."""
    content = encode(value) if isinstance(value, TrustDocument) else value
    return SignedDocument(content, document([Entry(public.key_id, signature(key, content, kind)) for key, public in pairs]))


def written(path: Path, one: SignedDocument) -> Path:
    """As files of a person; returns the path."""
    path.write_bytes(one.content)
    path.with_name(f"{path.name}.sig").write_bytes(one.signatures)
    return path
