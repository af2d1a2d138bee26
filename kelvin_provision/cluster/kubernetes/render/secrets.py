"""Renders pull secrets, and fills in secret values just before objects are sent. Pure."""

from __future__ import annotations

import base64

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, image_volumes_of, short, template_of
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object


def fill_secrets(item: Object, lookup: Lookup) -> Object:
    """Return a copy with all references replaced by values. ConfigMaps keep them: app.yaml is the payload word for word."""
    if item.get("kind") == "ConfigMap":
        return item
    filled: Object = fill(item, lookup)
    text = filled.pop("stringData", None) if filled.get("kind") == "Secret" else None
    if text:
        # The server copies `stringData` into `data` and would never remove a key that we no longer send.
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        filled["data"] = (filled.get("data") or {}) | encoded
    return filled


def pull_secret_name(workload: str, host: str) -> str:
    """There is one for each registry. The name has a hash, since a host with a port is not a valid name."""
    return f"{workload}-pull-{short(host)}"


def pull_secret(workload: str, host: str, namespace: str = "") -> Object:
    """A Secret that refers to the registry's credentials; without a namespace it gets the box's."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": pull_secret_name(workload, host)} | ({"namespace": namespace} if namespace else {}),
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": f"<% registries.{host} %>"},
    }


def registries_of(item: Object) -> set[str]:
    """Return the registries that the pods of an object pull from."""
    hosts, template = set(), template_of(item) or {}
    images = [container.get("image") for container in containers_of(template)]
    images += [volume["image"].get("reference") for volume in image_volumes_of(template)]
    for image in images:
        try:
            hosts.add(Reference.parse(str(image or "")).host)
        except ReferenceInvalid:
            continue  # the server rejects it
    return hosts
