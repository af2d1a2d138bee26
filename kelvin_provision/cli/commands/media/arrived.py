"""Look at a medium, and do what media.auto says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report

_DEVICE = Argument(metavar="DEVICE|FOLDER", help="The device of a medium, such as /dev/sdb1, or the folder where it is mounted.")
_IMPORT = Option("--import", help="Import what trust.keys have signed, whatever media.auto says.")


def command(session: Session, device: Annotated[Path, _DEVICE], *, imports: Annotated[bool, _IMPORT] = False) -> Report:
    """Look at a medium, and do what media.auto says.

    The unit of `media install` runs it for each medium that arrives. A device that nothing has mounted is mounted read-only while it is
    looked at. With `inspect`, bundles are shown, also by `media list`, `workloads list` and the page. With `import`, bundles that
    trust.keys have signed are imported in the order of their names, each once, and copied at once; the others are refused.
    """
    from kelvin_provision.cli.commands.media.shown import items_of
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.media.devices import mounted
    from kelvin_provision.usecases.bundles.media.arriving import ArrivalRequest, arrived

    with operating(session, log=True) as ctx:
        auto = ctx.settings.media.auto
        if auto == "off" and not imports:
            return Report("media arrived", warnings=(f"media.auto is off: {device} is left alone",))
        with mounted(device) as place:
            arrival = arrived(ctx, ArrivalRequest(str(device), place, imports=imports or auto == "import"))
    document = {"schema": SCHEMA, "command": "media arrived", "status": "success", **arrival.to_json()}
    return Report("media arrived", items_of(arrival), document=document, names=tuple(bundle.name for bundle in arrival.bundles))
