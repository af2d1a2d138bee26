"""Tokens of programs: long-lived, with a level and a name, and revocable. The file has what a token says, never the token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kelvin_provision.access import tokens
from kelvin_provision.access.levels import Level
from kelvin_provision.access.records import Confirmation, Records
from kelvin_provision.access.tokens import Claims, Use
from kelvin_provision.errors import NameTaken, TokenUnknown, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.quantity import MAX_DURATION

FILE = "api-tokens.json"
PREFIX = "token:"
"""In front of the name of a token where a user's name stands otherwise. No user has a colon in the name."""
NAME = r"[A-Za-z0-9][-A-Za-z0-9._]{1,63}"
SHORTEST, LONGEST = 60.0, MAX_DURATION
"""Seconds for which a token may be valid."""


@dataclass(frozen=True)
class ProgramToken:
    """`identifier` is the `jti` of its claims; `created` is RFC 3339, `expires` seconds since 1970."""

    name: str
    level: Level
    identifier: str
    creator: str
    created: str
    expires: int

    @property
    def principal(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def maker(self) -> str:
        """The user, or the principal of the token, that made it over the API; empty for a person at the box."""
        place, via, _ = self.creator.rpartition(" via ")
        return place.rpartition("@")[0] if via else ""


class ProgramTokens:
    """The tokens of this box. A file that is changed elsewhere is read again."""

    def __init__(self, state_dir: Path) -> None:
        self._records = Records(
            state_dir / FILE, "tokens", encode=asdict, decode=_token, again="create the tokens again: none of them is valid any more"
        )
        self._found: tuple[object, dict[str, ProgramToken]] = (None, {})

    @property
    def stamp(self) -> object:
        return self._records.stamp

    def settle(self, confirmation: Confirmation) -> None:
        self._records.settle(confirmation)

    def all(self) -> tuple[ProgramToken, ...]:
        """Sorted by name. Raises StateDamaged."""
        return tuple(token for _, token in sorted(self._records.current().items()))

    def find(self, identifier: str) -> ProgramToken | None:
        """By the `jti` of a token that was checked. Raises StateDamaged."""
        current = self._records.current()
        if self._found[0] is not current:
            self._found = (current, {token.identifier: token for token in current.values()})
        return self._found[1].get(identifier)

    def add(self, token: ProgramToken, *, now: int, line: Confirmation) -> None:
        """In place of an expired one of the same name. Raises NameTaken, UsageRefused."""
        refuse_name(token.name)
        with self._records.changing(line) as records:
            taken = records.get(token.name)
            if taken and taken.expires > now:
                raise NameTaken(f"there is a token {token.name} already", hint=command("api token revoke", token.name))
            records[token.name] = token

    def remove(self, name: str, line: Confirmation) -> ProgramToken:
        """Raises TokenUnknown."""
        with self._records.changing(line) as records:
            if name not in records:
                raise TokenUnknown(f"no token {name} of the API on this box")
            return records.pop(name)


def made_by(user: str, among: Iterable[ProgramToken]) -> tuple[ProgramToken, ...]:
    """Those that this user of the API made, and those that were made with them."""
    left, makers = list(among), {user}
    made: list[ProgramToken] = []
    while more := [token for token in left if token.maker in makers]:
        made += more
        makers = {token.principal for token in more}
        left = [token for token in left if token not in more]
    return tuple(sorted(made, key=lambda token: token.name))


def refuse_name(name: str) -> None:
    """Raises UsageRefused."""
    if not re.fullmatch(NAME, name):
        raise UsageRefused(f"{name!r} is not a name of a token", hint="2 to 64 letters, digits or -._, beginning with a letter or a digit")


def new_identifier() -> str:
    return tokens.new_session()


def encode(token: ProgramToken, key: bytes, *, issuer: str, issued: int) -> str:
    """The token itself, which is shown once."""
    claims = Claims(issuer, token.principal, Use.PROGRAM, token.level, 0, "", issued, token.expires, token.identifier)
    return tokens.encode(claims, key)


def _token(entry: Mapping[str, Any]) -> tuple[str, ProgramToken]:
    texts = {name: entry[name] for name in ("name", "identifier", "creator", "created")}
    expires = entry["expires"]
    if not all(isinstance(value, str) for value in texts.values()) or type(expires) is not int:
        raise TypeError(texts["name"])
    return texts["name"], ProgramToken(level=Level(entry["level"]), expires=expires, **texts)
