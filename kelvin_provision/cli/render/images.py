"""`images list` and `images verify` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.cli.render.report import Table
from kelvin_provision.quantity import format_bytes
from kelvin_provision.spec.lock import every_variant

if TYPE_CHECKING:
    from kelvin_provision.images.inventory import Image, Inventory
    from kelvin_provision.images.verify import CorruptBlob
    from kelvin_provision.queries.images import ImagesResult

COLUMNS = ("image", "digest", "size", "store", "runtime", "pinned", "used by", "platform", "name")
UNUSED = "none"


def table(result: ImagesResult) -> Table:
    inventory = result.inventory
    return Table(
        COLUMNS,
        [_row(image, inventory) for image in inventory.images] + [_orphan(name) for name in inventory.orphans],
        wide=frozenset({"platform", "name"}),
        empty="No images found.",
        footer=_footer(inventory, result.prunable),
        gives=("used by", "pinned", "digest", "runtime", "store"),
        folds=frozenset({"used by"}),
    )


def _row(image: Image, inventory: Inventory) -> tuple[str, ...]:
    lock, size = image.lock, image.size
    stored = "yes" if image.stored == size else f"{100 * image.stored // size}%" if image.stored else "no"
    if count := len(image.rebuilt):
        stored += f", {count} layer{'' if count == 1 else 's'} rebuilt"
    used_by = ", ".join(str(use) for use in image.uses) or UNUSED
    pinned = "ignored" if inventory.info and not inventory.info.pins and image.loaded else _yes_or_no(image.pinned)
    return (
        str(lock.reference),
        _short(lock.root.digest),
        format_bytes(size),
        stored,
        _yes_or_no(image.loaded),
        pinned,
        used_by,
        ", ".join(str(each.platform) for each in every_variant([lock])),
        lock.name,
    )


def _orphan(name: str) -> tuple[str, ...]:
    return (name.partition("@")[0], _short(name.rpartition("@")[2]), "-", "no", "yes", "-", "not of this state directory", "-", name)


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]


def _yes_or_no(answer: bool | None) -> str:  # noqa: FBT001  (three answers of one question)
    return "?" if answer is None else "yes" if answer else "no"


def _footer(inventory: Inventory, prunable: int) -> str:
    """Blobs that several images share are counted once."""
    count = len(inventory.images) + len(inventory.orphans)
    whole = [image for image in inventory.images if image.stored == image.size]
    blobs = {
        blob.digest: blob.size for image in whole for blob in (image.rebuilt.get(each.digest, each) for each in image.lock.blobs_of_all())
    }
    more = f"; kelvin-provision images prune would free {format_bytes(prunable)} there" if prunable else ""
    return f"Total: {count} image{'' if count == 1 else 's'}, {format_bytes(sum(blobs.values()))} in the store{more}"


def describe_corrupt(blob: CorruptBlob) -> str:
    """The images and workloads that need it, and what happens next."""
    if not blob.images:
        return "no image needs it"
    used = ", ".join(str(use) for use in blob.uses)
    names = " -n ".join(dict.fromkeys(use.workload for use in blob.uses))
    if blob.redownloaded:
        after = "the agent downloads it again"
    elif blob.loaded:
        after = "the runtime has the image, so running workloads are not affected; to download it again, deploy that version again"
    else:
        after = f"it is not downloaded again, and the runtime lacks the image: deploy that version again (workloads show -n {names})"
    return f"of {', '.join(blob.images)}{f' for {used}' if used else ''}; {after}"
