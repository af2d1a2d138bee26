"""Hash every stored image again and quarantine corrupt blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.images.verify import CorruptBlob


def command(session: Session) -> Report:
    """Hash every stored image again and quarantine corrupt blobs.

    It reads the whole store from the disk, at low priority, and does not touch what runs. Exit code 1 when a blob is corrupt.
    """
    return verify(session)


def verify(session: Session) -> Report:
    """An item for each corrupt or missing blob, and one for the store."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.images import verify as images_verify

    with choose(session) as progress, context_of(session, progress=progress) as ctx:
        result = images_verify.run(ctx.ledger, ctx.store, lambda: ctx.runtime, progress)
    items = [Item("blob", blob.digest, "quarantined" if blob.present else "missing", _detail(blob)) for blob in result.corrupt]
    count = f"{result.blobs} blob{'' if result.blobs == 1 else 's'}, {format_bytes(result.bytes)}"
    items.append(Item("store", str(ctx.settings.state_dir), "damaged" if result.corrupt else "verified", count))
    return Report("images verify", tuple(items), exit_code=1 if result.corrupt else 0)


def _detail(blob: CorruptBlob) -> str:
    """The images and workloads that need it, and what happens next."""
    if not blob.images:
        return "no image needs it"
    used = ", ".join(str(use) for use in blob.uses)
    names = " -n ".join(dict.fromkeys(use.workload for use in blob.uses))
    if blob.redownloaded:
        after = "the agent downloads it again"
    elif blob.loaded:
        after = "the runtime has the image, what runs is not affected; to download it again, deploy that version again"
    else:
        after = f"it is not downloaded again, and the runtime lacks the image: deploy that version again (workloads show -n {names})"
    return f"of {', '.join(blob.images)}{f' for {used}' if used else ''}; {after}"
