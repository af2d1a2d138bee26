"""The identity of an agent, in its lock: whether it runs with the present settings.

Settings are read once, at the start. The fingerprint is a hash of them, of the age and size of the files that they refer to, and of
the program's version; it reveals nothing.
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
from kelvin_provision.settings.model import ApiSettings, Settings
from kelvin_provision.settings.sources import K3S_KUBECONFIG
from kelvin_provision.settings.types import absolute
from kelvin_provision.spec.enums import Method


def identity(settings: Settings, *, detached: bool) -> dict[str, Any]:
    """What the agent's lock contains besides pid and user. A detached agent was started by a command, which may end and replace it."""
    return {"settings": fingerprint(settings), "detached": detached}


def fingerprint(settings: Settings) -> str:
    """Equal for equal settings, wherever they were read; different when a login or kubeconfig was rewritten."""
    kubeconfigs = _each(settings.cluster.kubeconfig)
    # The registry and the method belong to requests: the accepted requests contain them. The API is a process of its own.
    plain = replace(
        settings,
        registry=None,
        default_method=Method.STANDARD,
        registries={},
        cluster=replace(settings.cluster, kubeconfig=None),
        api=ApiSettings(),
    )
    words = (__version__, plain, kubeconfigs, sorted(settings.registries.items()), [_age(path) for path in _files(settings, kubeconfigs)])
    return sha256_hex(repr(words))[:16]


def outdated(agent: Mapping[str, Any], settings: Settings) -> bool:
    """Whether this agent, by its lock, runs with other settings. Without a fingerprint it is trusted."""
    return "settings" in agent and agent["settings"] != fingerprint(settings)


def _files(settings: Settings, kubeconfigs: tuple[Path, ...]) -> Iterator[Path]:
    yield from kubeconfigs or (K3S_KUBECONFIG,)
    login = auth_file(settings, "")
    if login:
        yield login
    for _, chosen in sorted(settings.registries.items()):
        yield from (path for path in (chosen.auth_file, chosen.ca_file) if path)


def _each(kubeconfig: Path | None) -> tuple[Path, ...]:
    """KUBECONFIG may be a list of relative paths; the agent has another working directory and gets absolute ones."""
    return tuple(absolute(str(path)) for path in paths_of(kubeconfig))


def _age(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path.absolute()), status.st_mtime_ns, status.st_size)
