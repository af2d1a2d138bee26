"""One registry host over HTTP: TLS, tokens, redirects.

Credentials go to the registry's own origin; to a token service elsewhere only over https. A redirect gets none.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from kelvin_provision import __version__
from kelvin_provision.errors import RegistryDenied, RegistryRefused
from kelvin_provision.hints import system
from kelvin_provision.refs import DOCKER_HUB
from kelvin_provision.registry import auth, challenge
from kelvin_provision.registry.pools import Pools
from kelvin_provision.registry.proxies import is_loopback
from kelvin_provision.registry.wire import Answer, Line, busy, piece
from kelvin_provision.settings.model import RegistrySettings, Settings

REDIRECTS = 5
TOKEN_LIMIT = 1 << 20
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Transport:
    """Connections to one registry host, kept and reused; safe for several threads. `close` ends them."""

    def __init__(self, host: str, settings: Settings) -> None:
        chosen = settings.registries.get(host, RegistrySettings())
        self.host = host
        self._settings = settings
        # On loopback plain http needs no word in the settings; a certificate to check says that it is not plain.
        self._may_go_plain = chosen.insecure or (is_loopback(host) and chosen.ca_file is None)
        self.origin = f"{'http' if self._may_go_plain else 'https'}://{'registry-1.docker.io' if host == DOCKER_HUB else host}"
        self._line = Line(host, settings.download.stall_timeout, chosen.ca_file, piece(settings.download.rate))
        self._pools = Pools(settings.download, chosen.ca_file)
        self._headers = {"User-Agent": f"kelvin-provision/{__version__}", "Accept-Encoding": "identity"}
        self._quiet_until = 0.0
        self._quiet_words = ""
        self._renewing = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._wanted: dict[str, tuple[challenge.Challenge, ...]] = {}

    def close(self) -> None:
        """Close what is kept open."""
        self._pools.close()

    @contextmanager
    def get(self, path: str, scope: str, headers: dict[str, str] | None = None) -> Iterator[Answer]:
        """An answer that is neither an error nor a redirect, its body unread. Errors as `Source.blob`."""
        if (left := self._quiet_until - time.monotonic()) > 0:
            raise busy(f"{self.host}: asked us to wait until {self._quiet_words}", left)
        answer = self._authorised(path, scope, headers or {})
        try:
            self._heed(answer)
            answer.refuse()
            yield answer
        finally:
            answer.close()

    def _heed(self, answer: Answer) -> None:
        """Remember how long a busy registry wants no request: the agent comes back more often than that."""
        if answer.busy and answer.own:
            self._quiet_until = max(self._quiet_until, time.monotonic() + answer.retry_after)
            # By the clock on the wall, and not what is left: what is told again and again should not change each time.
            self._quiet_words = time.strftime("%H:%M:%S", time.localtime(time.time() + self._quiet_until - time.monotonic()))

    def _authorised(self, path: str, scope: str, headers: dict[str, str]) -> Answer:
        """Ask; on 401 (and on the 400 that some give for an expired token) renew the token, once, and ask again."""
        sent = self._tokens.get(scope, "")
        answer = self._followed(path, headers, sent)
        expired = answer.status == 401 or (answer.status == 400 and sent.startswith("Bearer "))
        # Where a redirect leads to has no say in who gets our login.
        if not (expired and answer.own):
            return answer
        wanted = challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        answer.discard()
        return self._followed(path, headers, self._renewed(scope, sent, wanted))

    def _renewed(self, scope: str, sent: str, wanted: tuple[challenge.Challenge, ...]) -> str:
        """A login newer than `sent`. Of several transfers that find theirs expired, one asks and the others take what it got."""
        with self._renewing:
            now = self._tokens.get(scope, "")
            if now != sent:
                return now
            # ECR's 400 for an expired token does not repeat its challenge.
            self._wanted[scope] = wanted or self._wanted.get(scope, ())
            self._tokens[scope] = self._credentials(self._wanted[scope], scope)
            return self._tokens[scope]

    def _followed(self, path: str, headers: dict[str, str], login: str) -> Answer:
        """Follow redirects by hand: without credentials to another origin, never from https to http."""
        url, what, own = self.origin + path, f"{self.host}{path.removeprefix('/v2')}", True
        for _ in range(REDIRECTS + 1):
            answer = self._ask("GET", url, what, headers | ({"Authorization": login} if login and own else {}), own=own)
            if answer.status not in _REDIRECT:
                return answer
            location = answer.headers.get("Location", "")
            answer.discard()
            place = _split(what, location, url)
            if place.scheme not in {"http", "https"}:
                raise RegistryRefused(f"{what}: sends on to {place.scheme or 'nowhere'}")
            if url.startswith("https:") and place.scheme == "http":
                raise RegistryRefused(f"{what}: sends from https on to http")
            own = own and place[:2] == urlsplit(self.origin)[:2]
            url = place.geturl()
        raise RegistryRefused(f"{what}: more than {REDIRECTS} redirects")

    def _ask(self, method: str, url: str, what: str, headers: dict[str, str], *, own: bool, body: bytes | None = None) -> Answer:
        pool, proxy = self._pools.way(url)
        with self._line.speaking(what, proxy):
            sent = self._headers | headers
            raw = pool.request(method, url, body=body, headers=sent, preload_content=False, redirect=False)
        return Answer(raw, self._line, what, own=own)

    def _credentials(self, wanted: tuple[challenge.Challenge, ...], scope: str) -> str:
        """The value of the `Authorization` header that this registry wants; raises RegistryDenied when we have none."""
        stored = auth.login(self._settings, self.host)
        for found in wanted:
            if found.scheme == "bearer" and found.realm:
                return self._token(found, scope, stored)
            if found.scheme == "basic" and stored and stored.user:
                return stored.basic
        if stored:
            asked = ", ".join(found.scheme for found in wanted) or "nothing that we know"
            raise RegistryDenied(f"{self.host}: wants another kind of login than the one stored ({asked})")
        raise RegistryDenied(f"{self.host}: wants a login and none is stored", hint=system("docker", "login", self.host))

    def _token(self, found: challenge.Challenge, scope: str, stored: auth.Login | None) -> str:
        realm = _split(self.host, found.realm, "")
        service = f"{self.host}: the token service {realm.hostname}"
        self._vet(realm, service)
        if stored and stored.identity_token:
            # OAuth2 as distribution's docs/spec/auth/oauth.md has it.
            fields = {"grant_type": "refresh_token", "client_id": "kelvin-provision", "refresh_token": stored.identity_token}
            fields |= {"service": found.parameters.get("service", ""), "scope": found.parameters.get("scope", scope)}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._ask("POST", found.realm, service, form, own=False, body=urlencode(fields).encode())
        else:
            login = {"Authorization": stored.basic} if stored and stored.user else {}
            answer = self._ask("GET", found.token_url(scope), service, login, own=False)
        try:
            if answer.status in {400, 401, 403}:
                words = "refuses the login" if stored else "wants a login and none is stored"
                raise RegistryDenied(f"{service} {words}", hint=system("docker", "login", self.host))
            answer.refuse_service()
            return f"Bearer {_token_in(answer.read(TOKEN_LIMIT), service)}"
        finally:
            answer.close()

    def _vet(self, realm: SplitResult, service: str) -> None:
        """Raises RegistryRefused for a token service that a login may not be sent to."""
        own = realm[:2] == urlsplit(self.origin)[:2]
        meant = self._settings.registries.get(realm.netloc, RegistrySettings()).insecure
        plain = own or meant or (self._may_go_plain and is_loopback(realm.netloc))
        if not realm.hostname or realm.scheme not in {"http", "https"} or (realm.scheme == "http" and not plain):
            raise RegistryRefused(f"{service} is not on https", hint=f"tell the owner of {self.host}")


def _split(what: str, url: str, base: str) -> SplitResult:
    """A URL that a stranger gave, relative to `base`; raises RegistryRefused without repeating it."""
    try:
        return urlsplit(urljoin(base, url))
    except ValueError:
        raise RegistryRefused(f"{what}: sends on to an address that cannot be read") from None


def _token_in(data: bytes, service: str) -> str:
    """The token in a service's answer; only what can stand in a header."""
    try:
        said = json.loads(data)
        token = said.get("token") or said.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryRefused(f"{service} answers without a token")
    return token
