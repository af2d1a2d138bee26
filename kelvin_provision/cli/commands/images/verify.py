"""Hash every stored image again and quarantine corrupt blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.images.verify import Wrong


def command(session: Session) -> Report:
    """Hash every stored image again and quarantine corrupt blobs.

    Reads the whole store from the disk, at low priority; nothing that runs is touched. Exit code 1 when something was wrong.
    """
    return verify(session)


def verify(session: Session) -> Report:
    """An item for each blob that was wrong or is missing, and one for the store."""
    from kelvin_provision.cli.frame.box import node_of
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.images import verify as ops

    with choose(session) as progress, node_of(session, progress=progress) as node:
        found = ops.run(node.ledger, node.store, lambda: node.runtime, progress)
    items = [Item("blob", one.digest, "quarantined" if one.present else "missing", _detail(one)) for one in found.wrong]
    count = f"{found.blobs} blob{'' if found.blobs == 1 else 's'}, {format_bytes(found.bytes)}"
    items.append(Item("store", str(node.settings.state_dir), "damaged" if found.wrong else "verified", count))
    return Report("images verify", tuple(items), exit_code=1 if found.wrong else 0)


def _detail(wrong: Wrong) -> str:
    """Whose it was, and what becomes of it."""
    if not wrong.images:
        return "no image needs it"
    used = ", ".join(str(use) for use in wrong.uses)
    names = " -n ".join(dict.fromkeys(use.workload for use in wrong.uses))
    if wrong.again:
        after = "the agent fetches it again"
    elif wrong.loaded:
        after = "the runtime has the image, what runs is not affected; to have it fetched again, deploy that version again"
    else:
        after = f"nothing fetches it by itself, and the runtime lacks the image: deploy that version again (workloads show -n {names})"
    return f"of {', '.join(wrong.images)}{f' for {used}' if used else ''}; {after}"
