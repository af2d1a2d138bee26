"""The one table of settings: key, type, default, meaning, and who may set it. The docs are generated from it.

A key's variable is `KELVIN_PROVISION_` and the key in capitals, with two underscores for a dot:
`KELVIN_PROVISION_CLUSTER__NAMESPACE`. What stands below `registries` has no variable: a host name does not fit in one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kelvin_provision.quantity import BYTES_FORM, DURATION_FORM, Headroom, InvalidQuantity, parse_bytes, parse_duration, parse_rate
from kelvin_provision.settings.window import Window

PREFIX = "KELVIN_PROVISION_"
HOST = "<host>"
T = TypeVar("T")

_HOST = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_REGISTRY = re.compile(rf"(?:{_HOST.pattern})(?:/[a-z0-9._/-]*[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Wrong(Exception):
    """A value is not of its key's type; says what would be right."""


@dataclass(frozen=True)
class Type:
    """What a key holds. `read` takes a value of a file; raises Wrong. `from_text` makes such a value of a variable's text."""

    name: str
    read: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str


def is_host(text: str) -> bool:
    """Whether it is `host[:port]`."""
    return _HOST.fullmatch(text) is not None


def _number_from(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def _bool_from(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong("text")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def _path(value: Any) -> Path:
    path = Path(_text(value)).expanduser() if isinstance(value, str) and value else Path()
    if not path.is_absolute():
        raise Wrong("an absolute path, or one that begins with ~")
    return path


def _registry(value: Any) -> str:
    if not isinstance(value, str) or not _REGISTRY.fullmatch(value):
        raise Wrong("host[:port][/path], without http://")
    return value


def _mirrors(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and _REGISTRY.fullmatch(one) for one in value):
        raise Wrong("a list of host[:port][/path], without http://")
    return tuple(value)


def _namespace(value: Any) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise Wrong("lower-case letters, digits and '-', at most 63 characters")
    return value


def _duration(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Wrong(DURATION_FORM)
    return _quantity(parse_duration, str(value))


def _headroom(value: Any) -> Headroom:
    return _quantity(Headroom.parse, value if isinstance(value, str) else "")


def _quantity(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except InvalidQuantity as error:
        raise Wrong(error.expected) from None


def _window(value: Any) -> Window:
    if not isinstance(value, str):
        raise Wrong("spans of the day like 22:00-05:00, several with commas")
    try:
        return Window.parse(value)
    except ValueError as error:
        raise Wrong(str(error)) from error


def _choice(*words: str) -> Type:
    right = f"{', '.join(words[:-1])} or {words[-1]}"

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(right)
        return value

    return Type(right, read)


def _bytes(parse: Callable[..., int], minimum: int) -> Type:
    def read(value: Any) -> int:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        return _quantity(partial(parse, minimum=minimum), text)

    return Type("bytes", read)


def _whole(low: int, high: int | None = None, *, words: dict[str, int | None] | None = None) -> Type:
    right = f"a whole number from {low}" + (f" to {high}" if high else "") + "".join(f", or {word}" for word in words or {})

    def read(value: Any) -> int | None:
        if words and isinstance(value, str) and value in words:
            return words[value]
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high and value > high):
            raise Wrong(right)
        return value

    return Type(right.removeprefix("a "), read, _number_from)


TEXT = Type("text", _text)
BOOL = Type("true or false", _bool, _bool_from)
PATH = Type("path", _path)
REGISTRY = Type("host[:port][/path]", _registry)
MIRRORS = Type("list of host[:port][/path]", _mirrors, lambda text: [part.strip() for part in text.split(",")])
NAMESPACE = Type("name", _namespace)
DURATION = Type("duration", _duration)
WINDOW = Type("HH:MM-HH:MM, ...", _window)
HEADROOM = Type("size or percent", _headroom)


@dataclass(frozen=True)
class Key:
    """One setting. `default` as it would stand in a file, empty for none. `trusted`: from the site file or --config only."""

    name: str
    type: Type
    default: str
    doc: str
    trusted: bool = False

    @property
    def variable(self) -> str | None:
        """The variable that sets it, or None."""
        return None if HOST in self.name else PREFIX + self.name.upper().replace(".", "__")


KEYS: tuple[Key, ...] = (
    Key("state_dir", PATH, "", "ledger, images and partial downloads; as root /var/lib/kelvin-provision, else the user's state folder"),
    Key("secrets_dir", PATH, "/etc/kelvin-provision/secrets", "one file for each <% secrets.NAME %>, best with mode 0600"),
    Key("registry", REGISTRY, "", "where <app_name>:<app_version> is pulled from, without a scheme"),
    Key(f"registries.{HOST}.mirrors", MIRRORS, "", "other places with the same content, asked first, in this order"),
    Key(f"registries.{HOST}.insecure", BOOL, "false", "plain http is allowed", trusted=True),
    Key(f"registries.{HOST}.ca_file", PATH, "", "certificates of the authority that signed the registry's, PEM", trusted=True),
    Key(f"registries.{HOST}.auth_file", PATH, "", "a login file in the format of docker's config.json"),
    Key("cluster.type", _choice("auto", "kubernetes", "docker"), "auto", "what runs workloads"),
    Key("cluster.kubeconfig", PATH, "", "how to reach Kubernetes; KUBECONFIG is honoured where nothing is set"),
    Key("cluster.context", TEXT, "", "the kubeconfig's context, if not its current one"),
    Key("cluster.namespace", NAMESPACE, "app", "where workloads live; created when missing"),
    Key("cluster.name", TEXT, "", "this cluster's name on the platform"),
    Key("runtime.type", _choice("auto", "containerd", "docker"), "auto", "where images are put for containers to use"),
    Key("runtime.address", TEXT, "", "containerd's socket or Docker's URL; DOCKER_HOST is honoured where nothing is set"),
    Key("runtime.namespace", TEXT, "k8s.io", "containerd's namespace"),
    Key("workload_deploy.staged", BOOL, "false", "images are downloaded before anything is applied, when a request does not say"),
    Key("workload_deploy.instantly_apply", BOOL, "true", "applied without waiting for apply, when a request does not say"),
    Key(
        "download.parallel",
        _whole(1, 16, words={"auto": None}),
        "auto",
        "blobs at a time; auto is 1 on a thin link and grows to 4 as long as that makes it faster",
    ),
    Key("download.rate", _bytes(parse_rate, 1000), "", f"bytes a second of all downloads together; {BYTES_FORM}"),
    Key(
        "download.window",
        WINDOW,
        "",
        "hours of the day, local time, in which images are downloaded, across midnight too; several with a comma between",
    ),
    Key(
        "download.budget",
        _bytes(parse_bytes, 1_000_000),
        "",
        f"bytes of images downloaded in a day, local time, repeated ones included; {BYTES_FORM}",
    ),
    Key("download.stall_timeout", DURATION, "30s", "without a byte for this long, a connection is given up and the download resumed"),
    Key("download.keep_free", HEADROOM, "5%", "room on each filesystem that downloads and imports leave alone"),
    Key("apply.timeout", DURATION, "5m", "how long new versions may take to come up"),
    Key("apply.rollback_timeout", DURATION, "5m", "how long the way back may take"),
    Key("apply.settle", DURATION, "5s", "how long a workload must stay up to count as up"),
    Key("apply.window", WINDOW, "", "the only times of the day, by the box's own clock, at which anything is applied; always unless set"),
    Key("apply.grace", DURATION, "15m", "how late the agent may still begin what `apply --at` asked for; after that it does not"),
    Key("hooks", PATH, "/etc/kelvin-provision/hooks", "the folder of pre-apply, post-apply and on-failure", trusted=True),
    Key("hooks_timeout", DURATION, "2m", "how long one hook may take before it is killed", trusted=True),
    Key("keep_revisions", _whole(0), "2", "earlier revisions that are kept, with their images, for rollback"),
)


def table() -> tuple[tuple[str, str, str, str], ...]:
    """Key, type, default and meaning, for the docs."""
    where = "; only in the site file or with --config"
    return tuple((key.name, key.type.name, key.default, key.doc + (where if key.trusted else "")) for key in KEYS)
