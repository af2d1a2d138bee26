"""From what a person typed to this box: settings, node, and an operation that signals end in good order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.node import Node, opened
from kelvin_provision.settings.model import Settings

if TYPE_CHECKING:
    from kelvin_provision.events import Progress


def settings_of(session: Session) -> Settings:
    """What this box is set to; raises SettingsInvalid."""
    from kelvin_provision.settings.load import load

    return load(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings


@contextmanager
def node_of(session: Session, *, progress: Progress | None = None, settings: Settings | None = None) -> Iterator[Node]:
    """This box for the time of the block."""
    with opened(settings or settings_of(session), progress=progress) as node:
        yield node


def same_box(session: Session, settings: Settings) -> list[str]:
    """The arguments that make another process of ours see the same box."""
    arguments = ["--state-dir", str(settings.state_dir)]
    if session.config is not None:
        arguments += ["--config", str(session.config.expanduser().absolute())]
    return arguments


@contextmanager
def signals_noted(*, hangup: bool = False) -> Iterator[Callable[[], bool]]:
    """A question that turns true with the first SIGINT or SIGTERM, so that the work can end in good order.

    A second SIGINT interrupts for good; the journal has what is needed to undo it then. SIGHUP changes nothing: a terminal that
    was dropped must not stop a transaction. With `hangup` it counts as well: who only looks must not look on when nobody is there.
    """
    seen = False

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, note if hangup else signal.SIG_IGN)
    try:
        yield lambda: seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
