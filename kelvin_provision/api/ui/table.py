"""The pages, as the table of routes has the routes. A test walks it."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.services import Call

HANDLERS = f"{__package__}.handlers"


@dataclass(frozen=True)
class Page:
    """`level` is None for what is shown without a session. `endless`: the body ends with the client only. `script`: the
    script of a page asks it, not a person.

    `handler` is `module.function`, imported when a page of it is opened for the first time: most are rare.
    """

    method: str
    path: str
    level: Level | None
    handler: str
    endless: bool = False
    script: bool = False
    changes: bool = False

    async def answer(self, call: Call) -> Response:
        module, _, name = self.handler.partition(".")
        handle: Callable[[Call], Awaitable[Response]] = getattr(importlib.import_module(f"{HANDLERS}.{module}"), name)
        return await handle(call)


_ONE = "/ui/workloads/{workload_name}"
_USER = "/ui/users/{user}"
_UPLOAD, _MEDIUM = "/ui/uploads/{upload}", "/ui/media/{bundle}"
_CHANGES = ("activate", "undo", "stop", "start")

PAGES: tuple[Page, ...] = (
    Page("GET", "/", None, "login.to_start"),
    Page("GET", "/ui", None, "login.to_start"),
    Page("GET", "/ui/assets/{digest}/{name}", None, "assets.asset"),
    Page("GET", "/ui/login", None, "login.form_page"),
    Page("POST", "/ui/login", None, "login.login"),
    Page("POST", "/ui/logout", None, "login.logout"),
    Page("GET", "/ui/", Level.READ, "workloads.listed"),
    Page("GET", _ONE, Level.READ, "workload.shown"),
    Page("GET", f"{_ONE}/diff", Level.READ, "assessing.diff"),
    Page("GET", f"{_ONE}/logs", Level.READ, "logs.shown"),
    Page("GET", f"{_ONE}/logs.txt", Level.READ, "logs.as_file"),
    Page("GET", f"{_ONE}/package", Level.DEPLOY, "workload.package"),
    Page("POST", f"{_ONE}/hold", Level.OPERATE, "scheduling.hold"),
    Page("POST", f"{_ONE}/release", Level.OPERATE, "scheduling.release"),
    Page("POST", "/ui/rehearse", Level.OPERATE, "changes.carry_out"),
    Page("GET", "/ui/operations/{order}", Level.READ, "operation.shown"),
    Page("GET", "/ui/history", Level.READ, "history.listed"),
    Page("GET", "/ui/deploy", Level.DEPLOY, "deploying.form_page"),
    Page("POST", "/ui/deploy/check", Level.DEPLOY, "deploying.check"),
    Page("POST", "/ui/deploy", Level.DEPLOY, "deploying.deploy"),
    Page("GET", "/ui/uploads", Level.DEPLOY, "bundles.uploaded"),
    Page("POST", "/ui/uploads", Level.DEPLOY, "bundles.begin", script=True),
    Page("GET", _UPLOAD, Level.DEPLOY, "bundles.shown"),
    Page("PUT", _UPLOAD, Level.DEPLOY, "bundles.append", script=True),
    Page("POST", f"{_UPLOAD}/remove", Level.DEPLOY, "bundles.remove"),
    Page("POST", f"{_UPLOAD}/stage", Level.DEPLOY, "bundles.stage"),
    Page("GET", "/ui/media", Level.DEPLOY, "bundles.on_media"),
    Page("GET", _MEDIUM, Level.DEPLOY, "bundles.shown"),
    Page("POST", f"{_MEDIUM}/stage", Level.DEPLOY, "bundles.stage"),
    Page("GET", "/ui/account", Level.READ, "users.account"),
    Page("POST", "/ui/account", Level.READ, "users.change_password"),
    Page("GET", "/ui/users", Level.ADMIN, "users.listed"),
    Page("POST", "/ui/users", Level.ADMIN, "users.add"),
    Page("GET", _USER, Level.ADMIN, "users.shown"),
    Page("POST", f"{_USER}/level", Level.ADMIN, "users.set_level"),
    Page("POST", f"{_USER}/password", Level.ADMIN, "users.set_password"),
    Page("POST", f"{_USER}/unlock", Level.ADMIN, "users.unlock"),
    Page("POST", f"{_USER}/remove", Level.ADMIN, "users.remove"),
    Page("GET", "/ui/tokens", Level.ADMIN, "tokens.listed"),
    Page("POST", "/ui/tokens", Level.ADMIN, "tokens.create"),
    Page("POST", "/ui/tokens/{token}/revoke", Level.ADMIN, "tokens.revoke"),
    Page("GET", "/ui/box", Level.READ, "box.shown"),
    Page("GET", "/ui/box/doctor", Level.READ, "box.doctor"),
    Page("GET", "/ui/box/images", Level.READ, "box.images"),
    Page("GET", "/ui/box/inventory", Level.READ, "box.inventory"),
    Page("POST", "/ui/box/follow", Level.DEPLOY, "box.look"),
    Page("POST", "/ui/box/support-bundle", Level.ADMIN, "box.support_bundle"),
    Page("GET", "/ui/events", Level.READ, "live.events", endless=True),
    *(Page("GET", f"/ui/{change}", Level.OPERATE, "changes.confirm") for change in _CHANGES),
    *(Page("POST", f"/ui/{change}", Level.OPERATE, "changes.carry_out") for change in _CHANGES),
    Page("POST", "/ui/schedule", Level.OPERATE, "scheduling.schedule"),
    Page("POST", "/ui/cancel", Level.OPERATE, "scheduling.cancel"),
    Page("GET", "/ui/undeploy-staged", Level.OPERATE, "undeploy.confirm"),
    Page("POST", "/ui/undeploy-staged", Level.OPERATE, "undeploy.carry_out"),
    Page("GET", "/ui/undeploy", Level.ADMIN, "undeploy.confirm"),
    Page("POST", "/ui/undeploy", Level.ADMIN, "undeploy.carry_out"),
)
