"""The pages, as the table of routes has the routes. A test walks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers import assets, changes, history, live, login, logs, operation, workload, workloads


@dataclass(frozen=True)
class Page:
    """`level` is None for what is shown without a session. `endless`: the body ends with the client only."""

    method: str
    path: str
    level: Level | None
    handler: Callable[[Call], Awaitable[Response]]
    endless: bool = False
    changes: bool = False


_CHANGES = ("activate", "undo", "stop", "start")

PAGES: tuple[Page, ...] = (
    Page("GET", "/", None, login.to_start),
    Page("GET", "/ui", None, login.to_start),
    Page("GET", "/ui/assets/{digest}/{name}", None, assets.asset),
    Page("GET", "/ui/login", None, login.form_page),
    Page("POST", "/ui/login", None, login.login),
    Page("POST", "/ui/logout", None, login.logout),
    Page("GET", "/ui/", Level.READ, workloads.listed),
    Page("GET", "/ui/workloads/{workload_name}", Level.READ, workload.shown),
    Page("GET", "/ui/workloads/{workload_name}/logs", Level.READ, logs.shown),
    Page("GET", "/ui/workloads/{workload_name}/logs.txt", Level.READ, logs.as_file),
    Page("GET", "/ui/operations/{order}", Level.READ, operation.shown),
    Page("GET", "/ui/history", Level.READ, history.listed),
    Page("GET", "/ui/events", Level.READ, live.events, endless=True),
    *(Page("GET", f"/ui/{change}", Level.OPERATE, changes.confirm) for change in _CHANGES),
    *(Page("POST", f"/ui/{change}", Level.OPERATE, changes.carry_out) for change in _CHANGES),
)
