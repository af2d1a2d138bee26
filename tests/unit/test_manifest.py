"""The app manifest in `payload`, both generations, and where its image comes from."""

import json

import pytest

from kelvin_provision.spec import manifest_keys
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.manifest_keys import Effect, is_modern, without_effect
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request import shapes, system_shapes
from kelvin_provision.spec.workload import Port, Spec, System, Variable, Volume, VolumeKind
from tests.kit.requests import accepted, body, refused, spec_of

NODERED = """
spec_version: 5.0.0
type: docker
name: nodered-server
title: Node-RED Server
description: Node-RED as a docker app.
version: 1.0.0
defaults:
  system:
    ports:
      - name: http
        type: host
        host:
          port: 1880
    privileged: false
    volumes:
      - name: data
        target: /data
        type: persistent
  configuration:
    ip-range: 0.0.0.0
    port: 1880
"""

MOSQUITTO = """
spec_version: 5.0.0
type: docker
name: mqtt-mosquitto
title: MQTT Mosquitto
version: 1.0.0
defaults:
  system:
    ports:
      - name: mqtt-service
        type: service
        service:
          port: 28883
    volumes:
      - name: mqtt-data
        target: /mosquitto/data
        type: persistent
    environment_vars:
      - name: MQTT_USER
        value: <% secrets.mqtt-user %>
      - name: MQTT_PASSWORD
        value: <% secrets.mqtt-password %>
"""


def payload_of(text):
    (document,) = read("app.yaml", text.encode())
    return document.value


def test_the_documented_nodered_manifest():
    payload = payload_of(NODERED)
    spec = spec_of({"name": "nodered", "payload": payload})
    assert (spec.app_name, spec.app_version, spec.title) == ("nodered-server", "1.0.0", "Node-RED Server")
    assert spec.image == "r.example:5000/nodered-server:1.0.0"
    assert spec.system == System(ports=(Port("http", 1880, host_port=1880),), volumes=(Volume("data", VolumeKind.PERSISTENT, "/data"),))
    assert spec.configuration == {"ip-range": "0.0.0.0", "port": 1880}
    assert spec.payload == payload
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_the_documented_mosquitto_manifest():
    spec = spec_of({"name": "mqtt", "payload": payload_of(MOSQUITTO)})
    assert spec.system == System(
        environment=(Variable("MQTT_USER", "<% secrets.mqtt-user %>"), Variable("MQTT_PASSWORD", "<% secrets.mqtt-password %>")),
        ports=(Port("mqtt-service", 28883, service_port=28883),),
        volumes=(Volume("mqtt-data", VolumeKind.PERSISTENT, "/mosquitto/data"),),
    )


def test_a_legacy_manifest():
    payload = {
        "spec_version": "4.11.0",
        "info": {"name": "motor-speed", "title": "Motor Speed", "description": "x", "version": "2.3.0", "labels": {"a": 1}},
        "environment": {"node_name": "n"},
        "app": {"type": "docker", "docker": {"dockerfile": "Dockerfile", "context": ".", "configuration": {"rate": 5}}},
        "system": {"privileged": True},
    }
    spec = spec_of({"name": "w", "payload": payload})
    assert (spec.app_name, spec.app_version, spec.title) == ("motor-speed", "2.3.0", "Motor Speed")
    assert spec.system == System(privileged=True)
    assert spec.configuration == {"rate": 5}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {}),
        ({"spec_version": None, "app": None}, {}),
        ({"app": {"type": "bridge", "bridge": {"configuration": {"a": 1}}}}, {"a": 1}),
        ({"app": {"type": "docker", "docker": None}}, {}),
        ({"app": {"type": "legacy_docker", "docker": {"configuration": {"a": 1}}}}, {"a": 1}),
        ({"app": {"type": "kelvin_legacy", "kelvin": {"configuration": {"a": 1}}}}, {"a": 1}),
        ({"type": "app", "defaults": {"app": {"configuration": {"b": 2}}}}, {"b": 2}),
        ({"spec_version": "5.0.0"}, {}),
    ],
)
def test_the_configuration_is_found_in_either_generation(payload, expected):
    assert spec_of(body(payload=payload)).configuration == expected


@pytest.mark.parametrize("kind", [name for name, key in manifest_keys.TYPES.items() if key.effect is Effect.USED])
def test_every_type_that_can_be_a_container_is_accepted(kind):
    assert spec_of(body(payload={"type": kind})).image == "r.example:5000/motor-speed:2.3.0"
    assert spec_of(body(payload={"app": {"type": kind}})).image == "r.example:5000/motor-speed:2.3.0"


TYPES = "app, bridge, docker, exporter, importer, kelvin, kelvin_legacy or legacy_docker"
TASK = "type task is not supported on this box: a task runs once; give a Kubernetes Job as manifests instead; accepted types are"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"type": "task"}, [f"payload.type: {TASK} {TYPES}"]),
        ({"app": {"type": "task"}}, [f"payload.app.type: {TASK} {TYPES}"]),
        ({"type": "dokcer"}, [f"payload.type: expected {TYPES}, got 'dokcer'"]),
        ({"app": {"type": ["docker"]}}, [f"payload.app.type: expected {TYPES}, got a list"]),
        ({"type": 5}, ["payload.type: expected text, got 5; put it in quotes"]),
        ({"sistem": {}}, ["payload.sistem: unknown key 'sistem'; did you mean system?"]),
        ({"type": "docker", "defualts": {}}, ["payload.defualts: unknown key 'defualts'; did you mean defaults?"]),
        ({"defaults": {"sytem": {}}}, ["payload.defaults.sytem: unknown key 'sytem'; did you mean system?"]),
        ({"type": "docker", "system": {}}, ["payload.system: not allowed from spec_version 5 on; use defaults.system"]),
        (
            {"type": "docker", "app": {"type": "docker"}},
            ["payload.app.type: type is given at the top level and under app; remove app.type"],
        ),
        (
            {"type": "docker", "app": {"docker": {}}},
            ["payload.app: not allowed from spec_version 5 on; use type at the top and defaults.configuration"],
        ),
        ({"type": "importer", "importer_oi": []}, ["payload.importer_oi: unknown key 'importer_oi'; did you mean importer_io?"]),
        ({"type": "exporter", "exporter-io": []}, ["payload.exporter-io: unknown key 'exporter-io'; did you mean exporter_io?"]),
        (
            {"defaults": {"deployment": {"deployment_type": "later"}}},
            ["payload.defaults.deployment.deployment_type: expected standard, staged+instant-apply or staged-only, got 'later'"],
        ),
        ({"spec_version": "5.0.0", "flogs": {}}, ["payload.flogs: unknown key 'flogs'; did you mean flags?"]),
        ({"info": []}, ["payload.info: expected a mapping, got a list"]),
        ({"info": {"version": 2.3}}, ["payload.info.version: expected text, got 2.3; put it in quotes"]),
        (
            {"type": "docker", "version": "1.0"},
            ["payload.version: expected a semantic version such as 1.0.0-rc1+build5, got '1.0'"],
        ),
        (
            {"type": "docker", "name": "A_b"},
            ["payload.name: expected lower-case letters, digits and '-', beginning and ending with a letter or digit, got 'A_b'"],
        ),
        ({"app": {"type": "docker", "docker": []}}, ["payload.app.docker: expected a mapping, got a list"]),
        (
            {"app": {"type": "docker", "docker": {"configuration": "hunter2"}}},
            ["payload.app.docker.configuration: expected a mapping, got text"],
        ),
        ({"defaults": {"app": {"configuration": []}}}, ["payload.defaults.app.configuration: expected a mapping, got a list"]),
        ({"image": {"mode": "manual"}}, ["payload.image.uri: required field is missing; mode manual needs an image reference"]),
        ({"image": {"mode": "own"}}, ["payload.image.mode: expected auto, manual or undefined, got 'own'"]),
        (
            {"image": {"mode": "manual", "uri": "u:hunter2@x"}},
            ["payload.image.uri: not an image reference; expected host[:port]/path[:tag][@sha256:digest]"],
        ),
        (
            {"image": {"uri": "r.example/a:latest"}},
            ["payload.image.uri: 'r.example/a' with latest is a tag that can move; use a version or a digest, or --allow-latest"],
        ),
    ],
)
def test_each_refusal_of_a_manifest(payload, expected):
    assert refused(body(payload=payload)) == expected


def test_the_manifests_image_wins_and_is_written_in_full():
    assert spec_of(body(payload={"image": {"mode": "manual", "uri": "nginx:1.27"}})).image == "docker.io/library/nginx:1.27"
    assert spec_of(body(payload={"type": "app", "image": {"mode": "auto"}})).image == "r.example:5000/motor-speed:2.3.0"
    assert spec_of(body(payload={"image": {"uri": "nginx:1"}}), registry=None).image == "docker.io/library/nginx:1"


def test_without_a_registry_and_without_a_uri_the_setting_is_named():
    assert refused(body(payload={}), registry=None) == ["payload.image.uri: no image; set image.uri, or the setting registry"]


def test_a_plus_in_the_version_is_an_underscore_in_the_tag_only():
    spec = spec_of(body(app_version="1.0.0+build.5"), registry="r.example/team/")
    assert (spec.image, spec.app_version) == ("r.example/team/motor-speed:1.0.0_build.5", "1.0.0+build.5")


def test_a_version_that_is_no_tag_is_refused():
    assert refused(body(app_version="1 0")) == [
        "app_version: '1 0' is not a valid image tag; accepted are letters, digits, '.', '_', '-' and '+', beginning with a letter or digit"
    ]


def test_the_body_wins_over_the_payload_with_a_warning():
    result = accepted(body(payload={"type": "docker", "name": "other", "version": "1.0.0"}))
    assert result.specs[0].image == "r.example:5000/motor-speed:2.3.0"
    assert result.warnings == (
        "a.yaml, document 1, app_name: 'motor-speed' is used; 'other' in the payload is ignored",
        "a.yaml, document 1, app_version: '2.3.0' is used; '1.0.0' in the payload is ignored",
    )


PUBLISHED = {
    "importer": {"importer_io", "data_quality", "ui_schemas", "custom_actions"},
    "exporter": {"exporter_io", "data_quality", "ui_schemas", "custom_actions"},
    "docker": {"ui_schemas"},
    "app": {
        "data_streams",
        "control_changes",
        "data_quality",
        "parameters",
        "ui_schemas",
        "custom_actions",
        "data_tags",
        "recommendations",
    },
}
"""What the SDK's models of app.yaml have besides COMMON."""
COMMON = {"spec_version", "type", "name", "title", "description", "version", "category", "flags", "defaults", "api_permissions"}
REGISTRY = {"image", "io", "dynamic_io", "parameters", "custom_actions", "data_quality", "data_tags", "recommendations", "schemas"}
"""What the manifest of the app registry has besides."""


@pytest.mark.parametrize("kind", list(PUBLISHED))
@pytest.mark.parametrize("value", [[], {}])
def test_every_key_of_a_type_is_accepted_and_stays_in_the_payload(kind, value):
    records = dict.fromkeys(("created_at", "created_by", "updated_at", "updated_by"), "2026-01-01T00:00:00Z")
    plain = {"spec_version": "5.0.0", "type": kind, "name": "pump", "title": "P", "description": "d", "version": "1.0.0", "category": "c"}
    typed = {"flags": {}, "defaults": {}, "api_permissions": [], "ui_schemas": {}, "image": {}}
    keys = COMMON | PUBLISHED[kind] | REGISTRY
    payload = {key: (plain | typed).get(key, value) for key in keys} | records
    assert spec_of({"name": "w", "payload": payload}).payload == payload
    assert set(without_effect(payload)) == {key for key in keys | records.keys() if manifest_keys.MODERN[key].effect is Effect.KEPT}


def test_the_table_has_the_keys_that_the_reader_accepts_and_no_other():
    accepted = [
        (shapes.Modern, manifest_keys.MODERN),
        (shapes.Legacy, manifest_keys.LEGACY),
        (shapes.DefaultsBlock, manifest_keys.DEFAULTS),
        (system_shapes.SystemBlock, manifest_keys.SYSTEM),
    ]
    assert [
        (shape.__name__, shape.model_fields.keys() ^ keys.keys()) for shape, keys in accepted if shape.model_fields.keys() ^ keys.keys()
    ] == []
    assert not manifest_keys.MODERN_REFUSED.keys() & shapes.Modern.model_fields.keys()


@pytest.mark.parametrize(
    ("manifest", "modern"),
    [
        ({}, False),
        ({"importer_io": []}, True),
        ({"name": "x", "version": "1.0.0"}, True),
        ({"spec_version": "10.0.0"}, True),
        ({"spec_version": "4.13.0", "importer_io": []}, False),
        ({"spec_version": ["5"]}, False),
        ({"app": {"type": "docker"}, "name": "x"}, False),
        ({"image": {"uri": "x"}}, False),
    ],
)
def test_the_generation_of_a_manifest(manifest, modern):
    assert is_modern(manifest) is modern


def test_what_the_platform_alone_uses_is_named_where_it_stands():
    manifest = {"type": "importer", "importer_io": [], "flags": None, "defaults": {"system": {}, "parameters": {"a": 1}, "resources": None}}
    assert without_effect(manifest) == ("importer_io", "defaults.parameters")
    assert without_effect({"info": {}, "environment": {}}) == ("environment",)
    assert without_effect({"defaults": ["odd"], "unknown": 1}) == ()


@pytest.mark.parametrize(
    ("request_keys", "method", "warned"),
    [
        ({}, Method.STAGED, True),
        ({"deployment_type": "standard"}, Method.STANDARD, False),
        ({"staged": False}, Method.STANDARD, False),
        ({"instantly_apply": True}, Method.STANDARD, False),
    ],
)
def test_the_method_of_a_manifest_counts_where_the_request_has_none(request_keys, method, warned):
    deployment = {"deployment_type": "staged-only", "max_resources": 1, "target": {"type": "cluster", "cluster": {"name": "x"}}}
    result = accepted(body(payload={"defaults": {"deployment": deployment}}) | request_keys)
    assert result.specs[0].method is method
    place = (
        "a.yaml, document 1, payload.defaults.deployment.deployment_type: staged-only is used instead of standard, the default of this box"
    )
    assert [warning.partition(";")[0] for warning in result.warnings] == ([place] if warned else [])
