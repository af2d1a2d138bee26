"""Answers: JSON, and errors in the one form that every client of the platform shows (KELVIN 3.5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from starlette.responses import Response

from kelvin_provision.api.messages.refusals import Kind, Refusal
from kelvin_provision.api.messages.statuses import status_of
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import Hint, command, shell_line
from kelvin_provision.masking.controls import harmless_json
from kelvin_provision.queries.explaining.explanations import meaning

PROGRAM = "kelvin-provision"
JSON = "application/json"
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def encoded(document: Any) -> bytes:
    return harmless_json(json.dumps(document, separators=(",", ":"), ensure_ascii=False)).encode("utf-8", "replace")


def answer(document: Any, status: int = 200, *, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    return Response(encoded(document), status, {**HEADERS, **(headers or {})}, media_type)


@dataclass(frozen=True)
class Kept:
    """A document that is asked for again and again, with its tag."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def __len__(self) -> int:
        return len(self.body)

    def response(self, media_type: str, known: str) -> Response:
        """304 when the client has it already; `known` is its If-None-Match."""
        headers = {**HEADERS, "cache-control": "no-cache, private", "etag": self.tag}
        if self.tag in known:
            return Response(status_code=304, headers=headers)
        return Response(self.body, 200, headers, media_type)


def empty(status: int = 200) -> Response:
    """Without a Content-Type: clients read a body where one says JSON."""
    return Response(status_code=status, headers=HEADERS)


def error_document(name: str, title: str, description: str, solution: str, payload: Any = None) -> dict[str, Any]:
    """`name` is stable. `message` is the one key that python-keycloak shows."""
    error = {"name": name, "title": title, "description": description, "solution": solution, "payload": payload}
    return {"errors": [error], "message": description}


def refused(refusal: Refusal) -> Response:
    kind = refusal.kind
    document = error_document(refusal.name, kind.title, refusal.description, solution(refusal.solution or kind.solution), refusal.payload)
    return answer(document, kind.status, headers=refusal.headers)


def refused_bytes(name: str, kind: Kind, description: str) -> bytes:
    """The body of a refusal that is sent before there is a request."""
    return encoded(error_document(name, kind.title, description, kind.solution))


def partly(errors: Mapping[str, ProvisionError]) -> Response:
    """207: what was asked for is done, except for these workloads; each error has the name of its workload in the payload."""
    documents = [_of_error(error, {"workload_name": name}) for name, error in errors.items()]
    return answer({"errors": [error for document in documents for error in document["errors"]], "message": documents[0]["message"]}, 207)


def failed(error: ProvisionError, declared: tuple[int, ...]) -> Response:
    """An error of a use-case or a query. Its evidence is in the payload."""
    return answer(_of_error(error, {}), status_of(error, declared))


def error_of(error: ProvisionError) -> Any:
    """The error alone, as a part of an answer."""
    return _of_error(error, {})["errors"][0]


def _of_error(error: ProvisionError, more: Mapping[str, Any]) -> dict[str, Any]:
    payload = {**more, **({"evidence": list(error.evidence)} if error.evidence else {})}
    return error_document(error.code, meaning(type(error)), str(error), solution_of(error), payload or None)


def solution_of(error: ProvisionError) -> str:
    return solution(error.hint or command("explain", error.code))


def solution(hint: Hint | str) -> str:
    return shell_line(hint, PROGRAM)
