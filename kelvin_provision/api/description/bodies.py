"""What the body of a request may have. Those of a deploy are the shapes that the program checks it with, so that none is written twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from kelvin_provision.access.levels import Level
from kelvin_provision.access.programs import NAME as TOKEN_NAME
from kelvin_provision.access.users import NAME as USER_NAME
from kelvin_provision.api.description.schemas import ANYTHING, FLAG, TEXT, TEXTS, TIME, Schema, items, nullable, one_of, record
from kelvin_provision.api.routes import apps
from kelvin_provision.api.routes.access import LIFETIME, LIFETIMES
from kelvin_provision.api.routes.edge import LONGEST_REASON, MOST_REVISION, MOST_SECONDS
from kelvin_provision.api.routes.orders import MOST_NAMES
from kelvin_provision.api.routes.uploads import LARGEST, LONGEST_MARK, LONGEST_NAME
from kelvin_provision.spec.request.additional_images import MAX_IMAGES
from kelvin_provision.spec.request.shapes import Body, Legacy, Modern
from kelvin_provision.spec.request.system_shapes import SystemBlock
from kelvin_provision.trust.documents.model import LARGEST as LARGEST_DOCUMENT
from kelvin_provision.trust.documents.model import MOST as MOST_DOCUMENTS

_UNUSED = {"default", "title"}
_SPACE = r"\s\x1c-\x1f\x85"
"""What Python's `strip` takes away."""


def _plain(schema: Any) -> Any:
    """A schema of pydantic without what only pydantic uses."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        return {**_rest(schema), "properties": {name: _plain(value) for name, value in schema["properties"].items()}}
    return _rest(schema)


def _rest(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in schema.items() if key not in _UNUSED and key != "properties"}


def shape(model: type[BaseModel], **replaced: Schema) -> Schema:
    """The schema of a shape of `spec.request`, with other schemas for some of its keys."""
    schema: Schema = _plain(model.model_json_schema())
    assert "$defs" not in schema, model  # noqa: S101  (its parts are checked one by one, and are mappings here)
    return {**schema, "properties": {name: _optional(value) for name, value in (schema["properties"] | replaced).items()}}


def _optional(schema: Schema) -> Schema:
    """With null, which older clients send for a key that they do not set."""
    choices = schema.get("anyOf", ())
    return schema if not schema or {"type": "null"} in choices or "null" in schema.get("type", ()) else nullable(schema)


def _given(name: str) -> Schema:
    """Where this key has a value other than null."""
    return {"properties": {name: {"not": {"type": "null"}}}, "required": [name]}


_MANIFEST: Schema = {"anyOf": [shape(Modern), shape(Legacy), {"type": "null"}], "description": "the app manifest; see docs/manifests.md"}
_REQUEST = shape(Body, payload=_MANIFEST, images=nullable(items(TEXT, maxItems=MAX_IMAGES)))
DEPLOY: Schema = {**_REQUEST, "description": "A request to deploy; see docs/requests.md."}

_RUNTIME: Schema = {
    "type": "object",
    "properties": {"configuration": {"type": ["object", "null"]}},
    "additionalProperties": {"enum": [None, False, 0, "", [], {}]},
    "description": "the configuration of the app; a box has no assets, so that the rest stays empty",
}
_APP = _REQUEST["properties"] | {"runtime": nullable(_RUNTIME), "system": nullable(shape(SystemBlock))}


def _app_body(names: Iterable[str], more: Mapping[str, Schema]) -> Schema:
    properties = {name: _APP[name] for name in names} | dict(more)
    return {"type": "object", "properties": properties, "additionalProperties": False}


_NAMED = {"workload_names": items({"type": "string", "minLength": 1}, minItems=1, maxItems=MOST_NAMES)}
_PERMISSIONS = {"api_permissions": nullable(items(ANYTHING))}
_CREATE = _app_body(apps.CREATE, {**_PERMISSIONS, "enabled": {"enum": [True, None]}})
CREATE: Schema = {**_CREATE, "allOf": [_given(name) for name in apps.REQUIRED]}
_PATCH = _app_body([name for name in apps.PATCH if name in _APP], _PERMISSIONS)
PATCH: Schema = {**_PATCH, "anyOf": [_given(name) for name in apps.PATCH]}

_BULK = _app_body(
    [name for name in apps.BULK if name in _APP],
    {**_PERMISSIONS, "app_name": nullable(TEXT), **_NAMED},
)
BULK: Schema = {**_BULK, "required": ["workload_names"], "anyOf": [_given(name) for name in apps.BULK]}
RESOURCES = record(resources=TEXTS)
RESOURCE: Schema = {"type": "object"}

NAMES = record(**_NAMED)
CONFIGURATION = record(configuration={"type": "object", "description": "an empty one removes the whole configuration"})
ROLLBACK = record({"to": nullable({"type": "integer", "minimum": 1, "maximum": MOST_REVISION})})
REHEARSE = record(
    {
        "seconds": nullable({"type": "integer", "minimum": 1, "maximum": MOST_SECONDS}),
        "allow_network": FLAG,
        "real_volumes": nullable({"type": "string", "enum": ["ro"]}),
        "jobs": FLAG,
    }
)
HOLD = record(reason={"type": "string", "maxLength": LONGEST_REASON, "pattern": rf"[^{_SPACE}]"})
NOTHING = record()
_PASSWORD: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "8 characters with an upper-case letter, a lower-case letter and a digit",
}
ADD_USER = record(name={"type": "string", "pattern": f"^{USER_NAME}$"}, password=_PASSWORD, level=one_of(Level))
PASSWORD = record(password=_PASSWORD)
OWN_PASSWORD = record(password={"type": "string", "minLength": 1}, new_password=_PASSWORD)
DRAIN = record(draining=FLAG)
USER_LEVEL = record(level=one_of(Level))
CREATE_TOKEN = record(
    {"for": nullable({"type": "string", "pattern": f"^{LIFETIMES}$", "description": f"by default {LIFETIME}"})},
    name={"type": "string", "pattern": f"^{TOKEN_NAME}$"},
    level=one_of(Level),
)
UPLOAD = record(
    {
        "sha256": nullable({"type": "string", "pattern": "^([0-9a-f]{64})?$"}),
        "mark": nullable({"type": "string", "maxLength": LONGEST_MARK, "description": "of the client, which knows the file by it"}),
    },
    name={"type": "string", "maxLength": LONGEST_NAME, "pattern": rf"[^{_SPACE}]"},
    size={"type": "integer", "minimum": 1, "maximum": LARGEST},
)
_DIGEST: Schema = {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$", "description": "the digest that the bundle must have"}
EXPECT = record({"expect": nullable(_DIGEST)})
PUBLICATIONS = record({"publications": nullable(TEXTS)})
IMPORT = record({"expect": nullable(_DIGEST), "images_only": nullable(FLAG), "allow_older": nullable(FLAG)})
_BASE64: Schema = {
    "type": "string",
    "contentEncoding": "base64",
    "maxLength": 4 * LARGEST_DOCUMENT // 3 + 4,
    "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
TRUST_DOCUMENTS = record(documents=items(record(content=_BASE64, signatures=_BASE64), minItems=1, maxItems=MOST_DOCUMENTS))
BYTES: Schema = {"type": "string", "format": "binary"}
PRUNE = record({"orphans": nullable(FLAG)})
_FALSE: Schema = {"enum": [False, None]}
_FORCE = {"force": nullable(FLAG)}


def _selecting(more: Mapping[str, Schema], every: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    """Either names or all; `every` are keys that go with all."""
    off = dict.fromkeys(every or {}, _FALSE)
    named = record({"all": _FALSE, **off, **more}, **_NAMED, **required)
    everything = record({"workload_names": {"type": "null"}, **(every or {}), **more}, all={"const": True}, **required)
    return {"anyOf": [named, everything]}


APPLY = _selecting(_FORCE, {"retry_failed": nullable(FLAG)})
SCHEDULE = _selecting(_FORCE, at=TIME)
CANCEL = _selecting({})

_GIVEN = {"type": "string", "minLength": 1}


def _grant(kind: str, *fields: str) -> Schema:
    """Other fields, such as `client_id` or `scope`, count for nothing."""
    return {
        "type": "object",
        "properties": {"grant_type": {"const": kind}, **dict.fromkeys(fields, _GIVEN)},
        "required": ["grant_type", *fields],
        "additionalProperties": TEXT,
    }


LOGIN: Schema = {
    "anyOf": [
        _grant("password", "username", "password"),
        _grant("client_credentials", "client_id", "client_secret"),
        _grant("refresh_token", "refresh_token"),
    ]
}
LOGOUT: Schema = {"type": "object", "properties": {"refresh_token": TEXT}, "additionalProperties": TEXT}
