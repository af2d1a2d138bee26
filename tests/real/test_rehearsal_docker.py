"""Rehearsals on a real engine: beside a running version that answers every request, cut off from it, and without a trace."""

import contextlib
import socket

import docker
import pytest

from kelvin_provision.cluster.docker.cluster import DockerCluster
from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.rehearsal import RehearsalTerms
from kelvin_provision.context import silent
from kelvin_provision.spec.enums import ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Port, Probe, Resources, System, Variable, Volume
from kelvin_provision.status import RehearsalOutcome
from tests.contract.cluster_contract import never, no_secrets, spec
from tests.kit.docker_bench import DockerBench, bench, docker_bench
from tests.kit.images import SERVE, make_image, program, tar_of
from tests.kit.meanwhile import repeated
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import until

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
NAME = "motor-speed"
TERMS = {"policy": WaitPolicy(timeout=90, settle=0.5)}
CHANGES = {"create_network", "create_container_from_config", "put_archive", "start", "remove_container", "remove_network"}
READY = Probe(ProbeKind.HTTP, port=8080, period=1)


def without_shell():
    with open("/bin/busybox", "rb") as file:
        layer = tar_of({"httpd": file.read(), "www/index.html": b"two\n"})
    return make_image([layer], cmd=("/httpd", "httpd", "-f", "-p", "8080", "-h", "/www"))


SCRIPTS = {
    "slow": f"sleep 2; {SERVE}",
    "curious": f"busybox nc -w 1 $RUNNING </dev/null && exit 7; busybox nc -w 1 $MACHINE </dev/null && exit 8; {SERVE}",
    "reader": f"[ -f /data/index.html ] || exit 4; busybox touch /data/x && exit 5; {SERVE}",
}


@pytest.fixture
def box(bench):
    bench.made |= {name: (lambda script=script: program(script, {"www/index.html": b"two\n"})) for name, script in SCRIPTS.items()} | {
        "bare": without_shell
    }
    return bench


def render(box, what="two", revision=2, **system):
    picture = box.picture(what)
    return box.cluster.render(spec(NAME, picture, f"{revision}.0.0", system=System(**system)), picture.locks, revision)


def up(box, **system):
    objects = render(box, "one", 1, **system)
    box.cluster.put(NAME, objects, no_secrets)
    health = box.cluster.wait({NAME: objects}, TERMS["policy"], silent, never)[NAME]
    assert health.phase is Phase.READY, (health, box.cluster.evidence(NAME))
    box.cluster.finish(NAME, objects)
    return objects


def rehearse(box, objects, *, cluster=None, stop=never, **terms):
    return (cluster or box.cluster).rehearse(NAME, objects, RehearsalTerms(**TERMS | terms), no_secrets, progress=silent, stop=stop)


def traces(client):
    """Of rehearsals: containers, networks, and all volumes, since those of a rehearsal have no name of ours."""
    containers = [one["Names"] for one in client.containers(all=True, filters={"label": "kelvin-provision/rehearsal"})]
    networks = [one["Name"] for one in client.networks() if "rehearsal" in one["Name"]]
    return containers, networks, sorted(volume["Name"] for volume in client.volumes()["Volumes"] or [])


@contextlib.contextmanager
def answering(box):
    """The running version answers every request in the block."""
    answers = []
    with repeated(lambda: answers.append(box.answer(NAME)), pause=0.0):
        yield
        until(lambda: len(answers) > 1)
    assert set(answers) == {"one"}


def test_an_image_without_a_shell_with_the_same_port_volume_and_folder_starts_beside_the_running_one(box, tmp_path):
    ports = (Port("web", 8080, service_port=8080, exposed=True, exposed_port=free_port()),)
    volumes = (Volume("data", VolumeKind.PERSISTENT, "/data"), Volume("site", VolumeKind.HOST, "/site", source=str(tmp_path)))
    before = up(box, ports=ports, volumes=volumes)
    left = traces(box.client)
    with answering(box):
        result = rehearse(box, render(box, "bare", ports=ports, volumes=volumes, readiness=READY))
    assert (result.outcome, result.reason) == (RehearsalOutcome.OK, "")
    assert traces(box.client) == left
    assert (list(tmp_path.iterdir()), box.cluster.drift({NAME: before})) == ([], ())


def test_a_slow_one_is_waited_for_and_held_to_its_probe(box):
    assert rehearse(box, render(box, "slow", readiness=READY)).outcome is RehearsalOutcome.OK
    short = rehearse(box, render(box, "slow", readiness=READY), policy=WaitPolicy(timeout=0.5, settle=0.0))
    assert short.outcome is RehearsalOutcome.FAILED
    assert short.reason.startswith("not up in time: readiness probe: ")


def test_it_reaches_neither_the_running_one_nor_any_other_machine(box):
    """The engine of the suite makes no rules for iptables. The machine is this one, at an address of another network."""
    up(box)
    network = box.client.inspect_container(NAME)["NetworkSettings"]["Networks"]["kelvin"]
    with socket.create_server((network["Gateway"], 0)) as machine:
        places = {"RUNNING": f"{network['IPAddress']} 8080", "MACHINE": f"{network['Gateway']} {machine.getsockname()[1]}"}
        curious = render(box, "curious", environment=tuple(Variable(*place) for place in places.items()), readiness=READY)
        closed, other = rehearse(box, curious), rehearse(box, curious, allow_network=True)
    assert (closed.outcome, closed.reason) == (RehearsalOutcome.OK, "")
    assert (other.outcome, other.reason in {"exit code 7", "exit code 8"}) == (RehearsalOutcome.FAILED, True)


def test_one_that_needs_its_data_may_read_it_and_not_write(box):
    volumes = (Volume("data", VolumeKind.PERSISTENT, "/data"),)
    up(box, volumes=volumes)
    job = box.client.exec_create(NAME, ["/bin/busybox", "cp", "/www/index.html", "/data/"])
    box.client.exec_start(job["Id"])
    staged = render(box, "reader", volumes=volumes)
    with answering(box):
        empty, real = rehearse(box, staged), rehearse(box, staged, real_volumes=True)
    assert empty.outcome is RehearsalOutcome.NOT_POSSIBLE
    assert empty.reason.startswith("it did not start without its data (exit code 4); empty here: /data")
    assert (real.outcome, real.reason) == (RehearsalOutcome.OK, "")


@pytest.mark.parametrize(
    ("system", "why"),
    [
        ({"privileged": True}, "it is privileged"),
        ({"volumes": (Volume("tty", VolumeKind.HOST, "/tty", source="/dev/null"),)}, "it uses the device /dev/null"),
        ({"resources": Resources(memory_request="4000Gi")}, "not enough memory: it requests 3.9 TiB"),
    ],
)
def test_what_is_not_possible_is_not_started(box, system, why):
    left = traces(box.client)
    result = rehearse(box, render(box, **system))
    assert result.outcome is RehearsalOutcome.NOT_POSSIBLE
    assert result.reason.startswith(why)
    assert traces(box.client) == left


class Killed(BaseException):
    """Nothing in the program catches it: what comes after is not run, as after kill -9."""


class Mortal:
    """The engine's client until the change with number `at`: neither that nor a later one is made. None: no call at all."""

    def __init__(self, client, at):
        self.client, self.at, self.calls = client, at, 0

    def __getattr__(self, name):
        if self.at is None:
            raise Killed
        found = getattr(self.client, name)
        if name not in CHANGES:
            return found

        def call(*args, **kwargs):
            if self.calls >= self.at:
                raise Killed
            self.calls += 1
            return found(*args, **kwargs)

        return call


def test_after_a_kill_at_any_call_nothing_is_left(box):
    up(box)
    left, calls = traces(box.client), 0
    staged = render(box, volumes=(Volume("data", VolumeKind.PERSISTENT, "/data"),))
    while True:
        mortal = DockerCluster(client=lambda at=calls: Mortal(box.client, at), grace=1, tick=0.1)
        try:
            rehearse(box, staged, cluster=mortal, policy=WaitPolicy(timeout=90, settle=0.0))
        except Killed:
            box.cluster.end_rehearsals()
            assert traces(box.client) == left, calls
            calls += 1
        else:
            break
    assert calls >= 5
    assert box.answer(NAME) == "one"


@pytest.mark.slow
def test_after_a_power_cut_it_stays_down_and_goes(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cut")
    with own_dockerd(folder) as engine:
        with contextlib.closing(docker.APIClient(engine.url, timeout=60)) as client:
            box = DockerBench(client, tmp_path_factory.mktemp("pictures"))
            up(box)

            mortal = Mortal(client, 100)

            def cut():
                mortal.at = None
                engine.cut_power()
                return True

            with pytest.raises(Killed):
                rehearse(box, render(box), cluster=DockerCluster(client=lambda: mortal, grace=1, tick=0.1), stop=cut)
        engine.start()
        with contextlib.closing(docker.APIClient(engine.url, timeout=60)) as client:
            box.client = client
            cluster = DockerCluster(client=lambda: client, grace=1, tick=0.1)
            (found,) = client.containers(all=True, filters={"label": "kelvin-provision/rehearsal"})
            assert found["State"] != "running"
            assert set(cluster.end_rehearsals()) == {f"container/{NAME}.rehearsal", "network/kelvin-rehearsal"}
            assert cluster.observe()[NAME].revision == 1
