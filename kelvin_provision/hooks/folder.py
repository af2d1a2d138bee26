"""The folder of hooks: which there are, whether they may be trusted, and running them in their order.

For each event a file of its name, then the files of `EVENT.d` by name. Hidden files and editors' copies are no hooks; whatever else is
there and cannot be run is refused, because a script that is passed over in silence is worse than none.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kelvin_provision.errors import HookFailed, HookRefused, HookTimeout, Interrupted, PermissionRefused
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.hints import system
from kelvin_provision.hooks.running import Outcome, run

EVENTS = ("pre-apply", "post-apply", "on-failure")


class HookFolder:
    """The hooks of this box; `timeout` in seconds, for each."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout

    def any(self) -> bool:
        """Whether there is one for any event."""
        return any(self._of(event) for event in EVENTS)

    def inspect(self) -> tuple[int, tuple[HookRefused, ...]]:
        """How many there are, and why some would not be run; none is. Raises PermissionRefused."""
        hooks = [hook for event in EVENTS for hook in self._of(event)]
        refused = []
        for hook in hooks:
            try:
                refuse_untrusted(hook)
            except HookRefused as error:
                refused.append(error)
        return len(hooks), tuple(refused)

    def run(self, event: str, document: Mapping[str, Any], progress: Progress, stop: Callable[[], bool]) -> None:
        """All of an event, up to the first that fails. Raises HookRefused before any is run, HookFailed, HookTimeout, Interrupted."""
        hooks = self._of(event)
        for hook in hooks:
            refuse_untrusted(hook)
        data = json.dumps(document, indent=2).encode() + b"\n"
        for hook in hooks:
            name = str(hook.relative_to(self._folder))
            progress(Started(name, "running"))
            outcome = run(hook, data, event, timeout=self._timeout, stop=stop)
            well = outcome.how == "ended" and outcome.code == 0
            progress(Finished(name, "done" if well else "failed", outcome.why))
            if not well:
                raise self._failure(hook, name, outcome)

    def _failure(self, hook: Path, name: str, outcome: Outcome) -> HookFailed | HookTimeout | HookRefused | Interrupted:
        evidence = [f"{name}: {line}" for line in outcome.lines]
        if outcome.how == "timeout":
            return HookTimeout(f"hook {name} took longer than {self._timeout:g} s and was killed", evidence=evidence)
        if outcome.how == "stopped":
            return Interrupted(f"hook {name} was stopped by a signal", evidence=evidence)
        if outcome.how == "unstartable":
            return HookRefused(f"{hook} cannot be started: {outcome.why}")
        words = outcome.why or (f"exit code {outcome.code}" if outcome.code >= 0 else f"killed by signal {-outcome.code}")
        return HookFailed(f"hook {name}: {words}", evidence=evidence)

    def _of(self, event: str) -> tuple[Path, ...]:
        try:
            return tuple(_found(self._folder, event))
        except PermissionError as error:
            raise PermissionRefused(f"no permission to read {error.filename}: what its hooks want is not known") from error


def _found(folder: Path, event: str) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        (folder / event).lstat()
        yield folder / event
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted((folder / f"{event}.d").iterdir()):
            if not path.name.startswith(".") and not path.name.endswith(("~", ".bak", ".swp")):
                yield path


def refuse_untrusted(hook: Path) -> None:
    """Raise HookRefused for what another than root and us could change, on its way there too, and for what is no program."""
    try:
        places = [hook.resolve(strict=True), *hook.resolve().parents, hook.parent.resolve(), *hook.parent.resolve().parents]
        for place in dict.fromkeys(places):
            _refuse_open(hook, place, place.stat())
    except OSError as error:
        raise HookRefused(f"{hook}: {(error.strerror or str(error)).lower()}") from error
    if not hook.is_file():
        raise HookRefused(f"{hook} is no file", hint=f"a folder of hooks is called {hook.name}.d")
    if not os.access(hook, os.X_OK):
        raise HookRefused(f"{hook} is not executable", hint=system("chmod", "755", str(hook)))


def _refuse_open(hook: Path, place: Path, found: os.stat_result) -> None:
    what = str(hook) if place == hook else f"{hook}: {place}"
    if found.st_uid not in {0, os.geteuid()}:
        raise HookRefused(f"{what} belongs to user {found.st_uid}, who could change it", hint=system("chown", "root", str(place)))
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise HookRefused(
            f"{what} can be changed by others (mode {stat.S_IMODE(found.st_mode):04o})", hint=system("chmod", "go-w", str(place))
        )
