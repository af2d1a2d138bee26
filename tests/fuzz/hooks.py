"""What schemathesis cannot know of the API: names that exist, cursors of ours, and which refusals of valid data have a reason."""

import json
import os

import schemathesis
from hypothesis import strategies

from kelvin_provision.access.levels import Level
from kelvin_provision.api.description.examples import CREATE_EXAMPLE, DEPLOY_EXAMPLE
from kelvin_provision.api.messages.signatures import HEADER
from kelvin_provision.queries.listing import Cursor, Query
from tests.fuzz.rules import DOCUMENTS
from tests.kit.api import PASSWORD

TOKEN = os.environ.get("FUZZ_TOKEN", "there is none")
NAMES = ("motor-speed", "pump", "fan", "valve")
GRAMMAR = {"bad-body", "bad-query", "bad-header", "bad-http", "usage"}
CURSORS = ("", *(Cursor(query, 5, at).encode() for query in (Query(), Query(name=("pump",))) for at in (None, [(0, "fan")])))
schemathesis.openapi.format("cursor", strategies.sampled_from(CURSORS))


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Mostly names that exist: what is done to others is 404."""
    known = dict(path_parameters or {})
    if "realm" in known:
        known["realm"] = "kelvin" if len(str(known["realm"])) % 4 else known["realm"]
    if "workload_name" in known:
        name = str(known["workload_name"])
        known["workload_name"] = NAMES[len(name) % 5] if len(name) % 5 < len(NAMES) else name
    if known.get("user") in list(Level):
        known["user"] = "anna"  # the fuzzer itself, and whoever keeps the box alive
    return known


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of the valid requests are about what is here, so that they do something: a random app manifest is nearly always refused.

    No upload is as large as a disk: 507 would be right.
    """
    if case.operation.path == "/edge/v1/password" and isinstance(case.body, dict) and case.body.get("password") == PASSWORD:
        case.body = case.body | {"password": f"{PASSWORD}4"}  # its own, with which all its tokens would end
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    if case.operation.path == "/edge/v1/uploads":
        case.body = case.body | {"size": case.body["size"] % 100_000 + 1}
    if len(str(case.body)) % 2:
        return
    name = NAMES[len(str(case.body)) // 2 % len(NAMES)]
    if case.operation.path.endswith("/workloads/deploy"):
        case.body = DEPLOY_EXAMPLE | {"name": name}
        case.headers.pop(HEADER, None)  # no signature fits by chance
    elif case.operation.path.endswith("/workloads/create"):
        case.body = CREATE_EXAMPLE | {"name": name}
    elif "workload_names" in case.body:
        case.body = {"workload_names": [name]}


@schemathesis.check
def only_by_state(ctx, response, case):
    """Valid data is refused for the state of the box, or for a finding in a document of an app: never for its form."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    name = _name_of(response)
    allowed = name not in GRAMMAR and (name != "request-refused" or case.operation.path.endswith(DOCUMENTS))
    assert allowed, f"valid data is refused as {name}: {response.content[:300]!r}"


@schemathesis.check
def unavailable_while_locked(ctx, response, case):
    """A request waits a second for one of the same kind that is under way; the agent answers everything else."""
    if response.status_code == 503:
        assert _name_of(response) == "locked", response.content[:300]


@schemathesis.check
def still_logged_in(ctx, response, case):
    """Once its token has ended, every answer is 401, and the fuzzer finds nothing more."""
    if response.status_code == 401 and _name_of(response) == "login-required":
        sent = response.request.headers.get("Authorization", [""])
        assert TOKEN not in "".join(sent), "the token of this run has ended"


@schemathesis.check
def trouble_has_a_name(ctx, response, case):
    """Every error is one of ours, in the one form."""
    if response.status_code >= 400 and case.method != "HEAD":
        document = json.loads(response.content)
        (error,) = document["errors"]
        assert all(error[key] for key in ("name", "title", "description", "solution")), error


def _name_of(response):
    return json.loads(response.content)["errors"][0]["name"]
