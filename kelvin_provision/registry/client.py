"""The registries as a source: mirrors in their order, then the registry itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kelvin_provision.errors import DigestMismatch, ImageNotFound, ProvisionError, RegistryRefused, RegistryUnreachable
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.mirror_health import MirrorHealth
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Stream
from kelvin_provision.registry.referring.deltas import deltas
from kelvin_provision.registry.referring.signatures import signatures
from kelvin_provision.registry.repository import RangeUnsupported, Repository
from kelvin_provision.registry.resolve import resolve
from kelvin_provision.registry.transport import Transport
from kelvin_provision.settings.model import RegistrySettings, Settings
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport

T = TypeVar("T")


class Registry:
    """A `Source` of all registries and mirrors in the settings. Safe for several threads; connections are kept until `close`."""

    def __init__(self, settings: Settings, health: MirrorHealth | None = None) -> None:
        self._settings = settings
        self._transports: dict[str, Transport] = {}
        self._health = health or MirrorHealth()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections; the registry stays usable."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        """See `Source.resolve`. Repeated once after a mismatch: a second one is the source's fault, not the connection's."""

        def attempt(repository: Repository) -> Resolved:
            try:
                return resolve(repository, reference, platform, support)
            except DigestMismatch:
                return resolve(repository, reference, platform, support)

        return self._first_success(reference, attempt, last=self._health.penalized())

    @contextmanager
    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        """See `Source.blob`. A mirror that cannot resume is passed over as long as another host can."""
        last = self._health.try_last(blob, offset)
        if self._health.was_corrupt(blob) and reference.host not in last:
            last = last | {repository.host for repository in self._repositories(reference)[:-1]}
        cannot_resume: list[str] = []

        def resume(repository: Repository) -> _OpenStream:
            try:
                return _OpenStream(repository, blob, offset, restart=repository.host == reference.host)
            except RangeUnsupported:
                cannot_resume.append(repository.host)
                raise

        try:
            opened = self._first_success(reference, resume, last=last)
        except ProvisionError:
            if not cannot_resume:
                raise
            opened = self._first_success(reference, lambda repository: _OpenStream(repository, blob, offset, restart=True), last=last)
        with opened as stream:
            yield self._health.observed(blob, opened.host, stream)

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        """See `Source.signatures`. A mirror may have an image without its signatures: then the next host is asked."""
        remarks: list[str] = []

        def attempt(repository: Repository) -> SignatureDocuments:
            answer = signatures(repository, repository.referrers, digest)
            if not answer.files:
                remarks.extend(answer.remarks)
                raise ImageNotFound(f"{reference}: no signatures at {repository.host}")
            return answer

        try:
            return self._first_success(reference, attempt, last=self._health.penalized())
        except ImageNotFound:
            return SignatureDocuments(remarks=tuple(dict.fromkeys(remarks)))

    def digest(self, reference: Reference, known: str = "") -> str:
        """See `Source.digest`."""
        tag = reference.tag or "latest"
        return self._first_success(reference, lambda repository: repository.digest(tag, known), last=self._health.penalized())

    def manifest(self, reference: Reference) -> bytes:
        """See `Source.manifest`."""
        name = reference.digest or reference.tag or "latest"
        return self._first_success(reference, lambda repository: repository.manifest(name)[0], last=self._health.penalized())

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        """See `Blobs.deltas`. As with signatures, a mirror may have none of them."""
        remarks: list[str] = []

        def attempt(repository: Repository) -> DeltaOffers:
            offers = deltas(repository, repository.referrers, image)
            if not offers.layers:
                remarks.extend(offers.remarks)
                raise ImageNotFound(f"{reference}: no deltas at {repository.host}")
            return offers

        try:
            return self._first_success(reference, attempt, last=self._health.penalized())
        except ImageNotFound:
            return DeltaOffers(remarks=tuple(dict.fromkeys(remarks)))

    def greet(self, host: str) -> None:
        """See `Source.greet`. The base of the distribution API answers with nothing but whether one may use it."""
        try:
            with self._transport(host).get("/v2/", "") as response:
                response.discard()
        except ImageNotFound as error:
            raise RegistryRefused(f"the server {host} answers, and is no registry: it has no /v2/") from error

    def _repositories(self, reference: Reference) -> list[Repository]:
        """Mirrors in their order, then the registry. A mirror is a host, or a host and a path before the repository."""
        mirrors = self._settings.registries.get(reference.host, RegistrySettings()).mirrors
        repositories = []
        for mirror in (*mirrors, reference.host):
            host, _, path = mirror.partition("/")
            repositories.append(Repository(self._transport(host), f"{path}/{reference.repository}" if path else reference.repository))
        return repositories

    def _transport(self, host: str) -> Transport:
        with self._lock:
            if host not in self._transports:
                self._transports[host] = Transport(host, self._settings)
            return self._transports[host]

    def _first_success(self, reference: Reference, attempt: Callable[[Repository], T], *, last: Collection[str]) -> T:
        """The result of the first host that succeeds. A mirror's error, of whatever kind, is only evidence when the registry fails too."""
        *mirrors, registry = self._repositories(reference)
        mirror_errors: list[str] = []
        registry_error: ProvisionError | None = None
        for repository in sorted((*mirrors, registry), key=lambda repository: repository.host in last):
            started = time.monotonic()
            try:
                return attempt(repository)
            except ProvisionError as error:
                if isinstance(error, RegistryUnreachable):
                    self._health.record_failure(repository.host, time.monotonic() - started)
                if repository is registry:
                    registry_error = error
                else:
                    mirror_errors.append(f"mirror {repository.host}: {error}")
        assert registry_error is not None  # noqa: S101  (the registry itself is always tried)
        registry_error.evidence = (*registry_error.evidence, *mirror_errors)
        raise registry_error


class _OpenStream:
    """Opens the stream when it is created, so that the host is chosen before the caller's block begins."""

    def __init__(self, repository: Repository, blob: Descriptor, offset: int, *, restart: bool) -> None:
        self.host = repository.host
        self._context = repository.stream(blob, offset, restart=restart)
        self._stream = self._context.__enter__()

    def __enter__(self) -> Stream:
        return self._stream

    def __exit__(self, *error: object) -> bool | None:
        return self._context.__exit__(*error)  # type: ignore[arg-type]
