"""From a request to the row of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
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
        self._paths = [(Route(path, endpoint=_never), methods) for path, methods in paths.items()]

    def find(self, scope: Scope) -> R:
        """The row of a request, with its path parameters in the scope. Raises Refusal."""
        for route, methods in self._paths:
            match, more = route.matches(scope)
            if match is Match.NONE:
                continue
            scope.update(more)
            known = {**methods, "HEAD": methods["GET"]} if "GET" in methods and not methods["GET"].changes else methods
            if scope["method"] in known:
                return known[scope["method"]]
            allowed = ", ".join(known)
            raise Refusal("method-refused", f"this route has {allowed}", headers={"allow": allowed})
        raise Refusal("route-unknown", f"there is no route {scope['path'][:200]!r}")


async def _never(_request: Request) -> Response:
    """Routes are only matched; their handlers are called by the application."""
    raise AssertionError
