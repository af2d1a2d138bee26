"""The description of every handler of the table. A route that is added there needs a line here, and `make docs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.api.description import answers, bodies, parameters
from kelvin_provision.api.description.examples import (
    ADD_USER_EXAMPLE,
    BULK_EXAMPLE,
    CREATE_EXAMPLE,
    DEPLOY_EXAMPLE,
    NAMES_EXAMPLE,
    PASSWORD_EXAMPLE,
    PATCH_EXAMPLE,
    SCHEDULE_EXAMPLE,
    TOKEN_EXAMPLE,
    TRUST_EXAMPLE,
    UPLOAD_EXAMPLE,
)
from kelvin_provision.api.description.parameters import Parameter
from kelvin_provision.api.description.schemas import TEXT, Schema, named, record
from kelvin_provision.api.messages.body import FORM
from kelvin_provision.api.messages.documents import JSON
from kelvin_provision.api.messages.streams import JSON_STREAM
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
from kelvin_provision.api.routes.listing import JSON_CURSOR
from kelvin_provision.api.routes.site import following, nodes
from kelvin_provision.bundles.inventories.inventory import MEDIA_TYPE

OCTETS = workloads.OCTETS


@dataclass(frozen=True)
class Described:
    """`answer` is the schema of a success, None for an empty one; `media` are its media types. `body` is None where none is read.

    `cached`: it has an ETag, and 304 for who knows it. `optional`: the body may be left out. `names`: where the name of a workload stands
    in the answer, or what else `parameter` is, which other routes take.
    """

    answer: Schema | None = None
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    media: tuple[str, ...] = (JSON,)
    form: bool = False
    octets: bool = False
    optional: bool = False
    cached: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)
    names: str = ""
    parameter: str = "workload_name"

    @property
    def body_type(self) -> str:
        return FORM if self.form else OCTETS if self.octets else JSON


_LISTED = (JSON, JSON_CURSOR, JSON_STREAM)
_NAMES = Described(body=bodies.NAMES, example=NAMES_EXAMPLE)
_LOGOUT = Described(body=bodies.LOGOUT, form=True, optional=True)

_ZIP = (OCTETS, workloads.ZIP, JSON)
_PACKAGE: Schema = {"anyOf": [TEXT, record(url=TEXT, expires_in={"type": "integer"})]}
"""The bytes, or their address."""

DESCRIBED: Mapping[Callable[..., Any], Described] = {
    platform.healthz: Described({"const": "ok\n"}, media=("text/plain",)),
    platform.metadata: Described(named("Metadata")),
    platform.openapi: Described({"type": "object", "required": ["openapi", "paths"]}, cached=True),
    monitoring.metrics: Described(TEXT, media=("text/plain",)),
    platform.authority: Described(TEXT, media=(platform.PEM,)),
    platform.leader: Described(named("LeaderList")),
    login.token: Described(named("Tokens"), body=bodies.LOGIN, form=True),
    login.logout: _LOGOUT,
    login.userinfo: Described(named("User")),
    login.discovery: Described(named("Discovery")),
    workloads.deploy: Described(
        named("Workload"), (parameters.SIGNATURE,), body=named("DeployRequest"), example=DEPLOY_EXAMPLE, names="/name"
    ),
    workloads.listed: Described(named("WorkloadPage"), parameters.LEGACY_LIST, media=_LISTED, cached=True, names="/data/0/name"),
    workloads.get: Described(named("Workload")),
    workloads.logs: Described(named("Logs"), parameters.LOGS),
    workloads.configuration: Described(named("Configuration")),
    workloads.configure: Described(named("Configuration"), body=bodies.CONFIGURATION, example={"configuration": {"speed": 3}}),
    workloads.download: Described(_PACKAGE, (parameters.ADDRESS,), media=_ZIP),
    orders.apply: _NAMES,
    orders.apply_named: Described(),
    orders.start: Described(),
    orders.stop: Described(),
    orders.undeploy: Described(query=(parameters.STAGED,)),
    orders.apply_all: _NAMES,
    orders.start_all: _NAMES,
    orders.stop_all: _NAMES,
    orders.enable_all: _NAMES,
    orders.delete_all: Described(query=(parameters.STAGED,), body=bodies.NAMES, example=NAMES_EXAMPLE),
    apps.create: Described(named("AppWorkload"), (parameters.STOPPED,), bodies.CREATE, example=CREATE_EXAMPLE),
    apps.listed: Described(named("AppWorkloadPage"), parameters.APPS_LIST, media=_LISTED, cached=True),
    apps.get: Described(named("AppWorkload")),
    apps.update_all: Described(body=bodies.BULK, example=BULK_EXAMPLE),
    apps.add_resources: Described(named("AppWorkload"), body=bodies.RESOURCE, optional=True),
    apps.remove_resources: Described(body=bodies.RESOURCES, example={"resources": ["krn:asset:pump"]}),
    apps.patch: Described(named("AppWorkload"), body=bodies.PATCH, example=PATCH_EXAMPLE),
    box.box: Described(named("Box")),
    box.disk: Described(named("Disk")),
    box.doctor: Described(named("Check"), (parameters.ONLINE,)),
    box.settings: Described(named("Settings")),
    box.words: Described(named("Words")),
    box.explain: Described(named("Explained")),
    box.support_bundle: Described(TEXT, body=bodies.NOTHING, optional=True, media=(box.GZIP,)),
    box.images: Described(named("Images")),
    box.inventory: Described(named("Inventory"), media=(MEDIA_TYPE,)),
    box.verified_images: Described(named("VerifyLine"), body=bodies.NOTHING, optional=True, media=(JSON_STREAM,)),
    box.planned_prune: Described(named("PrunePlan"), (parameters.ORPHANS,)),
    box.prune: Described(answers.ORDERED, body=bodies.PRUNE, optional=True),
    box.verified_history: Described(named("VerifiedHistory"), body=bodies.NOTHING, optional=True),
    scheduling.apply: Described(named("OrderedApply"), body=bodies.APPLY, example=NAMES_EXAMPLE),
    scheduling.schedule: Described(named("Scheduled"), body=bodies.SCHEDULE, example=SCHEDULE_EXAMPLE),
    scheduling.cancel: Described(named("Cancelled"), body=bodies.CANCEL, example=NAMES_EXAMPLE),
    edge.agent: Described(named("Agent")),
    edge.listed_history: Described(named("History"), parameters.HISTORY),
    edge.listed_orders: Described(named("Orders"), (parameters.LIMIT,)),
    edge.shown_order: Described(named("Order")),
    events.events: Described(TEXT, (parameters.WORKLOADS,), media=(events.MEDIA_TYPE,)),
    edge.package: Described(TEXT, (parameters.RUNNING,), media=(OCTETS, workloads.ZIP)),
    edge.diff: Described(named("Diff")),
    edge.check: Described(named("Check")),
    edge.rehearse: Described(answers.ORDERED, body=bodies.REHEARSE, optional=True),
    edge.rollback: Described(answers.ORDERED, body=bodies.ROLLBACK, optional=True),
    edge.hold: Described(body=bodies.HOLD, example={"reason": "works on the pump until noon"}),
    edge.release: Described(body=bodies.NOTHING, optional=True),
    uploads.listed: Described(named("Uploads")),
    uploads.begin: Described(named("Upload"), body=bodies.UPLOAD, example=UPLOAD_EXAMPLE, names="/id", parameter="upload"),
    uploads.shown: Described(named("Upload")),
    uploads.append: Described(query=(parameters.OFFSET,), body=bodies.BYTES, octets=True, optional=True),
    uploads.remove: Described(),
    following.listed: Described(named("Following")),
    following.look: Described(named("Followed"), body=bodies.PUBLICATIONS, optional=True),
    following.report: Described(named("ReportSent"), body=bodies.NOTHING, optional=True),
    bundles.media: Described(named("Media")),
    bundles.trust: Described(named("Trust")),
    bundles.accept_trust: Described(named("TrustAccepted"), body=bodies.TRUST_DOCUMENTS, example=TRUST_EXAMPLE),
    bundles.inspect_bundle: Described(named("Bundle"), body=bodies.EXPECT, optional=True),
    bundles.import_bundle: Described(named("Imported"), body=bodies.IMPORT, optional=True),
    bundles.verify_bundle: Described(named("VerifyBundleLine"), body=bodies.EXPECT, optional=True, media=(JSON_STREAM,)),
    access.users: Described(answers.USERS),
    access.add_user: Described(answers.USER_ADDED, body=bodies.ADD_USER, example=ADD_USER_EXAMPLE),
    access.set_password: Described(body=bodies.PASSWORD, example=PASSWORD_EXAMPLE),
    access.change_password: Described(body=bodies.OWN_PASSWORD, example={"password": "Secret123", "new_password": "Another123"}),
    access.set_level: Described(body=bodies.USER_LEVEL, example={"level": "read"}),
    access.unlock_user: Described(body=bodies.NOTHING, optional=True),
    access.remove_user: Described(answers.USER_REMOVED),
    nodes.listed: Described(answers.NODES),
    nodes.make_token: Described(answers.NODE_TOKEN, body=bodies.NOTHING, optional=True),
    nodes.drain: Described(body=bodies.DRAIN, example={"draining": True}),
    nodes.remove: Described(),
    access.tokens: Described(answers.TOKENS_LISTED),
    access.create_token: Described(answers.TOKEN_CREATED, body=bodies.CREATE_TOKEN, example=TOKEN_EXAMPLE),
    access.revoke_token: Described(),
}
