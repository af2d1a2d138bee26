"""The bytes of a trust document, and back. What comes back keeps every limit and rule that one document can keep. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kelvin_provision.errors import TrustDocumentInvalid
from kelvin_provision.trust.documents.model import LARGEST, NUMBER, ROLES, Revoked, Role, TrustDocument
from kelvin_provision.trust.public_keys import InvalidKey, PublicKey, public_key_of_pem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Of a key, as people call it."""
MOST_KEYS = 32
"""Of a role: as many as a document can have signatures."""
_KEYS = frozenset({"number", "revoked", *ROLES})
_KEY_ID, _DIGEST = re.compile(r"[0-9a-f]{64}"), re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def wrong(what: str) -> TrustDocumentInvalid:
    return TrustDocumentInvalid(f"the trust document is not valid: {what}")


def encode(document: TrustDocument) -> bytes:
    """For people to read before they sign. The same value gives the same bytes. Raises TrustDocumentInvalid if it is too long."""
    roles = {name: _role_document(document.role(name)) for name in ROLES}
    revoked = document.revoked
    lists = {"keys": list(revoked.keys), "bundles": list(revoked.bundles), "images": list(revoked.images)}
    data = json.dumps({"number": document.number, **roles, "revoked": lists}, indent=1).encode() + b"\n"
    if len(data) > LARGEST:
        raise wrong(f"{len(data)} bytes, the limit is {LARGEST}")
    return data


def _role_document(role: Role | None) -> dict[str, Any] | None:
    return None if role is None else {"keys": {key.name: key.pem.decode() for key in role.keys}, "threshold": role.threshold}


def decode(data: bytes) -> TrustDocument:
    """Only for bytes whose signature is verified, or of the file of a person. Raises TrustDocumentInvalid."""
    document = _object(_parsed(data), _KEYS, "the document")
    number = document["number"]
    if type(number) is not int or not 1 <= number < NUMBER:
        raise wrong("number is not a whole number from 1 on")
    lists = _object(document["revoked"], frozenset({"keys", "bundles", "images"}), "revoked")
    revoked = Revoked(
        _texts(lists["keys"], _KEY_ID, "revoked.keys"),
        _texts(lists["bundles"], _DIGEST, "revoked.bundles"),
        _texts(lists["images"], _DIGEST, "revoked.images"),
    )
    roles = {name: _role(document[name], name) for name in ROLES}
    root = roles["root"]
    if root is None:
        raise wrong("root has no keys")
    for name, role in roles.items():
        _refuse_revoked(name, role, revoked)
    return TrustDocument(number, root, roles["bundles"], roles["requests"], roles["images"], revoked)


def _refuse_revoked(name: str, role: Role | None, revoked: Revoked) -> None:
    for key in role.keys if role else ():
        if key.key_id in revoked.keys:
            raise wrong(f"{name} has the key {key.name}, which the same document revokes")


def _parsed(data: bytes) -> Any:
    if len(data) > LARGEST:
        raise wrong(f"{len(data)} bytes, the limit is {LARGEST}")
    try:
        return json.loads(data.decode("ascii"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except UnicodeDecodeError as error:
        raise wrong(f"byte {error.start} is not ASCII") from error
    except (ValueError, RecursionError) as error:
        raise wrong("not JSON, or nested too deep") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise wrong("a key stands twice")
    return result


def _no_float(text: str) -> float:
    raise wrong(f"{text[:20]} is not a whole number")


def _object(value: Any, keys: frozenset[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise wrong(f"{what} is not an object with exactly {', '.join(sorted(keys))}")
    return value


def _texts(value: Any, form: re.Pattern[str], what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and form.fullmatch(text) for text in value):
        raise wrong(f"{what} is not a list of {'SHA-256 in 64 hexadecimal digits' if form is _KEY_ID else 'digests'}")
    if len(set(value)) != len(value):
        raise wrong(f"{what} has an entry twice")
    return tuple(value)


def _role(value: Any, name: str) -> Role | None:
    if value is None:
        return None
    role = _object(value, frozenset({"keys", "threshold"}), name)
    named, threshold = role["keys"], role["threshold"]
    if not isinstance(named, dict) or not 1 <= len(named) <= MOST_KEYS:
        raise wrong(f"{name}.keys is not an object with 1 to {MOST_KEYS} keys")
    keys = tuple(_key(f"{name}.keys", text, pem) for text, pem in named.items())
    if len({key.key_id for key in keys}) != len(keys):
        raise wrong(f"{name} has a key twice")
    if type(threshold) is not int or not 1 <= threshold <= len(keys):
        raise wrong(f"{name}.threshold is not a whole number from 1 to the number of its keys")
    return Role(keys, threshold)


def _key(where: str, name: str, pem: Any) -> PublicKey:
    if not NAME.fullmatch(name):
        raise wrong(f"{where} has a name of another form than {NAME.pattern}")
    if not isinstance(pem, str):
        raise wrong(f"{where}: {name} is not a text")
    try:
        key = public_key_of_pem(pem.encode(), name)
    except InvalidKey as error:
        raise wrong(f"{where}: {name}: {error}") from error
    if key.pem.decode() != pem:
        raise wrong(f"{where}: {name} is a key with more around it, or in other lines")
    return key
