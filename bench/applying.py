"""Applying one staged workload on a real Kubernetes, beside kubectl on the same objects."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import Row, program, run
from bench.staging import _agent
from tests.images import push, web_image
from tests.servers.registry import docker_registry

ROUNDS = 4
KUBECONFIG, CONTAINERD = "KELVIN_PROVISION_TEST_KUBECONFIG", "KELVIN_PROVISION_TEST_CONTAINERD"


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    unset = [name for name in (KUBECONFIG, CONTAINERD) if not os.environ.get(name)]
    if unset:
        return f"{' and '.join(unset)} not set"
    return "" if shutil.which("kubectl") else "kubectl is not installed"


def rows(folder: Path) -> Iterator[Row]:
    """Each round applies the next version: ours by `apply`, the other side the same objects by `kubectl apply` and `rollout status`."""
    with docker_registry(folder / "registry-k8s") as host:
        environment = os.environ | {
            "KELVIN_PROVISION_STATE_DIR": str(folder / "applying"),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
            "KELVIN_PROVISION_REGISTRY": host,
            "KELVIN_PROVISION_RUNTIME__ADDRESS": os.environ[CONTAINERD],
            "KELVIN_PROVISION_CLUSTER__NAMESPACE": "bench",
            "KELVIN_PROVISION_APPLY__SETTLE": "2",
            "KUBECONFIG": os.environ[KUBECONFIG],
        }
        pairs = []
        for number in range(ROUNDS + 1):
            push(host, "web", f"1.0.{number}", web_image(f"bench {number}"))
            _stage(environment, number)
            ours = run(program("workloads", "apply", "-n", "bench-web"), environment)
            pairs.append((ours, _kubectl(environment, _objects(folder / "applying" / "ledger.db"))))
        run(program("workloads", "undeploy", "-n", "bench-web", "--yes"), environment)
        run(["kubectl", "--kubeconfig", os.environ[KUBECONFIG], "delete", "namespace", "bench", "bench-other"], environment)
        _wait_for_agent(environment)
    pairs = pairs[1:]  # the first round creates what the others update
    ours, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    yield Row("apply on Kubernetes / kubectl apply + rollout status", f"{ours:.2f} s", f"{other:.2f} s", ratio, 1.2)


def _stage(environment: dict[str, str], number: int) -> None:
    probe = {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}
    about = {"spec_version": "5.0.0", "type": "docker", "name": "web", "title": "Web", "description": "Web", "version": f"1.0.{number}"}
    payload = about | {"defaults": {"system": {"health_check": {"readiness_probe": probe}}}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(payload, file)
        file.flush()
        words = [
            "--app-name",
            "web",
            "--app-version",
            f"1.0.{number}",
            "-n",
            "bench-web",
            "--payload",
            file.name,
            "--staged",
            "--no-instantly-apply",
        ]
        run(program("workloads", "deploy", *words, "--wait"), environment)


def _objects(ledger: Path) -> list[dict[str, Any]]:
    """What our side has applied, for a namespace of kubectl's own."""
    with sqlite3.connect(ledger) as db:
        found = db.execute("SELECT objects FROM revisions WHERE objects IS NOT NULL ORDER BY number DESC LIMIT 1").fetchone()
    objects = [thing for thing in json.loads(found[0]) if thing["kind"] != "Namespace"]
    for thing in objects:
        thing["metadata"]["namespace"] = "bench-other"
    return objects


def _kubectl(environment: dict[str, str], objects: list[dict[str, Any]]) -> float:
    kubectl = ["kubectl", "--kubeconfig", environment["KUBECONFIG"]]
    subprocess.run([*kubectl, "create", "namespace", "bench-other"], env=environment, capture_output=True, check=False)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, file)
        file.flush()
        applied = run([*kubectl, "apply", "-f", file.name], environment)
    return applied + run([*kubectl, "-n", "bench-other", "rollout", "status", "deployment", "bench-web"], environment)


def _wait_for_agent(environment: dict[str, str]) -> None:
    """It ends by itself when there is nothing left to look after; if not, by its pid."""
    for _ in range(100):
        pid = _agent(environment)
        if not pid:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGTERM)
