"""Logs where they are real: through a rollout on Kubernetes, and by the command on a Docker box."""

import json
import threading
import tracemalloc

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.context import silent
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Phase as Stage
from kelvin_provision.ledger.model.operations import Step
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import OperationKind
from tests.contract.cluster_contract import Picture, never, no_secrets, spec
from tests.kit.cli import run
from tests.kit.docker_bench import bench, docker_bench
from tests.kit.images import TALK, make_image, tar_of
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig
from tests.kit.waiting import until

__all__ = ["bench", "docker_bench"]
PATIENCE = WaitPolicy(timeout=90.0, settle=1.0)


def up(cluster, name, objects, patience=PATIENCE):
    cluster.put(name, objects, no_secrets)
    health = cluster.wait({name: objects}, patience, silent, never)[name]
    assert health.phase is Phase.READY, (health, cluster.evidence(name))
    cluster.finish(name, objects)


def replaced(cluster, objects, heard, patience=PATIENCE):
    """The new version comes up, and goes when it was heard, or will not be."""
    try:
        up(cluster, "talks", objects, patience)
        until(lambda: len(heard) >= 2 * len(TALK))
    finally:
        cluster.remove("talks")


def written(cluster, name, count):
    """It has written so many lines: a container is up before its first one."""
    until(lambda: sum(1 for _ in cluster.logs(name, follow=False, stop=never)) >= count, pause=0.2)


@pytest.mark.kubernetes
@pytest.mark.timeout(400)
def test_the_pod_of_a_new_version_is_followed_as_well(cluster_images, tmp_path):
    cluster = Kubernetes(kubeconfig=kubeconfig(), namespace=fresh_namespace(), name="real", settle=1.0, removal_timeout=180.0)
    one, two = (
        cluster.render(
            Spec("talks", "T", "app", "1", "real", Method.STANDARD, cluster_images["talking"], configuration={"n": number}), (), number
        )
        for number in (1, 2)
    )
    up(cluster, "talks", one)
    heard = []
    rollout = threading.Thread(target=replaced, args=(cluster, two, heard))
    for line in cluster.logs("talks", follow=True, stop=lambda: len(heard) > 100):
        heard.append(line)
        if len(heard) == len(TALK):
            rollout.start()
    rollout.join()
    cluster._api.delete("v1", "Namespace", cluster._namespace, None)
    assert [line.text for line in heard] == TALK * 2
    assert len({line.source for line in heard}) == 2


@pytest.mark.docker
def test_the_container_of_a_new_version_is_followed_as_well_and_through_its_new_name(bench):
    picture = bench.picture("talking")
    one, two = (bench.cluster.render(spec("talks", picture, configuration={"n": n}), picture.locks, n) for n in (1, 2))
    up(bench.cluster, "talks", one)
    heard = []
    slow = WaitPolicy(timeout=90.0, settle=5.0)  # long enough to be seen under its first name
    update = threading.Thread(target=replaced, args=(bench.cluster, two, heard, slow))
    for line in bench.cluster.logs("talks", follow=True, stop=lambda: len(heard) > 100):
        heard.append(line)
        if len(heard) == len(TALK):
            update.start()
    update.join()
    assert [line.text for line in heard] == TALK * 2


def known(path, name):
    """A ledger that knows the workload as running."""
    with Ledger(path / "ledger.db") as ledger:
        (revision,) = ledger.accept([Spec(name, "T", "app", "1", "c", Method.STANDARD, "r.io/app:1")], "batch")
        operation = journal.begin(ledger, OperationKind.APPLY, Stage.APPLYING, [Step(name, None, revision.number)])
        journal.commit(ledger, operation)
        journal.end(ledger, operation, [])


@pytest.mark.docker
def test_the_command_prints_the_log_of_a_container(bench, dockerd, tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("KELVIN_PROVISION_RUNTIME__ADDRESS", dockerd)
    picture = bench.picture("talking")
    up(bench.cluster, "talks", bench.cluster.render(spec("talks", picture), picture.locks, 1))
    written(bench.cluster, "talks", len(TALK))
    known(tmp_path, "talks")
    words = ["workloads", "logs", "-n", "talks", "--state-dir", str(tmp_path)]
    assert run(*words).stdout == "".join(f"{line}\n" for line in TALK)
    assert run(*words, "--tail", "1", "--since", "10m", terminal=True).stdout == "three \n"
    ((pod, lines),) = json.loads(run(*words, "--json").stdout)["logs"].items()
    assert (pod, [line.partition(" ")[2] for line in lines]) == ("talks", TALK)
    assert run(*words, "--previous").exit_code == 66


@pytest.mark.docker
def test_a_log_of_many_megabytes_is_never_held(bench):
    with open("/bin/busybox", "rb") as file:
        base = tar_of({"bin/busybox": file.read(), "bin/sleep": b"->busybox", "bin/yes": b"->busybox", "bin/head": b"->busybox"})
    image = make_image(
        [base],
        cmd=("/bin/busybox", "sh", "-c", "yes a line of some length, for the weight of it | head -n 99999; echo the last; sleep 1000"),
    )
    lock = lock_of(image, "registry.example.org/real/loud:1.0.0")
    bench.runtime.load(lock, blobs_in(bench.folder / "loud", image))
    up(bench.cluster, "loud", bench.cluster.render(spec("loud", Picture(str(lock.reference), (lock,))), (lock,), 1))
    until(lambda: bench.client.logs("loud", tail=1) == b"the last\n")
    tracemalloc.start()
    try:
        count = sum(1 for _ in bench.cluster.logs("loud", follow=False, stop=never))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        bench.cluster.remove("loud")
        bench.runtime.remove(lock)
    assert count == 100_000
    assert peak < 2 * 1024 * 1024
