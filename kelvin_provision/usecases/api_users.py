"""The users of the API: each change is a line of the history, with who made it, or it does not happen."""

from __future__ import annotations

from contextlib import suppress

from kelvin_provision.access.levels import Level
from kelvin_provision.access.programs import ProgramToken, ProgramTokens, made_by
from kelvin_provision.access.users import User, Users
from kelvin_provision.context import Context
from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import Entry

_FACT = "access."
"""In front of the name of a file: the fact has the digest of the content that the newest line about it made."""


@dataclass(frozen=True)
class Line:
    """Of a change of a file in `access`, by the actor of this context. Without an `action` it only answers."""

    ctx: Context
    action: str = ""
    detail: str = ""

    @property
    def patience(self) -> float:
        return self.ctx.timings.ledger_busy

    def confirm(self, file: str, digest: str) -> None:
        """Raises what writing to the ledger raises."""
        ledger = self.ctx.ledger
        entry = Entry(ledger.clock(), self.ctx.actor, self.action, "", None, "done", self.detail)
        history.record(ledger, entry, {f"{_FACT}{file}": digest})

    def is_confirmed(self, file: str, digest: str) -> bool:
        return self.ctx.ledger.fact(f"{_FACT}{file}") == digest


@dataclass(frozen=True)
class UserRemoved:
    """`tokens` are those of programs that the user made, or that were made with them: they go on until they are revoked."""

    user: User
    tokens: tuple[ProgramToken, ...]


def users_of(ctx: Context) -> Users:
    """As they stand now, also if a process ended in the middle of a change."""
    users = Users(ctx.settings.state_dir, ctx.ledger.clock)
    users.settle(Line(ctx))
    return users


def refuse_taken(ctx: Context, name: str) -> None:
    """Raises NameTaken, UsageRefused, before a password is asked for."""
    users_of(ctx).refuse_name(name)


def add(ctx: Context, name: str, password: str, level: Level) -> User:
    """Raises NameTaken, UsageRefused, PasswordRefused."""
    return users_of(ctx).add(name, password, level, Line(ctx, "api user add", f"{name}, {level}"))


def set_password(ctx: Context, name: str, password: str) -> User:
    """Ends all tokens of the user. Raises UserUnknown, PasswordRefused."""
    return users_of(ctx).set_password(name, password, Line(ctx, "api user passwd", name))


def set_level(ctx: Context, name: str, level: Level) -> User:
    """It counts at once, also for sessions and tokens that the user has. Raises UserUnknown."""
    return users_of(ctx).set_level(name, level, Line(ctx, "api user level", f"{name}, {level}"))


def end_sessions(ctx: Context, name: str, why: str) -> User:
    """Ends all tokens of the user. Raises UserUnknown."""
    return users_of(ctx).end_sessions(name, Line(ctx, "api logout", f"every session of {name}: {why}"))


def unlock(ctx: Context, name: str) -> User:
    """Lift the lock-out of the user after failed logins (`api.lockout`). Raises UserUnknown."""
    return users_of(ctx).unlock(name, Line(ctx, "api user unlock", name))


def remove(ctx: Context, name: str) -> UserRemoved:
    """Ends all tokens of the user. Raises UserUnknown."""
    user = users_of(ctx).remove(name, Line(ctx, "api user remove", name))
    tokens: tuple[ProgramToken, ...] = ()
    with suppress(StateDamaged):  # then none of them is valid
        tokens = ProgramTokens(ctx.settings.state_dir).all()
    now = ctx.now.timestamp()
    return UserRemoved(user, made_by(name, (token for token in tokens if token.expires > now)))
