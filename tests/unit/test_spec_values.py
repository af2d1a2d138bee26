"""The values behind requests: nothing is lost on the way through the ledger, and references are filled in at the end."""

import json

import pytest

from kelvin_provision.errors import SecretMissing
from kelvin_provision.spec.enums import State
from kelvin_provision.spec.references import fill, references_in
from tests.kit.requests import body, spec_of

SYSTEM = {
    "resources": {"requests": {}},
    "ports": [{"name": "p", "service": {"port": 80}}],
    "volumes": [{"target": "/v", "type": "text", "text": {"data": "x"}}],
    "environment_vars": [{"name": "A", "value": "b"}],
    "health_check": {
        "liveness_probe": {"http_get": {"port": 80, "http_headers": [{"name": "X", "value": "y"}]}},
        "readiness_probe": {"exec": {"command": ["true"]}},
    },
    "metrics": {"port": 9100},
}


def test_an_accepted_workload_comes_back_from_json_as_it_was():
    spec = spec_of(body(payload={"type": "docker", "defaults": {"system": SYSTEM}}))
    document = json.loads(json.dumps(spec.to_json()))
    assert document["schema"] == 1
    assert type(spec).from_json(document) == spec


def test_references_are_found_and_filled_in_everywhere():
    document = {"a": "x <% secrets.one %> <%registries.r.example:5000%>", "b": [{"c": "<% secrets.two %>"}, 5], "d": ("<% vault.x %>",)}
    assert list(references_in(document)) == ["secrets.one", "registries.r.example:5000", "secrets.two"]
    assert fill(document, str.upper) == {
        "a": "x SECRETS.ONE REGISTRIES.R.EXAMPLE:5000",
        "b": [{"c": "SECRETS.TWO"}, 5],
        "d": ["<% vault.x %>"],
    }

    def nothing(name):
        raise SecretMissing(name)

    with pytest.raises(SecretMissing):
        fill(document, nothing)


def test_states_are_worded_as_the_platform_words_them():
    assert [state.message for state in (State.PENDING_DEPLOY, State.PENDING_APPLY, State.RUNNING)] == [
        "Pending for deploy",
        "Pending apply",
        "Running",
    ]
