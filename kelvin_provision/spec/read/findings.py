"""What is wrong with a document: findings with file, document and path, and the error that they become.

A finding may contain keys, names and numbers, but never a value that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import RequestRefused, SecretMissing

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_<][-A-Za-z0-9_<>]*")
# Values below these keys may be passwords: only their type is reported.
_PRIVATE = frozenset({"command", "configuration", "data", "environment_vars", "secret", "stringData", "text", "uri", "value"})
# The name of a variable is not secret, and the only thing that helps to find it.
_REPORTED = frozenset({"name"})


@dataclass(frozen=True)
class Finding:
    """One error: what is wrong and what is accepted. `document` is 1-based, 0 for what has no documents."""

    file: str
    document: int
    path: str
    message: str

    def __str__(self) -> str:
        number = f"document {self.document}" if self.document else ""
        return f"{', '.join(filter(None, (self.file, number, self.path)))}: {self.message}"


@dataclass(frozen=True)
class Part:
    """A piece of a document that was read from its own file: findings below `path` name that file."""

    path: Path
    file: str
    document: int


@dataclass(frozen=True)
class Document:
    """One document of a file, as plain JSON values. `number` is 1-based; 0 for what has no documents, such as flags."""

    file: str
    number: int
    value: Any
    parts: tuple[Part, ...] = ()
    respelled: frozenset[Path] = frozenset()
    """Where an unquoted scalar stands for another text than is written: `yes` for true, `0400` for 256."""


@dataclass
class Findings:
    """Collects the findings and warnings of one document."""

    document: Document
    errors: list[Finding] = field(default_factory=list)
    missing_secrets: list[tuple[str, Finding]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def at(self, path: Path, message: str) -> Finding:
        """A finding at a path of the document, with the file from which that path was read."""
        for part in self.document.parts:
            if path[: len(part.path)] == part.path:
                return Finding(part.file, part.document, dotted(path[len(part.path) :]), message)
        return Finding(self.document.file, self.document.number, dotted(path), message)

    def add(self, path: Path, message: str) -> None:
        self.errors.append(self.at(path, message))

    def add_missing(self, path: Path, secret: str) -> None:
        """A secret that this box does not have is not an error of the request, so it has its own error class."""
        message = f"secret {secret} does not exist on this box; create a file of that name in the secrets directory"
        self.missing_secrets.append((secret, self.at(path, message)))

    def warn(self, path: Path, message: str) -> None:
        self.warnings.append(str(self.at(path, message)))


def refuse(findings: Sequence[Finding]) -> RequestRefused:
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return RequestRefused(f"invalid request: {count}", evidence=[str(finding) for finding in findings])


def refuse_all(documents: Iterable[Findings], secrets_dir: str) -> None:
    """Raises RequestRefused with all errors of several documents, or SecretMissing when nothing but secrets is missing."""
    findings = list(documents)
    errors = [error for document in findings for error in document.errors]
    missing = [secret for document in findings for secret in document.missing_secrets]
    if errors:
        raise refuse([*errors, *(finding for _, finding in missing)])
    if missing:
        names = sorted({name for name, _ in missing})
        subject = f"secret {names[0]} does" if len(names) == 1 else f"secrets {', '.join(names)} do"
        hint = f"write the value to {secrets_dir}/{names[0]}, mode 0600"
        raise SecretMissing(f"{subject} not exist on this box", hint=hint, evidence=[str(finding) for _, finding in missing])


def dotted(path: Path) -> str:
    """`system.ports[0].host`; keys that are not plain words are quoted, in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def unknown_key(key: str, accepted: Collection[str]) -> str:
    """The message for a key that does not exist, with the most similar one that does."""
    import difflib  # only for a mistake

    similar = difflib.get_close_matches(key, accepted, n=1)
    suggestion = f"did you mean {similar[0]}?" if similar else f"accepted are {', '.join(accepted)}"
    return f"unknown key {quoted(key)}; {suggestion}"


def type_of(value: Any) -> str:
    """The type of a value, without the value."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return kinds[type(value)]


def described(value: Any, path: Path = ()) -> str:
    """The value itself if it is a name or a number that cannot be a secret, otherwise its type."""
    private = not _PRIVATE.isdisjoint(path) and path[-1] not in _REPORTED
    if private or not isinstance(value, bool | int | float | str):
        return type_of(value)
    return quoted(value)


def quoted(value: float | str) -> str:
    """A name or number for a message: text is quoted, cut after 60 characters, control characters are escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    cut = value if len(value) <= 60 else f"{value[:60]}..."
    return f"'{cut}'" if cut.isprintable() else f"'{cut.encode('unicode_escape').decode('ascii')}'"
