"""`agent status` and `api status` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.render.orders import describe
from kelvin_provision.naming import counted, listed
from kelvin_provision.quantity import format_bytes, format_rate, format_si
from kelvin_provision.queries.retries import next_try, seconds_until
from kelvin_provision.timestamps import local
from kelvin_provision.wait_reason import describe_with_name

if TYPE_CHECKING:
    from kelvin_provision.api_service.status import ApiStatus
    from kelvin_provision.ledger.model.workloads import Revision
    from kelvin_provision.ledger.traffic import Savings
    from kelvin_provision.queries.agent import AgentStatus, Budget, MemberStatus
    from kelvin_provision.usecases.api_certificate import ApiCertificate

MOST_ORDERS = 10
_START = "start it: kelvin-provision agent start"
"""On a member, which deploys nothing."""


def agent_text(status: AgentStatus, *, whole: bool = False) -> str:
    """`whole`: every name, in place of the first ones and their number."""
    work = status.work
    lines = [
        ("Agent", _process(status.process, _START if status.member else "`workloads deploy` starts one")),
        ("Service", "installed" if status.service else "not installed: it does not survive a reboot (kelvin-provision agent install)"),
        ("Work", f"{work['doing']}, since {local(work['since'])}" if work else "nothing"),
        *(("", _task(task)) for task in (work or {}).get("tasks", ())),
        *_member(status.member),
        ("Pending", (", ".join(status.pending) if whole else counted(status.pending, "workload")) or "nothing"),
        *(("", line) for line in _waits(status, whole=whole)),
        *([("Budget", _budget(status.budget))] if status.budget else ()),
        *([("Deltas", _savings(status.savings))] if status.savings.layers else ()),
        *(("Orders" if number == 0 else "", line) for number, line in enumerate(_orders(status, whole=whole))),
        ("Log", status.log),
    ]
    return _aligned(lines)


def _member(member: MemberStatus | None) -> list[tuple[str, str]]:
    """What a member says of its leader and its images."""
    if member is None:
        return []
    now = member.now
    if now is None:
        return [("Leader", member.leader)]
    if now.trouble:
        answers = f"does not answer since {local(now.since)}: {now.trouble}"
    else:
        answers = f"answered {local(now.reached)}" if now.reached else "not asked yet"
    lines = [("Leader", f"{member.leader}, {answers}"), ("Images", f"{now.here} of {now.images} here")]
    lines += [("", f"{image}: {why}") for image, why in now.missing]
    return [*lines, *([("Problem", now.problem)] if now.problem else [])]


def api_text(status: ApiStatus) -> str:
    service = "installed" if status.service else "not installed: it does not survive a reboot (kelvin-provision api install)"
    if status.outdated:
        service = "installed for other addresses than api.listen has now (kelvin-provision api install)"
    lines = [
        ("API", _process(status.process, "kelvin-provision api serve")),
        ("Service", service),
        *(("" if number else "Address", address) for number, address in enumerate(status.addresses or ("none",))),
        *([("TLS", _certificate(status.certificate))] if status.certificate else ()),
        ("Users", counted(status.users, "user") or "none; kelvin-provision api user add NAME --level LEVEL"),
        *([("Log", status.log)] if status.log else ()),
    ]
    return _aligned(lines)


def _certificate(certificate: ApiCertificate) -> str:
    leaf = certificate.chain.leaf
    return f"certificate until {leaf.ends:%Y-%m-%d}, SHA-256 {leaf.fingerprint}"


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{f'{name}:' if name else '':9}{value}\n" for name, value in lines)


def _process(process: Mapping[str, Any] | None, advice: str) -> str:
    """It may not have been able to write who it is, such as on a full disk."""
    if process is None:
        return f"not running; {advice}"
    since = f", since {local(process['since'])}" if "since" in process else ""
    return f"alive, pid {process.get('pid', '?')}{since}"


def _waits(status: AgentStatus, *, whole: bool) -> list[str]:
    """A sentence for each; those that wait for the same have one together."""
    together: dict[str, list[Revision]] = {}
    for revision in status.waiting:
        key = f"{revision.workload if whole else ''}/{revision.cause}/{revision.waiting is None}"
        together.setdefault(key, []).append(revision)
    return [_waiting(revisions, status) for revisions in together.values()]


def _waiting(revisions: Sequence[Revision], status: AgentStatus) -> str:
    first, names = revisions[0], [revision.workload for revision in revisions]
    time = min((status.next_tries[name] for name in names if name in status.next_tries), default=None)
    again = "" if time is None else f"; {next_try(seconds_until(time))}"
    if len(names) > 1:
        return f"{len(names)} wait: {first.cause}{again} ({listed(names)})"
    if first.waiting:
        return describe_with_name(first.workload, first.waiting) + again
    return f"{first.workload} waits: {first.failure}"


def _orders(status: AgentStatus, *, whole: bool) -> list[str]:
    shown = status.orders if whole else status.orders[:MOST_ORDERS]
    more = len(status.orders) - len(shown)
    return [*map(describe, shown), *([f"and {more} more; -v shows them"] if more else [])]


def _savings(savings: Savings) -> str:
    """`420 MiB saved in all: 2 layers came as 1.2 MiB`."""
    layers = f"{savings.layers} layer{'' if savings.layers == 1 else 's'} came as {format_bytes(savings.bytes)}"
    return f"{format_bytes(savings.saved)} saved in all: {layers}"


def _budget(budget: Budget) -> str:
    return f"{format_si(budget.used)} of {format_si(budget.limit)} used today"


def _task(task: Mapping[str, Any]) -> str:
    words = f"{task['verb']} {task['name']}"
    if task["total"]:
        words += f": {format_bytes(task['done'])} of {format_bytes(task['total'])}"
        words += f", {100 * task['done'] // task['total']}%"
    return f"{words}, {format_rate(task['rate'])}" if task["rate"] else words
