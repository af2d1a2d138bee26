"""How the tests of requests ask: one document in, a Spec or the findings out."""

import json

import pytest

from kelvin_provision.errors import RequestRefused
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.request.accept import Defaults, accept


def defaults(**changes):
    usual = {
        "registry": "r.example:5000",
        "cluster_name": "here",
        "method": Method.STANDARD,
        "has_secret": {"known", "mqtt-user", "mqtt-password"}.__contains__,
    }
    return Defaults(**usual | {"suffix": lambda: "abc123def456"} | changes)


def body(**keys):
    return {"app_name": "motor-speed", "app_version": "2.3.0", "name": "w"} | keys


def accepted(value, **changes):
    return accept([Document("a.yaml", 1, value)], defaults(**changes))


def spec_of(value, **changes):
    (spec,) = accepted(value, **changes).specs
    return spec


def refused(value, **changes):
    """The findings without file and document."""
    with pytest.raises(RequestRefused) as caught:
        accepted(value, **changes)
    assert all(line.startswith("a.yaml, document 1") for line in caught.value.evidence)
    return [line.removeprefix("a.yaml, document 1").removeprefix(", ") for line in caught.value.evidence]


def system_of(system):
    return spec_of(body(payload={"system": system})).system


def system_refused(system):
    return [line.removeprefix("payload.system").removeprefix(".") for line in refused(body(payload={"system": system}))]


def deployable(name="motor"):
    """A whole request for the API; no registry has its image."""
    payload = _payload(name, "1.0.0", f"127.0.0.1:1/{name}:1.0.0")
    return {"name": name, "app_name": name, "app_version": "1.0.0", "payload": payload, "staged": True, "instantly_apply": False}


def platform_request(name="motor", version="1.0.0", **more):
    """A whole request for the API, as the platform's page has it; clients send null for what they leave out."""
    body = {
        "app_name": name,
        "app_version": version,
        "cluster_name": "c",
        "acp_name": None,
        "name": name,
        "title": "Motor",
        "payload": _payload(name, version, f"r.io/{name}:{version}"),
    }
    return body | {"staged": True, "instantly_apply": False, "source": "krn:user:demo@kelvin.ai"} | more


def stored_request(name, version="1.0.0", **more):
    """Its bytes, as a bundle has them. The image is the app's own in the registry of the box."""
    document = {"name": name, "title": name, "app_name": name, "app_version": version, "payload": _payload(name, version)}
    return json.dumps(document | {"staged": True, "instantly_apply": False} | more).encode()


def _payload(name, version, uri=""):
    payload = {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": name,
        "title": name,
        "description": name,
        "version": version,
    }
    return payload | ({"image": {"mode": "manual", "uri": uri}} if uri else {})
