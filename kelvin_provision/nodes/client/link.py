"""Requests to one node. A connection is kept between requests; a stream of a blob has one of its own."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from kelvin_provision import __version__
from kelvin_provision.errors import LeaderUnreachable, NodeForeign, NodeProtocolInvalid, ProvisionError, UsageRefused
from kelvin_provision.nodes.keys.files import key_id
from kelvin_provision.tls.x509 import InvalidCertificate

CONNECT = 10.0
READ = 45.0
"""Seconds without a byte. More than a peer waits for a blob that begins to arrive."""
MOST_OF_ERROR = 500
_TROUBLE = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Address:
    """Of a node."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`https://HOST:PORT`, or `HOST:PORT`. Raises UsageRefused."""
        url = urlsplit(text if "://" in text else f"https://{text}")
        with suppress(ValueError):
            if url.scheme == "https" and url.hostname and url.port and url.path in {"", "/"} and not (url.query or url.username):
                return cls(url.hostname, url.port)
        raise UsageRefused(
            f"{text} is not the address of a leader", hint="give it as https://HOST:PORT, as the leader has it in nodes.listen"
        )

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Link:
    """One node. `context` is asked at each connection: a renewed certificate needs no restart. TLS verifies `server_name`, we the `key`.

    For one thread at a time.
    """

    def __init__(
        self, address: Address, context: Callable[[], ssl.SSLContext], *, server_name: str = "", key: str = "", node: str = "the leader"
    ) -> None:
        self._address, self._context, self._server_name, self._key, self._node = address, context, server_name, key, node
        self._open: http.client.HTTPConnection | None = None
        self._closed = 0
        """How often another has closed it."""

    def close(self) -> None:
        """From any thread: one that waits for an answer ends, and does not ask again."""
        self._closed += 1
        self._drop()

    def _drop(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            with suppress(OSError, AttributeError):  # it has no socket any more where the other side has closed
                opened.sock.shutdown(socket.SHUT_RDWR)
            opened.close()

    def document(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None, limit: int, wait: float = 0.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of at most `limit` bytes. Repeated once where the kept connection was closed meanwhile.

        Raises LeaderUnreachable, NodeForeign, NodeProtocolInvalid.
        """
        kept, closed = self._open is not None, self._closed
        try:
            return self._exchange(method, path, body, headers or {}, limit=limit, wait=wait)
        except LeaderUnreachable:
            if not kept or self._closed != closed:
                raise
            return self._exchange(method, path, body, headers or {}, limit=limit, wait=wait)

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, limit: int, wait: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        done = False
        try:
            with self._translated():
                connection = self._open = self._open or self._connected()
                connection.sock.settimeout(READ + wait)
                connection.request(method, path, body or None, {"User-Agent": f"kelvin-provision/{__version__}", **headers})
                response = connection.getresponse()
                refused = response.status >= 400
                data = response.read(MOST_OF_ERROR if refused else limit + 1)
            self._refuse(response.status, data)
            if len(data) > limit:
                raise NodeProtocolInvalid(f"{self._name} sent more than {limit} bytes")
            done = not response.will_close
            return response.status, {name.lower(): value for name, value in response.getheaders()}, data
        finally:
            if not done:
                self._drop()

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str], chunk: int) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """Status, headers, and the body in chunks, on a connection of its own. Raises as `document`, also from the chunks."""
        with self._translated():
            connection = self._connected()
        try:
            with self._translated():
                connection.sock.settimeout(READ)
                connection.request("GET", path, None, {"User-Agent": f"kelvin-provision/{__version__}", "Connection": "close", **headers})
                response = connection.getresponse()
                data = response.read(MOST_OF_ERROR) if response.status >= 300 else b""
            self._refuse(response.status, data)
            yield response.status, {name.lower(): value for name, value in response.getheaders()}, self._chunks(response, chunk)
        finally:
            connection.close()

    def _chunks(self, response: http.client.HTTPResponse, size: int) -> Iterator[bytes]:
        while True:
            with self._translated():
                chunk = response.read1(size)
            if not chunk:
                return
            yield chunk

    def _connected(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=CONNECT)
        connection.connect()
        plain = connection.sock
        try:
            secure = self._context().wrap_socket(plain, server_hostname=self._server_name or None)
        except BaseException:
            plain.close()
            raise
        connection.sock = secure
        shown = secure.getpeercert(binary_form=True) or b""
        if self._key and _key_of(shown) != self._key:
            secure.close()
            raise NodeForeign(f"{self._name} shows another key than the leader says")
        return connection

    def _refuse(self, status: int, data: bytes) -> None:
        if status < 400:
            return
        text = "".join(sign if sign.isprintable() else " " for sign in data[:MOST_OF_ERROR].decode(errors="replace"))
        if status in {401, 403}:
            raise NodeForeign(f"{self._name} refuses this node: {text or status}")
        error = LeaderUnreachable(f"{self._name} answers with status {status}{f': {text}' if text else ''}")
        raise error

    @property
    def _name(self) -> str:
        return f"{self._node} at {self._address}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise NodeForeign(f"{self._name} is not of this site: {error.verify_message or 'its certificate is foreign'}") from error
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).replace("_", " ").lower()
            kind: type[ProvisionError] = (
                NodeForeign if ("alert" in reason and "certificate" in reason) or "unknown ca" in reason else LeaderUnreachable
            )
            raise kind(f"{self._name}: {reason}") from error
        except TimeoutError as error:
            raise LeaderUnreachable(f"{self._name} does not answer") from error
        except _TROUBLE as error:
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise LeaderUnreachable(f"{self._name} cannot be reached: {text.lower()}") from error


def _key_of(der: bytes) -> str:
    try:
        return key_id(der)
    except InvalidCertificate:
        return ""
