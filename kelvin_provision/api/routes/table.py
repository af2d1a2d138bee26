"""The one table of routes. The application, the tests and docs/api.md are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.routes import (
    access,
    apps,
    box,
    bundles,
    edge,
    events,
    login,
    monitoring,
    orders,
    platform,
    scheduling,
    uploads,
    workloads,
)
from kelvin_provision.api.routes.site import following, nodes
from kelvin_provision.api.services import Call

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Row:
    """`level` is None for a route without a login. `ok` and `errors` are the codes that clients of the platform know here.

    Everywhere possible are 400, 413, 414, 421, 429, 500, 503 and 507, and with a level 401 and 403. `may` says where another level is
    needed for a part of what the route does.
    """

    method: str
    path: str
    level: Level | None
    handler: Handler
    ok: tuple[int, ...] = (200,)
    errors: tuple[int, ...] = ()
    summary: str = ""
    may: str = ""
    changes: bool = False
    """Whether a GET changes something, as the platform has it: then there is no HEAD."""
    endless: bool = False
    """Whether the body ends with the client only."""


_REALM = "/auth/realms/{realm}"
_OIDC = f"{_REALM}/protocol/openid-connect"
_V4 = "/api/v4/workloads"
_ONE = f"{_V4}/{{workload_name}}"
_EDGE = "/edge/v1/workloads/{workload_name}"
_USERS = "/edge/v1/users"
_TOKENS = "/edge/v1/tokens"
_BOX = "/edge/v1"
_UPLOADS = "/edge/v1/uploads"
_NODES = "/edge/v1/nodes"
_FOLLOWING = "/edge/v1/following"
_MEDIA = "/edge/v1/media"
_TRUST = "/edge/v1/trust"
_APPS = "/api/v4/apps/workloads"
_APP = f"{_APPS}/{{workload_name}}"

ROWS: tuple[Row, ...] = (
    Row("GET", "/healthz", None, platform.healthz, summary="whether the API answers"),
    Row("GET", "/ca.pem", None, platform.authority, (200,), (404,), "the authority of this box's certificate, as PEM"),
    Row("GET", "/metadata", None, platform.metadata, summary="what clients read before they log in"),
    Row("GET", "/openapi.json", None, platform.openapi, summary="the description of this API, for programs"),
    Row("POST", f"{_OIDC}/token", None, login.token, (200,), (401, 404), "tokens for a password, a refresh token or client credentials"),
    Row("POST", f"{_OIDC}/logout", None, login.logout, (204,), (404,), "end the session of a refresh token"),
    Row("POST", f"{_REALM}/logout", None, login.logout, (204,), (404,), "the same"),
    Row("GET", f"{_OIDC}/userinfo", Level.READ, login.userinfo, (200,), (404,), "who is logged in"),
    Row("GET", f"{_REALM}/.well-known/openid-configuration", None, login.discovery, (200,), (404,), "where the token routes are"),
    Row("POST", f"{_V4}/deploy", Level.DEPLOY, workloads.deploy, (201,), (404, 409), "deploy a workload"),
    Row("POST", f"{_V4}/apply", Level.OPERATE, orders.apply, (200,), (404, 406), "apply staged workloads, all or none"),
    Row("GET", f"{_V4}/list", Level.READ, workloads.listed, (200,), (), "list workloads"),
    Row("GET", f"{_ONE}/get", Level.READ, workloads.get, (200,), (404,), "everything about one workload"),
    Row(
        "GET",
        f"{_ONE}/apply",
        Level.OPERATE,
        orders.apply_named,
        (200,),
        (404, 406),
        "apply one, for older clients",
        changes=True,
    ),
    Row("POST", f"{_ONE}/apply", Level.OPERATE, orders.apply_named, (200,), (404, 406), "the same"),
    Row("GET", f"{_ONE}/start", Level.OPERATE, orders.start, (200,), (404, 409), "start a stopped workload", changes=True),
    Row("GET", f"{_ONE}/stop", Level.OPERATE, orders.stop, (200,), (404, 409), "stop a workload; its data is kept", changes=True),
    Row(
        *("POST", f"{_ONE}/undeploy", Level.OPERATE, orders.undeploy, (200,), (404,)),
        summary="remove a workload with its data, or with staged=true only its staged version",
        may="admin, unless staged=true",
    ),
    Row("GET", f"{_ONE}/logs/get", Level.READ, workloads.logs, (200,), (404, 409), "the newest lines of its logs"),
    Row(
        *("GET", f"{_ONE}/download", Level.DEPLOY, workloads.download, (200, 202, 206), (404, 409, 412, 416)),
        summary="the package for an offline installation, or a range of it; 202 while it is made",
    ),
    Row("GET", f"{_ONE}/configurations/get", Level.READ, workloads.configuration, (200,), (404, 409), "the configuration of its app"),
    Row(
        *("POST", f"{_ONE}/configurations/update", Level.DEPLOY, workloads.configure, (200,), (404, 409)),
        summary="another configuration, as a new revision by the deployment method of the workload",
    ),
    Row("POST", f"{_APPS}/create", Level.DEPLOY, apps.create, (201,), (404,), "deploy a workload"),
    Row("GET", f"{_APPS}/list", Level.READ, apps.listed, (200,), (), "list workloads"),
    Row("GET", f"{_APP}/get", Level.READ, apps.get, (200,), (404,), "everything about one workload"),
    Row("POST", f"{_APP}/patch", Level.DEPLOY, apps.patch, (200,), (404,), "a new revision with other fields"),
    Row("POST", f"{_APPS}/apply", Level.OPERATE, orders.apply_all, (204, 207), (404,), "apply staged workloads"),
    Row("POST", f"{_APPS}/start", Level.OPERATE, orders.start_all, (204, 207), (404,), "start stopped workloads"),
    Row("POST", f"{_APPS}/stop", Level.OPERATE, orders.stop_all, (204, 207), (404,), "stop workloads; their data is kept"),
    Row("POST", f"{_APPS}/enable", Level.OPERATE, orders.enable_all, (204, 207), (404,), "nothing: what is on a box is enabled"),
    Row(
        "POST",
        f"{_APPS}/bulk/update",
        Level.DEPLOY,
        apps.update_all,
        (204,),
        (404,),
        "new revisions of several with other fields, all or none",
    ),
    Row(
        *("POST", f"{_APPS}/delete", Level.OPERATE, orders.delete_all, (204, 207), (404,)),
        summary="remove workloads with their data, or with staged=true only their staged versions",
        may="admin, unless staged=true",
    ),
    Row("POST", f"{_APP}/resources/add", Level.DEPLOY, apps.add_resources, (200,), (404, 409), "refused: a box has no assets"),
    Row("POST", f"{_APP}/resources/remove", Level.DEPLOY, apps.remove_resources, (204,), (404,), "nothing: a box has no assets"),
    Row("GET", f"{_APP}/logs/get", Level.READ, workloads.logs, (200,), (404,), "the newest lines of its logs"),
    Row("GET", f"{_APP}/download", Level.DEPLOY, workloads.download, (200, 202, 206), (404, 409, 412, 416), "the same package"),
    Row("GET", "/metrics", None, monitoring.metrics, (200,), (401,), "numbers for Prometheus", "read, from another machine"),
    Row("GET", "/workloads/list", None, platform.leader, (200,), (401,), "what runs, for apps on this box", "read, from another machine"),
    Row("GET", f"{_BOX}/box", Level.READ, box.box, summary="its name, version and time, its workloads by state, its disk"),
    Row("GET", f"{_BOX}/disk", Level.READ, box.disk, summary="the filesystems of state and images, and what a prune would free"),
    Row(
        "GET",
        f"{_BOX}/doctor",
        Level.READ,
        box.doctor,
        summary="the health of the box, and what to do; with online=true the registries too",
    ),
    Row("GET", f"{_BOX}/settings", Level.ADMIN, box.settings, summary="every setting with its value and where it comes from"),
    Row("GET", f"{_BOX}/explain", Level.READ, box.words, summary="the states, errors and exit codes that can be explained"),
    Row("GET", f"{_BOX}/explain/{{word}}", Level.READ, box.explain, (200,), (404,), "what one of them means, and what to do then"),
    Row(
        "POST",
        f"{_BOX}/support-bundle",
        Level.ADMIN,
        box.support_bundle,
        summary="everything known about the box without its secrets (tar.gz)",
    ),
    Row("GET", f"{_BOX}/images", Level.READ, box.images, summary="images: where they are, and which workloads need them"),
    Row(
        *("GET", f"{_BOX}/images/inventory", Level.READ, box.inventory),
        summary="what the box has, as a file for `bundle create --for FILE` at a desk",
    ),
    Row(
        "POST",
        f"{_BOX}/images/verify",
        Level.OPERATE,
        box.verified_images,
        summary="hash every stored image again: progress, then the result",
    ),
    Row("GET", f"{_BOX}/images/prune", Level.READ, box.planned_prune, summary="what a prune would remove"),
    Row("POST", f"{_BOX}/images/prune", Level.ADMIN, box.prune, (202,), (), "remove images and downloads that no kept version needs"),
    Row("GET", "/edge/v1/agent", Level.READ, edge.agent, summary="whether the agent is alive, what it does, what waits for it"),
    Row(
        *("GET", "/edge/v1/history", Level.READ, edge.listed_history, (200,), (404,)),
        summary="who did what, when, and how it ended; with order=CODE, only of that order",
    ),
    Row("POST", f"{_BOX}/history/verify", Level.READ, box.verified_history, summary="whether a line of the history was changed or removed"),
    Row("GET", "/edge/v1/orders", Level.READ, edge.listed_orders, summary="orders in all states, the newest first"),
    Row("GET", "/edge/v1/orders/{order}", Level.READ, edge.shown_order, (200,), (404,), "one order by number or code, and how it ended"),
    Row("GET", "/edge/v1/events", Level.READ, events.events, summary="changes of workloads as they happen", endless=True),
    Row(
        *("POST", f"{_BOX}/workloads/apply", Level.OPERATE, scheduling.apply, (202,), (404, 406)),
        summary="apply with all, force or retry_failed, as an order",
    ),
    Row("POST", f"{_BOX}/workloads/schedule", Level.OPERATE, scheduling.schedule, (202,), (404, 406), "apply at a time"),
    Row("POST", f"{_BOX}/workloads/cancel", Level.OPERATE, scheduling.cancel, (200,), (404,), "cancel scheduled applies"),
    Row("GET", f"{_EDGE}/diff", Level.READ, edge.diff, (200,), (404, 406), "what an apply would change"),
    Row("GET", f"{_EDGE}/check", Level.READ, edge.check, (200,), (404, 406), "whether the staged version can be applied"),
    Row(
        *("GET", f"{_EDGE}/package", Level.DEPLOY, edge.package, (200, 202, 206), (404, 409, 412, 416)),
        summary="the same package; with running=true of the running version, also where another one is staged",
    ),
    Row(
        *("POST", f"{_EDGE}/rehearse", Level.OPERATE, edge.rehearse, (202,), (404, 406, 409)),
        summary="start the staged version beside the running one, cut off from it, and take it away; as an order",
    ),
    Row("POST", f"{_EDGE}/rollback", Level.OPERATE, edge.rollback, (202,), (404, 409), "go back to the version that ran before"),
    Row("POST", f"{_EDGE}/hold", Level.OPERATE, edge.hold, (204,), (404,), "hold it: nothing of it is applied until it is released"),
    Row("POST", f"{_EDGE}/release", Level.OPERATE, edge.release, (204,), (404,), "end the hold of a person"),
    Row("GET", _UPLOADS, Level.DEPLOY, uploads.listed, summary="files that are uploaded in chunks, and how large a chunk may be"),
    Row("POST", _UPLOADS, Level.DEPLOY, uploads.begin, (200, 201), (409,), "begin an upload, or go on with the same one"),
    Row("GET", f"{_UPLOADS}/{{upload}}", Level.DEPLOY, uploads.shown, (200,), (404,), "how far an upload is"),
    Row("PUT", f"{_UPLOADS}/{{upload}}", Level.DEPLOY, uploads.append, (204,), (404, 409), "the next bytes of an upload"),
    Row("DELETE", f"{_UPLOADS}/{{upload}}", Level.DEPLOY, uploads.remove, (204,), (404, 409), "remove an upload"),
    Row(
        *("POST", f"{_UPLOADS}/{{upload}}/inspect", Level.DEPLOY, bundles.inspect_bundle, (200,), (404, 409)),
        summary="who signed an uploaded bundle, and what it brings; nothing is stored",
    ),
    Row(
        *("POST", f"{_UPLOADS}/{{upload}}/verify", Level.DEPLOY, bundles.verify_bundle, (200,), (404, 409)),
        summary="read every byte of an uploaded bundle: progress, then the result",
    ),
    Row(
        *("POST", f"{_UPLOADS}/{{upload}}/import", Level.DEPLOY, bundles.import_bundle, (200, 202), (404, 409)),
        summary="stage what an uploaded bundle brings; it is removed when everything in it is staged",
    ),
    Row("GET", _TRUST, Level.READ, bundles.trust, summary="whose signatures count here, what is revoked, and the accepted trust documents"),
    Row("POST", _TRUST, Level.ADMIN, bundles.accept_trust, (200,), (409,), "accept trust documents, all or none; signatures decide"),
    Row("GET", _FOLLOWING, Level.READ, following.listed, summary="the publications that this box follows, and what became of them"),
    Row("POST", _FOLLOWING, Level.DEPLOY, following.look, (200,), (409,), "look at them now, and stage what is new"),
    Row("POST", f"{_FOLLOWING}/report", Level.DEPLOY, following.report, (200,), (409,), "send the report of this box now"),
    Row("GET", _MEDIA, Level.DEPLOY, bundles.media, summary="bundles on media that are in this box"),
    Row(
        *("POST", f"{_MEDIA}/{{bundle}}/inspect", Level.DEPLOY, bundles.inspect_bundle, (200,), (404,)),
        summary="who signed a bundle on a medium, and what it brings; nothing is stored",
    ),
    Row(
        *("POST", f"{_MEDIA}/{{bundle}}/verify", Level.DEPLOY, bundles.verify_bundle, (200,), (404,)),
        summary="read every byte of a bundle on a medium: progress, then the result",
    ),
    Row(
        *("POST", f"{_MEDIA}/{{bundle}}/import", Level.DEPLOY, bundles.import_bundle, (200, 202), (404, 409)),
        summary="stage what a bundle on a medium brings",
    ),
    Row(
        *("POST", "/edge/v1/password", Level.READ, access.change_password, (204,), ()),
        summary="another password of the user who asks, with the present one; it ends all tokens of the user",
    ),
    Row("GET", _USERS, Level.ADMIN, access.users, summary="the users of the API"),
    Row("POST", _USERS, Level.ADMIN, access.add_user, (201,), (), "add a user"),
    Row("POST", f"{_USERS}/{{user}}/passwd", Level.ADMIN, access.set_password, (204,), (404,), "another password, which ends all tokens"),
    Row("POST", f"{_USERS}/{{user}}/level", Level.ADMIN, access.set_level, (204,), (404,), "another level, at once"),
    Row("POST", f"{_USERS}/{{user}}/unlock", Level.ADMIN, access.unlock_user, (204,), (404,), "lift a lock-out after failed logins"),
    Row(
        "DELETE",
        f"{_USERS}/{{user}}",
        Level.ADMIN,
        access.remove_user,
        (200,),
        (404,),
        "remove a user; which of its tokens go on",
    ),
    Row("GET", _NODES, Level.READ, nodes.listed, summary="the members of this leader with their images"),
    Row(
        "POST",
        f"{_NODES}/tokens",
        Level.ADMIN,
        nodes.make_token,
        (201,),
        (409,),
        "a token for one node to join with; the answer alone has it",
    ),
    Row("POST", f"{_NODES}/{{node}}/drain", Level.OPERATE, nodes.drain, (204,), (404,), "send no new images to a member, or again"),
    Row("DELETE", f"{_NODES}/{{node}}", Level.ADMIN, nodes.remove, (204,), (404,), "remove a member"),
    Row("GET", _TOKENS, Level.ADMIN, access.tokens, summary="the tokens of programs, with their last use"),
    Row("POST", _TOKENS, Level.ADMIN, access.create_token, (201,), (), "create a token for a program; the answer alone has it"),
    Row("DELETE", f"{_TOKENS}/{{token}}", Level.ADMIN, access.revoke_token, (204,), (404,), "revoke a token"),
)
