"""The app manifest as the container gets it in app.yaml: everybody in the container may read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kelvin_provision.masking.text import MASK
from kelvin_provision.spec.references import REFERENCE


def mask_secret_volumes(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with `***` as the value of each secret volume; references stay.

    Unlike elsewhere nothing more is masked: the app needs the rest, and a `secret` in the app's own configuration is its business.
    """
    manifest = dict(payload)
    if isinstance(manifest.get("system"), dict):
        manifest["system"] = _system(manifest["system"])
    defaults = manifest.get("defaults")
    if isinstance(defaults, dict) and isinstance(defaults.get("system"), dict):
        manifest["defaults"] = defaults | {"system": _system(defaults["system"])}
    return manifest


def _system(system: dict[str, Any]) -> dict[str, Any]:
    volumes = system.get("volumes")
    return system | {"volumes": [_volume(volume) for volume in volumes]} if isinstance(volumes, list) else system


def _volume(volume: Any) -> Any:
    secret = volume.get("secret") if isinstance(volume, dict) else None
    if not isinstance(secret, dict) or REFERENCE.fullmatch(str(secret.get("value", "")).strip()):
        return volume
    return volume | {"secret": secret | {"value": MASK}}
