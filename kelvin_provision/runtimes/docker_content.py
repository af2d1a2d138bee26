"""What Docker Engine has of images without being told: whether an image is one of ours, and which layers need not be sent to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import MAX_LOCAL, LocalImage, plain_layers_of

CONTENT = "io.containerd.content.v1.content/blobs"
"""Below the folder of a containerd."""


class DockerContent:
    """What an engine has."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def path(self, digest: str) -> Path | None:
        """The file of a blob in the containerd image store; None where it is none of this machine's."""
        folder = self._engine.storage().compressed
        return folder.joinpath(CONTENT, *digest.split(":", 1)) if folder else None

    def is_image(self, image: Mapping[str, Any], lock: ImageLock) -> bool:
        """Whether an image with a tag of ours is this one, as it was published or with plain layers.

        Where we may not read the manifest, or it is on another machine, an image with its layers is taken for it: only we give it that tag.
        """
        if image["Id"] == self._engine.identity().of(lock):
            return True
        if self._engine.identity() is not Identity.ROOT or tuple(image["RootFS"].get("Layers") or ()) != lock.diff_ids:
            return False
        path = self.path(image["Id"])
        if path is None:
            return True
        try:
            with path.open("rb") as file:
                return plain_layers_of(lock, file.read(MAX_LOCAL + 1)) is not None
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def layers_of(self, image: LocalImage) -> frozenset[str]:
        """The layers that the engine has and need not be sent.

        Its own store has a layer if it has an image that begins with the same ones up to there. The containerd image store has it if an
        image has it and its blob is there: the same folder has the blobs of other clients, which are not given to the engine.
        """
        diff_ids = image.lock.diff_ids
        if len(diff_ids) != len(image.layers):
            return frozenset()
        chains = self._engine.images.layers()
        if self._engine.identity() is Identity.CONFIG:
            known = max((_shared(chain, diff_ids) for chain in chains), default=0)
            later = {layer.digest for layer in image.layers[known:]}
            return frozenset(layer.digest for layer in image.layers[:known]) - later
        here = {diff_id for chain in chains for diff_id in chain}
        layers = zip(image.layers, diff_ids, strict=True)
        return frozenset(layer.digest for layer, diff_id in layers if diff_id in here and self._keeps(layer))

    def _keeps(self, layer: Descriptor) -> bool:
        path = self.path(layer.digest)
        with suppress(OSError):
            return path is not None and path.stat().st_size == layer.size
        return False


def _shared(chain: Sequence[str], other: Sequence[str]) -> int:
    """How many layers two images have in common, from the first on."""
    differences = (number for number, (layer, another) in enumerate(zip(chain, other, strict=False)) if layer != another)
    return next(differences, min(len(chain), len(other)))
