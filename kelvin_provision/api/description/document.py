"""From the table of routes and the descriptions to one OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kelvin_provision import api
from kelvin_provision.api.description import answers, bodies, bundle_answers, following_answers, workload_answers
from kelvin_provision.api.description.routes import DESCRIBED, OCTETS, Described
from kelvin_provision.api.description.schemas import Schema, named
from kelvin_provision.api.messages.documents import JSON
from kelvin_provision.api.messages.refusals import KINDS
from kelvin_provision.api.routes.platform import OPENAPI
from kelvin_provision.api.routes.table import ROWS, Row

FILE = Path(api.__file__).parent / OPENAPI
EVERYWHERE = (400, 413, 414, 421, 429, 500, 503, 507)
_WITH_LEVEL = (401, 403)
_TEXTS = {
    200: "done, or accepted as an order",
    201: "stored",
    202: "accepted",
    204: "done, or accepted as an order",
    206: "the range that was asked for",
    207: "done, or accepted as an order, but for the workloads that are named",
    304: "not changed since",
    409: "the state of the workload does not allow it",
    406: "it cannot be applied now",
    500: "a fault of the program",
    503: "not possible at the moment; the description says why",
    507: "there is no space left on the disk",
}
_SCHEMAS: dict[str, Schema] = {
    "Errors": answers.ERRORS,
    "PartlyRefused": answers.PARTLY_REFUSED,
    "Metadata": answers.METADATA,
    "Tokens": answers.TOKENS,
    "Discovery": answers.DISCOVERY,
    "User": workload_answers.USER,
    "DeployRequest": bodies.DEPLOY,
    "WorkloadItem": workload_answers.ITEM,
    "WorkloadPage": workload_answers.page("WorkloadItem"),
    "Workload": workload_answers.WORKLOAD,
    "AppWorkloadItem": workload_answers.APP_ITEM,
    "AppWorkloadPage": workload_answers.page("AppWorkloadItem"),
    "AppWorkload": workload_answers.APP_WORKLOAD,
    "LeaderList": workload_answers.LEADER,
    "Order": workload_answers.ORDER,
    "Orders": answers.ORDERS,
    "Upload": bundle_answers.UPLOAD,
    "Uploads": bundle_answers.UPLOADS,
    "Following": following_answers.FOLLOWING,
    "Followed": following_answers.FOLLOWED,
    "ReportSent": following_answers.REPORT_SENT,
    "Media": bundle_answers.MEDIA,
    "Trust": bundle_answers.TRUST,
    "TrustAccepted": bundle_answers.TRUST_ACCEPTED,
    "Bundle": bundle_answers.BUNDLE,
    "ImportPlan": bundle_answers.IMPORT_PLAN,
    "Imported": bundle_answers.IMPORTED,
    "VerifyBundleLine": bundle_answers.VERIFY_BUNDLE_LINE,
    "HistoryEntry": workload_answers.ENTRY,
    "History": answers.HISTORY,
    "Logs": answers.LOGS,
    "Configuration": answers.CONFIGURATION,
    "Agent": answers.AGENT,
    "Diff": answers.DIFF,
    "Check": answers.CHECK,
    "Box": answers.BOX,
    "Disk": answers.DISK,
    "Settings": answers.SETTINGS,
    "Words": answers.WORDS,
    "Explained": answers.EXPLAINED,
    "Images": answers.IMAGES,
    "Inventory": answers.INVENTORY,
    "VerifyLine": answers.VERIFY_LINE,
    "PrunePlan": answers.PRUNE_PLAN,
    "VerifiedHistory": answers.VERIFIED_HISTORY,
    "OrderedApply": answers.ORDERED_APPLY,
    "Scheduled": answers.SCHEDULED,
    "Cancelled": answers.CANCELLED,
}
_PATHS: dict[str, Schema] = {
    "realm": {"type": "string", "minLength": 1, "examples": ["kelvin"]},
    "workload_name": {"type": "string", "minLength": 1, "examples": ["motor-speed"]},
    "order": {"type": "integer", "minimum": 1},
    "node": {"type": "string", "minLength": 1, "examples": ["node-b"]},
    "user": {"type": "string", "minLength": 1, "examples": ["anna"]},
    "token": {"type": "string", "minLength": 1, "examples": ["line-3"]},
    "bundle": {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$", "examples": [f"sha256:{'0' * 64}"]},
    "upload": {"type": "string", "pattern": "^[0-9a-f]{16}$", "examples": ["0123456789abcdef"]},
    "word": {"type": "string", "minLength": 1, "examples": ["not-ready"]},
}


def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, DESCRIBED[row.handler])
    return {
        "openapi": "3.1.0",
        "info": {"title": "kelvin-provision", "version": "1", "description": "The platform's API for workloads on this box."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "responses": dict(_errors()),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(row: Row, described: Described) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _identifier(row),
        "summary": row.summary,
        "tags": [_tag(row.path)],
        "security": [{"token": []}] if row.level else [{}, {"token": []}] if 401 in row.errors and described.body is None else [],
        "parameters": [*_path_parameters(row.path), *(parameter.document() for parameter in described.query)],
        "responses": _responses(row, described),
    }
    if row.level:
        operation["description"] = f"Needs the level {row.level}{f' ({row.may})' if row.may else ''}."
        operation["x-level"] = row.level.value
    if described.body is not None:
        operation["requestBody"] = _body(described)
    return operation


def _identifier(row: Row) -> str:
    return re.sub(r"\W+", "_", f"{row.method.lower()}{row.path}").strip("_")


def _body(described: Described) -> dict[str, Any]:
    example = {"examples": {"one": {"value": dict(described.example)}}} if described.example else {}
    return {"required": not described.optional, "content": {described.body_type: {"schema": described.body, **example}}}


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATHS[name]}


def _responses(row: Row, described: Described) -> dict[str, Any]:
    codes = sorted({*row.errors, *EVERYWHERE, *(_WITH_LEVEL if row.level else ())})
    good: dict[str, Any] = {str(code): _success(code, described) for code in row.ok}
    if described.cached:
        good["304"] = {"description": _TEXTS[304]}
    return good | {str(code): {"$ref": f"#/components/responses/E{code}"} for code in codes}


def _success(code: int, described: Described) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _TEXTS[code]}
    if code == 207:
        response["content"] = {JSON: {"schema": named("PartlyRefused")}}
    elif described.answer is not None and not (code == 202 and OCTETS in described.media):
        response["content"] = {media: {"schema": described.answer} for media in described.media}
    if described.names:
        response["links"] = dict(_links(described.names, described.parameter))
    return response


def _links(place: str, parameter: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """To every route of one workload, or of what else the parameter is."""
    for row in ROWS:
        if f"{{{parameter}}}" in row.path:
            name = _identifier(row)
            yield name, {"operationId": name, "parameters": {parameter: f"$response.body#{place}"}}


def _errors() -> Iterator[tuple[str, dict[str, Any]]]:
    codes = {code for row in ROWS for code in row.errors} | {*EVERYWHERE, *_WITH_LEVEL}
    for code in sorted(codes):
        titles = [kind.title for kind in KINDS.values() if kind.status == code and not kind.of_pages]
        meaning = _TEXTS.get(code) or " ".join(titles) or "see the description of the error"
        yield f"E{code}", {"description": meaning, "content": {JSON: {"schema": named("Errors")}}}


def _tag(path: str) -> str:
    if path.startswith("/api/v4/apps"):
        return "apps"
    return {"api": "workloads", "workloads": "workloads", "auth": "login", "edge": "edge"}.get(path.split("/")[1], "box")
