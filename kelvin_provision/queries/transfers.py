"""The progress of each image of a workload, and the origin of its bytes: from ledger, file sizes and the agent's activity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.quantity import format_bytes
from kelvin_provision.queries.retries import agents_work
from kelvin_provision.spec.deltas import NO_DELTAS, DeltaUse
from kelvin_provision.spec.images import additional_images, images_of
from kelvin_provision.staging import origins

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Revision, Workload
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.staging.origins import Origin
    from kelvin_provision.staging.signatures.judging import ImageSigners

Tasks = Mapping[str, Mapping[str, Any]]
"""The agent's tasks (`verb`, `rate`), by the image's reference."""


@dataclass(frozen=True)
class ImageTransfer:
    """One image. Bytes are compressed ones in the store; `size` is None until the image is resolved, and where the cluster pulls it itself.

    `cached`, `taken` (from containerd), `medium` (from bundles) and `fetched` count where the layers in the store came from; None where
    that was not recorded.
    """

    image: str
    version: str
    reference: str
    """The requested reference, which is also the name of the agent's task."""
    pulled: bool = False
    size: int | None = None
    here: int = 0
    cached: int | None = None
    taken: int | None = None
    medium: int | None = None
    fetched: int | None = None
    verb: str = ""
    rate: int = 0
    additional: bool = False
    """In the `images` of the request, and in no container."""
    delta: DeltaUse = NO_DELTAS
    """What deltas do for it: `size` counts their bytes in place of those of layers."""
    signed: ImageSigners | None = None
    """Who signed it; None on a box without keys, and where the cluster pulls it."""

    @property
    def complete(self) -> bool:
        """Whether the store has all of it."""
        return self.size is not None and self.here >= self.size

    @property
    def seconds_left(self) -> int | None:
        """At the current rate; None while nothing arrives."""
        return None if self.size is None or not self.rate or self.complete else (self.size - self.here) // self.rate

    @property
    def source(self) -> str | None:
        """The origin of its bytes, or of the missing ones, in one word; None if unknown."""
        if self.pulled:
            return "cluster"
        if self.size is None or (self.complete and self.fetched is None):
            return None
        if self.fetched or not self.complete:
            return "network"
        return "bundle" if self.medium else "containerd" if self.taken else "cache"

    def to_json(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "app_version": self.version,
            "additional": self.additional,
            "source": self.source,
            "size": self.size,
            "here": self.here,
            "cached": self.cached,
            "taken": self.taken,
            "medium": self.medium,
            "fetched": self.fetched,
            "delta": self.delta.to_json() if self.delta else None,
            "doing": self.verb or None,
            "rate": self.rate,
            "seconds_left": self.seconds_left,
            "signatures": self.signed.to_json() if self.signed else None,
        }


def transfers(ctx: Context, workload: Workload) -> tuple[ImageTransfer, ...]:
    """All images of the running and the staged revision. The agent's activity is read only while it may work on them."""
    tasks = tasks_of_agent(ctx) if workload.staged and workload.staged.in_motion else {}
    images: list[ImageTransfer] = []
    for revision in (workload.running, workload.staged):
        if revision is None:
            continue
        of_revision = transfers_of(ctx, revision, tasks if revision is workload.staged else {})
        signed = tuple(signatures(ctx, revision))
        images += [replace(image, signed=signers) for image, signers in zip(of_revision, signed, strict=True)]
        if revision.locks is None:
            pulled = not revision.spec.method.staged
            version, additional = revision.spec.app_version, additional_images(revision.spec)
            images += [
                ImageTransfer(image, version, image, pulled=pulled, additional=image in additional) for image in images_of(revision.spec)
            ]
    return tuple(images)


def signatures(ctx: Context, revision: Revision) -> Iterator[ImageSigners | None]:
    """Who signed each image, by the ledger and the keys that are trusted now; None without keys, with which nothing is verified."""
    if not ctx.settings.trust.keys:  # the first key is one of the site file, also where documents came later
        yield from (None for _ in revision.locks or ())
        return
    from kelvin_provision.staging.signatures.judging import UNKNOWN, ImageSigners, signers_of  # most boxes have no keys

    for lock in revision.locks or ():
        try:
            yield signers_of(ctx.ledger, lock, ctx.trust)
        except ProvisionError as error:
            yield ImageSigners(UNKNOWN, text=str(error))


def tasks_of_agent(ctx: Context) -> Tasks:
    return {task["name"]: task for task in agents_work(ctx).get("tasks", ())}


def transfers_of(ctx: Context, revision: Revision, tasks: Tasks) -> list[ImageTransfer]:
    """All images of one revision; none before they are resolved."""
    recorded = origins.origins_of(ctx.ledger, revision) if revision.locks else {}
    additional = additional_images(revision.spec)
    transfers = [_transfer(ctx, lock, revision, recorded.get(lock.name), tasks) for lock in revision.locks or ()]
    return [replace(transfer, additional=transfer.reference in additional) for transfer in transfers]


def _transfer(ctx: Context, lock: ImageLock, revision: Revision, origin: Origin | None, tasks: Tasks) -> ImageTransfer:
    here, size = ctx.store.progress([lock])
    task = tasks.get(str(lock.reference), {})
    fetched = max(origins.layer_bytes(lock, ctx.store)[0] - origin.cached - origin.copied - origin.medium, 0) if origin else None
    return ImageTransfer(
        lock.pinned_reference,
        revision.spec.app_version,
        str(lock.reference),
        size=size,
        here=here,
        cached=origin.cached if origin else None,
        taken=origin.copied if origin else None,
        medium=origin.medium if origin else None,
        fetched=fetched,
        delta=ctx.store.deltas.use(lock),
        verb=str(task.get("verb") or ""),
        rate=int(task.get("rate") or 0),
    )


def describe_origin(image: ImageTransfer) -> str:
    """The origin of its bytes: one phrase if they have one origin, else each origin with its amount; empty if unknown.

    With what deltas did for it: `downloaded, delta: 59.0 KiB instead of 221 MiB`.
    """
    return ", ".join(filter(None, (_places(image), image.delta.text)))


def _places(image: ImageTransfer) -> str:
    if image.fetched is None:
        return ""
    places = (
        (image.cached, "already present"),
        (image.taken, "from containerd"),
        (image.medium, "from a bundle"),
        (image.fetched if image.complete else 0, "downloaded"),
    )
    used = [(count, text) for count, text in places if count]
    if image.complete and len(used) <= 1:
        return used[0][1] if used else "already present"
    return ", ".join(f"{format_bytes(count)} {text}" for count, text in used)
