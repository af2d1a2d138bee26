"""Applying staged workloads on a real Kubernetes, one and ten, beside kubectl on the same objects; and looking at them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Row, paired, program, run
from bench.staging import _agent
from tests.kit.images import push, web_image
from tests.kit.servers.registry import docker_registry

ROUNDS, MANY = 4, 10
KUBECONFIG, CONTAINERD = "KELVIN_PROVISION_TEST_KUBECONFIG", "KELVIN_PROVISION_TEST_CONTAINERD"
OURS, THEIRS = "bench", "bench-other"


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
            "KELVIN_PROVISION_CLUSTER__NAMESPACE": OURS,
            "KELVIN_PROVISION_APPLY__SETTLE": "2",
            "KUBECONFIG": os.environ[KUBECONFIG],
        }
        kubectl = _kubectl(environment)
        _output([*kubectl, "create", "namespace", THEIRS], environment)
        try:
            for number in range(2 * ROUNDS + 2):
                push(host, "web", f"1.0.{number}", web_image(f"bench {number}"))
            versions = iter(range(2 * ROUNDS + 2))
            yield _row(["bench-web"], "apply", 1.2, versions, environment)
            yield _row([f"bench-web-{number}" for number in range(MANY)], f"apply --all of {MANY}", 1.1, versions, environment)
            look = partial(run, program("workloads", "list"), environment)
            ours, other, ratio = paired(look, partial(run, [*kubectl, "-n", OURS, "get", "deployments"], environment), 9)
            what = "workloads list, agent alive / kubectl get deployments"
            yield Row(what, f"{ours * 1000:.0f} ms", f"{other * 1000:.0f} ms", ratio, 1.6)
        finally:
            _clean_up(environment)


def _row(names: list[str], what: str, bound: float, versions: Iterator[int], environment: dict[str, str]) -> Row:
    pairs = []
    for _ in range(ROUNDS + 1):
        _stage(environment, names, next(versions))
        ours = run(program("workloads", "apply", "--all"), environment)
        pairs.append((ours, _by_kubectl(environment, names)))
        _settle(environment)
    pairs = pairs[1:]  # the first round creates what the others update
    ours, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return Row(f"{what} on Kubernetes / kubectl apply + rollout status", f"{ours:.2f} s", f"{other:.2f} s", ratio, bound)


def _stage(environment: dict[str, str], names: list[str], number: int) -> None:
    probe = {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}
    version = f"1.0.{number}"
    about = {"spec_version": "5.0.0", "type": "docker", "name": "web", "title": "Web", "description": "Web", "version": version}
    payload = about | {"defaults": {"system": {"health_check": {"readiness_probe": probe}}}}
    requests = [
        {"name": name, "app_name": "web", "app_version": version, "payload": payload, "deployment_type": "staged-only"} for name in names
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("\n---\n".join(json.dumps(request) for request in requests))
        file.flush()
        run(program("workloads", "deploy", "-f", file.name, "--wait"), environment)


def _by_kubectl(environment: dict[str, str], names: list[str]) -> float:
    """The objects that our side has just applied, in a namespace of kubectl's own."""
    from kelvin_provision.ledger.ledger import Ledger

    objects: list[dict[str, Any]] = []
    with Ledger(Path(environment["KELVIN_PROVISION_STATE_DIR"]) / "ledger.db") as ledger:
        for name in names:
            running = ledger.workload(name).running
            objects += [thing for thing in (running.objects or () if running else ()) if thing["kind"] != "Namespace"]
    for thing in objects:
        thing["metadata"]["namespace"] = THEIRS
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, file)
        file.flush()
        kubectl = _kubectl(environment)
        spent = run([*kubectl, "apply", "-f", file.name], environment)
    return spent + sum(run([*kubectl, "-n", THEIRS, "rollout", "status", "deployment", name], environment) for name in names)


def _settle(environment: dict[str, str]) -> None:
    """Until the old pods of both sides are gone: ending ones take from the next round's CPU."""
    count = len(_names(environment))
    for _ in range(150):
        found = [_output([*_kubectl(environment), "-n", space, "get", "pods", "-o", "name"], environment) for space in (OURS, THEIRS)]
        if all(len(one) == count for one in found):
            return
        time.sleep(0.2)


def _kubectl(environment: dict[str, str]) -> list[str]:
    return ["kubectl", "--kubeconfig", environment["KUBECONFIG"]]


def _names(environment: dict[str, str]) -> list[str]:
    return _output(program("workloads", "list", "-o", "name"), environment)


def _output(command: list[str], environment: dict[str, str]) -> list[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.split()


def _clean_up(environment: dict[str, str]) -> None:
    """Undeploy all, and see the agent end."""
    names = subprocess.run(
        program("workloads", "list", "-o", "name"), env=environment, capture_output=True, text=True, check=False
    ).stdout.split()
    if names:
        run(program("workloads", "undeploy", "--yes", *[word for name in names for word in ("-n", name)]), environment)
    _output([*_kubectl(environment), "delete", "namespace", OURS, THEIRS], environment)
    end_agent(environment)


def end_agent(environment: dict[str, str]) -> None:
    """It ends by itself when there is nothing left to look after, and if not, by its pid."""
    for _ in range(100):
        pid = _agent(environment)
        if not pid:
            return
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
