"""After an import: a receipt and the inventory of this box, left beside the bundle for the desk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.inventories.inventory import encode, file_name
from kelvin_provision.bundles.inventories.receipt import Receipt
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.images.box_inventory import box_inventory
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.media.leaving import leave
from kelvin_provision.usecases.bundles.import_plan import ImportPlan


def leave_receipt(ctx: Context, plan: ImportPlan, revisions: Sequence[Revision]) -> tuple[Path, ...]:
    """The files that are there. None for further parts of a bundle, and where there is no medium that can be written; never an error."""
    if plan.head is None:
        return ()
    receipt = Receipt(
        box=ctx.box_name,
        name=plan.contents.name,
        serial=plan.contents.serial,
        digest=plan.digest,
        accepted=tuple((revision.workload, revision.number, revision.spec.app_version) for revision in revisions),
        images=tuple(str(lock.reference) for lock in plan.kept),
        time=ctx.ledger.clock(),
    )
    files = {receipt.file_name: encode(receipt.to_json())}
    with suppress(ProvisionError):  # a damaged ledger has said so already
        files[file_name(ctx.box_name)] = encode(box_inventory(ctx).inventory.to_json())
    return leave(plan.files.paths[1].parent, files, ctx.settings.state_dir)
