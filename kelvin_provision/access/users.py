"""The users of the API: a file in the state directory that only its owner can read.

`generation` is part of every token of a user: it changes with the password, which ends all tokens from before.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kelvin_provision.access.levels import Level
from kelvin_provision.access.passwords import COST, Cost, hashed, refuse_weak
from kelvin_provision.errors import StateDamaged, UsageRefused, UserUnknown
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, trouble_of_box, write_durably
from kelvin_provision.files.lock import exclusive
from kelvin_provision.hints import command

FILE = "api-users.json"
_FORM = 1
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._@]{1,63}")
_LOCK_WAIT = 10.0


@dataclass(frozen=True)
class User:
    name: str
    level: Level
    password: str
    generation: int
    created: str
    changed: str


class Users:
    """`clock` gives the times that are recorded. A file that is changed elsewhere is read again."""

    def __init__(self, state_dir: Path, clock: Callable[[], str], cost: Cost = COST) -> None:
        self.path = state_dir / FILE
        self._clock = clock
        self._cost = cost
        self._read: tuple[object, dict[str, User]] = (None, {})

    def all(self) -> tuple[User, ...]:
        """Sorted by name. Raises StateDamaged."""
        return tuple(user for _, user in sorted(self._current().items()))

    def find(self, name: str) -> User | None:
        return self._current().get(name)

    def get(self, name: str) -> User:
        """Raises UserUnknown."""
        user = self.find(name)
        if user is None:
            raise UserUnknown(f"no user {name} of the API on this box")
        return user

    def refuse_name(self, name: str) -> None:
        """Raises UsageRefused for a name that is taken or invalid."""
        if not _NAME.fullmatch(name):
            raise UsageRefused(f"{name!r} is not a user name", hint="2 to 64 letters, digits or -._@, beginning with a letter or a digit")
        _refuse_taken(self._current(), name)

    def add(self, name: str, password: str, level: Level) -> User:
        """Raises UsageRefused for a name that is taken or invalid, and for a weak password."""
        self.refuse_name(name)
        refuse_weak(password)
        with self._changing() as users:
            _refuse_taken(users, name)
            now = self._clock()
            users[name] = User(name, level, hashed(password, self._cost), _new_generation(), now, now)
            return users[name]

    def set_password(self, name: str, password: str) -> User:
        """Ends all tokens of the user. Raises UserUnknown, UsageRefused."""
        refuse_weak(password)
        self.get(name)
        with self._changing() as users:
            user = self._in(users, name)
            fresh, generation = hashed(password, self._cost), _new_generation()
            users[name] = replace(user, password=fresh, generation=generation, changed=self._clock())
            return users[name]

    def remove(self, name: str) -> User:
        """Raises UserUnknown."""
        self.get(name)
        with self._changing() as users:
            user = self._in(users, name)
            del users[name]
            return user

    def _in(self, users: Mapping[str, User], name: str) -> User:
        if name not in users:
            raise UserUnknown(f"no user {name} of the API on this box")
        return users[name]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, User]]:
        """The users, written durably after the block."""
        private_folder(self.path.parent)
        with exclusive(self.path.with_suffix(".lock"), command="api user", wait=_LOCK_WAIT):
            users = dict(self._current())
            yield users
            document = {"form": _FORM, "users": [asdict(user) for _, user in sorted(users.items())]}
            write_durably(self.path, [json.dumps(document, indent=1).encode()], mode=0o600)

    def _current(self) -> dict[str, User]:
        try:
            stat = self.path.lstat()
        except FileNotFoundError:
            return {}
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if self._read[0] != seen:
            self._read = (seen, _parsed(self.path))
        return self._read[1]


def _refuse_taken(users: Mapping[str, User], name: str) -> None:
    if name in users:
        raise UsageRefused(f"there is a user {name} already", hint=command("api user passwd", name))


def _new_generation() -> int:
    """Random, so that also a user who was removed and added again has no token from before. JavaScript reads it exactly."""
    return secrets.randbits(53)


def _parsed(path: Path) -> dict[str, User]:
    try:
        users = _users(json.loads(read_own(path)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError) and (trouble := trouble_of_box(error)):
            raise trouble from error
        raise StateDamaged(f"{path} is damaged: {type(error).__name__}", hint=f"remove {path}, then add the users again") from error
    return {user.name: user for user in users}


def _users(document: Mapping[str, Any]) -> list[User]:
    if document["form"] != _FORM:
        raise ValueError(document["form"])
    return [_user(entry) for entry in document["users"]]


def _user(entry: Mapping[str, Any]) -> User:
    texts = {name: entry[name] for name in ("name", "password", "created", "changed")}
    generation = entry["generation"]
    if not all(isinstance(value, str) for value in texts.values()) or type(generation) is not int:
        raise TypeError(texts["name"])
    return User(level=Level(entry["level"]), generation=generation, **texts)
