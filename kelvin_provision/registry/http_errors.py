"""Errors of connections, translated once. The only module that knows urllib3's exceptions.

Messages name hosts and paths, never a query, a header or credentials.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from urllib3 import exceptions as http

from kelvin_provision.errors import RegistryRefused, RegistryUnreachable, SettingsInvalid

CONNECT_TIMEOUT = 10.0
CHUNK = 1 << 18
"""Most bytes of one read. A read returns what has arrived: on a thin link nothing waits for a full chunk, and nothing is lost."""
ANSWER = 2
"""Times `download.stall_timeout` in which an answer that is no stream is complete: a byte a second is no stall, and no document either."""
PROXY_HINT = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY where the agent runs"
CONNECTION_CLOSED = "connection closed by the server"
_HANDSHAKE = {"UNEXPECTED_EOF_WHILE_READING": CONNECTION_CLOSED, "SSLEOFError": CONNECTION_CLOSED}
"""OpenSSL's names for a connection that is closed before there is anything to read."""
_CLOCK = frozenset({9, 10})
"""OpenSSL's verify codes: not yet valid, expired. A box without a battery for its clock meets them after every power cut."""


class AnswerTooSlow(Exception):
    """The status and headers of an answer did not arrive in time, although a byte came now and then."""


@dataclass(frozen=True)
class Asked:
    """Whom a request went to and for what, in words for messages: `the registry r.io`, `pump:1`."""

    server: str
    what: str = ""

    @property
    def for_what(self) -> str:
        return f" for {self.what}" if self.what else ""

    @property
    def to_what(self) -> str:
        return f" to {self.what}" if self.what else ""

    def silent(self, why: str) -> str:
        return f"{self.server} does not answer ({why})"

    def broken(self, why: str) -> str:
        return f"the connection to {self.server} broke ({why})"

    def slow(self, why: str) -> str:
        return f"{self.server} is too slow ({why})"


@dataclass(frozen=True)
class Endpoint:
    """The host that requests are sent to, for messages. `stall_timeout` in seconds; `read_size` is the most bytes of one read."""

    host: str
    stall_timeout: float
    ca_file: Path | None = None
    read_size: int = CHUNK

    @property
    def answer_timeout(self) -> float:
        """Seconds for a whole document, and for the status and headers of every answer."""
        return ANSWER * self.stall_timeout

    @contextmanager
    def translated_errors(self, asked: Asked, proxy: str = "") -> Iterator[None]:
        """Only calls into urllib3 belong inside."""
        try:
            yield
        except AnswerTooSlow as error:
            raise stalled(asked.slow(f"no complete response within {self.answer_timeout:g} seconds"), slow=True) from error
        except http.ProxyError as error:
            text = f"the proxy {proxy} on the way to {asked.server} {_proxy_failure(error)}"
            raise RegistryUnreachable(text, hint=PROXY_HINT) from error
        except http.SSLError as error:
            raise self._tls_error(asked, error.args[0] if error.args else error) from error
        except http.NewConnectionError as error:  # a subclass of the time-out in urllib3, and not one
            raise RegistryUnreachable(asked.silent(_cause(error))) from error
        except http.ConnectTimeoutError as error:
            raise stalled(asked.silent(f"no connection within {CONNECT_TIMEOUT:g} seconds")) from error
        except (http.TimeoutError, TimeoutError) as error:
            raise stalled(asked.silent(f"no data received for {self.stall_timeout:g} seconds")) from error
        except http.LocationValueError:
            # without its cause, which contains the whole URL and its query
            raise RegistryRefused(f"{asked.server} redirects to an invalid URL") from None
        except (http.HTTPError, OSError) as error:
            raise RegistryUnreachable(asked.broken(_cause(error))) from error

    def _tls_error(self, asked: Asked, cause: object) -> RegistryUnreachable | SettingsInvalid:
        if self.ca_file is not None and isinstance(cause, OSError) and not isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.reason if isinstance(cause, ssl.SSLError) else cause.strerror
            if not isinstance(cause, ssl.SSLError) or reason in {"NO_CERTIFICATE_OR_CRL_FOUND", "PEM_LIB"}:
                return SettingsInvalid(f"registries.{self.host}.ca_file: {self.ca_file} contains no readable certificate")
        text = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or type(cause).__name__
        hint = f"set registries.{self.host}.ca_file to the certificate of its authority"
        if not isinstance(cause, ssl.SSLCertVerificationError):
            text, hint = _HANDSHAKE.get(str(text), text), ""
        if text in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            text, hint = "the server uses plain http", f"set registries.{self.host}.insecure to true if that is intended"
        elif getattr(cause, "verify_code", 0) in _CLOCK:
            hint = "check the clock of this box: date"
        return RegistryUnreachable(f"no secure connection to {asked.server} (TLS: {text})", hint=hint)


def stalled(message: str, *, slow: bool = False) -> RegistryUnreachable:
    error = RegistryUnreachable(message)
    error.stalled, error.slow = True, slow
    return error


def _proxy_failure(error: http.ProxyError) -> str:
    """The status code of the proxy's response, or why there was none. Its own text is untrusted."""
    status = re.search(r"Tunnel connection failed: ([0-9]{3})", str(error.original_error))
    if status is None:
        return f"does not answer ({_cause(error)})"
    return "requires a login (407)" if status[1] == "407" else f"returned status {status[1]}"


def _cause(error: BaseException) -> str:
    """The text of the innermost system error, else the kind of error: urllib3's own text repeats addresses and object ids."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return CONNECTION_CLOSED if isinstance(error, http.ProtocolError | http.IncompleteRead) else type(error).__name__
