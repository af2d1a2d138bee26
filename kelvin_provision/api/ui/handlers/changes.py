"""Pages that confirm a change, with what is there now, and order it: activate, undo, stop, start.

The form carries the revisions that were shown. If others are there by then, nothing is ordered, and the page says to look again.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.body import content, form_fields
from kelvin_provision.api.messages.parameters import many, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers.workload import earlier
from kelvin_provision.api.ui.handlers.workloads import MOST_READY, ready_names
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.ui.strings.texts import deferred, texts_of
from kelvin_provision.api.ui.words import CHANGES, TITLES
from kelvin_provision.api.work.asking import asked
from kelvin_provision.applying import gate
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingApplied, NothingStaged, NothingToRollBack, ProvisionError
from kelvin_provision.ledger.model import Target, Workload
from kelvin_provision.spec.enums import NAME, NAME_LENGTH
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order

PATIENCE = 4.0
"""Seconds for the answers of the agent; the page comes without them after that."""
_TARGET = re.compile(rf"({NAME.pattern})=([1-9][0-9]{{0,9}})")
DOWNTIME = {
    "none": deferred("No downtime expected."),
    "possible": deferred("A short downtime is possible."),
    "short": deferred("A short downtime is expected."),
}


@dataclass(frozen=True)
class _Row:
    """One workload of the change: from which version to which; `after` is empty for stop and start."""

    name: str
    title: str
    number: int
    before: str
    after: str


@dataclass(frozen=True)
class _Plan:
    rows: tuple[_Row, ...]
    obstacle: str = ""

    @property
    def targets(self) -> str:
        return " ".join(f"{row.name}={row.number}" for row in self.rows)


async def confirm(call: Call) -> Response:
    """Without names, activate is about everything that is ready."""
    query, verb = call.request.query_params, _verb(call)
    refuse_unknown(query.keys(), ("name",))
    names = tuple(dict.fromkeys(many(query, "name")))
    plan = await call.box.ask(_planned, verb, names)
    asks = verb is Verb.APPLY and len(plan.rows) == 1 and not plan.obstacle
    answers = await _of_agent(call, plan.rows[0].name) if asks else {}
    title, path = texts_of(call.request)(TITLES[verb]), call.request.scope["path"]
    return page(call, "confirm.html", verb=verb.value, title=title, plan=plan, action=path, **_shown(answers))


async def carry_out(call: Call) -> Response:
    """Order it, and go to the page that follows it. The same form again within a minute is the same order."""
    verb, body = _verb(call), await content(call.request, 1 << 16)
    fields = form_fields(call.request, body)
    if set(fields) != {"targets"}:
        raise Refusal("bad-body", "the form has the field targets, and no other")
    targets = tuple(_target(word) for word in fields["targets"].split(" "))
    if len(targets) > MOST_READY:
        raise Refusal("bad-body", f"{len(targets)} workloads; the limit is {MOST_READY}")
    key = call.digest(body)
    names = tuple(dict.fromkeys(target.workload for target in targets))
    ordered = await call.box.act(call.principal.actor, order, Change(verb, names, key, seen=targets))
    return see_other(f"/ui/operations/{ordered.order.id}")


def _verb(call: Call) -> Verb:
    return CHANGES[call.request.scope["path"].rpartition("/")[2]]


def _target(word: str) -> Target:
    match = _TARGET.fullmatch(word)
    if match is None or len(match[1]) > NAME_LENGTH:
        raise Refusal("bad-body", f"{word[:60]!r} is not a workload with its revision")
    return Target(match[1], int(match[3]))


def _planned(ctx: Context, verb: Verb, names: tuple[str, ...]) -> _Plan:
    if not names and verb is Verb.APPLY:
        names = ready_names(ctx)
        if not names:
            raise NothingStaged("nothing is ready to be activated")
    if not names or len(names) > MOST_READY:
        raise Refusal("bad-query", f"name one to {MOST_READY} workloads")
    workloads = ctx.ledger.workloads(names)
    rows = tuple(_row(ctx, verb, workload) for workload in workloads)
    error = gate.obstacle(workloads, ctx.settings.apply.window, ctx.now) if verb is Verb.APPLY else None
    return _Plan(rows, timestamps.with_local_times(str(error or "")))


def _row(ctx: Context, verb: Verb, workload: Workload) -> _Row:
    running, staged, name = workload.running, workload.staged, workload.name
    version = running.spec.app_version if running else ""
    if verb is Verb.APPLY:
        if staged is None:
            raise NothingStaged(f"nothing is staged for {name}")
        return _Row(name, workload.title, staged.number, version, staged.spec.app_version)
    if running is None:
        raise NothingApplied(f"nothing of {name} runs")
    if verb is Verb.ROLLBACK:
        before = earlier(ctx, name)
        if before is None:
            raise NothingToRollBack(f"no earlier version of {name} is kept on this box")
        return _Row(name, workload.title, running.number, version, before.spec.app_version)
    return _Row(name, workload.title, running.number, version, "")


async def _of_agent(call: Call, name: str) -> dict[str, Any]:
    """Its answers by question; an error in place of one that did not come."""
    questions = ("diff", "check")
    tasks = [asyncio.wait_for(asked(call.box, question, {"name": name}), PATIENCE) for question in questions]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return dict(zip(questions, results, strict=True))


def _shown(answers: dict[str, Any]) -> dict[str, Any]:
    """What the agent says of an activation: downtime, what would forbid it, what was checked, and what could not be asked."""
    diff, check = answers.get("diff"), answers.get("check")
    silent = next((_why(each) for each in (check, diff) if isinstance(each, Exception)), "")
    changes = diff["workloads"] if isinstance(diff, dict) else []
    checks = check["checks"] if isinstance(check, dict) else []
    return {
        "downtime": [(DOWNTIME.get(each["downtime"]["expected"], ""), each["downtime"]["why"]) for each in changes],
        "forbidden": [finding["message"] for each in changes for finding in each["findings"]]
        if isinstance(diff, dict) and not diff["possible"]
        else [],
        "changes": changes,
        "problems": _problems(checks),
        "errors": any(line["status"] == "error" for line in checks),
        "checked": sum(line["status"] != "skipped" for line in checks),
        "silent": silent,
    }


def _problems(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Errors first; what one check says of many things is one problem."""
    problems: dict[tuple[str, bool], dict[str, Any]] = {}
    for line in sorted(lines, key=lambda line: line["status"] != "error"):
        if line["status"] in {"error", "warning"}:
            error = line["status"] == "error"
            problem = {"title": line["title"], "error": error, "texts": [], "next": line["next"]}
            problems.setdefault((line["id"], error), problem)["texts"].append(line["found"])
    return list(problems.values())


def _why(error: Exception) -> str:
    if isinstance(error, ProvisionError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the agent did not answer in time"
    raise error
