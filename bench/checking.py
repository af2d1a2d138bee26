"""Looking before touching: `check` beside kubectl's dry run of the same objects, `check --deep` beside sha256sum of the same files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import applying
from bench.measure import Row, paired, program, run
from tests.kit.images import push, random_image, web_image
from tests.kit.servers.registry import docker_registry

ROUNDS, IMAGES, LARGE = 11, 5, 96 << 20
SPACE = "bench-checking"
missing = applying.missing


def rows(folder: Path) -> Iterator[Row]:
    """One workload of five images on Kubernetes; and one of two large layers each for the rate of hashing."""
    with docker_registry(folder / "registry-checking") as host:
        environment = os.environ | {
            "KELVIN_PROVISION_STATE_DIR": str(folder / "checking"),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
            "KELVIN_PROVISION_REGISTRY": host,
            "KELVIN_PROVISION_RUNTIME__ADDRESS": os.environ[applying.CONTAINERD],
            "KELVIN_PROVISION_CLUSTER__NAMESPACE": SPACE,
            "KUBECONFIG": os.environ[applying.KUBECONFIG],
        }
        kubectl = ["kubectl", "--kubeconfig", environment["KUBECONFIG"]]
        run([*kubectl, "create", "namespace", SPACE], environment)
        try:
            for number in range(IMAGES):
                push(host, f"part{number}", "1.0.0", web_image(f"part {number}"))
            push(host, "large", "1.0.0", random_image([LARGE, LARGE], level=0))
            _stage(environment, "bench-five", [f"{host}/part{number}:1.0.0" for number in range(IMAGES)])
            yield _dry_run(environment, kubectl, folder)
            _stage(environment, "bench-large", [f"{host}/large:1.0.0"])
            yield _deep(environment, folder)
        finally:
            run(program("workloads", "undeploy", "--yes", "-n", "bench-five", "-n", "bench-large"), environment)
            run([*kubectl, "delete", "namespace", SPACE, "--wait=false"], environment)
            applying.end_agent(environment)


def _dry_run(environment: dict[str, str], kubectl: list[str], folder: Path) -> Row:
    from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
    from kelvin_provision.ledger.ledger import Ledger

    with Ledger(folder / "checking" / "ledger.db") as ledger:
        staged = ledger.workload("bench-five").staged
    assert staged is not None  # noqa: S101  (it was staged a moment ago)
    cluster = Kubernetes(kubeconfig=Path(environment["KUBECONFIG"]), namespace=SPACE)
    objects = cluster.render(staged.spec, staged.locks or (), staged.number)
    path = folder / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    ours = partial(run, program("workloads", "check", "-n", "bench-five"), environment)
    theirs = partial(run, [*kubectl, "apply", "--dry-run=server", "-f", str(path)], environment)
    mine, other, ratio = paired(ours, theirs, ROUNDS)
    return Row(f"check of {IMAGES} images / kubectl apply --dry-run=server", f"{mine * 1000:.0f} ms", f"{other * 1000:.0f} ms", ratio, 2.0)


def _deep(environment: dict[str, str], folder: Path) -> Row:
    """What `--deep` adds to a check; sha256sum on the same files, page cache warm for both."""
    files = sorted(
        str(path) for path in (folder / "checking" / "images" / "blobs" / "sha256").iterdir() if path.stat().st_size > LARGE // 2
    )
    plain = partial(run, program("workloads", "check", "-n", "bench-large"), environment)
    deep = partial(run, program("workloads", "check", "-n", "bench-large", "--deep"), environment)
    mine, other, ratio = paired(lambda: max(deep() - plain(), 0.001), partial(run, ["sha256sum", *files], environment), 5)
    size = sum(os.stat(path).st_size for path in files) / 2**20  # noqa: PTH116
    return Row("check --deep / sha256sum, time for the same bytes", f"{size / mine:.0f} MiB/s", f"{size / other:.0f} MiB/s", ratio, 0.5)


def _stage(environment: dict[str, str], name: str, images: list[str]) -> None:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": labels, "ports": [{"port": 8080}]}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"speed": "3"}}
    request = {"name": name, "app_name": "bench", "app_version": "1.0.0", "deployment_type": "staged-only"}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(request | {"manifests": [deployment, service, config]}, file)
        file.flush()
        run(program("workloads", "deploy", "-f", file.name, "--wait"), environment)
