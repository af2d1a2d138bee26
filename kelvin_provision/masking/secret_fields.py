"""The one walk through a document that decides which of its values are secret. The caller decides what replaces them. Pure.

Secret are the values under a name that promises a secret and everything below it, the data of a Kubernetes Secret, variables and headers
that are not known to be harmless, passwords in commands and in texts, and base64 under `data`, which cannot be inspected.
References (`<% secrets.NAME %>`) are not secret, nor are the names of secrets, keys and files.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from kelvin_provision.errors import RequestRefused
from kelvin_provision.masking.names import (
    COMMANDS,
    HEADERS,
    LOCATIONS,
    VARIABLES,
    is_harmless_header,
    is_harmless_variable,
    promises_secret,
    words_of,
)
from kelvin_provision.masking.text import (
    MASK,
    SHORT_OPTION,
    Span,
    command_spans,
    file_spans,
    is_harmless_argument,
    is_value,
    mask_spans,
    secrets_in_text,
)
from kelvin_provision.spec.read.documents import parse

YAML_FILES = frozenset({"app.yaml", "config.yaml"})
"""Files that we write ourselves as YAML: masked field by field."""

_PROJECTED = frozenset({"key", "path", "mode"})
_MOUNTED = frozenset({"secretName", "items", "defaultMode", "optional"})
"""Kubernetes' fields for where a secret appears."""
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.+)", re.DOTALL)
_OPTION = re.compile(r"--?([A-Za-z][\w.-]+)")
_OPTION_WITH_VALUE = re.compile(r"--?([A-Za-z][\w.-]*)[=:](.+)", re.DOTALL)
_USER_OPTION = frozenset({"-u", "-U", "--user", "--proxy-user"})
_LOGIN = re.compile(r"(?:-[uU]|--(?:proxy-)?user=)?([^:%\s]+[:%])(.+)", re.DOTALL)
"""`name:password`, also `-uname:password`; `%` is that of smbclient."""
_PLAIN = re.compile(r"[\w./-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*")


class Secret(NamedTuple):
    """A secret of a document. One that is not `certain` is hidden, because it may be one."""

    text: str
    certain: bool = True


class Replace(Protocol):
    """Returns the replacement of a value; `shown` is the value with its secrets masked."""

    def __call__(self, value: Any, shown: str, secrets: Sequence[Secret], /) -> Any: ...


@dataclass(frozen=True)
class SecretFields:
    """`summarize_files`: in place of the text of a file, tell its length; for those who see the file itself beside it."""

    replace: Replace
    summarize_files: bool = False

    def walk(self, value: Any, name: str = "") -> Any:
        """A copy of a document. `name` is what counts for the value: its own name, or that of a secret that it is a part of."""
        if isinstance(value, Mapping):
            return self._mapping(value, name)
        if isinstance(value, list | tuple):
            return self._list(value, name)
        if promises_secret(name) and not isinstance(value, bool):
            return self.hidden(value)
        return self.text(value, name) if isinstance(value, str) else value

    def hidden(self, value: Any, *, certain: bool = True) -> Any:
        """A value that is secret as a whole; collections by their items."""
        if isinstance(value, Mapping):
            return {key: self.hidden(item, certain=certain) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.hidden(item, certain=certain) for item in value]
        if value is None or not is_value(str(value)):
            return value
        return self.replace(value, MASK, (Secret(str(value), certain),))

    def text(self, value: str, name: str) -> Any:
        """A text that may hold secrets."""
        if name.rpartition("/")[2] in YAML_FILES:
            return self._yaml(value)
        if name == "data" and _BASE64.fullmatch(value):
            return self.replace(value, MASK, [Secret(text) for text in secrets_in_text(decoded(value))])
        if _PLAIN.fullmatch(value):  # as most are, and looking for names takes long
            return value
        return self._spans(value, list(file_spans(value)))

    def _mapping(self, value: Mapping[Any, Any], name: str) -> dict[Any, Any]:
        if name in VARIABLES:
            return {key: self._variable(str(key), item) for key, item in value.items()}
        if name == "text" and self.summarize_files and isinstance(value.get("data"), str):
            data = value["data"]
            return {**value, "data": self.replace(data, f"({len(data)} characters, shown as a file)", ())}
        return {key: self.walk(item, below) for key, item, below in fields(value, name)}

    def _list(self, value: Sequence[Any], name: str) -> list[Any]:
        if name in COMMANDS and all(isinstance(item, str) for item in value):
            return list(self._command(value))
        if name in VARIABLES | HEADERS:
            return [self._pair(item, name) for item in value]
        return [self.walk(item, name) for item in value]

    def _pair(self, item: Any, above: str) -> Any:
        """A variable or a header: `{name: X, value: Y}`, `[X, Y]` or `X=Y`."""
        hide = self._header if above in HEADERS else self._variable
        if isinstance(item, Mapping) and "value" in item:
            return {key: hide(str(item.get("name")), value) if key == "value" else value for key, value in item.items()}
        if isinstance(item, list | tuple) and len(item) == 2:
            return [item[0], hide(str(item[0]), item[1])]
        if isinstance(item, str) and (match := _ASSIGNMENT.fullmatch(item)):
            value = match["value"]
            if not is_value(value) or (is_harmless_variable(match["name"], value) and above in VARIABLES):
                return item
            return self.replace(item, f"{match['name']}={MASK}", (Secret(value, promises_secret(match["name"])),))
        return self.walk(item)

    def _variable(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping | list | tuple):
            return self.walk(value, name)
        if is_harmless_variable(name, str(value)):
            return self.walk(value)
        return self.hidden(value, certain=promises_secret(name))

    def _header(self, name: str, value: Any) -> Any:
        return self.walk(value) if is_harmless_header(name) else self.hidden(value)

    def _command(self, arguments: Sequence[str]) -> Iterator[Any]:
        named = short = user = False
        for argument in arguments:
            login = _LOGIN.fullmatch(argument) if user or argument.startswith(("-u", "-U", "--user=", "--proxy-user=")) else None
            option = _OPTION_WITH_VALUE.fullmatch(argument)
            whole = login[2] if login else option[2] if option and promises_secret(option[1]) and is_value(option[2]) else ""
            if (named or (short and not is_harmless_argument(argument))) and not argument.startswith("-") and is_value(argument):
                yield self.replace(argument, MASK, (Secret(argument, named),))
            elif whole and not (login and whole.isdigit()):
                yield self.replace(argument, f"{argument[: -len(whole)]}{MASK}", (Secret(whole, certain=option is not None),))
            else:
                yield self._spans(argument, list(command_spans(argument)))
            name = _OPTION.fullmatch(argument)
            named = name is not None and promises_secret(name[1])
            short, user = SHORT_OPTION.fullmatch(argument) is not None, argument in _USER_OPTION

    def _spans(self, value: str, spans: Sequence[Span]) -> Any:
        shown = mask_spans(value, spans)
        if shown == value:
            return value
        # a single line may be a message, in which a word is not a secret for the mere reason that it follows a colon
        is_file = "\n" in value
        return self.replace(value, shown, [Secret(value[begin:end], is_file and certain) for begin, end, certain in spans])

    def _yaml(self, value: str) -> Any:
        """Written again as it was; line by line where it cannot be read."""
        try:
            documents = parse("", value.encode(errors="replace"))
        except RequestRefused:
            documents = ()
        document = documents[0].value if len(documents) == 1 else None
        if not isinstance(document, Mapping):
            return self._spans(value, list(file_spans(value)))
        secrets: list[Secret] = []

        def replace(_: Any, shown: str, inside: Sequence[Secret]) -> str:
            secrets.extend(inside)
            return shown

        import yaml

        masked = SecretFields(replace, self.summarize_files).walk(document)
        shown = str(yaml.safe_dump(masked, sort_keys=False, allow_unicode=True, width=float("inf")))
        return value if masked == document else self.replace(value, shown, secrets)


def fields(value: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any, str]]:
    """Each key and value with the name that decides: in `{name: X, value: Y}` it is X for Y; parts of a secret are secret."""
    label = next((value[key] for key in ("name", "key") if isinstance(value.get(key), str) and "value" in value), None)
    is_secret_object = str(value.get("kind")).lower() == "secret"
    if {"key", "path"} <= value.keys() <= _PROJECTED or ("secretName" in value and value.keys() <= _MOUNTED):
        above = "ref"
    for key, item in value.items():
        name = str(key)
        if label is not None and key in {"name", "key", "value"}:
            yield key, item, label if key == "value" else "name"
        elif is_secret_object and key in {"data", "stringData"}:
            yield key, item, "secret"
        else:
            yield key, item, above if _reaches(above) and LOCATIONS.isdisjoint(words_of(name)[-1:]) else name


def _reaches(above: str) -> bool:
    """Whether a name counts for all that is in it: what is in a secret is secret, what is in a reference to one is not."""
    return promises_secret(above) or words_of(above)[-1:] == ["ref"]


def decoded(text: str) -> str:
    """The text behind base64; empty where there is none."""
    if not _BASE64.fullmatch(text):
        return ""
    try:
        return base64.b64decode(text, validate=False).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
