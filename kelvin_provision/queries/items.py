"""Workloads as the platform's list has them (KELVIN section 3.2), made from the ledger alone: no call to the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Rehearsal, Revision, Workload
from kelvin_provision.spec.enums import Download, State
from kelvin_provision.status import RehearsalOutcome, Status, Trouble, derive, of_staged

_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class StagedItem:
    """The staged version. `ready` means that it can be applied; `trouble` why only by its name. `apply_at` is RFC 3339 in UTC."""

    ready: bool
    app_name: str
    app_version: str
    instantly_apply: bool
    status: Status
    trouble: Trouble | None = None
    apply_at: str | None = None
    rehearsal: RehearsalOutcome | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "app_name": self.app_name,
            "app_version": self.app_version,
            "status": _status(self.status),
        }


@dataclass(frozen=True)
class WorkloadItem:
    """An item of the platform's list. App and version are those of the running revision, else of the staged one."""

    name: str
    title: str
    enabled: bool
    cluster_name: str
    node_name: str | None
    app_name: str
    app_version: str
    pre_download: bool
    instantly_apply: bool
    created: str
    updated: str
    status: Status
    download_status: str | None = None
    download_error: str | None = None
    staged: StagedItem | None = None
    app_type: str = "docker"
    """That of the platform: app, importer, exporter or docker."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "enabled": self.enabled,
            "acp_name": self.cluster_name,
            "cluster_name": self.cluster_name,
            "node_name": self.node_name,
            "app_name": self.app_name,
            "app_version": self.app_version,
            "pre_download": self.pre_download,
            "instantly_apply": self.instantly_apply,
            "created": self.created,
            "updated": self.updated,
            "status": _status(self.status) | {"last_seen": self.status.last_seen},
            "download_status": self.download_status,
            "download_error": self.download_error,
            "staged": self.staged.to_json() if self.staged else None,
        }


def item_of(workload: Workload, *, staged: bool = False) -> WorkloadItem:
    """With `staged`, app, version and status are those of the staged revision, if there is one."""
    shown = workload.staged if staged and workload.staged else workload.shown
    return WorkloadItem(
        name=workload.name,
        title=workload.title,
        enabled=workload.enabled,
        cluster_name=shown.spec.cluster_name,
        node_name=shown.spec.node_name,
        app_name=shown.spec.app_name,
        app_version=shown.spec.app_version,
        pre_download=shown.spec.method.staged,
        instantly_apply=shown.spec.method.instantly_apply,
        created=workload.created,
        updated=workload.updated,
        status=of_staged(workload.staged.slot) if staged and workload.staged else derive(workload.situation),
        download_status=_download_status(workload),
        download_error=workload.staged.cause if workload.staged and workload.staged.download is not Download.READY else None,
        staged=_staged_item(workload.staged, workload.scheduled_apply, workload.rehearsal),
        app_type=_app_type(shown.spec.payload),
    )


_TYPES = frozenset({"app", "importer", "exporter"})


def _app_type(payload: Mapping[str, Any]) -> str:
    """Of the newer generation; a legacy app of the platform is an app, everything else a container."""
    legacy = payload.get("app")
    kind = payload.get("type") or (legacy.get("type") if isinstance(legacy, Mapping) else None)
    return "app" if kind == "kelvin" else kind if isinstance(kind, str) and kind in _TYPES else "docker"


def damaged_item(name: str, why: StateDamaged) -> WorkloadItem:
    """A workload of which only the name can be read: failed, with the reason; what of it runs is not known."""
    return WorkloadItem(
        name=name,
        title=name,
        enabled=True,
        cluster_name="",
        node_name=None,
        app_name="",
        app_version="",
        pre_download=False,
        instantly_apply=False,
        created=_UNKNOWN_TIME,
        updated=_UNKNOWN_TIME,
        status=Status(State.FAILED, (str(why),)),
    )


def _staged_item(revision: Revision | None, scheduled: Order | None, rehearsal: Rehearsal | None) -> StagedItem | None:
    """None when nothing is staged; a standard deploy in the staged slot does not count."""
    if revision is None or not revision.spec.method.staged:
        return None
    status, spec = of_staged(revision.slot), revision.spec
    return StagedItem(
        status.state is State.READY,
        spec.app_name,
        spec.app_version,
        spec.method.instantly_apply,
        status,
        revision.slot.trouble,
        scheduled.at if scheduled else None,
        rehearsal.outcome if rehearsal else None,
    )


def _download_status(workload: Workload) -> str | None:
    newest = workload.staged or workload.running
    if newest is None or not newest.spec.method.staged:
        return None
    return "pending" if newest.download in {Download.PENDING, Download.RECEIVED} else newest.download.value


def _status(status: Status) -> dict[str, Any]:
    return {"state": status.state.value, "message": status.message, "warnings": list(status.warnings)}


NOT_RUNNING = "not running"
"""How a list shows the state `staged` until its version can be applied: there is nothing on the cluster, and nothing on the box yet."""


def shown_state(item: WorkloadItem) -> str:
    """The state in words: what runs. A workload of which nothing runs is `staged` only where the staged version is ready."""
    state = item.status.state
    return NOT_RUNNING if state is State.STAGED and item.staged and not item.staged.ready else state.value


def position(item: WorkloadItem, percent: int | None = None, *, staged: bool = False) -> str:
    """Its position in one line: `running, 2.3.0 downloading 45%`. With `staged`, or without a running version, only the latter."""
    if item.staged is None:
        return item.status.state.value
    from kelvin_provision.timestamps import local_minute  # the list has no positions

    at = item.staged.apply_at
    planned = plan_of(item.staged, "" if percent is None else f"downloading {percent}%", time=local_minute(at) if at else "")
    return planned if staged or item.status.state is State.STAGED else f"{item.status.state}, {item.staged.app_version} {planned}"


def plan_of(staged: StagedItem, progress: str = "", *, time: str = "") -> str:
    """How far the staged version is, and when it is applied: `received`, `ready, 02:00`, `apply failed`; `progress` while it downloads."""
    state = staged.trouble.value if staged.trouble else staged.status.state.value
    words = progress if progress and staged.status.state is State.DOWNLOADING else state
    return f"{words}, {time}" if time else words


def masked_payload(revision: Revision) -> Mapping[str, Any]:
    """The app manifest without its secrets."""
    from kelvin_provision.masking.documents import mask_document  # the list has no payloads

    payload: Mapping[str, Any] = mask_document(revision.spec.payload)
    return payload


def order_to_json(order: Order) -> dict[str, Any]:
    """`note` says what a pending order waits for, and why an ended one ended as it did."""
    return {
        "id": order.id,
        "code": order.code,
        "verb": order.verb.value,
        "names": list(order.names),
        "actor": order.actor,
        "at": order.at,
        "asked": order.asked,
        "begun": order.begun,
        "ended": order.ended,
        "outcome": order.outcome.value if order.outcome else None,
        "note": order.note,
    }
