"""The platform's list (KELVIN 3.3, 3.4): filters, order, and three ways to page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from kelvin_provision.api.messages.documents import JSON, Kept, encoded
from kelvin_provision.api.messages.parameters import as_word, flag, many, number, refuse_unknown, single, word
from kelvin_provision.api.messages.streams import JSON_STREAM
from kelvin_provision.api.routes import app_documents
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.queries.items import WorkloadItem
from kelvin_provision.queries.listing import LARGEST_PAGE, Cursor, Direction, Nulls, Page, Query, SortKey, select
from kelvin_provision.queries.listing import page as page_of
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.spec.enums import State

PAGE_SIZE = 20
JSON_CURSOR = "application/json-cursor"
_COMMON = ("staged", "pagination_type", "page_size", "page", "next", "previous", "direction", "nulls")


@dataclass(frozen=True)
class Form:
    """How one generation of routes calls the filters, and what its items look like.

    `names` are parameters by the filter of the ledger that they are; `elsewhere` are filters by what a box does not have.
    """

    names: Mapping[str, tuple[str, ...]]
    elsewhere: tuple[str, ...]
    item: Callable[[WorkloadItem], dict[str, Any]]

    @property
    def filters(self) -> tuple[str, ...]:
        """Parameters that may be repeated."""
        return ("search", *(name for names in self.names.values() for name in names), "download_statuses", "sort_by")

    @property
    def accepted(self) -> tuple[str, ...]:
        return (*self.filters, *_COMMON, *self.elsewhere)


LEGACY = Form(
    {
        "name": ("workload_name",),
        "app_name": ("app_name",),
        "app_version": ("app_version",),
        "cluster_name": ("cluster_name", "acp_name"),
        "node_name": ("node_name",),
        "enabled": ("enabled",),
    },
    ("asset_name",),
    WorkloadItem.to_json,
)
APPS = Form(
    {
        "name": ("workload_names",),
        "app_name": ("app_names",),
        "app_version": ("app_versions",),
        "cluster_name": ("cluster_names",),
        "node_name": ("node_names",),
        "state": ("statuses",),
        "app_type": ("app_types",),
    },
    ("resources",),
    app_documents.item,
)


class Paging(StrEnum):
    CURSOR = "cursor"
    LIMITS = "limits"
    STREAM = "stream"


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
    types: tuple[str, ...] = ()
    nothing: bool = False
    """Whether a filter cannot match here: a box has no assets."""


async def page(call: Call, form: Form) -> Response:
    query = call.request.query_params
    request = parsed(query, form)
    document = await call.box.cached((id(form), str(query)), lambda ctx: Kept.of(listed(ctx, request, form)))
    asked = call.request.headers.get("accept", "")
    media = JSON_STREAM if request.paging is Paging.STREAM else JSON_CURSOR if JSON_CURSOR in asked else JSON
    return document.response(media, call.request.headers.get("if-none-match", ""))


def parsed(query: QueryParams, form: Form) -> ListRequest:
    """Raises Refusal, CursorInvalid."""
    refuse_unknown(query.keys(), form.accepted)
    request = ListRequest(
        _query(query, form),
        tuple(as_word(text, "download_statuses", DownloadState) for text in many(query, "download_statuses")),
        word(query, "pagination_type", Paging.CURSOR),
        number(query, "page_size", PAGE_SIZE, LARGEST_PAGE),
        number(query, "page", 1, 1_000_000),
        types=_values(query, form, "app_type"),
        nothing=any(single(query, name) is not None for name in form.elsewhere),
    )
    places = [place for name in ("next", "previous") if (place := single(query, name))]
    continued = [_continued(request, place, sized="page_size" in query) for place in places]
    return continued[0] if continued else request  # of both, next: a client that began with previous repeats it with each next page


def _values(query: QueryParams, form: Form, name: str) -> tuple[str, ...]:
    return tuple(value for parameter in form.names.get(name, ()) for value in many(query, parameter))


def _query(query: QueryParams, form: Form) -> Query:
    return Query(
        search=many(query, "search"),
        name=_values(query, form, "name"),
        app_name=_values(query, form, "app_name"),
        app_version=_values(query, form, "app_version"),
        cluster_name=_values(query, form, "cluster_name"),
        node_name=_values(query, form, "node_name"),
        state=tuple(as_word(text, "statuses", State) for text in _values(query, form, "state")),
        staged=flag(query, "staged") or False,
        enabled=flag(query, "enabled"),
        sort_by=tuple(dict.fromkeys(as_word(text.removesuffix("_at"), "sort_by", SortKey) for text in many(query, "sort_by"))),
        direction=word(query, "direction", Direction.ASC),
        nulls=as_word(text, "nulls", Nulls) if (text := single(query, "nulls")) else None,
    )


def _continued(request: ListRequest, place: str, *, sized: bool) -> ListRequest:
    """Old clients send nothing but the cursor, and new ones repeat their filters: those of the cursor count."""
    text, *more = place.split(".")
    cursor, (downloads, types) = Cursor.decode(text), [*more, "", ""][:2]
    states = tuple(as_word(state, "download_statuses", DownloadState) for state in downloads.split(",") if state)
    size = request.size if sized else cursor.size
    kinds = tuple(kind for kind in types.split(",") if kind)
    return replace(request, query=cursor.query, downloads=states, types=kinds, size=size, cursor=cursor, paging=Paging.CURSOR)


def listed(ctx: Context, request: ListRequest, form: Form) -> bytes:
    if request.paging is Paging.CURSOR:
        chosen = Page(()) if request.nothing else _page(ctx, request)
        pagination = {"next_page": _carrying(chosen.next_page, request), "previous_page": _carrying(chosen.previous_page, request)}
        return encoded({"data": [form.item(item) for item in chosen.items], "pagination": pagination})
    items = () if request.nothing else _all(ctx, request)
    if request.paging is Paging.STREAM:
        return b"".join(encoded(form.item(item)) + b"\n" for item in items)
    first = (request.number - 1) * request.size
    numbers = {
        "page": request.number,
        "page_size": request.size,
        "total_pages": -(-len(items) // request.size),
        "total_items": len(items),
    }
    return encoded({"data": [form.item(item) for item in items[first : first + request.size]], "pagination": numbers})


def _page(ctx: Context, request: ListRequest) -> Page:
    if request.downloads or request.types or request.query.has_order_of_its_own:
        return page_of(_all(ctx, request), request.query, size=request.size, cursor=request.cursor)
    return overview(ctx, OverviewRequest(request.query, size=request.size, cursor=request.cursor)).page


def _all(ctx: Context, request: ListRequest) -> Sequence[WorkloadItem]:
    items: Sequence[WorkloadItem] = overview(ctx, OverviewRequest(request.query)).page.items
    if request.query.has_order_of_its_own:
        items = select(items, request.query)
    return tuple(
        item
        for item in items
        if (not request.downloads or item.download_status in request.downloads) and (not request.types or item.app_type in request.types)
    )


def _carrying(cursor: str | None, request: ListRequest) -> str | None:
    """With the filters that are not of the query."""
    if cursor is None or not (request.downloads or request.types):
        return cursor
    return f"{cursor}.{','.join(request.downloads)}.{','.join(request.types)}"
