"""The platform's list (KELVIN 3.3, 3.4): filters, order, and three ways to page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from kelvin_provision.api.messages.documents import JSON, encoded, rendered
from kelvin_provision.api.messages.parameters import as_word, flag, many, number, refuse_unknown, single, word
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.queries.items import WorkloadItem
from kelvin_provision.queries.listing import LARGEST_PAGE, Cursor, Direction, Page, Query, SortKey
from kelvin_provision.queries.listing import page as page_of
from kelvin_provision.queries.overview import OverviewRequest, overview

PAGE_SIZE = 20
MOST_VALUES = 100
"""Values of one filter."""
_JSON_CURSOR = "application/json-cursor"
_JSON_STREAM = "application/x-json-stream"
_FILTERS = ("search", "app_name", "app_version", "acp_name", "cluster_name", "node_name", "workload_name", "download_statuses", "sort_by")
_SINGLE = ("enabled", "asset_name", "staged", "pagination_type", "page_size", "page", "next", "previous", "direction", "nulls")


class Paging(StrEnum):
    CURSOR = "cursor"
    LIMITS = "limits"
    STREAM = "stream"


class Nulls(StrEnum):
    LAST = "last"


class DownloadState(StrEnum):
    PENDING = "pending"
    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    DOWNLOADING = "downloading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ListRequest:
    """`downloads` are the accepted states of a download, empty for all. A cursor has the filters with which its list was begun."""

    query: Query
    downloads: tuple[DownloadState, ...] = ()
    paging: Paging = Paging.CURSOR
    size: int = PAGE_SIZE
    number: int = 1
    cursor: Cursor | None = None
    nothing: bool = False
    """Whether a filter cannot match here: a box has no assets."""


async def page(call: Call) -> Response:
    query = call.request.query_params
    request = parsed(query)
    body = await call.box.cached(("list", str(query)), lambda ctx: listed(ctx, request))
    asked = call.request.headers.get("accept", "")
    media = _JSON_STREAM if request.paging is Paging.STREAM else _JSON_CURSOR if _JSON_CURSOR in asked else JSON
    return rendered(body, media, call.request.headers.get("if-none-match", ""))


def parsed(query: QueryParams) -> ListRequest:
    """Raises Refusal, CursorInvalid."""
    refuse_unknown(query.keys(), _FILTERS + _SINGLE)
    for name in _FILTERS:
        if len(query.getlist(name)) > MOST_VALUES:
            raise Refusal("bad-query", f"{name} is given {len(query.getlist(name))} times; the limit is {MOST_VALUES}")
    word(query, "nulls", Nulls.LAST)
    request = ListRequest(
        _query(query),
        tuple(as_word(text, "download_statuses", DownloadState) for text in many(query, "download_statuses")),
        word(query, "pagination_type", Paging.CURSOR),
        number(query, "page_size", PAGE_SIZE, LARGEST_PAGE),
        number(query, "page", 1, 1_000_000),
        nothing=single(query, "asset_name") is not None,
    )
    places = [place for name in ("next", "previous") if (place := single(query, name))]
    if len(places) > 1:
        raise Refusal("bad-query", "next and previous exclude each other")
    return _continued(request, places[0], sized="page_size" in query) if places else request


def _query(query: QueryParams) -> Query:
    return Query(
        search=many(query, "search"),
        name=many(query, "workload_name"),
        app_name=many(query, "app_name"),
        app_version=many(query, "app_version"),
        cluster_name=(*many(query, "cluster_name"), *many(query, "acp_name")),
        node_name=many(query, "node_name"),
        staged=flag(query, "staged") or False,
        enabled=flag(query, "enabled"),
        sort_by=tuple(dict.fromkeys(as_word(text, "sort_by", SortKey) for text in many(query, "sort_by"))),
        direction=word(query, "direction", Direction.ASC),
    )


def _continued(request: ListRequest, place: str, *, sized: bool) -> ListRequest:
    """Old clients send nothing but the cursor, and new ones repeat their filters: those of the cursor count."""
    text, _, downloads = place.partition(".")
    cursor = Cursor.decode(text)
    states = tuple(as_word(state, "download_statuses", DownloadState) for state in downloads.split(",") if state)
    size = request.size if sized else cursor.size
    return replace(request, query=cursor.query, downloads=states, size=size, cursor=cursor, paging=Paging.CURSOR)


def listed(ctx: Context, request: ListRequest) -> bytes:
    if request.paging is Paging.CURSOR:
        chosen = Page(()) if request.nothing else _page(ctx, request)
        return encoded(_with_downloads(chosen.to_json(), request.downloads))
    items = () if request.nothing else _all(ctx, request)
    if request.paging is Paging.STREAM:
        return b"".join(encoded(item.to_json()) + b"\n" for item in items)
    first = (request.number - 1) * request.size
    pagination = {
        "page": request.number,
        "page_size": request.size,
        "total_pages": -(-len(items) // request.size),
        "total_items": len(items),
    }
    return encoded({"data": [item.to_json() for item in items[first : first + request.size]], "pagination": pagination})


def _page(ctx: Context, request: ListRequest) -> Page:
    if request.downloads:
        return page_of(_all(ctx, request), request.query, size=request.size, cursor=request.cursor)
    return overview(ctx, OverviewRequest(request.query, size=request.size, cursor=request.cursor)).page


def _all(ctx: Context, request: ListRequest) -> Sequence[WorkloadItem]:
    items = overview(ctx, OverviewRequest(request.query)).page.items
    return tuple(item for item in items if not request.downloads or item.download_status in request.downloads)


def _with_downloads(document: dict[str, Any], downloads: Sequence[DownloadState]) -> dict[str, Any]:
    """The cursors carry this filter beside those of the query."""
    pagination = document["pagination"]
    suffix = "." + ",".join(downloads) if downloads else ""
    return document | {"pagination": {name: place and place + suffix for name, place in pagination.items()}}
