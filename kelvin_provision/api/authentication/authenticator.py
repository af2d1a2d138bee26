"""Who asks: bearer tokens, and the logins that make them. Cookies count for nothing here."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision.access import passwords, tokens
from kelvin_provision.access.levels import Level
from kelvin_provision.access.sessions import MOST, Ended, EndedSessions
from kelvin_provision.access.tokens import Claims, TokenInvalid, Use
from kelvin_provision.access.users import User, Users
from kelvin_provision.api.authentication.audit import Audit
from kelvin_provision.api.authentication.lockouts import Lockouts
from kelvin_provision.api.authentication.programs import Programs
from kelvin_provision.api.authentication.remembered import Remembered
from kelvin_provision.api.authentication.throttle import Throttle
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.context import Context
from kelvin_provision.hints import Hint, command
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.usecases import api_users


@dataclass(frozen=True)
class Principal:
    """A user who is logged in, and the address of the client. `door`: api for a token, ui for a session of pages."""

    name: str
    level: Level
    address: str
    door: str = "api"

    @property
    def actor(self) -> str:
        """As the history shows it."""
        return f"{self.name}@{self.address} via {self.door}"

    def require(self, level: Level) -> None:
        if not self.level.allows(level):
            raise Refusal("level-needed", f"this needs the level {level}; {self.name} has {self.level}")


class Authenticator:
    """`clock` is that of the box, which may be set back; `users` are read again when their file changes."""

    def __init__(
        self,
        users: Users,
        programs: Programs,
        settings: ApiSettings,
        *,
        key: bytes,
        ended: EndedSessions,
        audit: Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._users = users
        self.programs = programs
        self._audit = audit
        self._key = key
        self._ended = ended
        self._settings = settings
        self._clock = clock
        self._throttle = Throttle()
        self._lockouts = Lockouts(settings.lockout)
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password")
        self._remembered = Remembered()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- tokens -----------------------------------------------------------------------------------

    def principal(self, authorization: str | None, address: str) -> Principal:
        """Raises Refusal."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _login_required("the request has no bearer token")
        claims = self._claims(token.strip(), Use.ACCESS)
        if claims.use is Use.PROGRAM:
            program = self.programs.find(claims.identifier, self._clock())
            if program is None:
                raise _login_required("this token was revoked")
            return Principal(program.principal, program.level, address)
        user = self._user_of(claims)
        return Principal(user.name, user.level, address)

    def _claims(self, token: str, use: Use) -> Claims:
        try:
            return tokens.decode(token, self._key, use=use, now=self._clock())
        except TokenInvalid as error:
            raise _login_required(str(error)) from error

    def _user_of(self, claims: Claims) -> User:
        """The level is that of the user now, not that of the token."""
        user = self._users.find(claims.user)
        if user is None or user.generation != claims.generation or self._ended.has(claims.session):
            raise _login_required("the session of this token has ended")
        return user

    def issue(self, user: User, issuer: str, session: str = "") -> dict[str, Any]:
        """A pair of tokens, as Keycloak answers."""
        now, session = int(self._clock()), session or tokens.new_session()
        lifetime, refresh = int(self._settings.token_lifetime), int(self._settings.refresh_lifetime)

        def token(use: Use, seconds: int) -> str:
            claims = Claims(issuer, user.name, use, user.level, user.generation, session, now, now + seconds)
            return tokens.encode(claims, self._key)

        return {
            "access_token": token(Use.ACCESS, lifetime),
            "expires_in": lifetime,
            "refresh_token": token(Use.REFRESH, refresh),
            "refresh_expires_in": refresh,
            "token_type": "Bearer",
            "session_state": session,
            "scope": "openid",
        }

    def refresh(self, token: str, issuer: str) -> dict[str, Any]:
        """New tokens of the same session. Raises Refusal."""
        try:
            claims = self._claims(token, Use.REFRESH)
            user = self._user_of(claims)
        except Refusal as refusal:
            raise Refusal("invalid-grant", refusal.description) from refusal
        return self.issue(user, issuer, claims.session)

    def logout(self, ctx: Context, token: str, address: str) -> None:
        """End the session of a refresh token; one that is none, or of a user who is no more, has none. Raises what writing raises."""
        try:
            claims = tokens.decode(token, self._key, use=Use.REFRESH, now=0.0)
        except TokenInvalid:
            return
        user, now = self._users.find(claims.user), self._clock()
        if user is None or user.generation != claims.generation:
            return
        if self._ended.has(claims.session):
            self._ended.save()
            return
        if crowding := self._ended.crowding(now, self._generation):
            api_users.end_sessions(replace(ctx, actor="api"), crowding, f"of {MOST} that were ended, most are of this user")
            self._ended.forget(crowding)
        self._audit.logout(user.name, address)
        expires = int(max(claims.expires, now + self._settings.refresh_lifetime))
        self._ended.end(claims.session, Ended(user.name, user.generation, expires))

    def _generation(self, name: str) -> int | None:
        user = self._users.find(name)
        return user.generation if user else None

    # --- passwords --------------------------------------------------------------------------------

    async def login(self, name: str, password: str, address: str, door: str = "api") -> User:
        """Raises Refusal: for a wrong password or an unknown user after the same work, or at once while the pair has to wait."""
        user = self._users.find(name)
        self._refuse_early(name, user, address)
        if user is not None and self._remembered.has(user, password):
            self._succeeded(user, address, door)
            return user
        async with self._lock:
            self._refuse_early(name, user, address)
            if await asyncio.get_running_loop().run_in_executor(self._thread, _verify, user, password) and user is not None:
                self._remembered.add(user, password)
                self._succeeded(user, address, door, verified=True)
                return user
            self._throttle.failed(name, address)
            self._audit.wrong_password(user.name if user else None, address)
            if self._lockouts.failed(name, user) and user and self._settings.lockout:
                self._audit.locked(user.name, address, self._settings.lockout)
        raise Refusal("invalid-grant", "user or password is wrong", self._without_users())

    def _succeeded(self, user: User, address: str, door: str, *, verified: bool = False) -> None:
        """A line for each login of a person; programs log in before every request, and have one for each address while they are known."""
        self._throttle.succeeded(user.name, address)
        self._lockouts.succeeded(user.name)
        is_new = self._remembered.is_new_at(user, address)
        if is_new or verified or door != "api":
            self._audit.login(user.name, address, door)

    def _refuse_early(self, name: str, user: User | None, address: str) -> None:
        if (locked := self._lockouts.wait(name, user)) > 0:
            unlock = command("api user unlock", name[:64], instruction="at the box")
            raise Refusal("user-locked", f"{name[:64]} is locked after failed logins; try again in {math.ceil(locked)} s", unlock)
        seconds = self._throttle.wait(name, address)
        if seconds > 0:
            # No Retry-After: every client of the platform would be silent for that long.
            raise Refusal("too-many-attempts", f"too many failed logins for {name[:64]}; try again in {math.ceil(seconds)} s")

    def has_users(self) -> bool:
        return bool(self._users.all())

    def _without_users(self) -> Hint | str:
        add = command("api user add", "NAME", "--level", "LEVEL", instruction="the API of this box has no user yet; at the box")
        return "" if self.has_users() else add


def _verify(user: User | None, password: str) -> bool:
    if len(password) > passwords.MAXIMUM:
        return False
    if user is None:
        passwords.waste(password)
        return False
    return passwords.matches(password, user.password)


def _login_required(description: str) -> Refusal:
    return Refusal("login-required", description, headers={"www-authenticate": "Bearer"})
