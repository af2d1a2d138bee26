"""List images: where they are, and which workloads need them."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """List images: where they are, and which workloads need them.

    Only images that this program brought here. STORE tells whether the downloaded copy is complete, RUNTIME whether containers can
    use it.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.images import table
    from kelvin_provision.queries.images import images

    with context_of(session) as ctx:
        result = images(ctx)
    document = {"schema": SCHEMA, "command": "images list"} | result.to_json()
    names = (*(image.lock.name for image in result.inventory.images), *result.inventory.orphans)
    return Report("images list", document=document, table=table(result), warnings=result.warnings, names=names)
