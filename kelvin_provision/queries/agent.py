"""Whether the agent is alive, what it does, and what waits for it: `agent status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kelvin_provision.queries.items import order_to_json
from kelvin_provision.queries.retries import next_tries

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.orders import Order
    from kelvin_provision.ledger.model.workloads import Revision
    from kelvin_provision.ledger.traffic import Savings
    from kelvin_provision.nodes.member.now import MemberNow


@dataclass(frozen=True)
class Budget:
    """Bytes of `download.budget`. Reserved bytes count as used: up to 1/64 of the budget more than was downloaded."""

    day: str
    used: int
    limit: int


@dataclass(frozen=True)
class MemberStatus:
    """`leader` is its address; `now` what the agent says of it, None without an agent."""

    leader: str
    now: MemberNow | None

    def to_json(self) -> dict[str, Any]:
        return {"leader": self.leader, **(self.now.to_json() if self.now else {})}


@dataclass(frozen=True)
class AgentStatus:
    """`process` is the holder of the agent's lock: pid, user and since; None without an agent. `work` is its own report.

    `pending` are names of workloads with work for the agent; `waiting` those whose staged revision waits, with the reason.
    """

    process: Mapping[str, Any] | None
    service: bool
    log: str
    work: Mapping[str, Any] | None
    pending: tuple[str, ...]
    waiting: tuple[Revision, ...]
    orders: tuple[Order, ...]
    budget: Budget | None
    savings: Savings
    """What deltas have saved on this box."""
    next_tries: Mapping[str, str] = field(default_factory=dict)
    """RFC 3339, by workload, of those whose last attempt ended with an error."""
    member: MemberStatus | None = None
    """Of a node that is a member: it has no workloads of its own."""

    @property
    def appointed(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.at)

    def to_json(self) -> dict[str, Any]:
        process = self.process or {}
        return {
            "agent": {
                "alive": self.process is not None,
                **{key: process.get(key) for key in ("pid", "user", "since")},
                "service": self.service,
                "log": self.log,
            },
            "work": self.work,
            "pending": list(self.pending),
            "waiting": [
                {"name": revision.workload, "cause": revision.cause, "next_try": self.next_tries.get(revision.workload)}
                for revision in self.waiting
            ],
            "appointed": [{"at": order.at, "names": list(order.names), "who": order.actor, "note": order.note} for order in self.appointed],
            "orders": [order_to_json(order) for order in self.orders],
            "budget": asdict(self.budget) if self.budget else None,
            "deltas": asdict(self.savings),
            **({"member": self.member.to_json()} if self.member else {}),
        }


def agent(ctx: Context) -> AgentStatus:
    """Reads the agent's lock, the ledger, and the agent's report."""
    from kelvin_provision.agent import queue
    from kelvin_provision.agent.lifecycle import process
    from kelvin_provision.ledger import orders, traffic

    state_dir = ctx.settings.state_dir
    holder = process.alive(state_dir)
    if (state_dir / "nodes" / "membership.json").exists():
        return _of_member(ctx, holder)
    pending = queue.pending(tuple(ctx.ledger.readable_unapplied().workloads.values()))
    waiting = tuple(workload.staged for workload in pending if workload.staged and workload.staged.cause)
    return AgentStatus(
        process=holder,
        **_of_process(ctx, holder),
        pending=tuple(workload.name for workload in pending),
        waiting=waiting,
        orders=orders.pending(ctx.ledger),
        budget=_budget(ctx),
        savings=traffic.savings(ctx.ledger),
        next_tries=next_tries(ctx, waiting),
    )


def _of_process(ctx: Context, holder: Mapping[str, Any] | None) -> dict[str, Any]:
    from kelvin_provision.agent import activity
    from kelvin_provision.agent.lifecycle import process
    from kelvin_provision.agent.systemd import unit

    state_dir = ctx.settings.state_dir
    work = activity.read(process.now_path(state_dir), holder["pid"]) if holder and "pid" in holder else None
    service = ctx.launcher.survives_reboot(ctx.settings)
    return {
        "service": service,
        "log": f"journalctl -u {unit.NAME}" if service else str(process.log_path(state_dir)),
        "work": {key: value for key, value in work.items() if key != "pid"} if work else None,
    }


def _of_member(ctx: Context, holder: Mapping[str, Any] | None) -> AgentStatus:
    """A member has no ledger, and none is made for the answer."""
    from kelvin_provision.ledger.traffic import Savings
    from kelvin_provision.nodes.member import now

    state_dir = ctx.settings.state_dir
    member = MemberStatus(now.leader_of(state_dir), now.read(state_dir) if holder else None)
    return AgentStatus(
        process=holder, **_of_process(ctx, holder), pending=(), waiting=(), orders=(), budget=None, savings=Savings(), member=member
    )


def _budget(ctx: Context) -> Budget | None:
    from kelvin_provision.ledger import traffic
    from kelvin_provision.staging.limits.policy import local_time

    limit = ctx.settings.download.budget
    if not limit:
        return None
    day = local_time().day
    return Budget(day, traffic.used(ctx.ledger, day), limit)
