"""Objects as they are sent: the only place where secrets have values. Pure."""

from __future__ import annotations

import base64

from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object


def filled(item: Object, lookup: Lookup) -> Object:
    """A copy with every reference replaced. A ConfigMap is never filled: app.yaml is the payload word for word, references and all."""
    if item.get("kind") == "ConfigMap":
        return item
    found: Object = fill(item, lookup)
    text = found.pop("stringData", None) if found.get("kind") == "Secret" else None
    if text:
        # The server would copy it over itself, and never take a key away again that we no longer send.
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        found["data"] = (found.get("data") or {}) | encoded
    return found
