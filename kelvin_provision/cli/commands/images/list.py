"""List images: where they are, and which workloads need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.images.inventory import Image, Inventory

_COLUMNS = ("image", "digest", "size", "store", "runtime", "pinned", "used by", "platform", "name")
NOBODY = "nobody"


def command(session: Session) -> Report:
    """List images: where they are, and which workloads need them.

    Only images that this program brought here. STORE tells whether the downloaded copy is complete, RUNTIME whether containers can
    use it.
    """
    return listed(session)


def listed(session: Session) -> Report:
    """Of the ledger, the store and the runtime; a runtime that does not answer is a warning."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.images.inventory import take_inventory

    with context_of(session) as ctx:
        inventory = take_inventory(ctx.ledger, ctx.store, lambda: ctx.runtime)
        prunable = ctx.store.reclaimable(ctx.ledger.kept_locks(), quarantined=True)
    rows = [_row(image, inventory) for image in inventory.images] + [_orphan(name) for name in inventory.orphans]
    document = {
        "schema": SCHEMA,
        "command": "images list",
        "images": [_document(image) for image in inventory.images],
        "orphans": list(inventory.orphans),
        "store": {"path": str(ctx.settings.state_dir), "prunable": prunable},
        "warnings": list(_warnings(inventory)),
    }
    table = Table(
        _COLUMNS,
        rows,
        wide=frozenset({"platform", "name"}),
        empty="No images found.",
        footer=_footer(inventory, prunable),
        gives=("used by", "size"),
    )
    names = (*(image.lock.name for image in inventory.images), *inventory.orphans)
    return Report("images list", document=document, table=table, warnings=_warnings(inventory), names=names)


def _row(image: Image, inventory: Inventory) -> tuple[str, ...]:
    lock, whole = image.lock, image.lock.size
    store = "yes" if image.stored == whole else f"{100 * image.stored // whole}%" if image.stored else "no"
    used = ", ".join(str(use) for use in image.uses) or NOBODY
    pinned = "ignored" if inventory.info and not inventory.info.pins and image.loaded else _word(image.pinned)
    where = (store, _word(image.loaded), pinned, used, str(lock.platform), lock.name)
    return (str(lock.reference), _short(lock.root.digest), format_bytes(whole), *where)


def _orphan(name: str) -> tuple[str, ...]:
    return (name.partition("@")[0], _short(name.rpartition("@")[2]), "-", "no", "yes", "-", "not of this state folder", "-", name)


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]


def _word(known: bool | None) -> str:  # noqa: FBT001  (three answers of one question)
    return "?" if known is None else "yes" if known else "no"


def _document(image: Image) -> dict[str, Any]:
    return {
        "reference": str(image.lock.reference),
        "name": image.lock.name,
        "digest": image.lock.root.digest,
        "config": image.lock.config.digest,
        "platform": str(image.lock.platform),
        "size": image.lock.size,
        "stored": image.stored,
        "in_store": image.stored == image.lock.size,
        "in_runtime": image.loaded,
        "pinned": image.pinned,
        "used_by": [{"workload": use.workload, "revision": use.revision, "version": use.version, "slot": use.slot} for use in image.uses],
    }


def _warnings(inventory: Inventory) -> tuple[str, ...]:
    if inventory.runtime_error:
        return (f"what is in the runtime is not known: {inventory.runtime_error}",)
    if inventory.info and not inventory.info.pins and inventory.images:
        return (f"{inventory.info.name} {inventory.info.version} knows no pins: what its collector removes, the agent puts back",)
    return ()


def _footer(inventory: Inventory, prunable: int) -> str:
    """Blobs that two images share are counted once."""
    count = len(inventory.images) + len(inventory.orphans)
    blobs = {blob.digest: blob.size for image in inventory.images if image.stored == image.lock.size for blob in image.lock.blobs()}
    more = f"; kelvin-provision images prune would free {format_bytes(prunable)} there" if prunable else ""
    return f"Total: {count} image{'' if count == 1 else 's'}, {format_bytes(sum(blobs.values()))} in the store{more}"
