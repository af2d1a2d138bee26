"""A `Destination` over HTTP: always the registry itself. Mirrors follow it by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ProvisionError,
    RegistryBusy,
    RegistryRefused,
    RegistryUnreachable,
    TagMoved,
)
from kelvin_provision.events import Note, Progress
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.quantity import format_duration
from kelvin_provision.refs import Descriptor, Reference, is_digest
from kelvin_provision.registry import manifests
from kelvin_provision.registry.protocol import Chunks
from kelvin_provision.registry.pushing import referring
from kelvin_provision.registry.pushing.upload import Upload, push_scope
from kelvin_provision.registry.referring.referrers import tag as referrers_tag
from kelvin_provision.registry.repository import Repository
from kelvin_provision.registry.transport import Transport
from kelvin_provision.retry import Backoff, Retries
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_INDEX

T = TypeVar("T")
BACKOFF = Backoff(first=0.5, cap=30.0, deadline=120.0)
"""How long it is tried without progress: a person waits for it."""
_UPDATES = 5
"""How often a list of referrers is written again because another writer was faster."""


class Pusher:
    """For one thread. Connections are kept until `close`. `progress` is told why something is tried again, and when."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress = lambda _: None,
        *,
        backoff: Backoff = BACKOFF,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._progress = progress
        self._backoff = backoff
        self._pause = pause
        self._transports: dict[str, Transport] = {}

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()

    def repository(self, reference: Reference) -> Repository:
        """To read what is there, at the registry itself."""
        return Repository(self._transport(reference.host), reference.repository)

    def blob(self, reference: Reference, blob: Descriptor, chunks: Chunks, *, mount_from: Sequence[str] = ()) -> bool:
        """See `Destination.blob`."""
        upload = Upload(self._transport(reference.host), reference.repository, blob, chunks, backoff=self._backoff, wait=self._wait)
        return upload.run(mount_from)

    def manifest(self, reference: Reference, data: bytes, media_type: str, tag: str | None = None, *, replaces: str | None = None) -> str:
        """See `Destination.manifest`."""
        document, digest = manifests.parse(data, str(reference)), digest_of(data)
        if replaces is not None and tag is not None and (present := self.digest_of_tag(reference, tag)) != replaces:
            raise TagMoved(f"{reference.name}:{tag} was changed meanwhile: it is {present or 'gone'}")
        listed = self._retried(lambda: self._put(reference, data, media_type, tag or digest, replaces))
        subject = document.get("subject")
        if isinstance(subject, dict) and isinstance(subject.get("digest"), str) and is_digest(subject["digest"]) and not listed:
            self._refer(reference, subject["digest"], referring.entry_of(document, digest, len(data), media_type))
        return digest

    def read(self, reference: Reference, name: str) -> bytes | None:
        """See `Destination.read`."""
        try:
            return self._retried(lambda: self.repository(reference).manifest(name))[0]
        except ImageNotFound:
            return None

    def document(self, reference: Reference, blob: Descriptor) -> bytes:
        return self._retried(lambda: self.repository(reference).small_blob(blob))

    def tags(self, reference: Reference) -> Iterator[str]:
        return self.repository(reference).tags()

    def digest_of_tag(self, reference: Reference, tag: str) -> str | None:
        """What the tag stands for now, None where there is no such tag."""
        data = self.read(reference, tag)
        return None if data is None else digest_of(data)

    def _put(self, reference: Reference, data: bytes, media_type: str, name: str, replaces: str | None = None) -> bool:
        """Whether the registry lists it as a referrer of its subject."""
        host, path, digest = reference.host, f"/v2/{reference.repository}/manifests/{name}", digest_of(data)
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))} | ({"If-Match": f'"{replaces}"'} if replaces else {})
        response = self._transport(host).send("PUT", path, push_scope(reference.repository), headers, lambda: data)
        try:
            if response.status == 412:
                raise TagMoved(f"{reference.name}:{name} was changed meanwhile")
            if response.status in {400, 404, 405}:
                hint = "ask its administrator whether it takes OCI artifacts, and whether tags may be replaced"
                raise RegistryRefused(f"the registry {host} does not accept the manifest {name} ({response.status})", hint=hint)
            response.raise_for_status()
            announced = response.headers.get("Docker-Content-Digest", digest)
            if is_digest(announced) and announced.partition(":")[0] == "sha256" and announced != digest:
                raise RegistryRefused(f"the registry {host} has changed the manifest: it is {announced} there, expected {digest}")
            return "OCI-Subject" in response.headers
        finally:
            response.discard()

    def _refer(self, reference: Reference, subject: str, row: dict[str, Any]) -> None:
        tag = referrers_tag(subject)
        for _ in range(_UPDATES):
            index = referring.with_entry(referring.rows_of(self._listed(reference, tag), tag), row)
            if index is None:
                return
            self._retried(partial(self._put, reference, index, OCI_INDEX, tag))
        raise RegistryRefused(f"{reference.name}:{tag} is replaced by another writer again and again", hint="push it again later")

    def _listed(self, reference: Reference, tag: str) -> bytes | None:
        """The present list; None if there is none, or the registry has damaged it."""
        try:
            return self.read(reference, tag)
        except DigestMismatch:
            return None

    def _retried(self, action: Callable[[], T]) -> T:
        retries = Retries(self._backoff)
        while True:
            try:
                return action()
            except (RegistryUnreachable, RegistryBusy) as error:
                self._wait(error, retries.delay_after(error))

    def _wait(self, error: ProvisionError, delay: float) -> None:
        self._progress(Note(f"{error}; next try in {format_duration(max(round(delay), 1))}"))
        self._pause(delay)

    def _transport(self, host: str) -> Transport:
        if host not in self._transports:
            self._transports[host] = Transport(host, self._settings)
        return self._transports[host]
