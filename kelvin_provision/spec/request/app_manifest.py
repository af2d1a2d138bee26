"""The app manifest (`payload`, app.yaml) of both generations into one value.

Legacy, up to spec_version 4: `app.type`, `info`, `system` on top. Modern, from 5: `type` on top, `defaults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.spec.read.findings import Findings, Path, kind_of, shown
from kelvin_provision.spec.request.shapes import DefaultsBlock, Image, Info, Legacy, Modern
from kelvin_provision.spec.request.system import system_of
from kelvin_provision.spec.request.validation import check, check_rest
from kelvin_provision.spec.workload import System

TYPES = ("app", "bridge", "docker", "exporter", "importer", "kelvin")


@dataclass(frozen=True)
class App:
    """What a manifest says: who the app is, its image if it names one, and how to run it. Absent is None."""

    name: str | None = None
    version: str | None = None
    title: str | None = None
    image: str | None = None
    system: System = field(default_factory=System)
    configuration: dict[str, Any] = field(default_factory=dict)


def app_of(payload: Mapping[str, Any], path: Path, findings: Findings) -> App:
    """Read a manifest; an empty one is an app whose image just runs. With findings, what is left of it."""
    given = {key: value for key, value in payload.items() if value is not None}
    app = given.get("app")
    spec_version = given.get("spec_version")
    modern = "type" in given or "defaults" in given or (isinstance(spec_version, str) and spec_version.startswith("5"))
    if modern and isinstance(app, dict) and "type" in app:
        findings.add((*path, "app", "type"), "the type is given on top and below app; right is one, on top from spec_version 5")
        given.pop("app")
    return _modern(given, path, findings) if modern else _legacy(given, path, findings)


def _legacy(given: dict[str, Any], path: Path, findings: Findings) -> App:
    top = check_rest(Legacy, given, path, findings)
    # what else stands below info is the platform's business
    known = {key: value for key, value in (top.info or {}).items() if key in Info.model_fields}
    info = check_rest(Info, known, (*path, "info"), findings)
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
        findings.add((*path, "system"), "not here from spec_version 5 on; right is defaults.system")
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
    """What the app is; all that this box can run become a container."""
    if value is None:
        return None
    if isinstance(value, str) and value in TYPES:
        return value
    known = f"{', '.join(TYPES[:-1])} or {TYPES[-1]}"
    if value == "task":
        findings.add(path, f"type task does not run on this box; right is {known}")
    else:
        findings.add(path, f"expected {known}, got {shown(value) if isinstance(value, str) else kind_of(value)}")
    return None


def _mapping(value: Any, path: Path, findings: Findings) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        findings.add(path, f"expected a mapping, got {kind_of(value)}")
        return {}
    return value


def _image(value: dict[str, Any] | None, path: Path, findings: Findings) -> str | None:
    block = check(Image, value, path, findings) if value is not None else None
    if block is None:
        return None
    if block.mode == "manual" and block.uri is None:
        findings.add((*path, "uri"), "missing; right for mode manual is an image reference")
    return block.uri
