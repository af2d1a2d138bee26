"""The app manifest (`payload`, app.yaml) of both generations into the same values.

Legacy, up to spec_version 4: `app.type`, `info`, `system` on top. Modern, from 5: `type` on top, `defaults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.spec.read.findings import Findings, Path, quoted, type_of
from kelvin_provision.spec.request.shapes import DefaultsBlock, Image, Info, Legacy, Modern
from kelvin_provision.spec.request.system import system_of
from kelvin_provision.spec.request.validation import check, check_rest
from kelvin_provision.spec.workload import System

TYPES = ("app", "bridge", "docker", "exporter", "importer", "kelvin")


@dataclass(frozen=True)
class App:
    """What a manifest contains; None is absent."""

    name: str | None = None
    version: str | None = None
    title: str | None = None
    image: str | None = None
    system: System = field(default_factory=System)
    configuration: dict[str, Any] = field(default_factory=dict)


def app_of(payload: Mapping[str, Any], path: Path, findings: Findings) -> App:
    """An empty manifest is an app whose image runs without settings. After an error, the valid rest is returned."""
    given = {key: value for key, value in payload.items() if value is not None}
    app = given.get("app")
    spec_version = given.get("spec_version")
    modern = "type" in given or "defaults" in given or (isinstance(spec_version, str) and spec_version.startswith("5"))
    if modern and isinstance(app, dict) and "type" in app:
        findings.add((*path, "app", "type"), "type is given at the top level and below app; remove app.type")
        given.pop("app")
    return _modern(given, path, findings) if modern else _legacy(given, path, findings)


def _legacy(given: dict[str, Any], path: Path, findings: Findings) -> App:
    top = check_rest(Legacy, given, path, findings)
    # other keys below info are for the platform
    info_fields = {key: value for key, value in (top.info or {}).items() if key in Info.model_fields}
    info = check_rest(Info, info_fields, (*path, "info"), findings)
    app = top.app or {}
    kind = _type(app.get("type"), (*path, "app", "type"), findings)
    block = app.get(kind) if kind else None
    below = (*path, "app", kind or "docker")
    return App(
        name=info.name,
        version=info.version,
        title=info.title,
        image=_image(top.image, (*path, "image"), findings),
        system=system_of(top.system or {}, (*path, "system"), findings),
        configuration=_mapping(_mapping(block, below, findings).get("configuration"), (*below, "configuration"), findings),
    )


def _modern(given: dict[str, Any], path: Path, findings: Findings) -> App:
    if "system" in given:
        findings.add((*path, "system"), "not allowed from spec_version 5 on; use defaults.system")
        given.pop("system")
    top = check_rest(Modern, given, path, findings)
    _type(top.type, (*path, "type"), findings)
    below = (*path, "defaults")
    defaults = check_rest(DefaultsBlock, top.defaults or {}, below, findings)
    app = defaults.app or {}
    return App(
        name=top.name,
        version=top.version,
        title=top.title,
        image=_image(top.image, (*path, "image"), findings),
        system=system_of(defaults.system or {}, (*below, "system"), findings),
        configuration=defaults.configuration or _mapping(app.get("configuration"), (*below, "app", "configuration"), findings),
    )


def _type(value: Any, path: Path, findings: Findings) -> str | None:
    """The type of the app; this box runs all accepted types as containers."""
    if value is None:
        return None
    if isinstance(value, str) and value in TYPES:
        return value
    accepted = f"{', '.join(TYPES[:-1])} or {TYPES[-1]}"
    if value == "task":
        findings.add(path, f"type task is not supported on this box; accepted are {accepted}")
    else:
        findings.add(path, f"expected {accepted}, got {quoted(value) if isinstance(value, str) else type_of(value)}")
    return None


def _mapping(value: Any, path: Path, findings: Findings) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        findings.add(path, f"expected a mapping, got {type_of(value)}")
        return {}
    return value


def _image(value: dict[str, Any] | None, path: Path, findings: Findings) -> str | None:
    block = check(Image, value, path, findings) if value is not None else None
    if block is None:
        return None
    if block.mode == "manual" and block.uri is None:
        findings.add((*path, "uri"), "required field is missing; mode manual needs an image reference")
    return block.uri
