"""The parameters that a route takes, in its query or a header. An empty value counts as not given, unless a description says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kelvin_provision.api.description.schemas import TEXT, Schema, any_case, items
from kelvin_provision.api.messages.parameters import MOST_VALUES
from kelvin_provision.api.messages.signatures import HEADER
from kelvin_provision.api.routes.edge import LINES, MOST
from kelvin_provision.api.routes.listing import APPS, LEGACY, PAGE_SIZE, DownloadState, Form, Paging
from kelvin_provision.api.routes.uploads import LARGEST
from kelvin_provision.api.routes.workloads import TAIL_LINES
from kelvin_provision.queries.listing import LARGEST_PAGE, Direction, Nulls, SortKey
from kelvin_provision.queries.logs import MOST_LINES
from kelvin_provision.spec.enums import State


@dataclass(frozen=True)
class Parameter:
    name: str
    schema: Schema
    description: str = ""
    place: str = "query"
    required: bool = False

    def document(self) -> dict[str, Any]:
        more = {"style": "form", "explode": True} if self.schema.get("type") == "array" else {}
        described = {"description": self.description} if self.description else {}
        return {"name": self.name, "in": self.place, "required": self.required, "schema": self.schema, **more, **described}


_FLAG = any_case(("true", "false"), extra=("1", "0"))


def flag(name: str, description: str = "") -> Parameter:
    """Either true or false in any case, or 1 or 0."""
    return Parameter(name, _FLAG, description)


def number(name: str, default: int, most: int, description: str = "") -> Parameter:
    schema = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": most}, {"const": ""}], "default": default}
    return Parameter(name, schema, description)


def repeated(name: str, schema: Schema = TEXT, description: str = "") -> Parameter:
    """Alternatives: the parameter is given once for each."""
    return Parameter(name, items(schema, maxItems=MOST_VALUES), description)


def _listing(form: Form) -> tuple[Parameter, ...]:
    special = {
        "enabled": flag("enabled"),
        "statuses": repeated("statuses", any_case(State), f"of {', '.join(State)}"),
        "download_statuses": repeated("download_statuses", any_case(DownloadState), f"of {', '.join(DownloadState)}"),
        "sort_by": repeated("sort_by", any_case(SortKey, extra=("created_at", "updated_at")), f"of {', '.join(SortKey)}; by default name"),
        "staged": flag("staged", "only workloads with a staged version"),
        "pagination_type": Parameter("pagination_type", any_case(Paging), f"of {', '.join(Paging)}; by default {Paging.CURSOR}"),
        "page_size": number("page_size", PAGE_SIZE, LARGEST_PAGE),
        "page": number("page", 1, 1_000_000, "with pagination_type=limits"),
        "next": Parameter("next", _CURSOR, "next_page of the page before; its filters count"),
        "previous": Parameter("previous", _CURSOR, "previous_page of the page after; with next, that counts"),
        "direction": Parameter("direction", any_case(Direction), f"of {', '.join(Direction)}; by default {Direction.ASC}"),
        "nulls": Parameter(
            "nulls",
            any_case(Nulls),
            f"where workloads without a value for sort_by are: {' or '.join(Nulls)}; by default as the greatest value",
        ),
        "search": repeated("search", description="part of a name, title, app, cluster or node"),
    }
    single = {name: Parameter(name, TEXT, "a box has no assets: nothing matches") for name in form.elsewhere}
    return tuple((special | single).get(name) or repeated(name) for name in form.accepted)


_CURSOR: Schema = {"type": "string", "format": "cursor"}
LEGACY_LIST = _listing(LEGACY)
APPS_LIST = _listing(APPS)
ONLINE = flag("online", "also ask the registries")
ORPHANS = flag("orphans", "also images that this program has imported and does not know any more")
STAGED = flag("staged", "remove only the staged version")
STOPPED = Parameter("stopped", any_case(("false",), extra=("0",)), "a workload on a box is created to run")
ADDRESS = flag("address", "answer with where the package is")
RUNNING = flag("running", "the running version, also where another one is staged")
LOGS = (
    number("tail_lines", TAIL_LINES, MOST_LINES, "the newest lines of each container"),
    Parameter("since_time", {"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]}, "no lines before it"),
    flag("previous", "those of the run before the last restart; the platform has none of these"),
)
LIMIT = number("limit", LINES, MOST, "how many, of the newest")
WORKLOADS = repeated("workload_name", description="only these")
ORDER = Parameter("order", TEXT, "only what belongs to the order with this code or number")
HISTORY = (WORKLOADS, ORDER, LIMIT)
SIGNATURE = Parameter(
    HEADER,
    {"type": "string", "pattern": "^[A-Za-z0-9+/]+=*$"},
    "the base64 of FILE.sig, the signatures over exactly the bytes of the body",
    "header",
)
OFFSET = Parameter("Upload-Offset", {"type": "integer", "minimum": 0, "maximum": LARGEST}, "where the bytes begin", "header", required=True)
