"""Secrets read out of files, documents and logs. They are collected to be searched for, and never shown."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from kelvin_provision.errors import ProvisionError, RequestRefused
from kelvin_provision.masking.documents import secrets_in
from kelvin_provision.masking.text import secrets_in_text

MAX_BYTES = 1 << 20
"""Of one file."""
MAX_FILES = 1000
MIN_LEARNED = 8
"""A shorter value in a log is a word like any other."""
Source = Callable[[], Iterable[bytes]]


def gather(sources: Mapping[str, Source]) -> tuple[frozenset[bytes], tuple[str, ...]]:
    """All secrets, and a warning for each source that could not be read: its secrets are found by the other rules only."""
    secrets: set[bytes] = set()
    unread = []
    for name, source in sources.items():
        try:
            secrets.update(source())
        except (OSError, ProvisionError) as error:
            reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
            unread.append(f"{name}: not read ({reason}); secrets from there are found by name and pattern only")
    return frozenset(secrets), tuple(unread)


def of_ledger(rows: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[bytes]:
    """The secrets in requests and in the objects made from them. Other columns are messages, in which a word is a word."""
    for row in rows():
        for value in row.values():
            if isinstance(value, str):
                yield from of_log([value])
            else:
                yield from _bytes(secrets_in(value))


def of_folder(folder: Path) -> Iterator[bytes]:
    """The files of the secrets folder, if it exists."""
    if not folder.exists():
        return
    for path in islice(sorted(folder.iterdir()), MAX_FILES):
        if path.is_file():
            yield _read(path)


def of_login_file(path: Path) -> Iterator[bytes]:
    """Passwords and tokens, and user:password as it is sent."""
    if not path.exists():
        return
    text = _read(path).decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from _bytes(secrets_in_text(text))
        return
    yield from of_logins(document)


def of_logins(document: Any) -> Iterator[bytes]:
    """The secrets of a document such as Docker's config.json, or of any other."""
    yield from _bytes(secrets_in(document))
    auths = document.get("auths") if isinstance(document, dict) else None
    for entry in auths.values() if isinstance(auths, dict) else ():
        if isinstance(entry, dict):
            yield from _of_login(entry)


def of_value(value: str) -> Iterator[bytes]:
    """A secret, and where it is a document of logins, those as well."""
    yield value.encode("utf-8", "surrogatepass")
    if value.startswith("{"):
        with suppress(ValueError, RecursionError):
            yield from of_logins(json.loads(value))


def _of_login(entry: Mapping[str, Any]) -> Iterator[bytes]:
    user, password, auth = (str(entry.get(key) or "") for key in ("username", "password", "auth"))
    both = f"{user}:{password}".encode() if password else b""
    try:
        decoded = base64.b64decode(auth)
    except (binascii.Error, ValueError):
        decoded = b""
    for login in filter(None, (both, decoded)):
        yield login
        yield login.partition(b":")[2]
        yield base64.b64encode(login)


def of_document(path: Path) -> Iterator[bytes]:
    """The secrets of a kubeconfig or a settings file."""
    if not path.exists():
        return
    from kelvin_provision.spec.read.documents import parse

    data = _read(path)
    yield from of_text(data.decode("utf-8", "replace"))
    try:
        documents = parse(str(path), data)
    except RequestRefused:
        return
    for document in documents:
        yield from _bytes(secrets_in(document.value))


def of_text(text: str) -> Iterator[bytes]:
    """The secrets of a text, logins in addresses included."""
    yield from _bytes(secrets_in_text(text))


def of_log(lines: Iterable[str]) -> Iterator[bytes]:
    """Secrets of free text that may appear elsewhere: only what looks like a secret, not plain words."""
    for line in lines:
        yield from (
            secret
            for secret in of_text(line)
            if len(secret) >= MIN_LEARNED and re.search(rb"[0-9]", secret) and re.search(rb"[A-Za-z]", secret)
        )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _bytes(texts: Iterable[str]) -> Iterator[bytes]:
    return (text.encode("utf-8", "surrogatepass") for text in texts)
