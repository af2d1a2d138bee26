"""What the agent says of an activation before it: what changes, the downtime, what would forbid it, and what was checked.

The page of the differences is here; what is asked for a confirmation is shown by `changes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from kelvin_provision.agent.questions.answering import TIME
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.ui.strings.texts import deferred
from kelvin_provision.api.work.asking import asked
from kelvin_provision.errors import ProvisionError

PATIENCE = 4.0
"""Seconds for the answers about one workload; the page comes without them after that. For several, all that the agent takes."""

DOWNTIME = {
    "none": deferred("No downtime expected."),
    "possible": deferred("A short downtime is possible."),
    "short": deferred("A short downtime is expected."),
}


async def assessed(call: Call, names: Sequence[str]) -> dict[str, Any]:
    """For the template: also why the agent could not be asked, as `silent`."""
    questions, patience = ("diff", "check"), PATIENCE if len(names) == 1 else max(PATIENCE, TIME)
    tasks = [asyncio.wait_for(asked(call.box, question, {"names": list(names)}), patience) for question in questions]
    return shown(*await asyncio.gather(*tasks, return_exceptions=True))


def shown(diff: Any = None, check: Any = None) -> dict[str, Any]:
    """From the answers, or the errors in their place."""
    refused = forbidden(diff) if isinstance(diff, dict) else []
    checks = [line for line in check["checks"] if not any(text in line["found"] for text in refused)] if isinstance(check, dict) else []
    return {
        "changes": diff["workloads"] if isinstance(diff, dict) else [],
        "downtime": DOWNTIME,
        "forbidden": refused,
        "problems": _problems(checks),
        "errors": any(line["status"] == "error" for line in checks),
        "checked": sum(line["status"] != "skipped" for line in checks),
        "silent": next((why_silent(each) for each in (check, diff) if isinstance(each, BaseException)), ""),
    }


def forbidden(diff: dict[str, Any]) -> list[str]:
    """What would forbid it, each once."""
    findings = [finding["message"] for each in diff["workloads"] for finding in each["findings"]]
    return [] if diff["possible"] else list(dict.fromkeys(findings))


def _problems(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Errors first; what one check says of many things is one problem."""
    problems: dict[tuple[str, bool], dict[str, Any]] = {}
    for line in sorted(lines, key=lambda line: line["status"] != "error"):
        if line["status"] in {"error", "warning"}:
            error = line["status"] == "error"
            problem = {"title": line["title"], "error": error, "texts": [], "next": line["next"]}
            problems.setdefault((line["id"], error), problem)["texts"].append(line["found"])
    return list(problems.values())


async def diff(call: Call) -> Response:
    """What an activation would change, in full, with secrets masked."""
    refuse_unknown(call.request.query_params.keys(), ())
    await call.require_workload()
    answer = await asked(call.box, "diff", {"names": [call.name]})
    (change,) = answer["workloads"]
    values = {"downtime": DOWNTIME, "forbidden": forbidden(answer), "warnings": answer["warnings"]}
    return page(call, "diff.html", name=call.name, change=change, **values)


def why_silent(error: BaseException) -> str:
    if isinstance(error, ProvisionError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the agent did not answer in time"
    raise error
