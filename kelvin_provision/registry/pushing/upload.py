"""One blob to one repository: a small one in one request, a larger one in pieces, which continue at the piece that broke.

A registry that takes no pieces gets a large blob in one request, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

from kelvin_provision.errors import ImageNotFound, ProvisionError, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Chunks
from kelvin_provision.registry.pushing.reading import BlobReader
from kelvin_provision.registry.response import Response
from kelvin_provision.registry.transport import Transport
from kelvin_provision.retry import Backoff, Retries

PIECE, LEAST_PIECE = 8 << 20, 256 << 10
"""Bytes of one request of an upload in pieces; halved for a proxy that refuses so many."""
LARGEST_PIECE = 64 << 20
"""Bytes, whatever a registry asks for: a piece is in memory."""
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_TOO_LARGE, _RANGE_WRONG = 413, 416


class Upload:
    """`backoff`: how long it is tried without progress; `wait` takes the error and the seconds until the next try."""

    def __init__(
        self,
        transport: Transport,
        repository: str,
        blob: Descriptor,
        chunks: Chunks,
        *,
        backoff: Backoff,
        wait: Callable[[ProvisionError, float], None],
    ) -> None:
        self._transport = transport
        self._name = repository
        self._scope = push_scope(repository)
        self._blob = blob
        self._reader = BlobReader(blob, chunks)
        self._retries = Retries(backoff)
        self._wait = wait
        self._piece = PIECE
        self._in_pieces = blob.size > PIECE
        self._whole_refused = False
        self._session = ""
        """The address of the upload that is under way."""
        self._reached = self._furthest = 0

    def run(self, mount_from: Sequence[str] = ()) -> bool:
        """False where nothing was sent: it is there, or was mounted from one of these repositories of the same registry.

        Raises RegistryDenied, RegistryRefused, RegistryUnreachable, RegistryBusy, DigestMismatch, and what the chunks raise.
        """
        sent = False
        while True:
            try:
                if not self._session:
                    if self._is_there():  # after an attempt whose answer alone was lost, too
                        return sent
                    self._session, self._reached = self._begin(mount_from), 0
                    if not self._session:
                        return sent
                sent = True
                if self._send():
                    return True
                self._session = ""
            except (RegistryUnreachable, RegistryBusy) as error:
                self._wait(error, self._retries.delay_after(error))
                self._session, self._reached = self._state()
                self._progressed()

    def _progressed(self) -> None:
        if self._reached > self._furthest:
            self._furthest = self._reached
            self._retries.reset()

    def _is_there(self) -> bool:
        """Where reading is not allowed, it is written again."""
        try:
            with self._transport.get(self._path(self._blob.digest), self._scope, method="HEAD") as head:
                return head.headers.get("Content-Length", str(self._blob.size)) == str(self._blob.size)
        except (ImageNotFound, RegistryDenied):
            return False

    def _path(self, what: str) -> str:
        return f"/v2/{self._name}/blobs/{what}"

    def _begin(self, mount_from: Sequence[str]) -> str:
        """The address of a new upload; empty where the blob was mounted. A registry that cannot mount it begins an upload."""
        others = [name for name in mount_from if name != self._name]
        for other in others:
            if not (session := self._start(other)):
                return ""
            if other == others[-1]:
                return session
            self._transport.send("DELETE", session, self._scope, {}).discard()
        return self._start("")

    def _start(self, other: str) -> str:
        query = f"?{urlencode({'mount': self._blob.digest, 'from': other})}" if other else ""
        path = self._path(f"uploads/{query}")
        response = self._transport.send("POST", path, self._scope, {"Content-Length": "0"})
        try:
            if other and response.status == 201:
                return ""
            if response.status == 404:
                raise RegistryRefused(f"the registry {self._transport.host} has no repository {self._name} that can be written to")
            response.raise_for_status()
            least = response.headers.get("OCI-Chunk-Min-Length", "")
            if least.isascii() and least.isdigit():
                self._piece = min(max(self._piece, int(least[:12])), LARGEST_PIECE)
            return self._transport.upload_url(response.headers.get("Location", ""), path)
        finally:
            response.discard()

    def _send(self) -> bool:
        """False where it must start again: the registry takes no pieces, or not so many bytes at once."""
        if not self._in_pieces and not self._reached:
            if self._finish(lambda: self._reader.all_from(0), self._blob.size) != _TOO_LARGE:
                return True
            self._in_pieces = self._whole_refused = True
            return False
        while self._reached < self._blob.size:
            try:
                self._send_piece()
            except RegistryRefused:
                if self._reached or self._whole_refused or self._piece < PIECE:
                    raise
                self._in_pieces = False
                return False
        self._finish(lambda: b"", 0)
        return True

    def _finish(self, body: Callable[[], bytes | Iterable[bytes]], size: int) -> int:
        url = f"{self._session}{'&' if '?' in self._session else '?'}{urlencode({'digest': self._blob.digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        response = self._transport.send("PUT", url, self._scope, headers, body)
        try:
            if response.status == _TOO_LARGE and size:
                return response.status
            self._check(response)
            return response.status
        finally:
            response.discard()

    def _send_piece(self) -> None:
        start = self._reached
        data = self._reader.piece(start, min(self._piece, self._blob.size - start))
        end = start + len(data)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{end - 1}", "Content-Length": str(len(data))}
        response = self._transport.send("PATCH", self._session, self._scope, headers, lambda: data)
        try:
            if response.status == _TOO_LARGE:
                if self._piece <= LEAST_PIECE:
                    raise self._too_large()
                self._piece //= 2
                return
            if response.status == _RANGE_WRONG:
                raise self._lost()
            self._check(response)
            if (_end(response) or end) != end:
                raise self._lost()
            # The next address may have a state in it: an older one is not taken.
            self._session = self._transport.upload_url(response.headers.get("Location", self._session), self._session)
            self._reached = end
            self._progressed()
        finally:
            response.discard()

    def _state(self) -> tuple[str, int]:
        """Where an upload that broke goes on, and from which byte; an empty address where it must start again.

        docker-registry cannot go on in the middle of a piece: it has forgotten the upload then.
        """
        if not self._session:
            return "", 0
        try:
            response = self._transport.send("GET", self._session, self._scope, {})
        except (RegistryUnreachable, RegistryBusy):
            return self._session, self._reached
        try:
            end = _end(response)
            # Of an upload without a byte, some say that its first byte is there.
            if response.status not in {200, 204} or end is None or not 1 < end <= self._blob.size:
                return "", 0
            return self._transport.upload_url(response.headers.get("Location", self._session), self._session), end
        finally:
            response.discard()

    def _check(self, response: Response) -> None:
        if response.status == 404:
            raise RegistryUnreachable(f"the registry {self._transport.host} has forgotten the upload of blob {self._blob.digest}")
        if response.status == 400:
            text = f"the registry {self._transport.host} does not accept blob {self._blob.digest} for {self._name} (400)"
            raise RegistryRefused(text, hint="make it again: its bytes may not match its digest")
        response.raise_for_status()

    def _lost(self) -> RegistryUnreachable:
        """It is retried: then the registry is asked how far it is."""
        return RegistryUnreachable(f"the registry {self._transport.host} lost bytes of blob {self._blob.digest}")

    def _too_large(self) -> RegistryRefused:
        text = f"the registry {self._transport.host} refuses requests of {self._piece} bytes (413)"
        return RegistryRefused(text, hint="raise the limit of the proxy in front of it (nginx: client_max_body_size)")


def push_scope(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _end(response: Response) -> int | None:
    """How many bytes an upload has, by its header Range."""
    match = _RANGE.fullmatch(response.headers.get("Range", ""))
    return int(match[1]) + 1 if match else None
