"""A registry's response: its body in bounded chunks, and its status as an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from urllib3 import BaseHTTPResponse  # not from urllib3.response, which another thread may have imported half

from kelvin_provision.errors import ImageNotFound, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable
from kelvin_provision.registry.http_errors import CHUNK, PROXY_HINT, Asked, Endpoint, stalled

READS_PER_SECOND = 40
"""At least, with a rate limit: transfers pay for a chunk after they received it, and none should wait for long."""
SMALLEST_READ = 512
LEAST_RATE = 16
"""Bytes per second over `download.stall_timeout`, for one stream. A modem that is shared by all has more to give; below it is a fault."""
DISCARD_LIMIT = 1 << 16
"""Bytes of an unneeded body that are read so that the connection can be reused; above that a new connection is cheaper."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds: no registry makes us wait longer."""
_HTML = ("text/html", "application/xhtml+xml")
"""No registry serves these as a document or a blob: the response comes from a login page or a proxy in between."""


def read_size(rate: int | None) -> int:
    """Bytes per read, so that a limit of `rate` bytes per second can be kept."""
    return min(max(rate // READS_PER_SECOND, SMALLEST_READ), CHUNK) if rate else CHUNK


class Response:
    """`asked`: for messages; `same_origin` is False after a redirect to another host.

    The body can be read once. The response must be closed.
    """

    def __init__(self, raw: BaseHTTPResponse, endpoint: Endpoint, asked: Asked, *, same_origin: bool) -> None:
        self.status = raw.status
        self.headers = raw.headers
        self.same_origin = same_origin
        self._raw = raw
        self._endpoint = endpoint
        self._asked = asked

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives; raises RegistryUnreachable when it ends before its announced end, or is slower than `LEAST_RATE`.

        Only the time that it is waited for counts: a limited rate and a busy disk are not the server's fault.
        """
        waited, received = 0.0, 0
        while True:
            began = time.monotonic()
            with self._endpoint.translated_errors(self._asked):
                chunk = self._raw.read1(self._endpoint.read_size, decode_content=False)
            if not chunk:
                return
            waited, received = waited + time.monotonic() - began, received + len(chunk)
            yield chunk
            if waited >= self._endpoint.stall_timeout:
                if received < LEAST_RATE * waited:
                    raise stalled(self._asked.slow(f"only {received} bytes received in {waited:.1f} seconds"), slow=True)
                waited, received = 0.0, 0

    def read(self, limit: int) -> bytes:
        """The whole body; of a longer one a beginning that is longer than `limit`. Raises RegistryUnreachable when it takes too long."""
        coding = self.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            hint = "a proxy on the way alters the responses of the registry"
            raise RegistryUnreachable(
                f"{self._asked.server} sends a compressed response{self._asked.for_what}, although that was not accepted", hint=hint
            )
        data, deadline = bytearray(), time.monotonic() + self._endpoint.answer_timeout
        for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                break
            if time.monotonic() > deadline:
                raise stalled(self._asked.slow(f"only {len(data)} bytes received in {self._endpoint.answer_timeout:g} seconds"), slow=True)
        return bytes(data)

    def discard(self) -> None:
        """Close it; a short body is read to its end first, so that the connection can be reused."""
        try:
            self.read(DISCARD_LIMIT)
        except RegistryUnreachable:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Return the connection; one with an unread body is closed first, or its next user would read the rest."""
        if not self._raw.closed:
            self._raw.close()
        self._raw.release_conn()

    @property
    def is_html(self) -> bool:
        return self.headers.get("Content-Type", "").lower().startswith(_HTML)

    @property
    def is_busy(self) -> bool:
        """Whether the registry cannot serve requests now."""
        return self.status in {408, 429} or self.status >= 500

    @property
    def retry_after(self) -> float:
        """Seconds that the registry asks to wait, or 0."""
        return parse_retry_after(self.headers.get("Retry-After", ""))

    def raise_for_status(self) -> None:
        """Raise the error that the status or a web page stands for, if any."""
        if self.status < 300:
            self.raise_for_html()
            return
        if self.status in {401, 403} and not self.same_origin:
            hint = "check the clock of this box: date"
            text = f"the host that {self._asked.server} redirects to denies access{self._asked.to_what} ({self.status})"
            raise RegistryDenied(text, hint=hint)
        if self.status in {401, 403}:
            raise RegistryDenied(
                f"{self._asked.server} denies access{self._asked.to_what} ({self.status})", hint=f"docker login {self._endpoint.host}"
            )
        if self.status == 404:
            raise ImageNotFound(f"{self._asked.server} has no {self._asked.what}")
        self.raise_for_service()

    def raise_for_service(self) -> None:
        """The same for a token service, whose statuses say nothing about an image."""
        if self.status == 407:
            raise RegistryUnreachable(f"the proxy on the way to {self._asked.server} requires a login (407)", hint=PROXY_HINT)
        if self.is_busy:
            raise busy(f"{self._asked.server} returned status {self.status}{self._asked.for_what}", self.retry_after)
        if self.status >= 300:
            raise RegistryRefused(f"{self._asked.server} returned status {self.status}{self._asked.for_what}")
        self.raise_for_html()

    def raise_for_html(self) -> None:
        """Temporary: what sends a web page may be gone in an hour, and says nothing about the image."""
        if self.is_html:
            hint = "a login page or a proxy intercepts the connection; the download continues when it is gone"
            error = RegistryUnreachable(f"{self._asked.server} returned a web page{self._asked.for_what}", hint=hint)
            error.by_page = True
            raise error


def busy(message: str, retry_after: float) -> RegistryBusy:
    error = RegistryBusy(message)
    error.retry_after = retry_after
    return error


def parse_retry_after(text: str) -> float:
    """Seconds, from seconds or a date (RFC 9110 section 10.2.3); 0 for anything else."""
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), LONGEST_RETRY_AFTER)
    except (ValueError, OverflowError):
        return 0.0
