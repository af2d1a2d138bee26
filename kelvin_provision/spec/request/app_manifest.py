"""The app manifest (`payload`, app.yaml) of both generations into the same values.

Legacy, up to spec_version 4: `app.type`, `info`, `system` on top. Modern, from 5: `type` on top, `defaults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.manifest_keys import MODERN_REFUSED, TYPES, Effect, is_modern
from kelvin_provision.spec.read.findings import Findings, Path, quoted, type_of
from kelvin_provision.spec.request.shapes import DefaultsBlock, Deployment, Image, Info, Legacy, Modern
from kelvin_provision.spec.request.system import system_of
from kelvin_provision.spec.request.validation import check, check_rest
from kelvin_provision.spec.workload import System

BLOCKS = {"kelvin_legacy": "kelvin", "legacy_docker": "docker"}
"""The block of a legacy type below `app`, where it does not have the name of the type."""


@dataclass(frozen=True)
class App:
    """What a manifest contains; None is absent."""

    name: str | None = None
    version: str | None = None
    title: str | None = None
    image: str | None = None
    method: Method | None = None
    system: System = field(default_factory=System)
    configuration: dict[str, Any] = field(default_factory=dict)


def app_of(payload: Mapping[str, Any], path: Path, findings: Findings) -> App:
    """An empty manifest is an app whose image runs without settings. After an error, the valid rest is returned."""
    given = {key: value for key, value in payload.items() if value is not None}
    return _modern(given, path, findings) if is_modern(given) else _legacy(given, path, findings)


def _legacy(given: dict[str, Any], path: Path, findings: Findings) -> App:
    top = check_rest(Legacy, given, path, findings)
    # other keys below info are for the platform
    info_fields = {key: value for key, value in (top.info or {}).items() if key in Info.model_fields}
    info = check_rest(Info, info_fields, (*path, "info"), findings)
    app = top.app or {}
    kind = _type(app.get("type"), (*path, "app", "type"), findings)
    name = BLOCKS.get(kind or "docker", kind or "docker")
    block = app.get(name) if kind else None
    below = (*path, "app", name)
    return App(
        name=info.name,
        version=info.version,
        title=info.title,
        image=_image(top.image, (*path, "image"), findings),
        system=system_of(top.system or {}, (*path, "system"), findings),
        configuration=_mapping(_mapping(block, below, findings).get("configuration"), (*below, "configuration"), findings),
    )


def _modern(given: dict[str, Any], path: Path, findings: Findings) -> App:
    for key in [key for key in given if key in MODERN_REFUSED]:
        _refuse(key, given.pop(key), path, findings, typed="type" in given)
    top = check_rest(Modern, given, path, findings)
    _type(top.type, (*path, "type"), findings)
    below = (*path, "defaults")
    defaults = check_rest(DefaultsBlock, top.defaults or {}, below, findings)
    app = defaults.app or {}
    deployment = check_rest(Deployment, defaults.deployment or {}, (*below, "deployment"), findings)
    return App(
        name=top.name,
        version=top.version,
        title=top.title,
        image=_image(top.image, (*path, "image"), findings),
        method=Method(deployment.deployment_type) if deployment.deployment_type else None,
        system=system_of(defaults.system or {}, (*below, "system"), findings),
        configuration=defaults.configuration or _mapping(app.get("configuration"), (*below, "app", "configuration"), findings),
    )


def _refuse(key: str, value: Any, path: Path, findings: Findings, *, typed: bool) -> None:
    """A key of a legacy manifest."""
    if key == "app" and typed and isinstance(value, dict) and "type" in value:
        findings.add((*path, "app", "type"), "type is given at the top level and under app; remove app.type")
    else:
        findings.add((*path, key), f"not allowed from spec_version 5 on; {MODERN_REFUSED[key].meaning.replace('`', '')}")


def _type(value: Any, path: Path, findings: Findings) -> str | None:
    """The type of the app; this box runs all accepted types as containers."""
    if value is None:
        return None
    known = TYPES.get(value) if isinstance(value, str) else None
    if known is not None and known.effect is not Effect.REFUSED:
        return str(value)
    *others, last = [name for name, key in TYPES.items() if key.effect is not Effect.REFUSED]
    accepted = f"{', '.join(others)} or {last}"
    if known is not None:
        findings.add(path, f"type {value} is not supported on this box: {known.meaning}; accepted types are {accepted}")
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
