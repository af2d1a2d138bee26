"""One registry host over HTTP: TLS, tokens, redirects, and every foreign error in our words.

Credentials go to the registry's own origin; to a token service elsewhere only over https. A redirect gets none.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3 import exceptions as http
from urllib3.response import BaseHTTPResponse

from kelvin_provision import __version__
from kelvin_provision.errors import ImageNotFound, ProvisionError, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable
from kelvin_provision.refs import DOCKER_HUB
from kelvin_provision.registry import auth, challenge
from kelvin_provision.settings.model import RegistrySettings, Settings

CONNECT = 10.0
REDIRECTS = 5
TOKEN_LIMIT = 1 << 20
_REDIRECT = frozenset({301, 302, 303, 307, 308})


def is_loopback(host: str) -> bool:
    """Whether a host (with or without a port) is this machine: only there plain http needs no word in the settings."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Transport:
    """Connections to one registry host, kept and reused; safe for several threads."""

    def __init__(self, host: str, settings: Settings) -> None:
        chosen = settings.registries.get(host, RegistrySettings())
        self.host = host
        self._settings = settings
        plain = chosen.insecure or is_loopback(host)
        self.origin = f"{'http' if plain else 'https'}://{'registry-1.docker.io' if host == DOCKER_HUB else host}"
        self._may_go_plain = plain
        ca_file = str(chosen.ca_file) if chosen.ca_file else None
        self._pool = urllib3.PoolManager(
            maxsize=16,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT, read=settings.download.stall_timeout),
            ca_certs=ca_file,
        )
        self._headers = {"User-Agent": f"kelvin-provision/{__version__}", "Accept-Encoding": "identity"}
        self._tokens: dict[str, str] = {}

    @contextmanager
    def get(self, path: str, scope: str, headers: dict[str, str] | None = None) -> Iterator[BaseHTTPResponse]:
        """An answer that is neither an error nor a redirect, its body unread. Errors as `Source.blob`, also while it is read."""
        with self._speaking(path):
            answer = self._authorised(path, scope, headers or {})
            try:
                self._refuse(answer, path)
                yield answer
            finally:
                # Unread bytes make a connection useless for the next request; a drained one goes back to the pool.
                answer.close() if answer.length_remaining else answer.release_conn()

    def _authorised(self, path: str, scope: str, headers: dict[str, str]) -> BaseHTTPResponse:
        """Ask; on 401 (and on the 400 that some give for an expired token) renew the token, once, and ask again."""
        sent = self._tokens.get(scope)
        answer = self._followed(path, headers | ({"Authorization": sent} if sent else {}))
        if answer.status == 401 or (answer.status == 400 and sent and sent.startswith("Bearer ")):
            wanted = challenge.parse(answer.headers.get("WWW-Authenticate", ""))
            answer.drain_conn()
            answer.release_conn()
            renewed = self._credentials(wanted, scope)
            self._tokens[scope] = renewed
            answer = self._followed(path, headers | {"Authorization": renewed})
        return answer

    def _followed(self, path: str, headers: dict[str, str]) -> BaseHTTPResponse:
        """Follow redirects by hand: without credentials to another origin, never from https to http."""
        url = self.origin + path
        for _ in range(REDIRECTS):
            answer = self._ask("GET", url, self._headers | headers)
            if answer.status not in _REDIRECT:
                return answer
            place = urljoin(url, answer.headers.get("Location", ""))
            answer.drain_conn()
            answer.release_conn()
            if urlsplit(place).scheme not in {"http", "https"} or (url.startswith("https:") and not place.startswith("https:")):
                raise RegistryRefused(f"{self.host}: sends from https on to {urlsplit(place).scheme or 'nowhere'}")
            if urlsplit(place)[:2] != urlsplit(self.origin)[:2]:
                headers = {key: value for key, value in headers.items() if key != "Authorization"}
            url = place
        raise RegistryRefused(f"{self.host}: more than {REDIRECTS} redirects")

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> BaseHTTPResponse:
        return self._pool.request(method, url, body=body, headers=headers, preload_content=False, redirect=False)

    def _credentials(self, wanted: tuple[challenge.Challenge, ...], scope: str) -> str:
        """The value of the `Authorization` header that this registry wants; raises RegistryDenied when we have none."""
        stored = auth.login(self._settings, self.host)
        for found in wanted:
            if found.scheme == "bearer" and found.realm:
                return self._token(found, scope, stored)
            if found.scheme == "basic" and stored:
                return stored.basic
        raise RegistryDenied(f"{self.host}: wants a login and none is stored", hint=f"docker login {self.host}")

    def _token(self, found: challenge.Challenge, scope: str, stored: auth.Login | None) -> str:
        realm = urlsplit(found.realm)
        own = realm[:2] == urlsplit(self.origin)[:2]
        if realm.scheme != "https" and not own and not (self._may_go_plain and is_loopback(realm.netloc)):
            raise RegistryRefused(f"{self.host}: wants its login sent to {realm.hostname} without encryption")
        if stored and stored.identity_token:
            # OAuth2 as distribution's docs/spec/auth/oauth.md has it.
            fields = {"grant_type": "refresh_token", "client_id": "kelvin-provision", "refresh_token": stored.identity_token}
            fields |= {"service": found.parameters.get("service", ""), "scope": found.parameters.get("scope", scope)}
            headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._ask("POST", found.realm, headers, urlencode(fields).encode())
        else:
            answer = self._ask(
                "GET", found.token_url(scope), self._headers | ({"Authorization": stored.basic} if stored and stored.user else {})
            )
        data = answer.read(TOKEN_LIMIT + 1)
        answer.close()
        if answer.status in {401, 403}:
            raise RegistryDenied(f"{self.host}: the token service {realm.hostname} refuses the login", hint=f"docker login {self.host}")
        self._refuse(answer, "token")
        try:
            said = json.loads(data)
            token = said.get("token") or said.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not token:
            raise RegistryRefused(f"{self.host}: the token service {realm.hostname} answers without a token")
        return f"Bearer {token}"

    def _refuse(self, answer: BaseHTTPResponse, path: str) -> None:
        what = f"{self.host}{path.removeprefix('/v2')}"
        if answer.status < 300:
            return
        if answer.status in {401, 403}:
            raise RegistryDenied(f"{what}: denied ({answer.status})", hint=f"docker login {self.host}")
        if answer.status == 404:
            raise ImageNotFound(f"{what}: not found")
        if answer.status == 416:
            raise RangeRefused(f"{what}: no such range")
        if answer.status == 429 or answer.status >= 500:
            busy = RegistryBusy(f"{what}: answers {answer.status}")
            busy.retry_after = _seconds(answer.headers.get("Retry-After", ""))
            raise busy
        raise RegistryRefused(f"{what}: answers {answer.status}")

    @contextmanager
    def _speaking(self, path: str) -> Iterator[None]:
        """The one place that knows what a broken connection looks like."""
        what = f"{self.host}{path.removeprefix('/v2')}"
        try:
            yield
        except ProvisionError:
            raise
        except http.SSLError as error:
            cause = error.args[0] if error.args else error
            words = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or str(cause)
            hint = f"set registries.{self.host}.ca_file to the certificate of its authority"
            raise RegistryUnreachable(f"{self.host}: TLS: {words}", hint=hint) from error
        except (http.TimeoutError, TimeoutError) as error:
            raise RegistryUnreachable(f"{what}: no byte for {self._settings.download.stall_timeout:g} seconds") from error
        except (http.HTTPError, OSError, ssl.SSLError) as error:
            raise RegistryUnreachable(f"{what}: {_cause(error)}") from error


class RangeRefused(RegistryRefused):
    """A partial that is longer than the blob: the caller begins it over. Never reaches a person."""

    code = ""


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _cause(error: BaseException) -> str:
    """The innermost system error's words, else the kind of error: urllib3's own text repeats addresses and object ids."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror.lower()
        found = found.__cause__ or found.__context__
    return "the connection broke off" if isinstance(error, http.ProtocolError | http.IncompleteRead) else type(error).__name__
