"""What a registry host answers, in our words: broken lines and refusals as errors, bodies in bounded pieces.

The only module that knows urllib3's errors. Messages name hosts and paths, never a query, a header or a login.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from urllib3 import exceptions as http
from urllib3.response import BaseHTTPResponse

from kelvin_provision.errors import ImageNotFound, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable, SettingsInvalid
from kelvin_provision.hints import system

CONNECT = 10.0
PIECE = 1 << 18
"""Bytes of one read at the most. A read gives what is there: on a thin link nothing waits for a full piece, and nothing of it is lost."""
SHARE = 40
"""Pieces a second at least, when there is a cap for the rate: transfers pay for a piece after it came, and none should wait for long."""
LEAST = 512
CRUMBS = 1 << 16
"""Bytes of an unwanted body that are read so that the connection can be used again; above that a new one is cheaper."""
LONGEST = 3600.0
"""Seconds that a registry may make us wait at the most, whatever it says."""
_PAGES = ("text/html", "application/xhtml+xml")
"""What no registry serves as a document or a blob: a page for people, from whoever sits in between."""
_HANDSHAKE = {"UNEXPECTED_EOF_WHILE_READING": "the connection broke off", "SSLEOFError": "the connection broke off"}
"""OpenSSL's words for a line that breaks before there is anything to read."""
PROXY_HINT = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY where the agent runs"
_CLOCK = frozenset({9, 10})
"""OpenSSL's verify codes: not yet valid, expired. A box without a battery for its clock sees them after every power cut."""


@dataclass(frozen=True)
class Line:
    """Whom we speak to: for the words of errors. `stall` in seconds, `piece` in bytes of one read at the most."""

    host: str
    stall: float
    ca_file: Path | None = None
    piece: int = PIECE

    @contextmanager
    def speaking(self, what: str, proxy: str = "") -> Iterator[None]:
        """The one place that knows what a broken connection looks like. Only calls into urllib3 belong inside."""
        try:
            yield
        except http.ProxyError as error:
            raise RegistryUnreachable(f"{what}: the proxy {proxy} {_refusal(error)}", hint=PROXY_HINT) from error
        except http.SSLError as error:
            raise self._tls(error.args[0] if error.args else error) from error
        except http.NewConnectionError as error:  # counts as a timeout in urllib3, and is none
            raise RegistryUnreachable(f"{what}: {_cause(error)}") from error
        except http.ConnectTimeoutError as error:
            raise _stalled(f"{what}: no connection within {CONNECT:g} seconds") from error
        except (http.TimeoutError, TimeoutError) as error:
            raise _stalled(f"{what}: no byte for {self.stall:g} seconds") from error
        except http.LocationValueError:
            # without its cause: that holds the whole URL, its query included
            raise RegistryRefused(f"{what}: sends on to an address that cannot be read") from None
        except (http.HTTPError, OSError) as error:
            raise RegistryUnreachable(f"{what}: {_cause(error)}") from error

    def _tls(self, cause: object) -> RegistryUnreachable | SettingsInvalid:
        if self.ca_file is not None and isinstance(cause, OSError) and not isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.reason if isinstance(cause, ssl.SSLError) else cause.strerror
            if not isinstance(cause, ssl.SSLError) or reason in {"NO_CERTIFICATE_OR_CRL_FOUND", "PEM_LIB"}:
                return SettingsInvalid(f"registries.{self.host}.ca_file: {self.ca_file} holds no certificate that can be read")
        words = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or type(cause).__name__
        hint = f"set registries.{self.host}.ca_file to the certificate of its authority"
        if not isinstance(cause, ssl.SSLCertVerificationError):
            words, hint = _HANDSHAKE.get(str(words), words), ""
        if words in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            words, hint = "it speaks plain http", f"set registries.{self.host}.insecure to true if that is meant"
        elif getattr(cause, "verify_code", 0) in _CLOCK:
            hint = "check the clock of this box: date"
        return RegistryUnreachable(f"{self.host}: TLS: {words}", hint=hint)


def piece(rate: int | None) -> int:
    """Bytes to read at once, so that a cap of `rate` bytes a second can be kept."""
    return min(max(rate // SHARE, LEAST), PIECE) if rate else PIECE


class Answer:
    """One answer. Its body is read once, in pieces; `close` it whatever happens. `own`: it came from the registry's own origin."""

    def __init__(self, raw: BaseHTTPResponse, line: Line, what: str, *, own: bool) -> None:
        self.status = raw.status
        self.headers = raw.headers
        self.own = own
        self._raw = raw
        self._line = line
        self._what = what

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; raises RegistryUnreachable when it ends before its announced end."""
        while True:
            with self._line.speaking(self._what):
                chunk = self._raw.read1(self._line.piece, decode_content=False)
            if not chunk:
                return
            yield chunk

    def read(self, limit: int) -> bytes:
        """The whole body; when it is longer than `limit`, something that is longer too."""
        coding = self.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            hint = "a proxy on the way changes what the registry serves"
            raise RegistryUnreachable(f"{self._what}: comes compressed, which was not asked for", hint=hint)
        data = bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                break
        return bytes(data)

    def discard(self) -> None:
        """Done with it: a short body is read to its end so that the connection can be used again, a long one is not."""
        try:
            self.read(CRUMBS)
        except RegistryUnreachable:
            pass
        finally:
            self.close()

    @property
    def page(self) -> bool:
        """Whether it is a page for people: a login in the way, a proxy's notice."""
        return self.headers.get("Content-Type", "").lower().startswith(_PAGES)

    def close(self) -> None:
        """Give the connection back; one with unread bytes is closed first, else its next user would read them."""
        if not self._raw.closed:
            self._raw.close()
        self._raw.release_conn()

    @property
    def busy(self) -> bool:
        """Whether it says that the registry cannot serve now."""
        return self.status in {408, 429} or self.status >= 500

    @property
    def retry_after(self) -> float:
        """Seconds that the registry asks us to wait, or 0."""
        return seconds(self.headers.get("Retry-After", ""))

    def refuse(self) -> None:
        """Raise what an answer means that is no success."""
        what, status = self._what, self.status
        if status < 300:
            self.refuse_page()
            return
        if status in {401, 403} and not self.own:
            raise RegistryDenied(f"{what}: denied ({status}) where the registry sends to", hint="check the clock of this box: date")
        if status in {401, 403}:
            raise RegistryDenied(f"{what}: denied ({status})", hint=system("docker", "login", self._line.host))
        if status == 404:
            raise ImageNotFound(f"{what}: not found")
        self.refuse_service()

    def refuse_service(self) -> None:
        """The same for what is not about an image: a token service."""
        if self.status == 407:
            raise RegistryUnreachable(f"{self._what}: the proxy on the way wants a login (407)", hint=PROXY_HINT)
        if self.busy:
            raise busy(f"{self._what}: answers {self.status}", self.retry_after)
        if self.status >= 300:
            raise RegistryRefused(f"{self._what}: answers {self.status}")
        self.refuse_page()

    def refuse_page(self) -> None:
        """A page for people says nothing about the image: whoever sends it may be gone in an hour."""
        if self.page:
            hint = "a login page or a proxy is in the way; the download goes on when it is gone"
            raise RegistryUnreachable(f"{self._what}: answers with a web page", hint=hint)


def _stalled(message: str) -> RegistryUnreachable:
    error = RegistryUnreachable(message)
    error.stalled = True
    return error


def busy(message: str, retry_after: float) -> RegistryBusy:
    """The error with its number."""
    error = RegistryBusy(message)
    error.retry_after = retry_after
    return error


def seconds(text: str) -> float:
    """The value of a `Retry-After` (RFC 9110 section 10.2.3): seconds or a date; 0 for anything else."""
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), LONGEST)
    except (ValueError, OverflowError):
        return 0.0


def _refusal(error: http.ProxyError) -> str:
    """What a proxy did: the number of its answer, or why there was none. Its own words are a stranger's."""
    said = re.search(r"Tunnel connection failed: ([0-9]{3})", str(error.original_error))
    if said is None:
        return f"does not answer: {_cause(error)}"
    return "wants a login (407)" if said[1] == "407" else f"answers {said[1]}"


def _cause(error: BaseException) -> str:
    """The innermost system error's words, else the kind of error: urllib3's own text repeats addresses and object ids."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror.lower()
        found = found.__cause__ or found.__context__
    return "the connection broke off" if isinstance(error, http.ProtocolError | http.IncompleteRead) else type(error).__name__
