"""References to secrets of this box, filled in at the last moment and never stored.

People write `<% secrets.NAME %>`; `<% registries.HOST %>` (a pull secret of that registry) is written by our rendering only
and refused in requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REFERENCE = re.compile(r"<%\s*((?:secrets|registries)\.[A-Za-z0-9][-A-Za-z0-9_.:]*)\s*%>")
BLANK = "***"
"""What stands in the app manifest where a secret stood."""


def names_in(value: Any) -> Iterator[str]:
    """What a document refers to (`secrets.NAME`, `registries.HOST`), in order, with repetitions."""
    if isinstance(value, str):
        yield from REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from names_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names_in(item)


def fill(value: Any, lookup: Callable[[str], str]) -> Any:
    """A copy of a document with every reference replaced by what `lookup` says; it raises SecretMissing."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: lookup(match[1]), value)
    if isinstance(value, dict):
        return {key: fill(item, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, lookup) for item in value]
    return value


def literal(value: str) -> bool:
    """Whether a secret stands in the text itself. What names a secret of this box is taken for a form that is filled in."""
    return bool(value.strip()) and not any(names_in(value))


def blanked(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an app manifest in which no secret volume has a value of its own; whole references stay.

    Only the two places where manifests have volumes are looked at: a `secret` in the app's configuration is the app's business.
    """
    found = dict(payload)
    if isinstance(found.get("system"), dict):
        found["system"] = _blanked_system(found["system"])
    defaults = found.get("defaults")
    if isinstance(defaults, dict) and isinstance(defaults.get("system"), dict):
        found["defaults"] = defaults | {"system": _blanked_system(defaults["system"])}
    return found


def _blanked_system(system: dict[str, Any]) -> dict[str, Any]:
    volumes = system.get("volumes")
    return system | {"volumes": [_blanked_volume(item) for item in volumes]} if isinstance(volumes, list) else system


def _blanked_volume(volume: Any) -> Any:
    secret = volume.get("secret") if isinstance(volume, dict) else None
    if not isinstance(secret, dict) or REFERENCE.fullmatch(str(secret.get("value", "")).strip()):
        return volume
    return volume | {"secret": secret | {"value": BLANK}}
