"""Whose state directory it is, looked at before anything of it is opened or created."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kelvin_provision.errors import CannotWrite, PermissionRefused
from kelvin_provision.hints import Hint, command, system
from kelvin_provision.settings.load import ROOT_STATE

SUDO = command("...", sudo=True)


def refuse_forgotten_sudo(state_dir: Path, *, explicit: bool, uid: int, root_state: Path = ROOT_STATE) -> None:
    """Raises PermissionRefused for a user who has no state of their own on a box where root has one, and for the state of root itself.

    `explicit`: --state-dir or a variable names the directory, so nothing was forgotten.
    """
    if uid == 0:
        return
    if not explicit and os.path.lexists(root_state) and not os.path.lexists(state_dir / "ledger.db"):
        raise _of_root(root_state)
    try:
        owner = state_dir.stat().st_uid
    except OSError:
        return  # `refuse_unsafe` says why
    if owner == 0:
        raise _of_root(state_dir)


def refuse_unsafe(state_dir: Path, *, uid: int) -> None:
    """Raises PermissionRefused for a directory that another user owns, can write to or keeps closed; CannotWrite for what is no directory.

    A user who can create names in it could replace our files by links, and have root write through them.
    """
    try:
        status = state_dir.stat()
    except FileNotFoundError:
        if state_dir.is_symlink():
            raise CannotWrite(f"{state_dir} is a link to a directory that does not exist") from None
        return
    except PermissionError as error:
        raise PermissionRefused(f"no permission to enter the directory of {state_dir}", hint=SUDO) from error
    except OSError as error:
        raise CannotWrite(f"{state_dir}: {(error.strerror or str(error)).lower()}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise CannotWrite(f"{state_dir} is not a directory")
    if status.st_uid != uid:
        name = _user(status.st_uid)
        raise PermissionRefused(f"the state directory {state_dir} belongs to {name}", hint=_take_over(state_dir, name, uid))
    if status.st_mode & 0o022:
        text = f"other users can write to the state directory {state_dir} (mode {stat.S_IMODE(status.st_mode):04o})"
        raise PermissionRefused(text, hint=system("chmod", "go-w", str(state_dir)))
    if not os.access(state_dir, os.R_OK | os.X_OK):
        raise PermissionRefused(f"no permission to read the state directory {state_dir}", hint=system("chmod", "u+rwx", str(state_dir)))


def _of_root(state_dir: Path) -> PermissionRefused:
    return PermissionRefused(f"root's state is in {state_dir}", hint=SUDO)


def _take_over(state_dir: Path, name: str, uid: int) -> Hint | str:
    if uid != 0:
        return "choose another directory with --state-dir"
    return system("chown", "-R", "root:", str(state_dir), instruction=f"run as {name}, choose another with --state-dir, or take it over")


def _user(uid: int) -> str:
    import pwd  # needed only for the error

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
