"""List images: where they are, and which workloads need them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Item, Report

_INVENTORY = Option(
    "--inventory", metavar="FILE", help="Write what this box has into FILE, or into a folder, for `bundle create --for FILE`; - prints it."
)


def command(session: Session, *, inventory: Annotated[Path | None, _INVENTORY] = None) -> Report:
    """List images: where they are, and which workloads need them.

    Only images that this program brought here. STORE tells whether the downloaded copy is complete, RUNTIME whether containers can
    use it; a layer that a delta made is in the store without compression. The inventory has the same for a desk, as JSON with the
    layers of the images and no secret.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.images import table
    from kelvin_provision.queries.images import images

    if inventory is not None:
        return _inventory(session, inventory)
    with context_of(session) as ctx:
        result = images(ctx)
    document = {"schema": SCHEMA, "command": "images list"} | result.to_json()
    names = (*(image.lock.name for image in result.inventory.images), *result.inventory.orphans)
    return Report("images list", document=document, table=table(result), warnings=result.warnings, names=names)


def _inventory(session: Session, path: Path) -> Report:
    from kelvin_provision.bundles.inventories.inventory import encode, file_name
    from kelvin_provision.cli.frame import terminal
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.files.durable import write_durably
    from kelvin_provision.images.box_inventory import box_inventory

    with context_of(session) as ctx:
        result = box_inventory(ctx)
    document = result.inventory.to_json()
    if str(path) == "-":
        if not session.document:
            terminal.send([encode(document)])
        return Report("images list", document=document, warnings=result.warnings, streamed=not session.document)
    path = path / file_name(result.inventory.box) if path.is_dir() else path
    write_durably(path, [encode(document)], mode=0o644)
    count = len(result.inventory.layers)
    detail = f"{result.inventory.box}, {count} layer{'' if count == 1 else 's'}"
    return Report("images list", (Item("inventory", str(path), "written", detail),), warnings=result.warnings)
