"""Passwords: the platform's rules, and hashes that are expensive to guess.

scrypt with N=2^14, r=8, p=5 is one of the equal choices of OWASP's Password Storage Cheat Sheet: 16 MiB, and about 0.2 s on a box.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
import threading
from typing import TYPE_CHECKING

from kelvin_provision.errors import PasswordRefused
from kelvin_provision.fast_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

MINIMUM = 8
MAXIMUM = 1024
"""Characters. A longer one would be work for nothing."""
_ONE_AT_A_TIME = threading.Lock()
_MEMORY = 64 << 20


@dataclass(frozen=True)
class Cost:
    """Parameters of scrypt."""

    n: int = 1 << 14
    r: int = 8
    p: int = 5


COST = Cost()


def refuse_weak(password: str) -> None:
    """Raises PasswordRefused: the platform asks for 8 characters with an upper-case letter, a lower-case letter and a digit."""
    kinds: dict[str, Callable[[str], bool]] = {
        "an upper-case letter": str.isupper,
        "a lower-case letter": str.islower,
        "a digit": str.isdigit,
    }
    missing = [name for name, test in kinds.items() if not any(map(test, password))]
    if len(password) < MINIMUM:
        missing.insert(0, f"{MINIMUM - len(password)} more characters")
    if missing:
        raise PasswordRefused(f"the password needs {', '.join(missing)}", hint="a sentence is easy to remember, and long")
    if len(password) > MAXIMUM or not password.isprintable():
        raise PasswordRefused(f"the password has more than {MAXIMUM} characters, or a control character", hint="choose another one")


def hashed(password: str, cost: Cost = COST) -> str:
    """`scrypt$N$r$p$salt$hash`, salted."""
    salt = secrets.token_bytes(16)
    return f"scrypt${cost.n}${cost.r}${cost.p}${salt.hex()}${_scrypt(password, salt, cost).hex()}"


def matches(password: str, stored: str) -> bool:
    """Whether it is the password of this hash; False for a damaged hash."""
    try:
        scheme, n, r, p, salt, expected = stored.split("$")
        cost, salt_bytes, expected_bytes = Cost(int(n), int(r), int(p)), binascii.unhexlify(salt), binascii.unhexlify(expected)
        return scheme == "scrypt" and hmac.compare_digest(_scrypt(password, salt_bytes, cost), expected_bytes)
    except ValueError:
        return False


def waste(password: str, cost: Cost = COST) -> None:
    """The work of a comparison, for a user who does not exist: the time of an answer does not say which users there are."""
    _scrypt(password, b"\0" * 16, cost)


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    """One at a time: many logins at once must not take the memory of the box."""
    with _ONE_AT_A_TIME:
        return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=_MEMORY, dklen=32)
