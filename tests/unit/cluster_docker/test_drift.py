"""What was changed on Docker Engine: limits, the restart policy, the container itself."""

from kelvin_provision.cluster.docker.judge.drift import drift
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.cluster.plan import Drift
from tests.kit.live_containers import live_container

NONE = {"nano_cpus": 0, "cpu_shares": 0, "memory": 0, "memory_reservation": 0}


def applied(spec_hash="a" * 64, **resources):
    labels = {OWNER: "motor", REVISION: "1", SPEC_HASH: spec_hash}
    return [{"kind": "Container", "metadata": {"name": "motor", "labels": labels}, "spec": {"resources": NONE | resources}}]


def drifts(objects, *live):
    return list(drift({"motor": objects}, {"motor": live}))


def test_a_container_as_it_was_made_has_no_drift():
    assert drifts(applied(memory=64), live_container(policy="unless-stopped", memory=64)) == []


def test_a_container_that_was_removed_is_gone():
    assert drifts(applied()) == [Drift("motor", "container/motor")]
    assert drifts(applied(), live_container("motor-r1")) == [Drift("motor", "container/motor")]


def test_another_limit_and_another_restart_policy_are_drift():
    assert drifts(applied(memory=64), live_container(policy="always", memory=128)) == [
        Drift("motor", "container/motor", "spec.resources.memory", 64, 128),
        Drift("motor", "container/motor", "restart policy", "unless-stopped", "always"),
    ]


def test_another_revision_of_ours_is_not_compared():
    assert drifts(applied("b" * 64, memory=64), live_container(policy="unless-stopped", memory=128)) == []


def test_a_cpu_limit_that_was_clamped_is_no_drift():
    for limit, live_limit in ((1, 10**7), (8 * 10**9, 2 * 10**9)):
        live = live_container(policy="unless-stopped")
        live.document["HostConfig"]["NanoCpus"] = live_limit
        assert drifts(applied(nano_cpus=limit), live) == []
    live.document["HostConfig"]["NanoCpus"] = 5 * 10**8
    assert [drift.path for drift in drifts(applied(nano_cpus=10**9), live)] == ["spec.resources.nano_cpus"]
