"""The users of the API: a file in the state directory that only its owner can read. A change stands once its `line` is in the history.

`generation` is part of every token of a user: it changes with the password, which ends all tokens from before, and when a user has ended
more sessions than can be remembered.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kelvin_provision.access.levels import Level
from kelvin_provision.access.passwords import COST, Cost, hashed, refuse_weak
from kelvin_provision.access.records import Confirmation, Records
from kelvin_provision.errors import NameTaken, UsageRefused, UserUnknown
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command

FILE = "api-users.json"
NAME = r"[A-Za-z0-9][-A-Za-z0-9._@]{1,63}"


@dataclass(frozen=True)
class User:
    name: str
    level: Level
    password: str
    generation: int
    created: str
    changed: str
    unlocked: str = ""
    """When a person lifted the lock-out of the user, if ever."""


class Users:
    """`clock` gives the times that are recorded. A file that is changed elsewhere is read again."""

    def __init__(self, state_dir: Path, clock: Callable[[], str], cost: Cost = COST) -> None:
        self._records = Records(state_dir / FILE, "users", encode=asdict, decode=_user, again="add the users again")
        self._clock = clock
        self._cost = cost

    @property
    def path(self) -> Path:
        return self._records.path

    @property
    def stamp(self) -> object:
        return self._records.stamp

    def settle(self, confirmation: Confirmation) -> None:
        self._records.settle(confirmation)

    def all(self) -> tuple[User, ...]:
        """Sorted by name. Raises StateDamaged."""
        return tuple(user for _, user in sorted(self._records.current().items()))

    def find(self, name: str) -> User | None:
        return self._records.current().get(name)

    def get(self, name: str) -> User:
        """Raises UserUnknown."""
        user = self.find(name)
        if user is None:
            raise UserUnknown(f"no user {name} of the API on this box")
        return user

    def refuse_name(self, name: str) -> None:
        """Raises NameTaken, and UsageRefused for an invalid name."""
        if not re.fullmatch(NAME, name):
            raise UsageRefused(f"{name!r} is not a user name", hint="2 to 64 letters, digits or -._@, beginning with a letter or a digit")
        _refuse_taken(self._records.current(), name)

    def add(self, name: str, password: str, level: Level, line: Confirmation) -> User:
        """Raises NameTaken, UsageRefused for an invalid name, PasswordRefused."""
        self.refuse_name(name)
        refuse_weak(password)
        with self._records.changing(line) as users:
            _refuse_taken(users, name)
            now = self._clock()
            users[name] = User(name, level, hashed(password, self._cost), _new_generation(), now, now)
            return users[name]

    def set_password(self, name: str, password: str, line: Confirmation) -> User:
        """Ends all tokens of the user. Raises UserUnknown, PasswordRefused."""
        refuse_weak(password)
        self.get(name)
        with self._records.changing(line) as users:
            user = self._in(users, name)
            fresh, generation = hashed(password, self._cost), _new_generation()
            users[name] = replace(user, password=fresh, generation=generation, changed=self._clock())
            return users[name]

    def set_level(self, name: str, level: Level, line: Confirmation) -> User:
        """It counts for the next request of the user. Raises UserUnknown."""
        self.get(name)
        with self._records.changing(line) as users:
            users[name] = replace(self._in(users, name), level=level, changed=self._clock())
            return users[name]

    def end_sessions(self, name: str, line: Confirmation) -> User:
        """Ends all tokens of the user. Raises UserUnknown."""
        with self._records.changing(line) as users:
            users[name] = replace(self._in(users, name), generation=_new_generation())
            return users[name]

    def unlock(self, name: str, line: Confirmation) -> User:
        """Lift the lock-out of the user, if there is one. Raises UserUnknown."""
        self.get(name)
        with self._records.changing(line) as users:
            users[name] = replace(self._in(users, name), unlocked=self._clock())
            return users[name]

    def remove(self, name: str, line: Confirmation) -> User:
        """Raises UserUnknown."""
        self.get(name)
        with self._records.changing(line) as users:
            user = self._in(users, name)
            del users[name]
            return user

    def _in(self, users: Mapping[str, User], name: str) -> User:
        if name not in users:
            raise UserUnknown(f"no user {name} of the API on this box")
        return users[name]


def _refuse_taken(users: Mapping[str, User], name: str) -> None:
    if name in users:
        raise NameTaken(f"there is a user {name} already", hint=command("api user passwd", name))


def _new_generation() -> int:
    """Random, so that also a user who was removed and added again has no token from before. JavaScript reads it exactly."""
    return secrets.randbits(53)


def _user(entry: Mapping[str, Any]) -> tuple[str, User]:
    texts = {name: entry[name] for name in ("name", "password", "created", "changed")} | {"unlocked": entry.get("unlocked", "")}
    generation = entry["generation"]
    if not all(isinstance(value, str) for value in texts.values()) or type(generation) is not int:
        raise TypeError(texts["name"])
    return texts["name"], User(level=Level(entry["level"]), generation=generation, **texts)
