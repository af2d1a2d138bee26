"""Tokens of programs for the API: each change is a line of the history, with who made it, or it does not happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.access import programs
from kelvin_provision.access.levels import Level
from kelvin_provision.access.programs import ProgramToken, ProgramTokens
from kelvin_provision.access.tokens import load_key
from kelvin_provision.access.uses import LastUses
from kelvin_provision.context import Context
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import Hint, command
from kelvin_provision.quantity import format_duration
from kelvin_provision.settings.model import Settings
from kelvin_provision.timestamps import rfc3339_of_epoch
from kelvin_provision.tls.listen import secure_urls
from kelvin_provision.usecases.api_users import Line


@dataclass(frozen=True)
class TokenRequest:
    """`lifetime` in seconds. `issuer` is what clients that are given only the token take for the address of the API."""

    name: str
    level: Level
    lifetime: float
    issuer: str


@dataclass(frozen=True)
class TokenItem:
    """A token as it is listed. `last_used` is seconds since 1970, to the hour; None for never."""

    token: ProgramToken
    last_used: int | None
    is_expired: bool

    def to_json(self) -> dict[str, Any]:
        token = self.token
        return {
            "name": token.name,
            "level": token.level.value,
            "created": token.created,
            "created_by": token.creator,
            "expires": rfc3339_of_epoch(token.expires),
            "expired": self.is_expired,
            "last_used": None if self.last_used is None else rfc3339_of_epoch(self.last_used),
        }


@dataclass(frozen=True)
class TokenCreated:
    """`text` is the token itself, which is nowhere else."""

    item: TokenItem
    text: str = field(repr=False)


def tokens_of(ctx: Context) -> ProgramTokens:
    """As they stand now, also if a process ended in the middle of a change."""
    tokens = ProgramTokens(ctx.settings.state_dir)
    tokens.settle(Line(ctx))
    return tokens


def create(ctx: Context, request: TokenRequest) -> TokenCreated:
    """Raises UsageRefused for a name that is taken or invalid, and for a lifetime out of bounds."""
    programs.refuse_name(request.name)
    if not programs.SHORTEST <= request.lifetime <= programs.LONGEST:
        bounds = f"{format_duration(programs.SHORTEST)} to {format_duration(programs.LONGEST)}"
        raise UsageRefused(f"a token cannot be valid for {format_duration(request.lifetime)}", hint=f"choose a time from {bounds}")
    key, created, now = load_key(ctx.settings.state_dir), ctx.ledger.clock(), int(ctx.now.timestamp())
    token = ProgramToken(request.name, request.level, programs.new_identifier(), ctx.actor, created, now + int(request.lifetime))
    line = Line(ctx, "api token create", f"{token.name}, {token.level}, until {rfc3339_of_epoch(token.expires)}")
    tokens_of(ctx).add(token, now=now, line=line)
    return TokenCreated(TokenItem(token, None, is_expired=False), programs.encode(token, key, issuer=request.issuer, issued=now))


def listed(ctx: Context, uses: LastUses | None = None) -> tuple[TokenItem, ...]:
    """Sorted by name; `uses` are those of the process that sees them. Raises StateDamaged."""
    seen, now = (uses or LastUses(ctx.settings.state_dir)).latest(), ctx.now.timestamp()
    return tuple(TokenItem(token, seen.get(token.identifier), token.expires <= now) for token in tokens_of(ctx).all())


def revoking(token: ProgramToken) -> Hint:
    """The command that revokes it."""
    return command("api token revoke", token.name)


def revoke(ctx: Context, name: str) -> ProgramToken:
    """It is refused from now on. Raises TokenUnknown."""
    return tokens_of(ctx).remove(name, Line(ctx, "api token revoke", name))


def issuer_of(settings: Settings) -> str:
    """The realm as programs on other machines reach it, else as those on this box do."""
    base = next(iter(secure_urls(settings.api)), f"http://{settings.api.listen[0]}")
    return f"{base}/auth/realms/{settings.api.realm}"
