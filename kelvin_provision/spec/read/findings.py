"""What is wrong with a request, in sentences: findings with file, document and path, and how they are refused.

Knows no pydantic and no YAML. A finding may name keys, names and numbers; it never repeats a value that may be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import RequestRefused, SecretMissing

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_<][-A-Za-z0-9_<>]*")
# Below these keys people write passwords; what was found there is named by its kind only.
_PRIVATE = frozenset({"command", "configuration", "data", "environment_vars", "secret", "stringData", "text", "uri", "value"})
# Of a variable, its name is no secret, and the one thing that helps to find it.
_SHOWN = frozenset({"name"})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what would be right. `document` is 1-based, 0 where there are no documents to count."""

    file: str
    document: int
    path: str
    message: str

    def __str__(self) -> str:
        number = f"document {self.document}" if self.document else ""
        return f"{', '.join(filter(None, (self.file, number, self.path)))}: {self.message}"


@dataclass(frozen=True)
class Part:
    """A piece of a document that came from a file of its own: below `path`, findings name that file."""

    path: Path
    file: str
    document: int


@dataclass(frozen=True)
class Document:
    """One document of one file, as plain JSON values. `number` is 1-based; 0 for what has no documents, like flags."""

    file: str
    number: int
    value: Any
    parts: tuple[Part, ...] = ()


@dataclass
class Findings:
    """Gathers the findings and warnings of one document; the only thing here that grows."""

    document: Document
    found: list[Finding] = field(default_factory=list)
    missing: list[tuple[str, Finding]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def at(self, path: Path, message: str) -> Finding:
        """A finding at a path of the document, under the name of the file that the path came from."""
        for part in self.document.parts:
            if path[: len(part.path)] == part.path:
                return Finding(part.file, part.document, dotted(path[len(part.path) :]), message)
        return Finding(self.document.file, self.document.number, dotted(path), message)

    def add(self, path: Path, message: str) -> None:
        """Note what is wrong."""
        self.found.append(self.at(path, message))

    def add_missing(self, path: Path, secret: str) -> None:
        """Note a secret that this box does not have: not the request's fault, so told apart."""
        message = f"secret {secret} is not on this box; right is a file of that name in the secrets folder"
        self.missing.append((secret, self.at(path, message)))

    def warn(self, path: Path, message: str) -> None:
        """Note what is odd and accepted."""
        self.warnings.append(str(self.at(path, message)))


def refuse(findings: Sequence[Finding]) -> RequestRefused:
    """One error for all of them."""
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return RequestRefused(f"the request is not right: {count}", evidence=[str(finding) for finding in findings])


def refuse_all(gathered: Iterable[Findings], secrets_dir: str) -> None:
    """Raise what has to be raised for several documents: RequestRefused, or SecretMissing when nothing else is wrong."""
    everything = list(gathered)
    found = [finding for one in everything for finding in one.found]
    missing = [pair for one in everything for pair in one.missing]
    if found:
        raise refuse([*found, *(finding for _, finding in missing)])
    if missing:
        names = sorted({name for name, _ in missing})
        words = f"secret {names[0]} is" if len(names) == 1 else f"secrets {', '.join(names)} are"
        hint = f"write the value to {secrets_dir}/{names[0]}, mode 0600"
        raise SecretMissing(f"{words} not on this box", hint=hint, evidence=[str(finding) for _, finding in missing])


def dotted(path: Path) -> str:
    """`system.ports[0].host`; keys that are no plain words in quotes and brackets."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def unknown(key: str, known: Collection[str]) -> str:
    """The sentence for a key that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, known, n=1)
    right = f"the nearest known one is {near[0]}" if near else f"known are {', '.join(known)}"
    return f"unknown key {shown(key)}; {right}"


def kind_of(value: Any) -> str:
    """What a value is, in words, without the value."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return kinds[type(value)]


def got(value: Any, path: Path = ()) -> str:
    """What was found: the value itself if it is a name, number or word that can't be a secret, else its kind."""
    private = not _PRIVATE.isdisjoint(path) and path[-1] not in _SHOWN
    if private or not isinstance(value, bool | int | float | str):
        return kind_of(value)
    return shown(value)


def shown(value: float | str) -> str:
    """A name or number as it stands in a message: text in quotes, cut after 60 characters, without control characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    cut = value if len(value) <= 60 else f"{value[:60]}..."
    return f"'{cut}'" if cut.isprintable() else f"'{cut.encode('unicode_escape').decode('ascii')}'"
