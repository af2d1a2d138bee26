"""What an agent works with, in one short word that stands in its lock: whether the living one still fits is told by comparing.

Settings are read once, by whoever starts. The word is a hash of them, of the age and size of the files that they point to, and of our
version; nothing can be read out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kelvin_provision import __version__
from kelvin_provision.cluster.kubernetes.api.kubeconfig import paths_of
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.registry.auth import auth_file
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import K3S_KUBECONFIG
from kelvin_provision.spec.enums import Method


def identity(settings: Settings, *, detached: bool) -> dict[str, Any]:
    """What the agent's lock says besides pid and user. A detached one was started by a command, which may end and replace it."""
    return {"settings": fingerprint(settings), "detached": detached}


def fingerprint(settings: Settings) -> str:
    """The same for the same settings, wherever they were read; another one when a login or a kubeconfig was written anew."""
    kubeconfigs = _each(settings.cluster.kubeconfig)
    # The registry and the method are of requests: the agent finds them in what was accepted.
    plain = replace(
        settings, registry=None, default_method=Method.STANDARD, registries={}, cluster=replace(settings.cluster, kubeconfig=None)
    )
    words = (__version__, plain, kubeconfigs, sorted(settings.registries.items()), [_age(path) for path in _files(settings, kubeconfigs)])
    return sha256_hex(repr(words))[:16]


def outdated(found: Mapping[str, Any], settings: Settings) -> bool:
    """Whether this agent, as its lock has it, works with other settings. One that did not say is believed to be right."""
    return "settings" in found and found["settings"] != fingerprint(settings)


def _files(settings: Settings, kubeconfigs: tuple[Path, ...]) -> Iterator[Path]:
    yield from kubeconfigs or (K3S_KUBECONFIG,)
    login = auth_file(settings, "")
    if login:
        yield login
    for _, chosen in sorted(settings.registries.items()):
        yield from (path for path in (chosen.auth_file, chosen.ca_file) if path)


def _each(kubeconfig: Path | None) -> tuple[Path, ...]:
    """KUBECONFIG may be a list, and relative; the agent, which works elsewhere, is given it as absolute paths."""
    return tuple(absolute(str(path)) for path in paths_of(kubeconfig))


def absolute(path: str) -> Path:
    """As seen from this folder and this home."""
    return Path(path).expanduser().absolute()


def _age(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path.absolute()), found.st_mtime_ns, found.st_size)
