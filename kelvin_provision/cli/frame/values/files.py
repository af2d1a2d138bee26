"""Files that are named on the command line: requests with the signatures beside them, and secrets."""

from __future__ import annotations

import sys
from pathlib import Path

from kelvin_provision.errors import FileUnreadable, ProvisionError
from kelvin_provision.hints import system

MOST_BYTES = 4 << 20
_LONGEST_SECRET = 4096
_OTHERS = 0o077


def signatures(path: Path, given: Path | None) -> bytes | None:
    """Those in the file that is given, which must be there, or of the one beside the request."""
    from kelvin_provision.files.durable import read_regular
    from kelvin_provision.trust.dsse import LARGEST_DOCUMENT
    from kelvin_provision.trust.requests import signature_path

    beside = given or signature_path(path)
    try:
        return read_regular(beside, LARGEST_DOCUMENT + 1, links=True)[0]
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not given:
            return None
        raise FileUnreadable(f"{beside}: {(error.strerror or str(error)).lower()}") from error


def content(path: Path) -> tuple[str, bytes]:
    """A file's name and bytes, at most one more than is allowed: how much too large it is does not matter."""
    try:
        if path == Path("-"):
            return "standard input", sys.stdin.buffer.read(MOST_BYTES + 1)
        with path.open("rb") as file:
            return str(path), file.read(MOST_BYTES + 1)
    except IsADirectoryError as error:
        hint = "give the files in it; for a kustomization, give the output of `kubectl kustomize`; for a chart, that of `helm template`"
        raise FileUnreadable(f"{path}: is a directory", hint=hint) from error
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error


def secret_in(path: Path, kind: str, refusal: type[ProvisionError]) -> str:
    """The first line of a file that its owner alone can read. `kind` is the word for it. Raises FileUnreadable, and `refusal`."""
    from kelvin_provision.files.durable import read_regular

    try:
        data, status = read_regular(path, _LONGEST_SECRET, links=True)
        secret = data.decode().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not text"
        raise FileUnreadable(f"{path}: {reason}") from error
    if status.st_mode & _OTHERS:
        raise refusal(f"{path}: other users can read this {kind}", hint=system("chmod", "600", str(path)))
    if not secret:
        raise refusal(f"the first line of {path} is empty", hint=f"write the {kind} there")
    return secret
