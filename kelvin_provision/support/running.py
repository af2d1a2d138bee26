"""What the cluster and the runtime say of themselves and of our workloads, in bounded amounts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.errors import ProvisionError
from kelvin_provision.runtimes.protocol import Runtime

LINES = 300
"""Of each container's log, and of its run before."""
MOST = 512 * 1024
"""Signs of one workload's log; the newest stay."""


def cluster(ask: Callable[[], Cluster]) -> dict[str, Any]:
    """What answers, and what it was seen to do with each workload of ours."""
    found = ask()
    info = found.info()
    return {
        "type": info.type,
        "version": info.version,
        "node": info.node,
        "platform": str(info.platform),
        "observed": {name: observation.to_json() for name, observation in found.observe().items()},
    }


def runtime(ask: Callable[[], Runtime]) -> dict[str, Any]:
    """What answers, and which images there carry our pin."""
    found = ask()
    return asdict(found.info()) | {"ours": sorted(found.owned())}


def evidence(ask: Callable[[], Cluster], names: Sequence[str]) -> Iterator[str]:
    """Events and container states of every workload."""
    for name in names:
        yield f"== {name}\n"
        yield from (f"{line}\n" for line in ask().evidence(name))


def log(ask: Callable[[], Cluster], name: str) -> Iterator[str]:
    """The last lines that a workload wrote, before its last restart and since."""
    for previous in (True, False):
        yield "== before the last restart\n" if previous else "== now\n"
        try:
            yield from _newest(ask(), name, previous=previous)
        except ProvisionError as error:
            if not previous:
                raise
            yield f"{error}\n"


def _newest(found: Cluster, name: str, *, previous: bool) -> deque[str]:
    kept: deque[str] = deque()
    size = 0
    for one in found.logs(name, tail=LINES, previous=previous, follow=False, stop=lambda: False):
        kept.append(f"{one.time} {one.source}/{one.container} {one.text}\n")
        size += len(kept[-1])
        while size > MOST:
            size -= len(kept.popleft())
    return kept
