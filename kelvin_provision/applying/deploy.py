"""Deploy: accept requests into the ledger. Nothing is downloaded or changed here; the agent does that."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, RequestRefused
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision
from kelvin_provision.spec.workload import Spec


def refuse_what_cannot_run(cluster: Cluster, specs: Sequence[Spec]) -> None:
    """Raise RequestRefused, with the findings of all, for what this cluster has no place for. A silent cluster is asked at apply."""
    findings: list[str] = []
    for spec in specs:
        try:
            cluster.render(spec, (), 0)
        except RequestRefused as error:
            findings += error.evidence or (str(error),)
        except (ClusterUnreachable, ClusterDenied):
            return
    if findings:
        raise RequestRefused(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} for this box", evidence=findings)


def run(ledger: Ledger, specs: Sequence[Spec], *, who: str) -> tuple[Revision, ...]:
    """Store the requests as one group with their lines of history, all or none. What was staged for the same workloads is replaced."""
    return requests.accept(ledger, specs, uuid.uuid4().hex, actor=who).revisions
