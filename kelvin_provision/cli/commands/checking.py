"""What `workloads check` and `doctor` share: the list of checks, the document, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.check_result import CheckResult, CheckStatus, failing
from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.render.report import SCHEMA, Report, Table
from kelvin_provision.errors import CheckFailed
from kelvin_provision.queries.checks import ChecksResult

if TYPE_CHECKING:
    from kelvin_provision.checks.runner import Check


def listed(command: str, checks: Sequence[Check]) -> Report:
    """Every check with its id, for `--list`."""
    rows = [(check.id, check.title, check.why) for check in checks]
    document = {"schema": SCHEMA, "checks": [dict(zip(("id", "title", "why"), row, strict=True)) for row in rows]}
    table = Table(("id", "check", "why"), rows, wraps=True)
    return Report(command, document=document, table=table, names=tuple(check.id for check in checks))


def report_of(command: str, results: tuple[CheckResult, ...], *, strict: bool) -> Report:
    """With a failed check, the exit code is 1."""
    failed = failing(results, strict=strict)

    def document() -> dict[str, Any]:
        """Not made where it is not printed: it is as large as all that was found."""
        checks = ChecksResult(results).to_json(hints.line)
        return {"schema": SCHEMA, "command": command, "status": "success", **checks, "warnings": []}

    refusal = None
    if failed:
        evidence = [f"{result.id}: {f'{result.name}: ' if result.name else ''}{result.text}" for result in failed]
        refusal = CheckFailed(_summary(command, failed), evidence=evidence)
    names = tuple(dict.fromkeys(result.id for result in results))
    return Report(command, document=document, checks=results, names=names, refusal=refusal)


def _summary(command: str, failed: Sequence[CheckResult]) -> str:
    """What was found is counted, not the checks that found it."""
    errors = sum(result.status is CheckStatus.ERROR for result in failed)
    counts = [(errors, "error"), (len(failed) - errors, "warning")]
    text = " and ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count)
    if not errors:
        return f"{text}, and --strict"
    return f"{text}: {'this apply would fail' if command == 'workloads check' else 'this box has problems'}"
