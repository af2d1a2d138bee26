"""The secrets of this box: one file each in one folder. Values are read just before they are sent and never stored.

The folder should belong to root (0700, files 0600); other modes are accepted, because a refusal would stop an apply offline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kelvin_provision.errors import PermissionRefused, SecretMissing


def has(folder: Path, name: str) -> bool:
    """Whether a secret exists, without reading it. Raises PermissionRefused when the folder cannot be entered."""
    try:
        return _is_name(name) and (folder / name).is_file()
    except PermissionError as error:
        raise PermissionRefused(f"{folder}: no permission to read the secrets directory") from error


def lookup(folder: Path) -> Callable[[str], str]:
    """A function that returns the value of `NAME` or `secrets.NAME`, without one trailing newline.

    It raises SecretMissing with the path, PermissionRefused. No error contains the value.
    """

    def value_of(reference: str) -> str:
        name = reference.removeprefix("secrets.")
        path = folder / name
        if not _is_name(name):
            raise SecretMissing(f"secret {name}: not a file name in {folder}")
        try:
            return path.read_bytes().decode("utf-8").removesuffix("\n")
        except PermissionError as error:
            raise PermissionRefused(f"{path}: no permission to read the secret") from error
        except UnicodeDecodeError:
            # without the cause, which contains the bytes
            raise SecretMissing(f"secret {name}: {path} is not UTF-8 text", hint=hint_for(path)) from None
        except OSError as error:
            raise SecretMissing(f"secret {name}: no file {path}", hint=hint_for(path)) from error

    return value_of


def hint_for(path: Path) -> str:
    """What brings a missing secret to this box."""
    return f"write the value to {path}, mode 0600"


def _is_name(name: str) -> bool:
    return name != "" and not name.startswith(".") and "/" not in name and "\0" not in name
