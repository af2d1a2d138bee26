"""kill -9 before every step of every change, on the real backends: the next command finishes or undoes it, and all three agree."""

import contextlib
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kelvin_provision import wiring
from kelvin_provision.context import opened
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.load import load
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.accept import Defaults
from kelvin_provision.spec.request.accept import accept as accept_all
from kelvin_provision.usecases import deploy
from tests.kit.real_box import docker_settings, kubernetes_settings

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]
ON_DOCKER = pytest.param(docker_settings, id="docker", marks=pytest.mark.docker)
ON_KUBERNETES = pytest.param(kubernetes_settings, id="kubernetes", marks=pytest.mark.kubernetes)
LONG_ON_DOCKER = pytest.param(docker_settings, id="docker", marks=[pytest.mark.docker, pytest.mark.long])
LONG_ON_KUBERNETES = pytest.param(kubernetes_settings, id="kubernetes", marks=[pytest.mark.kubernetes, pytest.mark.long])
"""Every change is killed on one engine in each run, an upgrade on both; `make long` has the rest."""
MOST = 40
LANES = 2


def killed(box, step, action, name):
    """The name of the step before which it died; None when it came through with fewer steps."""
    done = box.typed(str(step), action, name, module="tests.real.killed")
    assert done.returncode in {0, -9}, done
    return done.stdout.split()[0] if done.returncode else None


def recovered(box):
    """What the next command says. It is one that does nothing else."""
    _, err = box.run("agent", "run", "--until-idle")
    with Ledger(box.state / "ledger.db") as ledger:
        assert journal.unfinished(ledger) is None
        assert history.broken_link(ledger) is None
    return [line.split(" ", 1)[1] for line in err.splitlines() if "interrupted" in line]


def agree(box, name, running):
    """Cluster, ledger and store tell the same: the version that runs, and nothing else of it under way."""
    (item,) = box.json("workloads", "list", "--live")["data"] or [None]
    assert (item and (item["name"], item["app_version"], item["status"]["state"])) == (running and (name, running, "running"))
    with Ledger(box.state / "ledger.db") as ledger:
        kept = {blob.digest for lock in ledger.kept_locks() for blob in lock.blobs()}
    blobs = {f"sha256:{path.name}" for path in (box.state / "images" / "blobs" / "sha256").iterdir()}
    assert kept <= blobs
    return item and item["staged"]


def matrix(box, case):
    """`(step, where it died, ...)` for every step, up to the first that is not reached. What a case returns plays one step.

    Several boxes take steps in turn: nearly all the time of a case is waiting for containers.
    """
    steps, rows = itertools.count(1), {}

    def lane(number):
        mine = box.beside(number)
        mine.environment["KELVIN_PROVISION_APPLY__SETTLE"] = "1"
        with contextlib.ExitStack() as leaving:
            leaving.callback(mine.end)
            play = case(mine, f"pump-{number}")
            while all(row[0] is not None for row in list(rows.values())):
                step = next(steps)
                assert step < MOST
                rows[step] = play(step)

    with ThreadPoolExecutor(LANES) as pool:
        for done in [pool.submit(lane, number) for number in range(1, LANES + 1)]:
            done.result()
    last = min(step for step, row in rows.items() if row[0] is None)
    found = [(step, *rows[step]) for step in range(1, last + 1)]
    print(*found, sep="\n")
    return found


def version_of(box, name):
    with Ledger(box.state / "ledger.db") as ledger:
        return ledger.workload(name).running.spec.app_version


def other(version):
    return "2.0.0" if version == "1.0.0" else "1.0.0"


def stage(box, name, version):
    accept(box, name, version, "staged-only")
    box.run("agent", "run", "--until-idle")


def up(box, name, *versions):
    for version in versions:
        stage(box, name, version)
        box.run("workloads", "apply", "-n", name)


def an_upgrade(box, name):
    up(box, name, "1.0.0")

    def play(step):
        running = version_of(box, name)
        stage(box, name, other(running))
        where = killed(box, step, "apply", name)
        said = recovered(box)
        now = version_of(box, name)
        staged = agree(box, name, now)
        assert now == running or staged is None
        return where, said, "stays" if now == running else "new"

    return play


def test_an_upgrade_killed_at_any_step(box):
    found = matrix(box, an_upgrade)
    assert [end for _, where, said, end in found if where is None] == ["new"]
    assert {end for _, _, said, end in found for line in said if "undone" in line} == {"stays"}
    assert {end for _, _, said, end in found for line in said if "finished" in line} == {"new"}
    assert len([said for _, _, said, _ in found if said]) >= 4


def an_upgrade_that_fails(box, name):
    up(box, name, "1.0.0")
    stage(box, name, "3.0.0")

    def play(step):
        where = killed(box, step, "apply", name)
        said = recovered(box)
        assert agree(box, name, "1.0.0")["app_version"] == "3.0.0"
        return where, said

    return play


@pytest.mark.parametrize("box", [LONG_ON_DOCKER, ON_KUBERNETES], indirect=True)
def test_an_upgrade_that_fails_killed_at_any_step_never_loses_the_old_version(box):
    found = matrix(box, an_upgrade_that_fails)
    assert {"put", "wait", "revert"} <= {where for _, where, _ in found}


def a_rollback(box, name):
    up(box, name, "1.0.0", "2.0.0")

    def play(step):
        where = killed(box, step, "rollback", name)
        said = recovered(box)
        now = version_of(box, name)
        agree(box, name, now)
        if now != "2.0.0":
            box.run("workloads", "rollback", "-n", name, "--to", "2")
        return where, said, now

    return play


@pytest.mark.parametrize("box", [ON_DOCKER, LONG_ON_KUBERNETES], indirect=True)
def test_a_rollback_killed_at_any_step(box):
    found = matrix(box, a_rollback)
    assert {"put", "wait", "finish"} <= {where for _, where, _, _ in found}
    assert found[-1][1:] == (None, [], "1.0.0")


def a_group_that_applies_itself(box, name):
    up(box, name, "1.0.0")

    def play(step):
        wanted = other(version_of(box, name))
        accept(box, name, wanted, "staged+instant-apply")
        where = killed(box, step, "turn", name)
        said = recovered(box)  # and then goes on: what was accepted comes up in the end
        assert agree(box, name, wanted) is None
        return where, said

    return play


@pytest.mark.parametrize("box", [ON_DOCKER, LONG_ON_KUBERNETES], indirect=True)
def test_an_agent_killed_at_any_step_of_a_group_that_applies_itself(box):
    found = matrix(box, a_group_that_applies_itself)
    assert {"write", "plan", "put", "wait", "finish"} <= {where for _, where, _ in found}


def accept(box, name, version, method):
    """Deploy without an agent: that would be one more process, and one more to be stopped before the kill."""
    with opened(load(environ=box.environment, is_root=os.geteuid() == 0).settings, wiring.default()) as ctx:
        defaults = Defaults(registry=box.registry, cluster_name="edge", method=Method.STANDARD, has_secret=lambda _: False)
        path = box.request(name, version, method=method)
        deploy.store(ctx, accept_all(read(path, Path(path).read_bytes()), defaults).specs)


def an_undeploy(box, name):
    def play(step):
        up(box, name, "1.0.0")
        where = killed(box, step, "undeploy", name)
        said = recovered(box)
        with Ledger(box.state / "ledger.db") as ledger:
            left = ledger.names()
        if left:
            assert (said, where) == ([], "write")  # before the journal knew of it, it had not begun
            agree(box, name, "1.0.0")
            box.run("workloads", "undeploy", "-n", name, "--yes")
        else:
            agree(box, name, None)
        return where, said

    return play


@pytest.mark.parametrize("box", [ON_DOCKER, LONG_ON_KUBERNETES], indirect=True)
def test_an_undeploy_killed_at_any_step_is_finished(box):
    assert len(matrix(box, an_undeploy)) >= 3
