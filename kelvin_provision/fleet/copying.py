"""Images to the registry of a publication, whole: every platform and every signature, with the digests that they have.

HOST/PATH:TAG becomes REGISTRY/PATH:TAG, which is where boxes look that have REGISTRY as a mirror of HOST, or as their `registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import ImageNotFound, ImageUnsupported, Interrupted
from kelvin_provision.events import Finished, Started
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor, Reference, is_tag
from kelvin_provision.registry import manifests
from kelvin_provision.registry.referring.referrers import tag as tag_of
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.workload import Spec

_MOST = 256
"""Manifests of one image: an index of an index of platforms."""


def copy_images(ctx: Context, specs: Sequence[Spec], target: Reference) -> tuple[Reference, ...]:
    """Those that were copied, as they are called there. Blobs that are there are not sent. Raises what registries raise."""
    names = dict.fromkeys(Reference.parse(image) for spec in specs for image in images_of(spec))
    copied = []
    for name in names:
        there = replace(name, host=target.host)
        if there != name:
            ctx.progress(Started(str(name), "copying"))
            sent = _Copy(ctx, name, there).run()
            ctx.progress(Finished(str(name), "copied" if sent else "already present"))
            copied.append(there)
    return tuple(copied)


class _Copy:
    """Blobs first, then what names them; the tag last."""

    def __init__(self, ctx: Context, source: Reference, target: Reference) -> None:
        self._ctx = ctx
        self._source = source
        self._target = target
        self._seen: set[str] = set()
        self._sent = False

    def run(self) -> bool:
        root = self._manifest(self._source.digest or self._source.tag or "latest")
        kind = self._push(root)
        tag = None if self._source.digest else self._source.tag or "latest"
        self._ctx.destination.manifest(self._target, root, kind, tag)
        for digest in tuple(self._seen):
            self._signatures(digest)
        return self._sent

    def _manifest(self, name: str) -> bytes:
        data = self._ctx.destination.read(self._source, name)
        if data is None:
            raise ImageNotFound(f"the registry {self._source.host} has no {self._source}")
        return data

    def _push(self, data: bytes) -> str:
        """Everything that a manifest or an index names, but not itself; its media type."""
        if len(self._seen) >= _MOST:
            raise ImageUnsupported(f"{self._source}: more than {_MOST} manifests")
        name = str(self._source)
        document = manifests.parse(data, name)
        kind = manifests.media_type(document, "", name)
        self._seen.add(digest_of(data))
        if manifests.is_index(kind):
            for row in _rows(document, "manifests"):
                inner = manifests.descriptor(row, name)
                if inner.digest not in self._seen:
                    child = self._manifest(inner.digest)
                    self._ctx.destination.manifest(self._target, child, self._push(child))
            return kind
        for row in (document.get("config"), *_rows(document, "layers")):
            self._blob(manifests.descriptor(row, name))
        return kind

    def _blob(self, blob: Descriptor) -> None:
        if self._ctx.stop():
            raise Interrupted("stopped while images were copied; nothing is published", hint="publish again: what was copied stays there")
        self._sent |= self._ctx.destination.blob(self._target, blob, self._chunks(blob))

    def _chunks(self, blob: Descriptor) -> Callable[[int], Iterable[bytes]]:
        def chunks(offset: int) -> Iterator[bytes]:
            with self._ctx.source.blob(self._source, blob, offset) as stream:
                skip = offset - stream.start
                for chunk in stream.chunks:
                    if skip < len(chunk):
                        yield chunk[max(skip, 0) :]
                    skip = max(skip - len(chunk), 0)

        return chunks

    def _signatures(self, digest: str) -> None:
        """What was found of them, as `Source.signatures` finds it: without a subject, under the tag of cosign."""
        signatures = self._ctx.source.signatures(self._source, digest)
        for files in signatures.files:
            for payload in files.payloads:
                self._ctx.destination.blob(self._target, payload, signatures.documents[payload.digest])
            data = signatures.documents[files.manifest.digest]
            document: dict[str, Any] = manifests.parse(data, str(self._source))
            config = manifests.descriptor(document.get("config"), str(self._source))
            self._ctx.destination.blob(self._target, config, self._chunks(config))
            tag = f"{tag_of(digest)}.sig"
            named = tag if "subject" not in document and is_tag(tag) else None
            self._ctx.destination.manifest(self._target, data, files.manifest.media_type, named)


def _rows(document: dict[str, Any], key: str) -> list[Any]:
    rows = document.get(key)
    return rows if isinstance(rows, list) else []
