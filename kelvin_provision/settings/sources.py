"""Where settings come from: files, our variables, other tools' variables. Yields what was given, key by key.

YAML and platformdirs are imported only when there is something to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from kelvin_provision.errors import PermissionRefused, RequestRefused, SettingsInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.settings.addresses import is_host
from kelvin_provision.settings.keys import BY_NAME, HOST, KEYS, PREFIX, SITE, Key
from kelvin_provision.settings.types import InvalidValue, expanded

NAME = "kelvin-provision"
SITE_VARIABLE = "KELVIN_PROVISION_SITE_CONFIG"
K3S_KUBECONFIG = Path("/etc/rancher/k3s/k3s.yaml")
"""Where k3s writes its own; read when no other kubeconfig is set."""
_NOT_SETTINGS = (SITE_VARIABLE, f"{PREFIX}CONFIG", f"{PREFIX}UNIT_DIR", f"{PREFIX}TEST_")
"""Variables with our prefix that are not settings."""


@dataclass(frozen=True)
class Given:
    """A value that was set. `key` includes the host of a registry, `text` is the value as it was written."""

    key: str
    value: Any
    text: str
    origin: str


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file or a variable. `key` is what can be unset to repair it; empty where only an editor helps."""

    text: str
    origin: str
    key: str = ""


def _wording() -> ModuleType:
    """Imported only for invalid settings: every command reads settings."""
    from kelvin_provision.spec.read import findings

    return findings


@dataclass(frozen=True)
class Place:
    """A file that settings are read from. `role` is site, user or flag; `trusted`: every key is accepted."""

    path: Path
    role: str
    trusted: bool = True


def places(config: Path | None, environ: Mapping[str, str], *, is_root: bool) -> tuple[Place, ...]:
    """The files that are read, existing or not; later ones override. `config` replaces all; root reads the site file only."""
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
    findings: list[Problem],
    *,
    is_root: bool,
    contents: Mapping[Path, bytes],
) -> Iterator[Given]:
    """The values of the files, those that override others last. `contents` replace what these files hold."""
    if config is not None and config not in contents and not config.exists():
        raise SettingsInvalid(f"there is no file {config}")
    for place in places(config, environ, is_root=is_root):
        data = contents[place.path] if place.path in contents else _bytes(place.path)
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


def _file(path: Path, data: bytes, findings: list[Problem], *, trusted: bool) -> Iterator[Given]:
    from kelvin_provision.spec.read.documents import parse

    try:
        documents = parse(str(path), data)
    except RequestRefused as error:
        findings += [Problem(text, str(path)) for text in error.evidence]
        return
    if len(documents) > 1:
        findings.append(Problem(f"{path}: {len(documents)} documents; a settings file has one", str(path)))
    for document in documents[:1]:
        yield from _values(document.value, str(path), findings, trusted=trusted)


def _values(document: Any, origin: str, findings: list[Problem], *, trusted: bool) -> Iterator[Given]:
    """The values of the one document of a file."""
    for path, value in _leaves(document, (), origin, findings):
        key = BY_NAME[".".join((path[0], HOST, *path[2:]) if path[0] == "registries" else path)]
        name = ".".join(path)
        if key.trusted and not trusted:
            findings.append(Problem(f"{origin}, {name}: not accepted in this file; set it in {SITE} or with --config", origin, name))
            continue
        yield from _read(key, name, value, origin, findings)


def _leaves(value: Any, path: tuple[str, ...], origin: str, findings: list[Problem]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Descend as far as there are keys; null is absent."""
    where = f"{origin}, {'.'.join(path)}" if path else origin
    if value is None:
        return
    if not isinstance(value, dict):
        findings.append(Problem(f"{where}: expected a mapping, got {_wording().type_of(value)}", origin, ".".join(path)))
        return
    keys = _known(path)
    for name, item in value.items():
        below = (*path, name)
        if path == ("registries",):
            if not is_host(name):
                findings.append(Problem(f"{where}: expected host[:port], without http://, got {_wording().described(name)}", origin))
                continue
        elif name not in keys:
            findings.append(Problem(f"{where}: {_wording().unknown_key(name, keys)}", origin, ".".join(map(str, below))))
            continue
        if path != ("registries",) and not _known(below):
            if item is not None:
                yield below, item
            continue
        yield from _leaves(item, below, origin, findings)


def _known(path: tuple[str, ...]) -> list[str]:
    """The keys that are allowed below a path of a file."""
    prefix = [HOST if path[0] == "registries" and number == 1 else step for number, step in enumerate(path)]
    names = [key.name.split(".") for key in KEYS]
    return list(dict.fromkeys(name[len(prefix)] for name in names if len(name) > len(prefix) and name[: len(prefix)] == prefix))


def _read(key: Key, name: str, value: Any, origin: str, findings: list[Problem]) -> Iterator[Given]:
    try:
        typed = key.type.read(value)
    except InvalidValue as error:
        findings.append(Problem(f"{origin}, {name}: expected {error}, got {_wording().described(value)}", origin, name))
        return
    yield Given(name, typed, _as_text(value), origin)


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def variables(environ: Mapping[str, str], findings: list[Problem]) -> Iterator[Given]:
    """The values of our variables; an empty one is not set."""
    keys = {key.variable: key for key in KEYS if key.variable}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.startswith(_NOT_SETTINGS) or not text:
            continue
        if name.startswith(f"{PREFIX}REGISTRIES__"):
            findings.append(Problem(f"{name}: registries have no variables; set them in {SITE} or with --config", name))
        elif name not in keys:
            findings.append(Problem(f"{name}: {_wording().unknown_key(name, [variable for variable in keys if variable])}", name))
        elif keys[name].trusted:
            findings.append(Problem(f"{name}: not accepted from a variable; set it in {SITE} or with --config", name))
        else:
            key = keys[name]
            for given in _read(key, key.name, key.type.from_text(text), name, findings):
                yield Given(given.key, given.value, text, name)


def foreign(environ: Mapping[str, str], given: Mapping[str, Given]) -> Iterator[Given]:
    """KUBECONFIG and DOCKER_HOST, where nothing of ours sets the key. A list in KUBECONFIG stays one, the client reads it."""
    kubeconfig, docker = environ.get("KUBECONFIG"), environ.get("DOCKER_HOST")
    if kubeconfig and "cluster.kubeconfig" not in given:
        yield Given("cluster.kubeconfig", expanded(kubeconfig), kubeconfig, "KUBECONFIG")
    # DOCKER_HOST never points to containerd
    containerd = "runtime.type" in given and given["runtime.type"].value == "containerd"
    if docker and "runtime.address" not in given and not containerd:
        yield Given("runtime.address", docker, docker, "DOCKER_HOST")
