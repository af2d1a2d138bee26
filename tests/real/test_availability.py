"""The old version serves until the new one does: a client that asks all the time through three updates.

On Kubernetes it asks the Service's address, which only kube-proxy makes answer; on Docker it asks by the workload's name from a
container beside it, as other workloads do.
"""

import contextlib
import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import docker
import pytest

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from tests.kit import http_client
from tests.kit.real_box import ROOT
from tests.kit.waiting import PATIENCE, until

pytestmark = [pytest.mark.registry, pytest.mark.timeout(600)]

NAME = "availability-web"
PORTS = [{"name": "http", "type": "service", "service": {"port": 8080}}]
UPDATES = ("2.0.0", "1.0.0", "2.0.0")
AFTERWARDS = 8
"""Seconds that the client goes on when all is done: longer than the pause before the old pod's SIGTERM."""
LAST = 20
"""Answers in a row that are of the last version: then what leads requests to the pods knows the new one only."""
TIMES = 10
"""It must have asked so often in each update, or it shows nothing."""


class Ask(NamedTuple):
    """One line of the client."""

    at: float
    text: str
    error: str


def lines(sink):
    """What the client has written so far; the last line may not be whole yet."""
    whole = Path(sink.name).read_text().rpartition("\n")[0]
    return [Ask(*json.loads(line)) for line in whole.splitlines()]


def proxied(address):
    """Whether somebody leads the address of a Service to its pods; what answers must be the API server, not a gateway on the way."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://{address}/version", timeout=3, context=anyone) as answer:
            return "gitVersion" in json.load(answer)
    except urllib.error.HTTPError as error:  # it does not tell strangers
        return b"Status" in error.read()
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def kubernetes_client(box):
    api = Api(kubeconfig=Path(box.environment["KUBECONFIG"]), context=None)
    found = api.get("v1", "Service", NAME, box.environment["KELVIN_PROVISION_CLUSTER__NAMESPACE"])
    yield [], [found["spec"]["clusterIP"], "8080"]


@contextlib.contextmanager
def docker_client(box):
    engine = docker.APIClient(box.environment["DOCKER_HOST"], timeout=60)
    image = engine.inspect_container(NAME)["Image"]
    network = engine.create_networking_config({"kelvin": engine.create_endpoint_config()})
    made = engine.create_container(image, ["sleep", "600"], name="availability-client", networking_config=network)["Id"]
    try:
        engine.start(made)
        pid = engine.inspect_container(made)["State"]["Pid"]
        yield ["nsenter", f"--net=/proc/{pid}/ns/net"], [NAME, "8080", "127.0.0.11"]
    finally:
        engine.remove_container(made, force=True)
        engine.close()


def test_no_answer_fails_while_a_version_is_replaced(box):
    kind = box.environment["KELVIN_PROVISION_CLUSTER__TYPE"]
    if kind == "kubernetes":
        api = Api(kubeconfig=Path(box.environment["KUBECONFIG"]), context=None)
        address = api.get("v1", "Service", "kubernetes", "default")["spec"]["clusterIP"]
        if not proxied(address):
            pytest.skip(f"no kube-proxy: the address of a Service, {address}, does not answer")
    box.stage(NAME, "1.0.0", ports=PORTS)
    box.run("workloads", "apply", "-n", NAME)
    with (kubernetes_client if kind == "kubernetes" else docker_client)(box) as (into, target), (box.folder / "asked").open("w+") as sink:
        command = [*into, sys.executable, http_client.__file__, *target]
        asking, begun, ends = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, cwd=ROOT), time.monotonic(), []
        try:
            for version in UPDATES:
                box.stage(NAME, version, ports=PORTS)
                box.run("workloads", "apply", "-n", NAME)
                ends.append(time.monotonic() - begun)
            until(lambda: [one.text for one in lines(sink)[-LAST:]] == ["web 2.0.0"] * LAST, 2 * PATIENCE)
            settled = lines(sink)[-1].at
            time.sleep(AFTERWARDS)
        finally:
            asking.stdin.close()
            assert asking.wait(2 * PATIENCE) == 0
        asked = lines(sink)
    for number, version in enumerate(UPDATES):
        since, end = ends[number - 1] if number else 0, ends[number] if number + 1 < len(UPDATES) else asked[-1].at + 1
        seen = Counter(one.text or one.error for one in asked if since <= one.at < end)
        print(f"\n{kind}, to {version}: {dict(seen)}", end="")
        assert seen.total() >= TIMES
    assert [one for one in asked if one.error] == []
    assert {one.text for one in asked} == {"web 1.0.0", "web 2.0.0"}
    assert {one.text for one in asked if one.at > settled} == {"web 2.0.0"}
