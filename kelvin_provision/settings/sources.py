"""Where settings come from: files, our variables, other tools' variables. Yields what was given, key by key.

YAML and platformdirs are imported only when there is something to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kelvin_provision.errors import PermissionRefused, RequestRefused, SettingsInvalid
from kelvin_provision.settings.keys import HOST, KEYS, PREFIX, Key, Wrong, is_host

NAME = "kelvin-provision"
SITE = Path("/etc/kelvin-provision/config.yaml")
SITE_VARIABLE = "KELVIN_PROVISION_SITE_CONFIG"
# Variables of ours that are no settings.
_OTHERS = (SITE_VARIABLE, f"{PREFIX}CONFIG", f"{PREFIX}UNIT_DIR", f"{PREFIX}TEST_")
_BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True)
class Given:
    """A value that was set. `key` has its host in it, `text` is the value as people wrote it."""

    key: str
    value: Any
    text: str
    origin: str


def _words() -> ModuleType:
    """How findings are worded. Only wrong settings need it, and every command reads settings."""
    from kelvin_provision.spec import findings

    return findings


@dataclass(frozen=True)
class Place:
    """A file that settings are read from. `role` is site, user or flag; `trusted`: every key may stand there."""

    path: Path
    role: str
    trusted: bool = True


def places(config: Path | None, environ: Mapping[str, str], *, is_root: bool) -> tuple[Place, ...]:
    """The files that count, there or not, the strongest last. `config` replaces the others; root reads the site file only."""
    if config is not None:
        return (Place(config, "flag"),)
    site = Place(Path(environ.get(SITE_VARIABLE) or SITE), "site")
    if is_root:
        return (site,)
    import platformdirs

    return site, Place(platformdirs.user_config_path(NAME, appauthor=False) / "config.yaml", "user", trusted=False)


def files(
    config: Path | None,
    environ: Mapping[str, str],
    findings: list[str],
    *,
    is_root: bool,
    instead: Mapping[Path, bytes],
) -> Iterator[Given]:
    """The values of the files, the strongest file last. `instead` is what counts in place of what a file holds."""
    if config is not None and config not in instead and not config.exists():
        raise SettingsInvalid(f"there is no file {config}")
    for place in places(config, environ, is_root=is_root):
        data = instead[place.path] if place.path in instead else _bytes(place.path)
        if data is not None:
            yield from _file(place.path, data, findings, trusted=place.trusted)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PermissionRefused(f"{path}: no permission to read it") from error
    except OSError as error:
        raise SettingsInvalid(f"{path}: {(error.strerror or 'not readable').lower()}") from error


def _file(path: Path, data: bytes, findings: list[str], *, trusted: bool) -> Iterator[Given]:
    from kelvin_provision.spec.source import parse

    try:
        documents = parse(str(path), data)
    except RequestRefused as error:
        findings += error.evidence
        return
    if len(documents) > 1:
        findings.append(f"{path}: {len(documents)} documents; right is one")
    for document in documents[:1]:
        yield from _tree(document.value, str(path), findings, trusted=trusted)


def _tree(document: Any, origin: str, findings: list[str], *, trusted: bool) -> Iterator[Given]:
    """The values of a file's one document."""
    for place, value in _leaves(document, (), origin, findings):
        key = _BY_NAME[".".join((place[0], HOST, *place[2:]) if place[0] == "registries" else place)]
        name = ".".join(place)
        if key.trusted and not trusted:
            findings.append(f"{origin}, {name}: not from this file; right is {SITE} or --config")
            continue
        yield from _read(key, name, value, origin, findings)


def _leaves(value: Any, place: tuple[str, ...], origin: str, findings: list[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk down as far as there are keys; null is absent."""
    where = f"{origin}, {'.'.join(place)}" if place else origin
    if value is None:
        return
    if not isinstance(value, dict):
        findings.append(f"{where}: expected a mapping, got {_words().kind_of(value)}")
        return
    known = _known(place)
    for name, item in value.items():
        below = (*place, name)
        if place == ("registries",):
            if not is_host(name):
                findings.append(f"{where}: expected host[:port], without http://, got {_words().got(name)}")
                continue
        elif name not in known:
            findings.append(f"{where}: {_words().unknown(name, known)}")
            continue
        if place != ("registries",) and not _known(below):
            if item is not None:
                yield below, item
            continue
        yield from _leaves(item, below, origin, findings)


def _known(place: tuple[str, ...]) -> list[str]:
    """The names that may stand below a place of a file."""
    start = [HOST if place[0] == "registries" and number == 1 else step for number, step in enumerate(place)]
    names = [key.name.split(".") for key in KEYS]
    return list(dict.fromkeys(name[len(start)] for name in names if len(name) > len(start) and name[: len(start)] == start))


def _read(key: Key, name: str, value: Any, origin: str, findings: list[str]) -> Iterator[Given]:
    try:
        read = key.type.read(value)
    except Wrong as wrong:
        findings.append(f"{origin}, {name}: expected {wrong}, got {_words().got(value)}")
        return
    yield Given(name, read, _as_text(value), origin)


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def variables(environ: Mapping[str, str], findings: list[str]) -> Iterator[Given]:
    """The values of our variables; an empty one counts as not set."""
    known = {key.variable: key for key in KEYS if key.variable}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.startswith(_OTHERS) or not text:
            continue
        if name.startswith(f"{PREFIX}REGISTRIES__"):
            findings.append(f"{name}: registries are not set by variables; right is {SITE} or --config")
        elif name not in known:
            findings.append(f"{name}: {_words().unknown(name, [variable for variable in known if variable])}")
        elif known[name].trusted:
            findings.append(f"{name}: not from a variable; right is {SITE} or --config")
        else:
            key = known[name]
            for one in _read(key, key.name, key.type.from_text(text), name, findings):
                yield Given(one.key, one.value, text, name)


def foreign(environ: Mapping[str, str], given: Mapping[str, Given]) -> Iterator[Given]:
    """The other tools' variables, where ours and the files are silent. A list in KUBECONFIG stays one, the client reads it."""
    kubeconfig, docker = environ.get("KUBECONFIG"), environ.get("DOCKER_HOST")
    if kubeconfig and "cluster.kubeconfig" not in given:
        yield Given("cluster.kubeconfig", Path(kubeconfig).expanduser(), kubeconfig, "KUBECONFIG")
    # containerd is never where DOCKER_HOST points
    containerd = "runtime.type" in given and given["runtime.type"].value == "containerd"
    if docker and "runtime.address" not in given and not containerd:
        yield Given("runtime.address", docker, docker, "DOCKER_HOST")
