"""Show what a bundle has, for whom it is, and who signed it."""

from __future__ import annotations

from kelvin_provision.cli.commands.bundle.place import Expect, Places, readable_settings, trust_of
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session, place: Places, *, expect: Expect = "") -> Report:
    """Show what a bundle has, for whom it is, and who signed it.

    Reads the table of contents and the requests, no image, and changes nothing. Needs neither root nor a box: a desk will do. Where the
    settings have trust.keys, a bundle that none of them has signed is refused, and nothing of it is shown.
    """
    from kelvin_provision.bundles.inspection import BundlePlace, inspect
    from kelvin_provision.cli.commands.bundle.shown import described
    from kelvin_provision.usecases.bundles.trust.serials import older_here

    settings = readable_settings(session)
    result = inspect(BundlePlace(tuple(place), expect), trust_of(session))
    older = older_here(settings.state_dir, result.accepted)
    warnings = (*result.warnings, *([older.text] if older else []))
    document = {"schema": SCHEMA, "command": "bundle inspect"} | result.to_json() | {"warnings": list(warnings)}
    names = tuple(str(image.reference) for image in result.contents.images)
    return Report("bundle inspect", text=described(result), document=document, warnings=warnings, names=names)
