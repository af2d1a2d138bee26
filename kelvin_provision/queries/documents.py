"""The platform's JSON of workloads (KELVIN section 3.2), made from the ledger alone: no call to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.masking.documents import mask_document
from kelvin_provision.queries import listing
from kelvin_provision.spec.enums import Download
from kelvin_provision.status import Status, derive, of_staged


def status_of(workload: Workload, *, staged: bool = False) -> Status:
    """The workload's state; with `staged`, that of its staged revision on the top level."""
    if staged and workload.staged:
        return of_staged(workload.staged.slot)
    return derive(workload.situation)


def _status(status: Status) -> dict[str, Any]:
    return {"state": status.state.value, "message": status.message, "warnings": list(status.warnings)}


def _staged(revision: Revision | None, *, whole: bool) -> dict[str, Any] | None:
    """Null when nothing is staged; a standard deploy on its way is not staged, it only waits its turn."""
    if revision is None or not revision.spec.method.staged:
        return None
    ready = revision.download is Download.READY and not revision.blocked
    document: dict[str, Any] = {"ready": ready, "app_name": revision.spec.app_name, "app_version": revision.spec.app_version}
    if whole:
        document |= {"payload": payload_of(revision), "instantly_apply": revision.spec.method.instantly_apply}
    return document | {"status": _status(of_staged(revision.slot))}


def payload_of(revision: Revision) -> dict[str, Any]:
    """The app manifest without its secrets."""
    payload: dict[str, Any] = mask_document(revision.spec.payload)
    return payload


def _download(workload: Workload) -> str | None:
    newest = workload.staged or workload.running
    if newest is None or not newest.spec.method.staged:
        return None
    return "pending" if newest.download in {Download.PENDING, Download.RECEIVED} else newest.download.value


def listed(workload: Workload, *, staged: bool = False) -> dict[str, Any]:
    """An item of the platform's list."""
    shown = workload.staged if staged and workload.staged else workload.shown
    status = status_of(workload, staged=staged)
    return {
        "name": workload.name,
        "title": workload.title,
        "enabled": workload.enabled,
        "acp_name": shown.spec.cluster_name,
        "cluster_name": shown.spec.cluster_name,
        "node_name": shown.spec.node_name,
        "app_name": shown.spec.app_name,
        "app_version": shown.spec.app_version,
        "pre_download": shown.spec.method.staged,
        "instantly_apply": shown.spec.method.instantly_apply,
        "created": workload.created,
        "updated": workload.updated,
        "status": _status(status) | {"last_seen": status.last_seen},
        "download_status": _download(workload),
        "download_error": workload.staged.cause if workload.staged and workload.staged.download is not Download.READY else None,
        "staged": _staged(workload.staged, whole=False),
    }


def shown(workload: Workload) -> dict[str, Any]:
    """The platform's object of one workload: a list item with payloads and networking."""
    document = listed(workload)
    document["payload"] = payload_of(workload.shown)
    document["networking"] = []  # protocol's case differs between client generations; empty suits all (KELVIN 3.2)
    document["staged"] = _staged(workload.staged, whole=True)
    return document


def page(workloads: Sequence[Workload], *, staged: bool = False) -> dict[str, Any]:
    """The platform's list of these: all of them, or those with a staged version."""
    return listing.page([listed(workload, staged=staged) for workload in workloads], listing.Query(staged=staged))
