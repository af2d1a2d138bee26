"""`GET /metrics`, in the text form of Prometheus. Its library is imported by the first who asks: 1.3 MiB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response

from kelvin_provision.api.messages.documents import HEADERS
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.queries.metrics import BoxMetrics, LedgerMetrics, box_metrics, ledger_metrics
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "kelvin_provision"


async def metrics(call: Call) -> Response:
    """Open to the box itself; from another machine it needs a token."""
    call.require_unless_local()
    refuse_unknown(call.request.query_params.keys(), ())
    stored = await call.box.cached("metrics", lambda ctx: _written(of_ledger(ledger_metrics(ctx))))
    return Response(stored + await call.box.ask(_of_now), headers={**HEADERS, "content-type": MEDIA})


def _of_now(ctx: Context) -> bytes:
    return _written(of_box(box_metrics(ctx)))


def of_ledger(values: LedgerMetrics) -> Iterator[Metric]:
    yield _by_state("workloads", "Workloads by state.", values.workloads)
    yield _by_state("staged_versions", "Staged versions by state.", values.staged)
    if values.last_apply:
        yield _gauge("last_apply_timestamp_seconds", "When the newest apply ended.", values.last_apply.at)
        yield _gauge("last_apply_success", "Whether it has succeeded.", values.last_apply.succeeded)


def of_box(values: BoxMetrics) -> Iterator[Metric]:
    yield _gauge("agent_alive", "Whether the agent is alive.", values.agent)
    yield _gauge("pending_orders", "Orders that have not begun.", values.pending_orders)
    yield _gauge("download_bytes", "Bytes that are here, of downloads under way.", values.downloaded)
    yield _gauge("download_size_bytes", "Bytes of downloads under way, where their size is known.", values.to_download)
    yield _gauge("download_rate_bytes", "Bytes that arrive in each second.", values.rate)
    yield _gauge("disk_free_bytes", "Free bytes of the filesystem of the state directory.", values.disk[0])
    yield _gauge("disk_size_bytes", "All bytes of the filesystem of the state directory.", values.disk[1])
    if values.budget:
        yield _gauge("download_budget_used_bytes", "Bytes of today's budget (download.budget) that are used.", values.budget[0])
        yield _gauge("download_budget_bytes", "Today's budget (download.budget).", values.budget[1])


def _gauge(name: str, meaning: str, value: float) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return GaugeMetricFamily(f"{_PREFIX}_{name}", meaning, value=value)


def _by_state(name: str, meaning: str, values: Mapping[State, int]) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    family = GaugeMetricFamily(f"{_PREFIX}_{name}", meaning, labels=["state"])
    for state, count in values.items():
        family.add_metric([state.value], count)
    return family


class _Collected:
    """A registry of the library, for one answer: nothing is kept between two of them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _written(families: Iterable[Metric]) -> bytes:
    from prometheus_client.exposition import generate_latest

    return bytes(generate_latest(_Collected(families)))
