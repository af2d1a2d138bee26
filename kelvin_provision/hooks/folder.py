"""The folder of hooks: which there are, whether they can be trusted, and running them in order.

For each event the file of its name, then the files in `EVENT.d` by name. Hidden files and backup files of editors are no hooks. Any other
file that cannot be run is refused, because a script that is silently skipped is worse than none.
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
from kelvin_provision.hooks.process import Ending, Outcome, run

EVENTS = ("pre-apply", "post-apply", "on-failure")
BACKUP_SUFFIXES = ("~", ".bak", ".swp")


class HookFolder:
    """`timeout`: seconds for each hook."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout

    def any(self) -> bool:
        return any(self._hooks(event) for event in EVENTS)

    def inspect(self) -> tuple[int, tuple[HookRefused, ...]]:
        """Raises PermissionRefused when the folder cannot be read."""
        hooks = [hook for event in EVENTS for hook in self._hooks(event)]
        refusals = []
        for hook in hooks:
            try:
                refuse_untrusted(hook)
            except HookRefused as error:
                refusals.append(error)
        return len(hooks), tuple(refusals)

    def run(self, event: str, document: Mapping[str, Any], progress: Progress, stop: Callable[[], bool]) -> None:
        """Up to the first that fails. Raises HookRefused before any hook runs, HookFailed, HookTimeout, Interrupted."""
        hooks = self._hooks(event)
        for hook in hooks:
            refuse_untrusted(hook)
        data = json.dumps(document, indent=2).encode() + b"\n"
        for hook in hooks:
            name = str(hook.relative_to(self._folder))
            progress(Started(name, "running"))
            try:
                outcome = run(hook, data, event, timeout=self._timeout, stop=stop)
            except OSError as error:
                raise HookFailed(f"hook {name} could not be started: {(error.strerror or str(error)).lower()}") from error
            progress(Finished(name, "done" if outcome.success else "failed", outcome.why))
            if not outcome.success:
                raise self._failure(hook, name, outcome)

    def _failure(self, hook: Path, name: str, outcome: Outcome) -> HookFailed | HookTimeout | HookRefused | Interrupted:
        evidence = [f"{name}: {line}" for line in outcome.output]
        match outcome.ending:
            case Ending.TIMEOUT:
                return HookTimeout(f"hook {name} took longer than {self._timeout:g} s and was killed", evidence=evidence)
            case Ending.STOPPED:
                return Interrupted(f"hook {name} was stopped by a signal", evidence=evidence)
            case Ending.UNSTARTABLE:
                return HookRefused(f"{hook} cannot be started: {outcome.why}")
        reason = outcome.why or (f"exit code {outcome.code}" if outcome.code >= 0 else f"killed by signal {-outcome.code}")
        return HookFailed(f"hook {name}: {reason}", evidence=evidence)

    def _hooks(self, event: str) -> tuple[Path, ...]:
        try:
            return tuple(_files(self._folder, event))
        except PermissionError as error:
            raise PermissionRefused(f"no permission to read {error.filename}, so its hooks are unknown") from error


def _files(folder: Path, event: str) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        (folder / event).lstat()
        yield folder / event
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted((folder / f"{event}.d").iterdir()):
            if not path.name.startswith(".") and not path.name.endswith(BACKUP_SUFFIXES):
                yield path


def refuse_untrusted(hook: Path) -> None:
    """Raise HookRefused for a hook that another user than root and us could change, its folders included, and for what is no program."""
    try:
        paths = [hook.resolve(strict=True), *hook.resolve().parents, hook.parent.resolve(), *hook.parent.resolve().parents]
        for path in dict.fromkeys(paths):
            _refuse_writable(hook, path, path.stat())
    except OSError as error:
        raise HookRefused(f"{hook}: {(error.strerror or str(error)).lower()}") from error
    if not hook.is_file():
        raise HookRefused(f"{hook} is not a file", hint=f"a directory of hooks is named {hook.name}.d")
    if not os.access(hook, os.X_OK):
        raise HookRefused(f"{hook} is not executable", hint=system("chmod", "755", str(hook)))


def _refuse_writable(hook: Path, path: Path, status: os.stat_result) -> None:
    subject = str(hook) if path == hook else f"{hook}: {path}"
    if status.st_uid not in {0, os.geteuid()}:
        raise HookRefused(f"{subject} belongs to user {status.st_uid}, who could change it", hint=system("chown", "root", str(path)))
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise HookRefused(f"{subject} is writable for other users (mode {mode})", hint=system("chmod", "go-w", str(path)))
