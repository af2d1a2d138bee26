"""The REST API beside the API server of Kubernetes: a list of a thousand workloads, and one of a thousand Deployments."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bench import api
from bench.measure import Row, paired, require
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from tests.kit.many import many
from tests.kit.servers.kubernetes import KUBECONFIG, fresh_namespace

ROUNDS = 40


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    return "" if os.environ.get(KUBECONFIG) else f"no Kubernetes: {KUBECONFIG} is not set"


def rows(folder: Path) -> Iterator[Row]:
    """One client each, by turns. The API server answers from its cache (resourceVersion=0)."""
    place = folder / "apiserver"
    many(place / "state" / "ledger.db", api.WORKLOADS)
    config = Path(os.environ[KUBECONFIG])
    with _deployments(config) as path, api.served(place) as served:
        ours, theirs = served.connection(), _connection(config, place)

        def neighbour() -> float:
            began = time.perf_counter()
            theirs.request("GET", path)
            answer = theirs.getresponse()
            body = answer.read()
            require(answer.status == 200, body[:500])
            return time.perf_counter() - began

        def own() -> float:
            began = time.perf_counter()
            served.get(ours, f"{api.LIST}?page_size={api.WORKLOADS}")
            return time.perf_counter() - began

        mine, other, ratio = paired(own, neighbour, ROUNDS)
    what = f"API, list of {api.WORKLOADS} / kube-apiserver, {api.WORKLOADS} Deployments"
    yield Row(what, f"{mine * 1000:.1f} ms", f"{other * 1000:.1f} ms", ratio, 0.5)


@contextmanager
def _deployments(config: Path) -> Iterator[str]:
    """As many, paused and without pods, in a namespace of their own; yields the path of their list."""
    kubernetes, namespace = Api(kubeconfig=config, context=None), fresh_namespace()
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, namespace, force=False)
    try:
        for number in range(api.WORKLOADS):
            kubernetes.apply(_deployment(f"workload-{number:06}"), namespace, force=False)
        yield f"/apis/apps/v1/namespaces/{namespace}/deployments?resourceVersion=0"
    finally:
        kubernetes.delete("v1", "Namespace", namespace, None)


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/motor-speed:1.0.0", "env": [{"name": "SPEED", "value": "3"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "paused": True,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _connection(config: Path, place: Path) -> http.client.HTTPSConnection:
    """With the certificate of the kubeconfig, which `ssl` wants as files."""
    document = yaml.safe_load(config.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    paths = {}
    for name, source in (("certificate-authority", cluster), ("client-certificate", user), ("client-key", user)):
        paths[name] = Path(source[name]) if name in source else place / name
        if name not in source:
            paths[name].write_bytes(base64.b64decode(source[f"{name}-data"]))
    context = ssl.create_default_context(cafile=str(paths["certificate-authority"]))
    context.load_cert_chain(paths["client-certificate"], paths["client-key"])
    server = urlsplit(cluster["server"])
    return http.client.HTTPSConnection(server.hostname or "", server.port, context=context, timeout=60)
