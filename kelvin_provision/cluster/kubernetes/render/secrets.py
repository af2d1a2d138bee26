"""Secrets: logins for pulling images, and objects filled with secret values, which happens only just before they are sent. Pure."""

from __future__ import annotations

import base64

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, short, template_of
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object


def fill_secrets(item: Object, lookup: Lookup) -> Object:
    """A copy with every reference replaced. A ConfigMap stays as it is: app.yaml is the payload word for word, references and all."""
    if item.get("kind") == "ConfigMap":
        return item
    filled: Object = fill(item, lookup)
    text = filled.pop("stringData", None) if filled.get("kind") == "Secret" else None
    if text:
        # From `stringData` the server would copy into `data`, and never remove a key again that we no longer send.
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        filled["data"] = (filled.get("data") or {}) | encoded
    return filled


def pull_secret_name(workload: str, host: str) -> str:
    """One for each registry. A host with a port is not a valid name, so its hash is used."""
    return f"{workload}-pull-{short(host)}"


def pull_secret(workload: str, host: str) -> Object:
    """The registry's credentials, filled in just before sending."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": pull_secret_name(workload, host)},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": f"<% registries.{host} %>"},
    }


def registries_of(item: Object) -> set[str]:
    """The hosts that the pods of an object pull from."""
    hosts = set()
    for container in containers_of(template_of(item) or {}):
        try:
            hosts.add(Reference.parse(str(container.get("image") or "")).host)
        except ReferenceInvalid:
            continue  # the server rejects it in its own words
    return hosts
