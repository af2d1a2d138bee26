"""The registry as a source: a reference to a lock, a descriptor to a stream of bytes. Nothing is believed here that was not hashed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from kelvin_provision.errors import DigestMismatch, ManifestInvalid, PlatformMissing, ProvisionError, RegistryRefused, RegistryUnreachable
from kelvin_provision.files.hashing import digest_of, has_digest
from kelvin_provision.refs import Descriptor, Platform, Reference, is_digest
from kelvin_provision.registry import manifests
from kelvin_provision.registry.mirror_health import MirrorHealth
from kelvin_provision.registry.protocol import Resolved, Stream
from kelvin_provision.registry.transport import Transport
from kelvin_provision.registry.wire import Answer
from kelvin_provision.settings.model import RegistrySettings, Settings
from kelvin_provision.spec.lock import ImageLock

T = TypeVar("T")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Place:
    """One repository at one host: where an image can be had."""

    def __init__(self, transport: Transport, repository: str) -> None:
        self.transport = transport
        self.repository = repository
        self.scope = f"repository:{repository}:pull"

    def document(self, target: str, wanted: Descriptor | None = None) -> tuple[bytes, str]:
        """A manifest or index by tag or digest, and the media type that the registry says. A digest is verified."""
        path = f"/v2/{self.repository}/manifests/{target}"
        with self.transport.get(path, self.scope, {"Accept": ", ".join(manifests.ACCEPT)}) as answer:
            data = answer.read(manifests.LIMIT)
            kind, said = answer.headers.get("Content-Type", ""), answer.headers.get("Docker-Content-Digest", "")
        what = f"{self.transport.host}/{self.repository}"
        if digest := target if is_digest(target) else said if is_digest(said) else "":
            _verify(data, digest, what, wanted.size if wanted else None)
        return data, kind

    def small(self, blob: Descriptor) -> bytes:
        """A small blob, verified."""
        with self.transport.get(f"/v2/{self.repository}/blobs/{blob.digest}", self.scope) as answer:
            data = answer.read(manifests.LIMIT)
        _verify(data, blob.digest, f"{self.transport.host}/{self.repository}", blob.size)
        return data

    @contextmanager
    def stream(self, blob: Descriptor, offset: int, *, over: bool = True) -> Iterator[Stream]:
        """A blob from a byte on. Only a 206 that begins there counts as that; everything else begins `over` at 0, or raises _NoRange."""
        kind = "manifests" if blob.media_type in manifests.ACCEPT else "blobs"
        path, accept = f"/v2/{self.repository}/{kind}/{blob.digest}", {"Accept": blob.media_type} if kind == "manifests" else {}
        if offset:
            closed = {"Range": f"bytes={offset}-{blob.size - 1}"}
            try:
                with self.transport.get(path, self.scope, accept | closed) as answer:
                    start = _start_of(answer, blob.size)
                    if answer.status != 206:
                        _expect_whole(answer, blob, f"{self.transport.host}/{self.repository}")
                    if start == offset or (start == 0 and over):
                        yield Stream(start, answer.chunks())
                        return
            except RegistryRefused:
                pass  # 416, or whatever else it has against ranges
            if not over:
                raise _NoRange(f"{self.transport.host}/{self.repository}: does not give the rest of {blob.digest}")
        with self.transport.get(path, self.scope, accept) as answer:
            _expect_whole(answer, blob, f"{self.transport.host}/{self.repository}")
            yield Stream(0, answer.chunks())


class _NoRange(RegistryUnreachable):
    """It could only begin over. Never reaches a person: somebody else is asked, or it may."""

    code = ""


class Registry:
    """All registries, as the settings have them; safe for several threads. `close` ends the connections that it keeps."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transports: dict[str, Transport] = {}
        self._doubts = MirrorHealth()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close what is kept open; it can still be used, and opens anew."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        """See `Source.resolve`. A wrong document is asked for once more; then it is the source that is wrong."""

        def ask(place: Place) -> Resolved:
            try:
                return _resolve(place, reference, platform)
            except DigestMismatch:
                return _resolve(place, reference, platform)

        return self._from_first(reference, ask, last=self._doubts.avoided())

    @contextmanager
    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        """See `Source.blob`."""
        doubted = self._doubts.asked(blob, offset)
        unable: list[str] = []

        def rest(place: Place) -> _Entered:
            """From a mirror the rest or nothing: what is there is not given up while the registry may have it."""
            try:
                return _Entered(place, blob, offset, over=place.transport.host == reference.host)
            except _NoRange:
                unable.append(place.transport.host)
                raise

        try:
            opened = self._from_first(reference, rest, last=doubted)
        except ProvisionError:
            if not unable:
                raise
            opened = self._from_first(reference, lambda place: _Entered(place, blob, offset, over=True), last=doubted)
        with opened as stream:
            yield self._doubts.heard(blob, opened.host, stream)

    def _places(self, reference: Reference) -> list[Place]:
        """Mirrors in their order, then the registry itself. A mirror may be a host, or a host and a path before the repository."""
        mirrors = self._settings.registries.get(reference.host, RegistrySettings()).mirrors
        places = []
        for mirror in (*mirrors, reference.host):
            host, _, path = mirror.partition("/")
            places.append(Place(self._transport(host), f"{path}/{reference.repository}" if path else reference.repository))
        return places

    def _transport(self, host: str) -> Transport:
        with self._lock:
            if host not in self._transports:
                self._transports[host] = Transport(host, self._settings)
            return self._transports[host]

    def _from_first(self, reference: Reference, ask: Callable[[Place], T], *, last: Collection[str]) -> T:
        """What the first place gives that has it. A mirror's trouble, of whatever kind, is only evidence when the registry fails too."""
        *mirrors, own = self._places(reference)
        troubles: list[str] = []
        failure: ProvisionError | None = None
        for place in sorted((*mirrors, own), key=lambda found: found.transport.host in last):
            began = time.monotonic()
            try:
                return ask(place)
            except ProvisionError as error:
                if isinstance(error, RegistryUnreachable):
                    self._doubts.silent(place.transport.host, time.monotonic() - began)
                if place is own:
                    failure = error
                else:
                    troubles.append(f"mirror {place.transport.host}: {error}")
        assert failure is not None  # noqa: S101  (the registry itself is always asked)
        failure.evidence = (*failure.evidence, *troubles)
        raise failure


class _Entered:
    """A stream that is open already, so that the choice of place is made before the block begins."""

    def __init__(self, place: Place, blob: Descriptor, offset: int, *, over: bool) -> None:
        self.host = place.transport.host
        self._context = place.stream(blob, offset, over=over)
        self._stream = self._context.__enter__()

    def __enter__(self) -> Stream:
        return self._stream

    def __exit__(self, *error: object) -> bool | None:
        return self._context.__exit__(*error)  # type: ignore[arg-type]


def _resolve(place: Place, reference: Reference, platform: Platform) -> Resolved:
    what = str(reference)
    data, header = place.document(reference.digest or reference.tag or "latest")
    found = manifests.document(data, what)
    kind = manifests.media_type(found, header, what)
    root = Descriptor(kind, reference.digest or digest_of(data), len(data))
    documents = {root.digest: data}
    index, manifest = None, root
    if manifests.is_index(kind):
        index, manifest = root, manifests.choose(found, platform, what)
        data, header = place.document(manifest.digest, manifest)
        found = manifests.document(data, what)
        manifest = replace(manifest, media_type=manifests.media_type(found, header, what))
        if manifests.is_index(manifest.media_type):
            raise ManifestInvalid(f"{what}: an index inside of an index")
        documents[manifest.digest] = data
    config, layers = manifests.parts(found, what)
    documents[config.digest] = place.small(config)
    actual, diff_ids = manifests.config_facts(documents[config.digest], what)
    if not platform.accepts(actual):
        raise PlatformMissing(f"{what}: made for {actual}, this node is {platform}")
    if len(diff_ids) != len(layers):
        raise ManifestInvalid(f"{what}: {len(layers)} layers, but {len(diff_ids)} diff ids")
    return Resolved(ImageLock(reference, actual, manifest, config, layers, diff_ids, index), documents)


def _start_of(answer: Answer, size: int) -> int | None:
    """Where the body begins: by its Content-Range for a 206, 0 for a whole answer, None when it does not say so rightly."""
    if answer.status != 206:
        return 0
    said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    # Of a blob that has another size there, not one byte is wanted.
    return int(said[1]) if said and said[3] in {"*", str(size)} else None


def _expect_whole(answer: Answer, blob: Descriptor, what: str) -> None:
    """Refuse a whole answer of another length before the partial is begun over for it: a login page must not cost what is there."""
    if answer.status != 200:
        raise RegistryUnreachable(f"{what}: answers {answer.status} where all of {blob.digest} was asked for")
    said = answer.headers.get("Content-Length", "")
    if said.isascii() and said.isdigit() and int(said) != blob.size:
        raise RegistryUnreachable(f"{what}: {blob.digest} comes with {said} bytes in place of {blob.size}")


def _verify(data: bytes, digest: str, what: str, size: int | None) -> None:
    if len(data) > manifests.LIMIT:
        raise ManifestInvalid(f"{what}: {digest} has more than {manifests.LIMIT >> 20} MiB")
    if size is not None and len(data) != size:
        raise DigestMismatch(f"{what}: {digest} has {len(data)} bytes in place of {size}")
    if not has_digest(data, digest):
        raise DigestMismatch(f"{what}: what came for {digest} is something else")
