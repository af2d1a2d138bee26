"""The deltas that make one image out of another: made at a desk or in a build, pushed beside the image or written as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from kelvin_provision.bundles.model import Extent
from kelvin_provision.context import Context
from kelvin_provision.deltas import artifact
from kelvin_provision.desk import layout
from kelvin_provision.desk.docker_layers import engine_of, saved_layers
from kelvin_provision.desk.gathering import DOCKER, REGISTRY, Images, gathered
from kelvin_provision.desk.layers import ChangedLayer, Workshop, changed
from kelvin_provision.desk.published import HINTS
from kelvin_provision.errors import ImageNotFound, Interrupted, hinted
from kelvin_provision.events import Note
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import CHUNK, private_folder
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock

OPTION = ("images delta", "--source")


@dataclass(frozen=True)
class DeltaRequest:
    """`old` and `new` are images of `source`: `registry`, `store` or the folder of an OCI image layout. `docker`: the layers are those of
    Docker Engine, the manifests those of the registry, as a delta needs them.

    Without a `platform`: that of this machine. `push`: to the repository of the new image. `output`: the folder of an OCI image layout.
    """

    old: Reference
    new: Reference
    source: str = REGISTRY
    platform: Platform | None = None
    push: bool = False
    output: Path | None = None


@dataclass(frozen=True)
class LayerResult:
    """A changed layer: `size` bytes of it are replaced by `delta` bytes; None where no delta can be made. `worth`: of use."""

    digest: str
    size: int
    delta: int | None
    worth: bool
    seconds: float


@dataclass(frozen=True)
class DeltaResult:
    """`digest` is that of the artifact; None where nothing was worth it. `sent` are the bytes that a registry did not have."""

    old: ImageLock
    new: ImageLock
    layers: tuple[LayerResult, ...]
    digest: str | None
    output: Path | None = None
    pushed: bool = False

    @property
    def whole(self) -> int:
        """Bytes of the layers that the new image does not share with the old one."""
        return sum(layer.size for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes that a box with the old image downloads instead."""
        return sum(layer.delta if layer.delta is not None and layer.worth else layer.size for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        return {
            "from": str(self.old.pinned_reference),
            "to": str(self.new.pinned_reference),
            "platform": str(self.new.platform),
            "layers": [
                {
                    "digest": layer.digest,
                    "bytes": layer.size,
                    "delta": layer.delta,
                    "worth": layer.worth,
                    "seconds": round(layer.seconds, 2),
                }
                for layer in self.layers
            ],
            "bytes": self.size,
            "whole": self.whole,
            "digest": self.digest,
            "output": None if self.output is None else str(self.output),
            "pushed": self.pushed,
        }


@hinted({**HINTS, ImageNotFound: "check --from and --to"})
def delta(ctx: Context, request: DeltaRequest) -> DeltaResult:
    """Make the deltas; with neither `push` nor `output` only to see how large they are.

    Raises what gathering the images raises; NoSpace, CannotWrite, FileUnreadable; as `Destination` does.
    """
    platform = request.platform or Platform.of_this_host()
    selection = [(request.old, platform), (request.new, platform)]
    docker, stop = request.source == DOCKER, partial(_refuse_when_stopped, ctx)

    def not_needed(locks: Sequence[ImageLock]) -> frozenset[str]:
        return frozenset(layer.digest for lock in locks for layer in lock.layers) if docker else _shared(*_both(locks, request))

    with gathered(ctx, REGISTRY if docker else request.source, selection, not_needed, option=OPTION) as images:
        old, new = _both(images.locks, request)
        images.fetch()
        folder = private_folder(ctx.store.root)
        layers = saved_layers(engine_of(ctx.settings), images.locks, folder, stop) if docker else nullcontext(_layer_opener(images))
        with layers as open_layer, Workshop(open_layer, folder, stop) as workshop:
            made = [_noted(ctx, layer) for layer in workshop.deltas(old, new)]
            digest = _given(ctx, request, _Artifact(images, old, new, [layer for layer in made if layer.worth]))
        images.forget()
    results = tuple(
        LayerResult(layer.blob.digest, layer.blob.size, layer.delta.blob.size if layer.delta else None, layer.worth, layer.seconds)
        for layer in made
    )
    return DeltaResult(old, new, results, digest, request.output if digest else None, request.push and digest is not None)


def _refuse_when_stopped(ctx: Context) -> None:
    if ctx.stop():
        raise Interrupted("interrupted; the same command makes the deltas from the start")


def _both(locks: Sequence[ImageLock], request: DeltaRequest) -> tuple[ImageLock, ImageLock]:
    by_name = {str(lock.reference): lock for lock in locks}
    return by_name[str(request.old)], by_name[str(request.new)]


def _shared(old: ImageLock, new: ImageLock) -> frozenset[str]:
    changes, bases = changed(old, new)
    needed = {blob.digest for blob, _ in (*changes, *(bases if changes else ()))}
    return frozenset(blob.digest for lock in (old, new) for blob in lock.layers if blob.digest not in needed)


def _opener(images: Images) -> Callable[[Descriptor], BinaryIO]:
    return lambda blob: images.open(Extent(blob.digest, 0, blob.size))


def _layer_opener(images: Images) -> Callable[[Descriptor, str], BinaryIO]:
    return lambda blob, _: images.open(Extent(blob.digest, 0, blob.size))


def _noted(ctx: Context, layer: ChangedLayer) -> ChangedLayer:
    outcome = f"delta of {format_bytes(layer.delta.blob.size)}" if layer.delta else "no delta can be made"
    ctx.progress(Note(f"layer {layer.blob.digest[:19]} of {format_bytes(layer.blob.size)}: {outcome}"))
    return layer


def _given(ctx: Context, request: DeltaRequest, made: _Artifact) -> str | None:
    """Push or write the artifact. Returns its digest; None for one without a delta."""
    if not made.layers:
        return None
    data, descriptor = made.manifest()
    if request.output is not None:
        entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
        files = [(blob, chunks(0)) for blob, chunks in made.blobs()]
        layout.write(request.output, entry | {"artifactType": artifact.ARTIFACT_TYPE}, [*files, (descriptor, [data])])
    if request.push:
        for blob, chunks in made.blobs():
            _refuse_when_stopped(ctx)
            ctx.destination.blob(request.new, blob, chunks)
        ctx.destination.manifest(request.new, data, descriptor.media_type)
    return descriptor.digest


@dataclass(frozen=True)
class _Artifact:
    images: Images
    old: ImageLock
    new: ImageLock
    layers: list[ChangedLayer]

    def manifest(self) -> tuple[bytes, Descriptor]:
        values = [layer.delta for layer in self.layers if layer.delta]
        return artifact.make(self.new.manifest, self.new.config, values, [self.old.config.digest])

    def blobs(self) -> Iterator[tuple[Descriptor, Callable[[int], Iterable[bytes]]]]:
        """The blobs that the manifest names, as functions that give their bytes from an offset on."""
        yield artifact.EMPTY, lambda offset: [b"{}"[offset:]]
        for document in (self.new.manifest, self.new.config):
            with _opener(self.images)(document) as file:
                data = file.read()
            yield document, partial(_rest, data)
        for layer in self.layers:
            if layer.delta and layer.file:
                yield layer.delta.blob, partial(_chunks, layer.file)


def _rest(data: bytes, offset: int) -> list[bytes]:
    return [data[offset:]]


def _chunks(file: BinaryIO, offset: int) -> Iterator[bytes]:
    file.seek(offset)
    return iter(lambda: file.read(CHUNK), b"")
