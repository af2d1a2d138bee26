"""From a request to the row of a table, by the path as it was sent: a `%2F` is no `/`, and what is encoded at the end is not left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from starlette.types import Scope

from kelvin_provision.api.messages.refusals import Refusal


class Matched(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def changes(self) -> bool: ...


R = TypeVar("R", bound=Matched)


class Matching(Generic[R]):
    def __init__(self, rows: Iterable[R]) -> None:
        paths: dict[str, dict[str, R]] = {}
        for row in rows:
            paths.setdefault(row.path, {})[row.method] = row
        self._paths = [(path.split("/"), methods) for path, methods in paths.items()]

    def find(self, scope: Scope) -> R:
        """The row of a request, with its path parameters in the scope. Raises Refusal."""
        path = scope["raw_path"].decode("ascii")
        sent = [unquote(segment) for segment in path.split("/")]
        for segments, methods in self._paths:
            parameters = _parameters(segments, sent)
            if parameters is None:
                continue
            scope["path_params"] = parameters
            known = {**methods, "HEAD": methods["GET"]} if "GET" in methods and not methods["GET"].changes else methods
            if scope["method"] in known:
                return known[scope["method"]]
            allowed = ", ".join(known)
            raise Refusal("method-refused", f"this route has {allowed}", headers={"allow": allowed})
        raise Refusal("route-unknown", f"there is no route {path[:200]!r}")


def _parameters(segments: Sequence[str], sent: Sequence[str]) -> dict[str, str] | None:
    """What stands for the names in braces; None for another path."""
    if len(segments) != len(sent):
        return None
    parameters = {}
    for segment, value in zip(segments, sent, strict=True):
        if segment.startswith("{"):
            if not value or "/" in value:
                return None
            parameters[segment[1:-1]] = value
        elif segment != value:
            return None
    return parameters
