"""Images of the store into the container runtime: at staging, and again where one was removed from the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kelvin_provision.errors import ImageUnsupported, ProvisionError
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.runtimes.protocol import Runtime, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec
from kelvin_provision.store import Store


def refuse_digests(spec: Spec, info: RuntimeInfo) -> None:
    """Raises ImageUnsupported."""
    for image in spec.images if not info.finds_by_digest else ():
        if Reference.parse(image).local_name is None:
            raise ImageUnsupported(
                f"{image}: in `images` of the request, and {info.name} finds no imported image by its digest",
                hint="write the reference with a tag, in the request and in the text that names the image",
            )


def put_in_runtime(lock: ImageLock, store: Store, runtime: Runtime, progress: Progress) -> None:
    """Import an image that the runtime lacks, and pin it either way."""
    if runtime.has(lock):
        runtime.pin(lock)
        return
    task = str(lock.reference)
    progress(Started(task, "importing"))
    plain = store.plain_layers(lock)
    runtime.load(lock, store.path, plain)
    for layer in plain.values():
        share(layer, store, runtime)
    progress(Finished(task, "imported"))


def share(layer: Descriptor, store: Store, runtime: Runtime) -> None:
    """A rebuilt layer takes three times the space of a compressed one: where the runtime keeps layers as they came, it is kept once."""
    with suppress(ProvisionError, OSError), runtime.open_blob(layer) as file:
        if file is not None:
            store.share(layer, file, lambda: False)


def put_back(
    locks: Sequence[ImageLock], store: Store, runtime: Runtime, progress: Progress
) -> tuple[tuple[ImageLock, ...], tuple[ImageLock, ...]]:
    """Import what was removed from the runtime again: the images that were, and those that cannot be because the store lacks them too."""
    back, missing = [], []
    for lock in locks:
        if runtime.has(lock):
            runtime.pin(lock)
        elif not store.lacking(lock):
            put_in_runtime(lock, store, runtime, progress)
            back.append(lock)
        else:
            missing.append(lock)
    return tuple(back), tuple(missing)


def absent(locks: Sequence[ImageLock], store: Store, runtime: Runtime) -> tuple[tuple[ImageLock, ...], tuple[ImageLock, ...]]:
    """What `put_back` would import, and what it could not. Changes nothing."""
    gone = [lock for lock in locks if not runtime.has(lock)]
    whole = {lock.name for lock in gone if not store.lacking(lock)}
    return tuple(lock for lock in gone if lock.name in whole), tuple(lock for lock in gone if lock.name not in whole)
