"""From the command line to a context: settings, wiring, and graceful handling of signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.connections import Wiring
from kelvin_provision.context import Context, opened, silent
from kelvin_provision.errors import Interrupted
from kelvin_provision.hints import command
from kelvin_provision.settings.model import Settings

if TYPE_CHECKING:
    from kelvin_provision.events import Progress

_WIRING: ContextVar[Wiring | None] = ContextVar("wiring", default=None)


@contextmanager
def wired(wiring: Wiring) -> Iterator[None]:
    """Commands in the block use this wiring instead of the real one."""
    token = _WIRING.set(wiring)
    try:
        yield
    finally:
        _WIRING.reset(token)


def settings_of(session: Session) -> Settings:
    """The settings of this box. Raises SettingsInvalid, and what `refuse_state_of_others` raises."""
    from kelvin_provision.settings.load import load

    settings = load(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings
    refuse_state_of_others(session, settings)
    return settings


def refuse_state_of_others(session: Session, settings: Settings) -> None:
    """Raises PermissionRefused or CannotWrite for a state directory that this user should not work with. Creates nothing."""
    from kelvin_provision.settings.state_dir import refuse_unsafe

    refuse_forgotten_sudo(session, settings)
    refuse_unsafe(settings.state_dir, uid=os.geteuid())


def refuse_forgotten_sudo(session: Session, settings: Settings) -> None:
    """Raises PermissionRefused for another user than root who would work on the state of root, or on an empty one beside it."""
    from kelvin_provision.settings import state_dir

    explicit = session.state_dir is not None or bool(os.environ.get(hints.STATE_DIR_VARIABLE))
    state_dir.refuse_forgotten_sudo(settings.state_dir, explicit=explicit, uid=os.geteuid())


@contextmanager
def context_of(session: Session, *, progress: Progress = silent, settings: Settings | None = None) -> Iterator[Context]:
    """A context for the block. Connections are opened when first used."""
    settings = settings or settings_of(session)
    with opened(settings, wiring_of(session, settings), progress=progress) as ctx:
        yield ctx


def wiring_of(session: Session, settings: Settings) -> Wiring:
    """The real wiring, unless `main` was given another."""
    replaced = _WIRING.get()
    if replaced is not None:
        return replaced
    from kelvin_provision.agent.lifecycle.launcher import Launcher, detached_agent
    from kelvin_provision.wiring import default

    return default(Launcher(detached_agent(settings.state_dir, session.config)))


@contextmanager
def operating(session: Session, *, hangup: bool = False, log: bool = False) -> Iterator[Context]:
    """A context for long work: progress is shown, and signals end it in good order (see `signals_noted`)."""
    from kelvin_provision.cli.render.progress import choose

    with choose(session, log=log) as progress, context_of(session, progress=progress) as ctx, signals_noted(hangup=hangup) as stop:
        try:
            yield replace(ctx, stop=stop)
        except KeyboardInterrupt:
            from kelvin_provision.usecases.operation import describe_unfinished

            raise interrupted_again(describe_unfinished(ctx)) from None


def interrupted_again(rest: str) -> Interrupted:
    """The error for a second Ctrl-C; `rest` is what happens to what was cut off, empty for nothing."""
    return Interrupted(f"stopped by a second signal{f': {rest}' if rest else ''}", hint=command("workloads list") if rest else "")


@contextmanager
def signals_noted(*, hangup: bool = False) -> Iterator[Callable[[], bool]]:
    """A function that returns True after the first SIGINT or SIGTERM, so that the work can end in good order.

    A second SIGINT interrupts immediately; recovery then undoes the change from the journal. SIGHUP is ignored: a dropped terminal must
    not stop a transaction. With `hangup` it counts as well: a command that only shows must end with its terminal.
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
