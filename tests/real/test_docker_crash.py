"""`kill -9` before every engine call that changes something, then back or on; and the power cut at the worst moments."""

import contextlib

import docker
import pytest

from kelvin_provision.cluster.docker.cluster import DockerCluster
from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.context import silent
from kelvin_provision.observation import Observed
from kelvin_provision.spec.workload import Port, System
from tests.contract.cluster_contract import never, no_secrets, spec
from tests.kit.docker_bench import DockerBench, bench, docker_bench
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.reserved import free_port

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
PATIENCE = WaitPolicy(timeout=90, settle=0.1)
NAME = "motor-speed"
CHANGES = {
    "create_network",
    "create_volume",
    "create_container_from_config",
    "put_archive",
    "start",
    "stop",
    "rename",
    "update_container",
    "remove_container",
    "remove_volume",
}
UPGRADE = ["create_container_from_config", "put_archive", "start", *["rename"] * 3, "update_container", "update_container", "stop"]
HAND_OVER = [
    "create_container_from_config",
    "put_archive",
    "update_container",
    "stop",
    "start",
    "rename",
    "rename",
    *["update_container"] * 2,
]
GO_BACK = ["start", *["rename"] * 3, "update_container", "update_container", "stop", "remove_container"]


class Killed(BaseException):
    """Nothing in the program catches it: what comes after is not run, as after kill -9."""


class Mortal:
    """The engine's client until the call with number `at`, which is never made."""

    def __init__(self, client, at=None):
        self.client, self.at, self.calls = client, at, []

    def __getattr__(self, name):
        found = getattr(self.client, name)
        if name not in CHANGES:
            return found

        def call(*args, **kwargs):
            if len(self.calls) == self.at:
                raise Killed
            self.calls.append(name)
            return found(*args, **kwargs)

        return call


def box(client):
    return DockerCluster(client=lambda: client, grace=0, tick=0.05)


def render(bench, what, revision, *ports):
    picture = bench.picture(what)
    return bench.cluster.render(spec(NAME, picture, f"{revision}.0.0", system=System(ports=ports)), picture.locks, revision)


def up(cluster, objects):
    cluster.put(NAME, objects, no_secrets)
    assert cluster.wait({NAME: objects}, PATIENCE, silent, never)[NAME].phase is Phase.READY
    cluster.finish(NAME, objects)


def stands(client):
    found = [client.inspect_container(one["Id"]) for one in client.containers(all=True, filters={"label": "kelvin-provision/workload"})]
    return {one["Name"]: (one["HostConfig"]["RestartPolicy"]["Name"], one["State"]["Running"]) for one in found}


def killed_at(client, at, work):
    mortal = Mortal(client, at)
    with pytest.raises(Killed):
        work(box(mortal))
    return mortal.calls


def both(bench, *ports):
    old, new = render(bench, "one", 1, *ports), render(bench, "two", 2, *ports)
    up(box(bench.client), old)
    return old, new


def test_the_calls_of_an_upgrade_are_those_that_are_cut_off_below(bench):
    old, new = both(bench)
    mortal = Mortal(bench.client)
    up(box(mortal), new)
    assert mortal.calls == UPGRADE
    mortal.calls.clear()
    box(mortal).revert(NAME, old, no_secrets)
    assert mortal.calls == GO_BACK


@pytest.mark.parametrize("at", range(len(UPGRADE)))
def test_an_upgrade_that_was_killed_can_be_undone(bench, at):
    old, new = both(bench)
    assert killed_at(bench.client, at, lambda cluster: up(cluster, new)) == UPGRADE[:at]
    answers = {bench.answer(NAME) for _ in range(4)}  # between two renames both may
    assert answers <= {"one", "two"} if at == 4 else answers == {"one" if at < 4 else "two"}
    box(bench.client).revert(NAME, old, no_secrets)
    assert stands(bench.client) == {"/motor-speed": ("unless-stopped", True)}
    assert bench.answer(NAME) == "one"


@pytest.mark.parametrize("at", range(len(UPGRADE)))
def test_an_upgrade_that_was_killed_can_be_gone_on_with(bench, at):
    _, new = both(bench)
    killed_at(bench.client, at, lambda cluster: up(cluster, new))
    if at > 2:  # it was seen up before: nothing but `finish` is called then
        box(bench.client).finish(NAME, new)
    else:
        up(box(bench.client), new)
    assert stands(bench.client) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r1": ("no", False)}
    assert bench.answer(NAME) == "two"


@pytest.mark.parametrize("at", range(len(HAND_OVER)))
def test_a_hand_over_of_a_port_that_was_killed_can_be_undone(bench, at):
    old, new = both(bench, Port("http", 8080, host_port=free_port()))
    assert killed_at(bench.client, at, lambda cluster: up(cluster, new)) == HAND_OVER[:at]
    box(bench.client).revert(NAME, old, no_secrets)
    assert stands(bench.client) == {"/motor-speed": ("unless-stopped", True)}
    assert bench.answer(NAME) == "one"


@pytest.mark.parametrize("at", range(len(GO_BACK)))
def test_an_undo_that_was_killed_can_be_undone_again(bench, at):
    old, new = both(bench)
    up(box(bench.client), new)
    assert killed_at(bench.client, at, lambda cluster: cluster.revert(NAME, old, no_secrets)) == GO_BACK[:at]
    box(bench.client).revert(NAME, old, no_secrets)
    assert stands(bench.client) == {"/motor-speed": ("unless-stopped", True)}
    assert bench.answer(NAME) == "one"


def test_a_first_version_that_was_killed_is_taken_away(bench):
    new = render(bench, "one", 1)
    for at in range(3):
        killed_at(bench.client, at, lambda cluster: up(cluster, new))
        box(bench.client).revert(NAME, (), no_secrets)
        assert stands(bench.client) == {}


# --- power -----------------------------------------------------------------------------------------


@pytest.fixture
def powered(tmp_path_factory):
    """An engine of its own, whose plug may be pulled."""
    if why_not():
        pytest.skip(why_not())
    folder = tmp_path_factory.mktemp("power")
    with own_dockerd(folder) as engine, contextlib.ExitStack() as stack:

        def connect():
            return stack.enter_context(contextlib.closing(docker.APIClient(engine.url, timeout=60)))

        def cycle():
            engine.cut_power()
            engine.start()
            return connect()

        yield DockerBench(connect(), folder), cycle


def test_after_a_power_cut_before_the_commit_the_old_version_is_back_and_the_new_one_is_not(powered):
    bench, cycle = powered
    old, new = both(bench, Port("http", 8080, host_port=free_port()))
    cluster = box(bench.client)
    cluster.put(NAME, new, no_secrets)
    assert stands(bench.client) == {"/motor-speed": ("always", False), "/motor-speed-r2": ("no", True)}
    client = cycle()
    assert stands(client) == {"/motor-speed": ("always", True), "/motor-speed-r2": ("no", False)}
    box(client).revert(NAME, old, no_secrets)
    assert stands(client) == {"/motor-speed": ("unless-stopped", True)}


def test_after_a_power_cut_while_both_answer_the_old_version_is_back_and_the_new_one_may_come_again(powered):
    bench, cycle = powered
    _, new = both(bench)
    killed_at(bench.client, 4, lambda cluster: up(cluster, new))
    assert stands(bench.client) == {"/motor-speed": ("unless-stopped", True), "/MOTOR-SPEED": ("no", True)}
    client = cycle()
    assert stands(client) == {"/motor-speed": ("unless-stopped", True), "/MOTOR-SPEED": ("no", False)}
    up(box(client), new)
    assert stands(client) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r1": ("no", False)}


def test_after_a_power_cut_after_the_commit_the_new_version_is_back_and_the_old_one_is_not(powered):
    bench, cycle = powered
    _, new = both(bench)
    up(box(bench.client), new)
    client = cycle()
    assert stands(client) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r1": ("no", False)}


def test_after_a_power_cut_what_was_stopped_stays_stopped(powered):
    bench, cycle = powered
    old, _ = both(bench)
    box(bench.client).stop(NAME)
    client = cycle()
    assert stands(client) == {"/motor-speed": ("unless-stopped", False)}
    assert box(client).observe()[NAME].observed is Observed.STOPPED
    up(box(client), old)
    assert stands(client) == {"/motor-speed": ("unless-stopped", True)}
