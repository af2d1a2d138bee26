"""Rehearsals on a real Kubernetes: beside a running version that answers every request, and only where they are cut off for certain.

The network of the suite's cluster enforces no policy, so a few rules of the suite's own do, for pods that a policy of ours selects.
"""

import contextlib
import subprocess
import urllib.request

import pytest

from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.cluster.kubernetes.rehearsal.isolation import NOT_ENFORCED
from kelvin_provision.cluster.labels import OWNER, REHEARSAL
from kelvin_provision.cluster.rehearsal import RehearsalTerms
from kelvin_provision.context import silent
from kelvin_provision.spec.enums import ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Port, Probe, System, Volume
from kelvin_provision.status import RehearsalOutcome
from tests.kit.kubernetes_bench import bench, never, no_secrets, shared_bench
from tests.kit.meanwhile import repeated
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import PATIENCE, until

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
POLICY = WaitPolicy(timeout=90.0, settle=1.0, unschedulable=45.0)
READY = Probe(ProbeKind.HTTP, port=8080, period=1)
KINDS = (("v1", "Pod"), ("v1", "ConfigMap"), ("v1", "Secret"), ("networking.k8s.io/v1", "NetworkPolicy"))


def rehearse(bench, name, objects, **terms):
    return bench.cluster.rehearse(name, objects, RehearsalTerms(POLICY, **terms), no_secrets, progress=silent, stop=never)


def staged(bench, name, **system):
    return bench.cluster.render(bench.spec(name, "two", system=System(readiness=READY, **system)), (), 2)


def traces(bench):
    return [item["metadata"]["name"] for kind in KINDS for item in bench.api.list_objects(*kind, None, REHEARSAL, metadata=True)]


@contextlib.contextmanager
def answering(bench, name):
    """The pod that ran before answers every request in the block."""
    (pod,) = bench.api.list_objects("v1", "Pod", bench.namespace, f"{OWNER}={name}")
    opener, answers = urllib.request.build_opener(urllib.request.ProxyHandler({})), []

    def ask():
        with opener.open(f"http://{pod['status']['podIP']}:8080/", timeout=PATIENCE) as answer:
            answers.append(answer.read())

    with repeated(ask):
        yield
        until(lambda: len(answers) > 1)
    assert set(answers) == {b"one\n"}
    (after,) = bench.api.list_objects("v1", "Pod", bench.namespace, f"{OWNER}={name}")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


@contextlib.contextmanager
def enforcing(bench):
    """What a network plugin does for a policy that denies everything: nothing new leaves the pods that it selects."""
    rules = []

    def add(address):
        for chain in ("INPUT", "FORWARD"):
            rule = [chain, "-s", address, "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP"]
            if rule not in rules:
                subprocess.run(["iptables", "-w", "-I", *rule], check=True)
                rules.append(rule)

    def follow():
        for policy in bench.api.list_objects("networking.k8s.io/v1", "NetworkPolicy", bench.namespace, REHEARSAL):
            ((label, value),) = policy["spec"]["podSelector"]["matchLabels"].items()
            for pod in bench.api.list_objects("v1", "Pod", bench.namespace, f"{label}={value}"):
                if address := (pod.get("status") or {}).get("podIP"):
                    add(address)

    try:
        with repeated(follow, pause=0.1):
            yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)


def test_it_starts_beside_the_running_one_where_the_policy_is_seen_to_hold(bench):
    before = bench.cluster.render(bench.spec("beside"), (), 1)
    bench.up("beside", before)
    with answering(bench, "beside"), enforcing(bench):
        result = rehearse(bench, "beside", staged(bench, "beside"))
    assert (result.outcome, result.reason, result.isolated) == (RehearsalOutcome.OK, "", True)
    assert until(lambda: not traces(bench), why=lambda: str(traces(bench)))
    assert bench.cluster.drift({"beside": before}) == ()


def test_where_no_policy_is_enforced_nothing_of_it_is_started(bench):
    result = rehearse(bench, "open", staged(bench, "open"))
    assert (result.outcome, result.reason, result.isolated) == (RehearsalOutcome.NOT_POSSIBLE, NOT_ENFORCED, False)
    started = [event for event in bench.told("Started") if event["involvedObject"]["name"].startswith("open-rehearsal")]
    assert (started, traces(bench)) == ([], [])


def test_a_host_port_and_a_folder_of_the_host_are_left_to_the_running_one(bench, tmp_path):
    bound = {
        "ports": (Port("web", 8080, host_port=free_port()),),
        "volumes": (Volume("site", VolumeKind.HOST, "/site", source=str(tmp_path)),),
    }
    bench.up("bound", bench.cluster.render(bench.spec("bound", system=System(readiness=READY, **bound)), (), 1))
    with answering(bench, "bound"):
        result = rehearse(bench, "bound", staged(bench, "bound", **bound), allow_network=True)
    assert (result.outcome, result.reason) == (RehearsalOutcome.OK, "")
    assert traces(bench) == []
