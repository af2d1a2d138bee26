"""Hash every stored image again and quarantine corrupt blobs."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Hash every stored image again and quarantine corrupt blobs.

    It reads the whole store from the disk, at low priority, and does not touch what runs. Exit code 1 when a blob is corrupt.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.images import describe_corrupt
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.images import verify
    from kelvin_provision.quantity import format_bytes

    with choose(session) as progress, context_of(session, progress=progress) as ctx:
        result = verify.run(ctx.ledger, ctx.store, lambda: ctx.runtime, progress)
    items = [Item("blob", blob.digest, "quarantined" if blob.present else "missing", describe_corrupt(blob)) for blob in result.corrupt]
    count = f"{result.blobs} blob{'' if result.blobs == 1 else 's'}, {format_bytes(result.bytes)}"
    items.append(Item("store", str(ctx.settings.state_dir), "damaged" if result.corrupt else "verified", count))
    return Report("images verify", tuple(items), exit_code=1 if result.corrupt else 0)
