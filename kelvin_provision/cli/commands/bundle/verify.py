"""Read every byte of a bundle, and name the bad places."""

from __future__ import annotations

from kelvin_provision.cli.commands.bundle.place import Expect, Places, trust_of
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Item, Report


def command(session: Session, place: Places, *, expect: Expect = "") -> Report:
    """Read every byte of a bundle, and name the bad places.

    From the medium, not from memory, once and in order. Parts that are not here are named, and the others are verified all the same. Exit
    code 65 for damage: each bad place with its file, its MiB and what lies there.
    """
    from kelvin_provision.bundles.inspection import BundlePlace, verified
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.quantity import format_bytes

    with choose(session) as progress:
        result = verified(BundlePlace(tuple(place), expect), trust_of(session), progress)
    counts = result.result
    items = [Item("place", bad.path, "damaged", bad.text.removeprefix(f"{bad.path}, ")) for bad in counts.bad]
    detail = f"{counts.verified} of {counts.chunks} chunks, {format_bytes(counts.bytes)}"
    outcome = "damaged" if counts.bad else "incomplete" if counts.missing else "verified"
    items.append(Item("bundle", result.accepted.contents.name, outcome, detail))
    document = {"schema": SCHEMA, "command": "bundle verify", "status": "success"} | result.to_json()
    return Report("bundle verify", tuple(items), document=document, warnings=result.warnings, refusal=result.error)
