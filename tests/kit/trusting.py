"""Trust documents, made and signed in this process."""

from kelvin_provision.trust.documents.model import Revoked, Role, SignedDocument, TrustDocument
from kelvin_provision.trust.documents.reading import encode
from kelvin_provision.trust.dsse import TRUST, Entry, document
from tests.kit.signing import signature


def trust_document(number, *root, threshold=1, bundles=(), revoked=(), **more):
    """Of these pairs of keys, of which the root keys also sign bundles and requests, if no others do."""
    role = Role(tuple(public for _, public in root), threshold)
    others = Role(tuple(public for _, public in bundles)) if bundles else Role(role.keys)
    values = {"bundles": others, "requests": others, "revoked": Revoked(tuple(public.key_id for _, public in revoked))} | more
    return TrustDocument(number, role, **values)


def signed(value, *pairs, kind=TRUST):
    """A document, or its bytes, signed by these pairs."""
    content = encode(value) if isinstance(value, TrustDocument) else value
    return SignedDocument(content, document([Entry(public.key_id, signature(key, content, kind)) for key, public in pairs]))


def written(path, one):
    """As files of a person; returns the path."""
    path.write_bytes(one.content)
    path.with_name(f"{path.name}.sig").write_bytes(one.signatures)
    return path
