"""HTTP requests to one registry host: TLS, tokens, redirects.

Credentials are sent to the registry's own origin, and to a token service elsewhere only over https. The target of a redirect gets none.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from kelvin_provision import __version__
from kelvin_provision.errors import RegistryDenied, RegistryRefused
from kelvin_provision.refs import DOCKER_HUB, is_digest
from kelvin_provision.registry import auth
from kelvin_provision.registry.challenge import Challenge, parse
from kelvin_provision.registry.http_errors import Asked, Endpoint
from kelvin_provision.registry.pools import Pools
from kelvin_provision.registry.proxies import is_loopback
from kelvin_provision.registry.response import Response, busy, read_size
from kelvin_provision.settings.model import RegistrySettings, Settings

MAX_REDIRECTS = 5
TOKEN_LIMIT = 1 << 20
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_THING = re.compile(r"/v2/(.+)/(manifests|blobs|referrers)/([^/?]+)(?:\?.*)?")
_TOKEN = re.compile(r"[\x21-\x7e]+")
Body = Callable[[], bytes | Iterable[bytes]]


class Transport:
    """Safe for several threads. Connections are kept until `close`."""

    def __init__(self, host: str, settings: Settings) -> None:
        chosen = settings.registries.get(host, RegistrySettings())
        self.host = host
        self._settings = settings
        # On loopback, plain http needs no setting, unless a certificate is set.
        self._allows_http = chosen.insecure or (is_loopback(host) and chosen.ca_file is None)
        self.origin = f"{'http' if self._allows_http else 'https'}://{'registry-1.docker.io' if host == DOCKER_HUB else host}"
        self._endpoint = Endpoint(host, settings.download.stall_timeout, chosen.ca_file, read_size(settings.download.rate))
        self._pools = Pools(settings.download, chosen.ca_file)
        self._headers = {"User-Agent": f"kelvin-provision/{__version__}", "Accept-Encoding": "identity"}
        self._retry_at = 0.0
        self._retry_at_text = ""
        self._renewal = threading.Lock()
        self._authorizations: dict[str, str] = {}
        """The `Authorization` header by scope."""
        self._challenges: dict[str, tuple[Challenge, ...]] = {}

    def close(self) -> None:
        self._pools.close()

    @contextmanager
    def get(self, path: str, scope: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Iterator[Response]:
        """A successful response, its body unread; with `method` HEAD it has none. Raises as `Source.blob`.

        304 is one only where the headers asked whether something has changed.
        """
        self._refuse_early()
        response = self._authorized(scope, lambda authorization: self._follow_redirects(method, path, headers or {}, authorization))
        try:
            self._record_retry_after(response)
            if response.status != 304 or "If-None-Match" not in (headers or {}):
                response.raise_for_status()
            yield response
        finally:
            response.close()

    def send(self, method: str, url: str, scope: str, headers: dict[str, str], body: Body | None = None) -> Response:
        """The answer to an upload, of whatever status, to be closed. `url` is a path, or one of `upload_url`. No redirect is followed.

        `body` is called again for a second attempt, with a new token. Raises RegistryBusy, RegistryDenied, RegistryUnreachable.
        """
        self._refuse_early()
        same_origin = url.startswith("/") or urlsplit(url)[:2] == urlsplit(self.origin)[:2]
        target, asked = (self.origin + url if url.startswith("/") else url), Asked(f"the registry {self.host}", _what(url))

        def request(authorization: str) -> Response:
            credentials = {"Authorization": authorization} if authorization and same_origin else {}
            data = body() if body is not None else None
            return self._request(method, target, asked, headers | credentials, same_origin=same_origin, body=data)

        response = self._authorized(scope, request)
        self._record_retry_after(response)
        return response

    def upload_url(self, location: str, base: str) -> str:
        """Where the registry wants bytes to be sent, by its header Location: never from https to http. Raises RegistryRefused."""
        server = f"the registry {self.host}"
        base = base if "://" in base else self.origin + base
        target = _parse_url(server, location, base)
        if target.scheme not in {"http", "https"} or not target.hostname:
            raise RegistryRefused(f"{server} names no address for an upload")
        if base.startswith("https:") and target.scheme == "http":
            hint = "the proxy in front of the registry must tell it that clients come by https (X-Forwarded-Proto)"
            raise RegistryRefused(f"{server} wants uploads over http", hint=hint)
        return target.geturl()

    def _refuse_early(self) -> None:
        if (remaining := self._retry_at - time.monotonic()) > 0:
            raise busy(f"the registry {self.host} asked to wait until {self._retry_at_text}", remaining)

    def _record_retry_after(self, response: Response) -> None:
        """The agent comes back sooner than a busy registry allows: until then `get` fails without a request."""
        if response.is_busy and response.same_origin:
            self._retry_at = max(self._retry_at, time.monotonic() + response.retry_after)
            # A time of day and not the remaining seconds: a message that is repeated should not change each time.
            self._retry_at_text = time.strftime("%H:%M:%S", time.localtime(time.time() + self._retry_at - time.monotonic()))

    def _authorized(self, scope: str, request: Callable[[str], Response]) -> Response:
        """Request; after a 401 (or the 400 that some registries return for an expired token) renew the token and repeat, once."""
        sent = self._authorizations.get(scope, "")
        response = request(sent)
        expired = response.status == 401 or (response.status == 400 and sent.startswith("Bearer "))
        # A redirect's target must not decide where credentials are sent.
        if not (expired and response.same_origin):
            return response
        challenges = parse(response.headers.get("WWW-Authenticate", ""))
        response.discard()
        return request(self._renew(scope, sent, challenges))

    def _renew(self, scope: str, sent: str, challenges: tuple[Challenge, ...]) -> str:
        """An authorization newer than `sent`. Of several transfers whose token expired, one renews it for all."""
        with self._renewal:
            current = self._authorizations.get(scope, "")
            if current != sent:
                return current
            # ECR's 400 for an expired token does not repeat its challenge.
            self._challenges[scope] = challenges or self._challenges.get(scope, ())
            self._authorizations[scope] = self._authorize(self._challenges[scope], scope)
            return self._authorizations[scope]

    def _follow_redirects(self, method: str, path: str, headers: dict[str, str], authorization: str) -> Response:
        """By hand: without credentials to another origin, never from https to http."""
        url, asked, same_origin = self.origin + path, Asked(f"the registry {self.host}", _what(path)), True
        for _ in range(MAX_REDIRECTS + 1):
            credentials = {"Authorization": authorization} if authorization and same_origin else {}
            response = self._request(method, url, asked, headers | credentials, same_origin=same_origin)
            if response.status not in _REDIRECT:
                return response
            location = response.headers.get("Location", "")
            response.discard()
            target = _parse_url(asked.server, location, url)
            if target.scheme not in {"http", "https"}:
                raise RegistryRefused(f"{asked.server} redirects to an unsupported scheme: {target.scheme or 'none'}")
            if url.startswith("https:") and target.scheme == "http":
                raise RegistryRefused(f"{asked.server} redirects from https to http")
            same_origin = same_origin and target[:2] == urlsplit(self.origin)[:2]
            url = target.geturl()
        raise RegistryRefused(f"{asked.server} makes more than {MAX_REDIRECTS} redirects{asked.for_what}")

    def _request(
        self,
        method: str,
        url: str,
        asked: Asked,
        headers: dict[str, str],
        *,
        same_origin: bool,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        pool, proxy = self._pools.for_url(url)
        with self._endpoint.translated_errors(asked, proxy):
            sent = self._headers | headers
            raw = pool.request(method, url, body=body, headers=sent, preload_content=False, redirect=False)
        return Response(raw, self._endpoint, asked, same_origin=same_origin)

    def _authorize(self, challenges: tuple[Challenge, ...], scope: str) -> str:
        """The `Authorization` header for the first challenge that can be met. Raises RegistryDenied."""
        stored = auth.stored_credentials(self._settings, self.host)
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.realm:
                return self._request_token(challenge, scope, stored)
            if challenge.scheme == "basic" and stored and stored.username:
                return stored.basic
        if stored:
            schemes = ", ".join(challenge.scheme for challenge in challenges) or "unknown"
            raise RegistryDenied(f"the stored credentials for the registry {self.host} do not fit: it requires {schemes} authentication")
        raise RegistryDenied(f"the registry {self.host} requires a login, and no credentials are stored", hint=f"docker login {self.host}")

    def _request_token(self, challenge: Challenge, scope: str, stored: auth.Credentials | None) -> str:
        realm = _parse_url(f"the registry {self.host}", challenge.realm, "")
        service = f"the token service {realm.hostname} of the registry {self.host}"
        self._check_token_service(realm, service)
        if stored and stored.identity_token:
            # OAuth2 as in distribution's docs/spec/auth/oauth.md.
            fields = {"grant_type": "refresh_token", "client_id": "kelvin-provision", "refresh_token": stored.identity_token}
            fields |= {"service": challenge.parameters.get("service", ""), "scope": challenge.parameters.get("scope", scope)}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._request("POST", challenge.realm, Asked(service), form, same_origin=False, body=urlencode(fields).encode())
        else:
            headers = {"Authorization": stored.basic} if stored and stored.username else {}
            response = self._request("GET", challenge.token_url(scope), Asked(service), headers, same_origin=False)
        try:
            if response.status in {400, 401, 403}:
                reason = "rejects the stored credentials" if stored else "requires a login, and no credentials are stored"
                raise RegistryDenied(f"{service} {reason}", hint=f"docker login {self.host}")
            response.raise_for_service()
            return f"Bearer {_parse_token(response.read(TOKEN_LIMIT), service)}"
        finally:
            response.close()

    def _check_token_service(self, realm: SplitResult, service: str) -> None:
        """Raises RegistryRefused for a token service that credentials must not be sent to."""
        same_origin = realm[:2] == urlsplit(self.origin)[:2]
        insecure = self._settings.registries.get(realm.netloc, RegistrySettings()).insecure
        allows_http = same_origin or insecure or (self._allows_http and is_loopback(realm.netloc))
        if not realm.hostname or realm.scheme not in {"http", "https"} or (realm.scheme == "http" and not allows_http):
            raise RegistryRefused(f"{service} does not use https", hint=f"report this to the administrator of {self.host}")


def _what(path: str) -> str:
    """What a path of the distribution API asks for, in words: `pump:1`, `blob sha256:... of pump`; empty: its base."""
    match = _THING.fullmatch(path)
    if match is None:
        return ""
    name, kind, reference = match.groups()
    if kind == "blobs":
        return f"blob {reference} of {name}"
    if kind == "referrers":
        return f"list of what refers to {name}@{reference}"
    return f"{name}{'@' if is_digest(reference) else ':'}{reference}"


def _parse_url(server: str, url: str, base: str) -> SplitResult:
    """An untrusted URL, relative to `base`. Raises RegistryRefused, which does not repeat it."""
    try:
        return urlsplit(urljoin(base, url))
    except ValueError:
        raise RegistryRefused(f"{server} redirects to an invalid URL") from None


def _parse_token(data: bytes, service: str) -> str:
    """Only a token that is valid in a header."""
    try:
        document = json.loads(data)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryRefused(f"{service} returned no token")
    return token
