"""The questions that the agent answers for other processes: those for which the cluster must be asked. Imported when they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, UsageRefused


def _logs(ctx: Context, *, name: str, tail: int | None = None, since: str | None = None) -> dict[str, Any]:
    """`logs` with those that fit; see queries.logs."""
    from kelvin_provision.errors import ClusterUnreachable
    from kelvin_provision.queries.logs import LogsRequest, logs

    try:
        return logs(ctx, LogsRequest(name, tail, since)).to_json()
    except Interrupted as error:
        raise ClusterUnreachable(f"the logs of {name} did not come in time", hint="ask for fewer lines") from error


QUESTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({"logs": _logs})


def answer(ctx: Context, question: str, arguments: Mapping[str, Any]) -> Any:
    """A JSON value. Raises what the query raises, UsageRefused for an unknown question."""
    asked = QUESTIONS.get(question)
    if asked is None:
        raise UsageRefused(f"the agent has no question {question[:60]!r}; it has {', '.join(QUESTIONS)}", hint="restart the agent")
    return asked(ctx, **arguments)
