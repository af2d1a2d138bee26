"""The box itself: agent, disk, certificates; its health, its images, and the file for support, which the agent is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.documents import solution
from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.routes.box import DOCTOR, inventory_file, made_bundle
from kelvin_provision.api.routes.site.following import LOOK
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.handlers.assessing import PATIENCE, why_silent
from kelvin_provision.api.ui.rendering import HEADERS, page, see_other
from kelvin_provision.api.ui.strings.texts import deferred, texts_of
from kelvin_provision.api.ui.words import title_of
from kelvin_provision.api.work.asking import asked, result_of_job
from kelvin_provision.checks import box as queries
from kelvin_provision.checks.box import BoxResult, Counts
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.following.boxkey import known
from kelvin_provision.following.overview import PublicationOverview, ReportOverview, Stage, overview, report_overview
from kelvin_provision.hints import command
from kelvin_provision.nodes.overview import NodesAnswer, nodes
from kelvin_provision.queries.agent import AgentStatus
from kelvin_provision.queries.agent import agent as agent_of
from kelvin_provision.tls.x509 import Certificate
from kelvin_provision.trust.documents.model import TrustDocument
from kelvin_provision.usecases.api_certificate import usable
from kelvin_provision.usecases.bundles.trust.showing import believed

_ROLES = {
    "root": deferred("May change the trust"),
    "bundles": deferred("May sign bundles"),
    "requests": deferred("May sign requests"),
    "images": deferred("May sign images"),
}
_STAGES = {
    Stage.RUNNING: ("ok", deferred("runs")),
    Stage.STAGED: ("idle", deferred("staged")),
    Stage.FAILED: ("bad", deferred("failed")),
    Stage.OTHER: ("idle", deferred("another version")),
    Stage.REMOVED: ("idle", deferred("removed")),
    Stage.WITHDRAWN: ("warn", deferred("withdrawn by the publisher")),
}
_DISKS = {"the state": deferred("State"), "images": deferred("Images"), "the state and images": deferred("State and images")}
"""What a filesystem is for, as the query says it."""
_AGENT = solution(command("agent start"))


@dataclass(frozen=True)
class _Shown:
    """`authority` is None where the certificate is that of the site. `doubt`: why it cannot be said whom this box trusts."""

    box: BoxResult
    agent: AgentStatus
    certificate: Certificate | None
    authority: Certificate | None
    days: int
    trust: TrustDocument | None
    nodes: NodesAnswer
    doubt: str = ""
    publications: tuple[PublicationOverview, ...] = ()
    report: ReportOverview | None = None
    key: str = ""


async def shown(call: Call) -> Response:
    """At once: what the agent would have to be asked for is on pages of its own, but for the filesystem of images."""
    refuse_unknown(call.request.query_params.keys(), ())
    facts, _ = await call.box.ask(_read), texts_of(call.request)
    disk, silent = await _disk(call) if facts.box.agent else (None, "")
    orders = [(order, title_of(_, order)) for order in facts.agent.orders]
    roles = [(_(word), facts.trust.role(name)) for name, word in _ROLES.items()] if facts.trust else []
    stages = {stage: (sign, _(word)) for stage, (sign, word) in _STAGES.items()}
    disks = {what: _(text) for what, text in _DISKS.items()}
    values: dict[str, Any] = {
        "stages": stages,
        "roles": roles,
        "facts": facts,
        "disk": disk,
        "disks": disks,
        "silent": silent,
        "orders": orders,
    }
    return page(call, "box.html", **values, start=_AGENT)


def _read(ctx: Context) -> _Shown:
    served = usable(ctx.settings)
    leaf = served.chain.leaf if served else None
    authority = served.authority.leaf if served and served.authority else None
    trust, doubt = _trust(ctx)
    days, publications, report = (leaf.ends - ctx.now).days if leaf else 0, overview(ctx), report_overview(ctx)
    key = known(ctx.settings.state_dir) if report else None
    answers = queries.box(ctx, Counts({}, 0)), agent_of(ctx)
    return _Shown(*answers, leaf, authority, days, trust, nodes(ctx), doubt, publications, report, key.key_id if key else "")


def _trust(ctx: Context) -> tuple[TrustDocument | None, str]:
    """A damaged document is named, and the rest of the page is shown."""
    try:
        return believed(ctx), ""
    except ProvisionError as error:
        return None, str(error)


async def look(call: Call) -> Response:
    """Look at what is followed now, by a job of the agent. What is wrong with one of them stands on the page of the box."""
    await form_of(call, ())
    await result_of_job(call.box, "follow", {"publications": []}, LOOK)
    return see_other("/ui/box#following")


async def _disk(call: Call) -> tuple[dict[str, Any] | None, str]:
    """With images, from the agent; else why not."""
    try:
        return await asyncio.wait_for(asked(call.box, "disk", {}), PATIENCE), ""
    except (ProvisionError, TimeoutError) as error:
        return None, why_silent(error)


async def doctor(call: Call) -> Response:
    """All checks of `doctor`, by a job of the agent; with `online`, the registries too."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("online",))
    online = flag(query, "online") or False
    result = await result_of_job(call.box, "doctor", {"online": online}, DOCTOR)
    return page(call, "doctor.html", counts=result["counts"], checks=result["checks"], online=online)


async def images(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    result, disk = await asked(call.box, "images", {}), await asked(call.box, "disk", {})
    return page(call, "images.html", images=result["images"], store=disk["store"], warnings=result["warnings"])


async def inventory(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return await inventory_file(call, HEADERS)


async def support_bundle(call: Call) -> Response:
    await form_of(call, ())
    return await made_bundle(call, HEADERS)
