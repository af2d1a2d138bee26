from datetime import UTC, datetime

import pytest

from kelvin_provision.cluster.docker.judge.observation import observe
from kelvin_provision.cluster.docker.judge.readiness import ProbeState, evidence, judge
from kelvin_provision.cluster.docker.judge.verification import Verification
from kelvin_provision.cluster.docker.probes import ProbeResult
from kelvin_provision.cluster.protocol import Health, Phase, WaitPolicy
from kelvin_provision.status import Observed
from tests.kit.engine_says import says

W, R, F = Phase.WAITING, Phase.READY, Phase.FAILED
NOW = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("live", "probed", "up", "restarts", "health"),
    [
        (says(), ProbeState(), 5.0, 0, Health(R)),
        (says(), ProbeState(), 1.2, 0, Health(W, "up for 1 of 5 s")),
        (says(), ProbeState(ready=True), 5.0, 0, Health(R)),
        (says(), ProbeState(ready=False), 9.0, 0, Health(W, "readiness probe: no result yet")),
        (says(), ProbeState(ready=False, why="status 503"), 9.0, 0, Health(W, "readiness probe: status 503")),
        (says(), ProbeState(dead=True, why="refused"), 9.0, 0, Health(F, "liveness probe: refused")),
        (says(), ProbeState(), 9.0, 1, Health(R)),
        (says(ExitCode=3), ProbeState(), 9.0, 2, Health(F, "restarted 2 times; exit code 3")),
        (says(Status="restarting", ExitCode=3), ProbeState(), 0.0, 1, Health(W, "restarting: exit code 3")),
        (says(Status="exited"), ProbeState(), 0.0, 0, Health(F, "exit code 0")),
        (says(Status="exited", ExitCode=137), ProbeState(), 0.0, 0, Health(F, "exit code 137 (signal 9)")),
        (says(Status="dead", ExitCode=255), ProbeState(), 0.0, 0, Health(F, "exit code 255")),
        (
            says(Status="exited", ExitCode=137, OOMKilled=True, memory=64 * 2**20),
            ProbeState(),
            0.0,
            0,
            Health(F, "killed for using more memory than its limit of 64 MiB"),
        ),
        (says(Status="exited", ExitCode=137, OOMKilled=True), ProbeState(), 0.0, 0, Health(F, "killed: the box is out of memory")),
        (says(Status="created", Error="port is already allocated"), ProbeState(), 0.0, 0, Health(F, "port is already allocated")),
        (says(Status="created"), ProbeState(), 0.0, 0, Health(F, "created but never started")),
        (says(Status="paused"), ProbeState(), 9.0, 0, Health(W, "paused")),
    ],
)
def test_readiness(live, probed, up, restarts, health):
    assert judge(live, probed, uptime=up, restarts=restarts, policy=WaitPolicy(settle=5.0, restarts=2)) == health


@pytest.mark.parametrize(
    ("live", "observed", "warnings"),
    [
        (says(), Observed.RUNNING, ()),
        (says("motor-r2"), Observed.DEPLOYING, ()),
        (says(restarts=3, StartedAt="2026-11-23T03:59:58Z"), Observed.STARTING, ("restarted 3 times",)),
        (says(restarts=3, StartedAt="2026-11-23T04:00:01Z"), Observed.STARTING, ("restarted 3 times",)),
        (says(restarts=3), Observed.RUNNING, ()),
        (says(Status="restarting", ExitCode=1), Observed.FAILED, ("restarting: exit code 1",)),
        (says(Status="removing"), Observed.STOPPING, ()),
        (says(Status="paused"), Observed.STOPPED, ("paused by hand",)),
        (says(Status="created"), Observed.DEPLOYING, ()),
        (says(Status="created", Error="no such file"), Observed.FAILED, ("no such file",)),
        (says(Status="exited", policy="unless-stopped", ExitCode=143), Observed.STOPPED, ()),
        (says(Status="exited", policy="always", ExitCode=143), Observed.DEPLOYING, ()),
        (says(Status="exited", policy="no", ExitCode=143), Observed.FAILED, ("exit code 143 (signal 15)",)),
        (says(Status="exited", policy="unless-stopped", Error="gone"), Observed.FAILED, ("exit code 0: gone",)),
    ],
)
def test_observation(live, observed, warnings):
    seen = observe([live], NOW)
    assert (seen.observed, seen.warnings, seen.revision, seen.seen) == (observed, warnings, 1, "2026-11-23T04:00:00Z")


def test_the_container_that_answers_counts_and_not_the_one_beside_it():
    some = [says("motor-r1", revision=1, Status="exited"), says("motor", revision=2), says("motor-r3", revision=3)]
    assert observe(some, NOW).revision == 2
    assert observe([some[0], some[2]], NOW).revision == 3


def test_evidence_says_what_the_engine_knows():
    assert evidence(says("motor-r2", Status="exited", ExitCode=3)) == (
        "container motor-r2: exited, 0 restarts, image sha256:111111111111",
        "container motor-r2: exit code 3",
    )


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


PROBE = {"initial_delay": 2, "period": 10, "success_threshold": 2, "failure_threshold": 2}


def watch(readiness=None, liveness=None):
    clock = Clock()
    return Verification({"spec": {"readiness": readiness, "liveness": liveness}}, clock=clock), clock


def test_a_date_that_jumps_does_not_shorten_the_wait():
    seen, clock = watch()
    policy = WaitPolicy(settle=5.0)
    assert seen.check(says(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is W
    clock.now += 4.9
    assert seen.check(says(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is W
    clock.now += 0.2
    assert seen.check(says(StartedAt="2001-01-01T00:00:00Z"), None, policy).phase is R


def test_a_restart_begins_the_settling_anew_and_restarts_before_the_wait_do_not_count():
    seen, clock = watch()
    policy = WaitPolicy(settle=5.0, restarts=2)
    seen.check(says(restarts=7), None, policy)
    clock.now += 10
    assert seen.check(says(restarts=8, StartedAt="2026-11-23T03:30:00Z"), None, policy).phase is W
    clock.now += 10
    assert seen.check(says(restarts=8, StartedAt="2026-11-23T03:30:00Z"), None, policy).phase is R
    assert seen.check(says(restarts=9, StartedAt="2026-11-23T03:31:00Z"), None, policy).phase is F


def test_a_readiness_probe_is_asked_every_second_until_it_is_well_often_enough():
    seen, clock = watch(readiness=PROBE)
    asked = []

    def ask(probe, live):
        asked.append(clock.now)
        return ProbeResult(success=len(asked) > 1, why="no")

    for second in range(8):
        clock.now = 100.0 + second
        health = seen.check(says(), ask, WaitPolicy(settle=1.0))
    assert asked == [102.0, 103.0, 104.0]
    assert health.phase is R


def test_a_liveness_probe_keeps_to_its_period_and_fails_at_its_threshold():
    seen, clock = watch(liveness=PROBE)
    asked = []

    def ask(probe, live):
        asked.append(clock.now)
        return ProbeResult(success=False, why="no answer")

    healths = []
    for second in range(14):
        clock.now = 100.0 + second
        healths.append(seen.check(says(), ask, WaitPolicy(settle=60.0)))
    assert asked == [102.0, 112.0]
    assert healths[-1] == Health(F, "liveness probe: no answer")
    assert {one.phase for one in healths[:12]} == {W}
