"""Look at the publications that this box follows, and stage what is new."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

_PUBLICATIONS = Argument(metavar="[PUBLICATION...]", help="Only these of follow.publications.")


def command(session: Session, publication: Annotated[list[str] | None, _PUBLICATIONS] = None) -> Report:
    """Look at the publications that this box follows, and stage what is new.

    The agent does it by itself (follow.interval); this does not wait for it. Only what keys of trust.keys for requests have signed is
    taken in, and nothing older than was taken in before. Images are downloaded afterwards, in the background.
    """
    from kelvin_provision.cli.commands.follow.shown import items_of
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.following.taking import take_all

    with operating(session) as ctx:
        results = take_all(ctx, tuple(publication or ()))
    warnings = tuple(warning for result in results for warning in result.warnings)
    refusal = next((result.error for result in results if result.error), None)
    return Report(
        "follow now",
        tuple(item for result in results for item in items_of(result)),
        warnings=warnings,
        names=tuple(revision.workload for result in results for revision in result.staged),
        more={"publications": [result.to_json() for result in results]},
        refusal=refusal,
        exit_code=refusal.exit_code if refusal else 0,
    )
