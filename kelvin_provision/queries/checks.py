"""Results of checks as a document, for `workloads check`, `doctor` and the support bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.check_result import CheckResult, counts

if TYPE_CHECKING:
    from kelvin_provision.hints import Hint


@dataclass(frozen=True)
class ChecksResult:
    lines: tuple[CheckResult, ...]

    def to_json(self, describe_hint: Callable[[Hint | str], str]) -> dict[str, Any]:
        """`describe_hint` renders a hint for the front end."""
        return {"counts": counts(self.lines), "checks": [_line_to_json(line, describe_hint) for line in self.lines]}


def _line_to_json(line: CheckResult, describe_hint: Callable[[Hint | str], str]) -> dict[str, Any]:
    """`workload` is null for results about the box."""
    return {
        "id": line.id,
        "title": line.title,
        "status": line.status.value,
        "workload": line.name or None,
        "found": line.text,
        "why": line.why,
        "next": describe_hint(line.hint) or None,
    }
