"""Layers as Docker Engine gives them. It has no manifest of a registry, and packs layers otherwise or not at all, so they go by diff_id."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from kelvin_provision.docker_engine.connection import RUNTIME_ERRORS, connect
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ImageUnsupported
from kelvin_provision.files.durable import writing_to
from kelvin_provision.refs import Descriptor
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.lock import ImageLock

_TIMEOUT = 600
"""Seconds without a byte: the engine packs a layer before it sends it."""
_DOCUMENT = 8 << 20


def engine_of(settings: Settings) -> Engine:
    """The engine at `runtime.address`, else at DOCKER_HOST or the default socket."""
    address = settings.runtime.address
    return Engine(lambda: connect(address if address and "://" in address else None, timeout=_TIMEOUT), RUNTIME_ERRORS)


@contextmanager
def saved_layers(
    engine: Engine, locks: Sequence[ImageLock], folder: Path, stop: Callable[[], None]
) -> Iterator[Callable[[Descriptor, str], BinaryIO]]:
    """Opens a layer of these images. What the engine sends lies in the folder meanwhile, without a name.

    Raises ImageNotFound, ImageUnsupported, RuntimeUnreachable, PermissionRefused, NoSpace and CannotWrite.
    """
    layers: dict[str, tuple[tarfile.TarFile, str]] = {}
    with ExitStack() as stack, writing_to(folder):
        for lock in locks:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            for chunk in engine.images.save(str(lock.reference)):
                stop()
                file.write(chunk)
            file.seek(0)
            layers |= _layers(file, lock)

        def opened(layer: Descriptor, diff_id: str) -> BinaryIO:
            if diff_id not in layers:
                hint = "push what Docker Engine has, or use --source registry"
                raise ImageUnsupported(f"Docker Engine has another image of this name: layer {layer.digest} is not in it", hint=hint)
            return cast("BinaryIO", _member(*layers[diff_id]))

        yield opened


def _layers(file: IO[bytes], lock: ImageLock) -> dict[str, tuple[tarfile.TarFile, str]]:
    """Where each layer is in the archive, by diff_id."""
    try:
        archive = tarfile.TarFile(fileobj=file)
        (row,) = _document(archive, "manifest.json")
        diff_ids = _document(archive, row["Config"])["rootfs"]["diff_ids"]
        return {diff_id: (archive, path) for diff_id, path in zip(diff_ids, row["Layers"], strict=True)}
    except (tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise ImageUnsupported(f"{lock.reference}: Docker Engine gave an archive of another form") from error


def _document(archive: tarfile.TarFile, name: str) -> Any:
    with _member(archive, name) as file:
        return json.loads(file.read(_DOCUMENT))


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """Links lead to another member: older engines name a layer that two images have only once."""
    file = archive.extractfile(name)
    if file is None:
        raise LookupError(name)
    return file
