"""Print the public key with which this box signs its reports."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """Print the public key with which this box signs its reports.

    It is made at the first use, and its private half never leaves the box. At the desk, a file with it in the folder that
    `fleet status --keys` reads makes the reports of this box known ones; name the file as the box is called.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.following.boxkey import box_key

    with operating(session) as ctx:
        key, name = box_key(ctx.settings.state_dir).public, ctx.box_name
    document = {"schema": SCHEMA, "command": "follow key", "box": name, "key": key.key_id, "type": key.type, "pem": key.pem.decode()}
    return Report("follow key", document=document, text=key.pem.decode().rstrip("\n"), names=(key.key_id,))
