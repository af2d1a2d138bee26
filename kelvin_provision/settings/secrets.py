"""The secrets of this box: one file each in one folder. Values are read at the last moment and kept nowhere.

The folder should be root's alone (0700, files 0600); other modes work, because a refusal would stop an apply offline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kelvin_provision.errors import PermissionRefused, SecretMissing


def has(folder: Path, name: str) -> bool:
    """Whether a secret is there, without reading it. Raises PermissionRefused when the folder may not be looked into."""
    try:
        return _is_name(name) and (folder / name).is_file()
    except PermissionError as error:
        raise PermissionRefused(f"{folder}: no permission to look for secrets") from error


def lookup(folder: Path) -> Callable[[str], str]:
    """What gives a secret's value for `NAME` or `secrets.NAME`, one newline at its end taken off.

    Raises SecretMissing with the path, PermissionRefused. Never says anything of the value.
    """

    def value_of(reference: str) -> str:
        name = reference.removeprefix("secrets.")
        path = folder / name
        if not _is_name(name):
            raise SecretMissing(f"secret {name}: not the name of a file in {folder}")
        try:
            return path.read_bytes().decode("utf-8").removesuffix("\n")
        except PermissionError as error:
            raise PermissionRefused(f"{path}: no permission to read the secret") from error
        except UnicodeDecodeError:
            # without its cause: the error holds the bytes
            raise SecretMissing(f"secret {name}: {path} is not text in UTF-8") from None
        except OSError as error:
            raise SecretMissing(f"secret {name}: there is no file {path}") from error

    return value_of


def _is_name(name: str) -> bool:
    return name != "" and not name.startswith(".") and "/" not in name and "\0" not in name
