"""Types of settings that name something on the network: hosts, registries, addresses to listen at, repositories and publications."""

from __future__ import annotations

import re
from typing import Any

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.settings.types import InvalidValue, Type, list_from

# Text, not compiled here: the module `re` does that at the first use, and most commands come by without one.
_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?"
_REGISTRY = rf"(?:{_HOST})(?:/[a-z0-9._/-]*[a-z0-9])?"
MOST_PUBLICATIONS = 16


def is_host(text: str) -> bool:
    """Whether it is `host[:port]`."""
    return re.fullmatch(_HOST, text) is not None


def _registry(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_REGISTRY, value):
        raise InvalidValue("host[:port][/path], without http://")
    return value


def _mirrors(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(mirror, str) and re.fullmatch(_REGISTRY, mirror) for mirror in value):
        raise InvalidValue("a list of host[:port][/path], without http://")
    return tuple(value)


def _listen(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(address, str) and _is_address(address) for address in value):
        raise InvalidValue("a list of address:port, such as 127.0.0.1:30000 or [::1]:30000")
    return tuple(value)


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    return bool(colon) and port.isascii() and port.isdecimal() and int(port) < 65536 and _is_ip(host[1:-1] if bracketed else host)


def _is_ip(text: str) -> bool:
    import ipaddress  # only who sets an address needs it

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _hosts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and is_host(name) and ":" not in name for name in value):
        raise InvalidValue("a list of host names")
    return tuple(name.lower() for name in value)


def _publications(value: Any) -> tuple[str, ...]:
    """Registry, repository and tag in full: what is short for something else on one machine is not on another one."""
    accepted = InvalidValue(f"a list of at most {MOST_PUBLICATIONS} publications, each REGISTRY/REPOSITORY:TAG")
    if not isinstance(value, list) or len(value) > MOST_PUBLICATIONS or not all(isinstance(item, str) for item in value):
        raise accepted
    for item in value:
        reference = _reference(item)
        if reference is None or reference.tag is None or reference.digest is not None:
            raise accepted
    return tuple(dict.fromkeys(value))


def _repository(value: Any) -> str:
    reference = _reference(value) if isinstance(value, str) else None
    if reference is None or reference.tag is not None or reference.digest is not None:
        raise InvalidValue("a repository, REGISTRY/REPOSITORY without a tag")
    return str(reference)


def _reference(text: str) -> Reference | None:
    """None for one that is not valid, or not written in full."""
    try:
        reference = Reference.parse(text)
    except ReferenceInvalid:
        return None
    return reference if str(reference) == text else None


REGISTRY = Type("host[:port][/path]", _registry)
MIRRORS = Type("list of host[:port][/path]", _mirrors, list_from)
LISTEN = Type("list of address:port", _listen, list_from)
HOSTS = Type("list of host names", _hosts, list_from)
PUBLICATIONS = Type("list of REGISTRY/REPOSITORY:TAG", _publications, list_from)
REPOSITORY = Type("REGISTRY/REPOSITORY", _repository)
