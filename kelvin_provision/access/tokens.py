"""JSON Web Tokens with HS256, by the standard library: PyJWT imports `cryptography` wherever it is installed, which takes 9 MiB.

Only tokens of this box are accepted: one algorithm, no `crit`, no key in the token. `iat` is not compared: the clock of a box may be
set back.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Any

from kelvin_provision.access.levels import Level
from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, trouble_of_box, write_durably
from kelvin_provision.files.lock import exclusive

KEY_FILE = "api.key"
LEEWAY = 60.0
"""Seconds after its end in which a token is still accepted."""
LONGEST = 4096
_KEY_BYTES = 32
_HEADER = {"alg": "HS256", "typ": "JWT"}
_LOCK_WAIT = 10.0


class TokenInvalid(Exception):
    """The token was not made here, is damaged, or has expired."""


class Use(StrEnum):
    ACCESS = "Bearer"
    REFRESH = "Refresh"
    PROGRAM = "Program"


@dataclass(frozen=True)
class Claims:
    """What a token says. `session` is common to the tokens of one login; `generation` is that of the user's password.

    `identifier` is that of the token of a program, which is looked up; others get a new one each, and it is not read.
    """

    issuer: str
    user: str
    use: Use
    level: Level
    generation: int
    session: str
    issued: int
    expires: int
    identifier: str = ""


def load_key(state_dir: Path) -> bytes:
    """The key of this box, made at the first start. Raises StateDamaged, PermissionRefused."""
    path = private_folder(state_dir) / KEY_FILE
    with exclusive(path.with_suffix(".lock"), command="api", wait=_LOCK_WAIT):
        if not os.path.lexists(path):
            write_durably(path, [secrets.token_bytes(_KEY_BYTES)], mode=0o600)
        try:
            key = read_own(path)
        except OSError as error:
            if trouble := trouble_of_box(error):
                raise trouble from error
            key = b""  # a link, or what is no file
    if len(key) != _KEY_BYTES:
        raise StateDamaged(f"{path} is damaged", hint=f"remove {path}: all users must log in again")
    return key


def new_session() -> str:
    return secrets.token_urlsafe(12)


def encode(claims: Claims, key: bytes) -> str:
    payload = {
        "iss": claims.issuer,
        "sub": claims.user,
        "preferred_username": claims.user,
        "typ": claims.use.value,
        "lvl": claims.level.value,
        "gen": claims.generation,
        "sid": claims.session,
        "jti": claims.identifier or secrets.token_urlsafe(9),
        "iat": claims.issued,
        "exp": claims.expires,
    }
    signed = f"{_part(_HEADER)}.{_part(payload)}"
    return f"{signed}.{_base64(_signature(signed.encode(), key))}"


def decode(token: str, key: bytes, *, use: Use, now: float) -> Claims:
    """A token for this use; where an access token is asked for, that of a program is one, too. Raises TokenInvalid."""
    try:
        claims = _claims(_verified(token, key))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise TokenInvalid("the token was not made by this box, or is damaged") from error
    if claims.use is not use and (claims.use, use) != (Use.PROGRAM, Use.ACCESS):
        raise TokenInvalid(f"this token cannot be used as {'an access' if use is Use.ACCESS else 'a refresh'} token")
    if now > claims.expires + LEEWAY:
        raise TokenInvalid("the token has expired")
    return claims


def _verified(token: str, key: bytes) -> dict[str, Any]:
    """The payload of a token of this box. Raises ValueError, TypeError."""
    if len(token) > LONGEST:
        raise ValueError("length")
    signed, _, signature = token.encode("ascii").rpartition(b".")
    if not hmac.compare_digest(_signature(signed, key), _bytes(signature)):
        raise ValueError("signature")
    header, _, payload = signed.partition(b".")
    if _document(header) != _HEADER:
        raise ValueError("header")
    return _document(payload)


def _claims(payload: dict[str, Any]) -> Claims:
    numbers = [payload[name] for name in ("gen", "iat", "exp")]
    use = Use(payload["typ"])
    texts = [payload[name] for name in ("iss", "preferred_username", "sid")] + ([payload["jti"]] if use is Use.PROGRAM else [])
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        raise TypeError(payload)
    generation, issued, expires = numbers
    issuer, user, session, *identifier = texts
    return Claims(issuer, user, use, Level(payload["lvl"]), generation, session, issued, expires, *identifier)


def _signature(signed: bytes, key: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()


def _part(document: dict[str, Any]) -> str:
    return _base64(json.dumps(document, separators=(",", ":")).encode())


def _document(part: bytes) -> dict[str, Any]:
    document = json.loads(_bytes(part))
    if not isinstance(document, dict):
        raise TypeError(document)
    return document


_URL, _PLAIN = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL).rstrip(b"=").decode()


def _bytes(text: bytes) -> bytes:
    """Strict: one signature has one spelling."""
    if set(text) & set(b"+/="):
        raise ValueError(text)
    data = binascii.a2b_base64(text.translate(_PLAIN) + b"=" * (-len(text) % 4), strict_mode=True)
    if _base64(data).encode() != text:
        raise ValueError(text)
    return data


def process_key() -> bytes:
    """A key that ends with the process."""
    return os.urandom(_KEY_BYTES)
