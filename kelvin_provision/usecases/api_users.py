"""The users of the API: each change is a line of the history, with who made it."""

from __future__ import annotations

from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import User, Users
from kelvin_provision.context import Context
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model import Entry


def users_of(ctx: Context) -> Users:
    return Users(ctx.settings.state_dir, ctx.ledger.clock)


def refuse_taken(ctx: Context, name: str) -> None:
    """Raises NameTaken, UsageRefused, before a password is asked for."""
    users_of(ctx).refuse_name(name)


def add(ctx: Context, name: str, password: str, level: Level) -> User:
    """Raises NameTaken, UsageRefused, PasswordRefused."""
    user = users_of(ctx).add(name, password, level)
    _record(ctx, "api user add", f"{user.name}, {user.level}")
    return user


def set_password(ctx: Context, name: str, password: str) -> User:
    """Ends all tokens of the user. Raises UserUnknown, PasswordRefused."""
    user = users_of(ctx).set_password(name, password)
    _record(ctx, "api user passwd", user.name)
    return user


def unlock(ctx: Context, name: str) -> User:
    """Lift the lock-out of the user after failed logins (`api.lockout`). Raises UserUnknown."""
    user = users_of(ctx).unlock(name)
    _record(ctx, "api user unlock", user.name)
    return user


def remove(ctx: Context, name: str) -> User:
    """Ends all tokens of the user. Raises UserUnknown."""
    user = users_of(ctx).remove(name)
    _record(ctx, "api user remove", user.name)
    return user


def _record(ctx: Context, action: str, detail: str) -> None:
    history.record(ctx.ledger, Entry(ctx.ledger.clock(), ctx.actor, action, "", None, "done", detail))
