"""Everything about one workload: `workloads show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.ledger import history
from kelvin_provision.queries.items import WorkloadItem, item_of, masked_payload, order_to_json
from kelvin_provision.queries.retries import describe_cause, next_tries
from kelvin_provision.queries.transfers import ImageTransfer, transfers

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.following.overview import WorkloadOverview
    from kelvin_provision.ledger.model.operations import Entry
    from kelvin_provision.ledger.model.orders import Order
    from kelvin_provision.ledger.model.workloads import Rehearsal, Workload
    from kelvin_provision.observation import Hold


@dataclass(frozen=True)
class WorkloadRequest:
    """`live` observes the cluster first."""

    name: str
    live: bool = False


@dataclass(frozen=True)
class WorkloadResult:
    """`last_failure` is the newest failed or refused attempt, with its evidence; `recovered`: a later attempt succeeded."""

    item: WorkloadItem
    payload: Mapping[str, Any]
    staged_payload: Mapping[str, Any] | None
    images: tuple[ImageTransfer, ...]
    holds: tuple[Hold, ...]
    orders: tuple[Order, ...]
    last_failure: Entry | None = None
    recovered: bool = False
    waits: str = ""
    """The warning of a download that is retried, with the time of the next attempt, and without it as `cause`."""
    cause: str = ""
    rehearsal: Rehearsal | None = None
    followed: WorkloadOverview | None = None

    def to_json(self) -> dict[str, Any]:
        """The platform's object of one workload; `images`, `orders`, `rehearsal`, `last_failure` and `followed` are ours."""
        document = self.item.to_json()
        document["payload"] = self.payload
        document["networking"] = []  # protocol's case differs between client generations; empty suits all (KELVIN 3.2)
        if self.item.staged:
            staged = self.item.staged.to_json()
            status = staged.pop("status")
            document["staged"] = staged | {
                "payload": self.staged_payload,
                "instantly_apply": self.item.staged.instantly_apply,
                "status": status,
            }
        return document | {
            "images": [image.to_json() for image in self.images],
            "orders": [order_to_json(order) for order in self.orders],
            "rehearsal": asdict(self.rehearsal) if self.rehearsal else None,
            "last_failure": asdict(self.last_failure) if self.last_failure else None,
            "followed": self.followed and {"reference": self.followed.followed.reference, **self.followed.to_json()},
        }


def workload(ctx: Context, request: WorkloadRequest) -> WorkloadResult:
    """Raises WorkloadUnknown."""
    current = ctx.ledger.workload(request.name)
    if request.live and current.running:
        from kelvin_provision.applying.observe import observe

        observe(ctx, [request.name])
        current = ctx.ledger.workload(request.name)
    return workload_of(ctx, current)


def workload_of(ctx: Context, current: Workload) -> WorkloadResult:
    """The same of one that was read."""
    failure = history.last_failure(ctx.ledger, current.name)
    staged = current.staged if current.staged and current.staged.in_motion else None
    tries = next_tries(ctx, [staged]) if staged else {}
    return WorkloadResult(
        item=item_of(current),
        payload=masked_payload(current.shown),
        staged_payload=masked_payload(current.staged) if current.staged else None,
        images=transfers(ctx, current),
        holds=current.holds,
        orders=current.orders,
        last_failure=failure,
        recovered=failure is not None and history.succeeded_since(ctx.ledger, failure),
        waits=describe_cause(staged, tries[staged.workload]) if staged and tries else "",
        cause=staged.cause or "" if staged else "",
        rehearsal=current.rehearsal,
        followed=_followed(ctx, current.name) if ctx.settings.follow.publications else None,
    )


def _followed(ctx: Context, name: str) -> WorkloadOverview | None:
    from kelvin_provision.following.overview import followed_by  # not on a box that follows nothing

    return followed_by(ctx, name)


def configuration(ctx: Context, name: str) -> Mapping[str, Any]:
    """The configuration of the newest version of its app, without secrets. Raises WorkloadUnknown."""
    from kelvin_provision.masking.documents import mask_document

    current = ctx.ledger.workload(name)
    masked: Mapping[str, Any] = mask_document((current.staged or current.shown).spec.configuration)
    return masked
