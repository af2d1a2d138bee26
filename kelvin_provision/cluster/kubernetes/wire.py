"""Objects as they are sent: the only place where secrets have values. Pure."""

from __future__ import annotations

from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.spec.secrets import fill
from kelvin_provision.spec.workload import Object


def filled(item: Object, lookup: Lookup) -> Object:
    """A copy with every reference replaced. A ConfigMap is never filled: app.yaml is the payload word for word, references and all."""
    if item.get("kind") == "ConfigMap":
        return item
    found: Object = fill(item, lookup)
    return found
