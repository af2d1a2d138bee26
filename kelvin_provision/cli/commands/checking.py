"""What `workloads check` and `doctor` have in common: their list, their document, how they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    table = Table(("id", "check", "why"), rows)
    return Report(command, document=document, table=table, names=tuple(check.id for check in checks))


def answered(command: str, lines: tuple[CheckResult, ...], *, strict: bool) -> Report:
    """The lines as a report; one that fails says so after them, with exit code 1."""
    document = {
        "schema": SCHEMA,
        "command": command,
        "status": "success",
        **ChecksResult(lines).to_json(hints.line),
        "warnings": [],
    }
    bad = failing(lines, strict=strict)
    refusal = None
    if bad:
        evidence = [f"{line.id}: {f'{line.name}: ' if line.name else ''}{line.text}" for line in bad]
        refusal = CheckFailed(_words(command, bad), evidence=evidence)
    names = tuple(dict.fromkeys(line.id for line in lines))
    return Report(command, document=document, verdicts=lines, names=names, refusal=refusal)


def _words(command: str, bad: Sequence[CheckResult]) -> str:
    worst = {line.id: line.status for line in sorted(bad, key=lambda line: line.status is CheckStatus.ERROR)}
    errors = sum(mark is CheckStatus.ERROR for mark in worst.values())
    counts = [(errors, "error"), (len(worst) - errors, "warning")]
    many = " and ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count)
    if not errors:
        return f"{many}, and --strict"
    return f"{many}: {'this apply would not work' if command == 'workloads check' else 'this box is not well'}"
