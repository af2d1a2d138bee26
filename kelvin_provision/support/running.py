"""Reports of the cluster and the runtime about themselves and our workloads, of bounded size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.errors import ProvisionError
from kelvin_provision.runtimes.protocol import Runtime

LINES = 300
"""Of the log of each container, and of its previous run."""
MAX_CHARACTERS = 512 * 1024
"""Of the log of a workload; the newest are kept."""


def cluster(ask: Callable[[], Cluster]) -> dict[str, Any]:
    """The cluster, and the observed state of each workload."""
    answering = ask()
    info = answering.info()
    return {
        "type": info.type,
        "version": info.version,
        "node": info.node,
        "platform": str(info.platform),
        "observed": {name: observation.to_json() for name, observation in answering.observe().items()},
    }


def runtime(ask: Callable[[], Runtime]) -> dict[str, Any]:
    """The runtime, and the images that we pinned."""
    answering = ask()
    return asdict(answering.info()) | {"ours": sorted(answering.owned())}


def evidence(ask: Callable[[], Cluster], names: Sequence[str]) -> Iterator[str]:
    """Events and container states of all workloads."""
    for name in names:
        yield f"== {name}\n"
        yield from (f"{line}\n" for line in ask().evidence(name))


def log(ask: Callable[[], Cluster], name: str) -> Iterator[str]:
    """The last lines of a workload's log, before and after its last restart."""
    for previous in (True, False):
        yield "== before the last restart\n" if previous else "== now\n"
        try:
            yield from _newest(ask(), name, previous=previous)
        except ProvisionError as error:
            if not previous:
                raise
            yield f"{error}\n"


def _newest(cluster: Cluster, name: str, *, previous: bool) -> deque[str]:
    kept: deque[str] = deque()
    size = 0
    for line in cluster.logs(name, tail=LINES, previous=previous, follow=False, stop=lambda: False):
        kept.append(f"{line.time} {line.source}/{line.container} {line.text}\n")
        size += len(kept[-1])
        while size > MAX_CHARACTERS:
            size -= len(kept.popleft())
    return kept
