from datetime import UTC, datetime

import pytest

from kelvin_provision.cluster.docker.judge.observation import observe
from kelvin_provision.cluster.docker.judge.readiness import ProbeState, evidence, judge
from kelvin_provision.cluster.docker.judge.verification import Verification
from kelvin_provision.cluster.docker.probes import ProbeResult
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.observation import Observed
from tests.kit.clock import Clock
from tests.kit.live_containers import live_container

W, R, F = Phase.WAITING, Phase.READY, Phase.FAILED
NOW = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("live", "probes", "up", "restarts", "health"),
    [
        (live_container(), ProbeState(), 5.0, 0, Health(R)),
        (live_container(), ProbeState(), 1.2, 0, Health(W, "up for 1 of 5 s")),
        (live_container(), ProbeState(ready=True), 5.0, 0, Health(R)),
        (live_container(), ProbeState(ready=False), 9.0, 0, Health(W, "readiness probe: no result yet")),
        (live_container(), ProbeState(ready=False, why="status 503"), 9.0, 0, Health(W, "readiness probe: status 503")),
        (live_container(), ProbeState(dead=True, why="refused"), 9.0, 0, Health(F, "liveness probe: refused")),
        (live_container(), ProbeState(), 9.0, 1, Health(R)),
        (live_container(ExitCode=3), ProbeState(), 9.0, 2, Health(F, "restarted 2 times; exit code 3")),
        (live_container(Status="restarting", ExitCode=3), ProbeState(), 0.0, 1, Health(W, "restarting: exit code 3")),
        (live_container(Status="exited"), ProbeState(), 0.0, 0, Health(F, "exit code 0")),
        (live_container(Status="exited", ExitCode=137), ProbeState(), 0.0, 0, Health(F, "exit code 137 (signal 9)")),
        (live_container(Status="dead", ExitCode=255), ProbeState(), 0.0, 0, Health(F, "exit code 255")),
        (
            live_container(Status="exited", ExitCode=137, OOMKilled=True, memory=64 * 2**20),
            ProbeState(),
            0.0,
            0,
            Health(F, "killed for using more memory than its limit of 64 MiB"),
        ),
        (
            live_container(Status="exited", ExitCode=137, OOMKilled=True),
            ProbeState(),
            0.0,
            0,
            Health(F, "killed: the box is out of memory"),
        ),
        (live_container(Status="created", Error="port is already allocated"), ProbeState(), 0.0, 0, Health(F, "port is already allocated")),
        (live_container(Status="created"), ProbeState(), 0.0, 0, Health(F, "created but never started")),
        (live_container(Status="paused"), ProbeState(), 9.0, 0, Health(W, "paused")),
    ],
)
def test_readiness(live, probes, up, restarts, health):
    assert judge(live, probes, uptime=up, restarts=restarts, policy=WaitPolicy(settle=5.0, restarts=2)) == health


@pytest.mark.parametrize(
    ("live", "observed", "warnings"),
    [
        (live_container(), Observed.RUNNING, ()),
        (live_container("motor-r2"), Observed.DEPLOYING, ()),
        (live_container(restarts=3, StartedAt="2026-11-23T03:59:58Z"), Observed.STARTING, ("restarted 3 times",)),
        (live_container(restarts=3, StartedAt="2026-11-23T04:00:01Z"), Observed.STARTING, ("restarted 3 times",)),
        (live_container(restarts=3), Observed.RUNNING, ()),
        (live_container(Status="restarting", ExitCode=1), Observed.FAILED, ("restarting: exit code 1",)),
        (live_container(Status="removing"), Observed.STOPPING, ()),
        (live_container(Status="paused"), Observed.STOPPED, ("paused by hand",)),
        (live_container(Status="created"), Observed.DEPLOYING, ()),
        (live_container(Status="created", Error="no such file"), Observed.FAILED, ("no such file",)),
        (live_container(Status="exited", policy="unless-stopped", ExitCode=143), Observed.STOPPED, ()),
        (live_container(Status="exited", policy="always", ExitCode=143), Observed.DEPLOYING, ()),
        (live_container(Status="exited", policy="no", ExitCode=143), Observed.FAILED, ("exit code 143 (signal 15)",)),
        (live_container(Status="exited", policy="unless-stopped", Error="gone"), Observed.FAILED, ("exit code 0: gone",)),
    ],
)
def test_observation(live, observed, warnings):
    seen = observe([live], NOW)
    assert (seen.observed, seen.warnings, seen.revision, seen.seen) == (observed, warnings, 1, "2026-11-23T04:00:00Z")


def test_the_serving_container_counts():
    some = [
        live_container("motor-r1", revision=1, Status="exited"),
        live_container("motor", revision=2),
        live_container("motor-r3", revision=3),
    ]
    assert observe(some, NOW).revision == 2
    assert observe([some[0], some[2]], NOW).revision == 3


def test_evidence_has_what_the_engine_knows():
    assert evidence(live_container("motor-r2", Status="exited", ExitCode=3)) == (
        "container motor-r2: exited, 0 restarts, image sha256:111111111111",
        "container motor-r2: exit code 3",
    )


PROBE = {"initial_delay": 2, "period": 10, "success_threshold": 2, "failure_threshold": 2}


def verification(readiness=None, liveness=None):
    clock = Clock()
    return Verification({"spec": {"readiness": readiness, "liveness": liveness}}, clock=clock), clock


def test_a_jump_of_the_date_does_not_shorten_the_wait():
    seen, clock = verification()
    policy = WaitPolicy(settle=5.0)
    assert seen.check(live_container(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is W
    clock.now += 4.9
    assert seen.check(live_container(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is W
    clock.now += 0.2
    assert seen.check(live_container(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is R


def test_a_restart_begins_the_settle_time_again_and_restarts_before_the_wait_do_not_count():
    seen, clock = verification()
    policy = WaitPolicy(settle=5.0, restarts=2)
    seen.check(live_container(restarts=7), None, policy)
    clock.now += 10
    assert seen.check(live_container(restarts=8, StartedAt="2026-11-23T03:30:00Z"), None, policy).phase is W
    clock.now += 10
    assert seen.check(live_container(restarts=8, StartedAt="2026-11-23T03:30:00Z"), None, policy).phase is R
    assert seen.check(live_container(restarts=9, StartedAt="2026-11-23T03:31:00Z"), None, policy).phase is F


def test_a_readiness_probe_runs_every_second_until_its_success_threshold():
    seen, clock = verification(readiness=PROBE)
    times = []

    def run_probe(probe, container):
        times.append(clock.now)
        return ProbeResult(success=len(times) > 1, why="no")

    for second in range(8):
        clock.now = 100.0 + second
        health = seen.check(live_container(), run_probe, WaitPolicy(settle=1.0))
    assert times == [102.0, 103.0, 104.0]
    assert health.phase is R


def test_a_liveness_probe_keeps_to_its_period_and_fails_at_its_threshold():
    seen, clock = verification(liveness=PROBE)
    times = []

    def run_probe(probe, container):
        times.append(clock.now)
        return ProbeResult(success=False, why="no answer")

    healths = []
    for second in range(14):
        clock.now = 100.0 + second
        healths.append(seen.check(live_container(), run_probe, WaitPolicy(settle=60.0)))
    assert times == [102.0, 112.0]
    assert healths[-1] == Health(F, "liveness probe: no answer")
    assert {health.phase for health in healths[:12]} == {W}
