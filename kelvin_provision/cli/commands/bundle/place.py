"""Where a bundle is, and what it must be: arguments that several commands have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session

if TYPE_CHECKING:
    from kelvin_provision.settings.model import Settings
    from kelvin_provision.trust.believed import Trust

_WHERE = "The file of the bundle, one of its parts, or the folder that has it; several for parts on several media."
_PLACES = Argument(metavar="PLACE...", help=_WHERE)
_EXPECT = Option("--expect", metavar="DIGEST", help="Refuse a bundle with another digest than this one.")
Places = Annotated[list[Path], _PLACES]
Expect = Annotated[str, _EXPECT]


def compared(digest: str) -> str:
    """Whole, and without its algorithm, so that it is not shortened: it is compared by eye."""
    return digest.partition(":")[2]


def readable_settings(session: Session) -> Settings:
    """Who this box believes, and where its state is. That need not be there: a desk has none. Raises SettingsInvalid."""
    from kelvin_provision.settings.load import load

    return load(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings


def trust_of(session: Session) -> Trust:
    """Whom this box believes. No state directory is needed: a desk has none. Raises SettingsInvalid, StateDamaged."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.trust.believed import Trust

    settings = readable_settings(session)
    if not os.path.exists(settings.state_dir / "ledger.db"):  # noqa: PTH110  (not an error where the folder may not be read)
        return Trust(settings.trust)
    with context_of(session, settings=settings) as ctx:
        return ctx.trust
