"""The Docker box on a real engine: what a technician would see."""

import base64
import socket
from dataclasses import replace

import pytest

from kelvin_provision.cluster.docker.cluster import DockerCluster
from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.plan import Op
from kelvin_provision.context import silent
from kelvin_provision.errors import ClusterUnreachable, ImageNotFound, RegistryUnreachable
from kelvin_provision.observation import Observed
from kelvin_provision.spec.enums import ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Port, Probe, Resources, System, Variable, Volume
from tests.contract.cluster_contract import Picture, never, no_secrets, spec
from tests.kit.docker_bench import bench, docker_bench
from tests.kit.images import make_image, push, tar_of, web_image
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import until

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
PATIENCE = WaitPolicy(timeout=90, settle=0.5)
NAME = "motor-speed"


def render(bench, what="one", revision=1, name=NAME, **system):
    picture = bench.picture(what)
    return bench.cluster.render(spec(name, picture, f"{revision}.0.0", system=System(**system)), picture.locks, revision)


def up(bench, objects, name=NAME, lookup=no_secrets):
    bench.cluster.put(name, objects, lookup)
    health = bench.cluster.wait({name: objects}, PATIENCE, silent, never)[name]
    assert health.phase is Phase.READY, (health, bench.cluster.evidence(name))
    bench.cluster.finish(name, objects)


def waits_for(bench, objects, why):
    """It is not up, at last for this reason: a server that has only just begun is not there yet, a command may take its time."""

    def told():
        health = bench.cluster.wait({NAME: objects}, replace(PATIENCE, timeout=0.5), silent, never)[NAME]
        assert health.phase is Phase.WAITING, health
        said.append(health.why)
        return why in health.why

    said = []
    until(told, why=lambda: str(said))


def names(bench):
    return sorted(
        name for one in bench.client.containers(all=True, filters={"label": "kelvin-provision/workload"}) for name in one["Names"]
    )


def policies(bench):
    found = [bench.client.inspect_container(name) for name in names(bench)]
    return {one["Name"]: (one["HostConfig"]["RestartPolicy"]["Name"], one["State"]["Running"]) for one in found}


def volumes_of(bench):
    return [one["Name"] for one in bench.client.volumes(filters={"label": f"kelvin-provision/workload={NAME}"})["Volumes"] or []]


def read(bench, path, name=NAME):
    job = bench.client.exec_create(name, ["/bin/busybox", "cat", path])
    return bench.client.exec_start(job["Id"]).decode()


# --- new beside old --------------------------------------------------------------------------------


def test_the_name_moves_only_after_the_new_one_is_healthy(bench):
    up(bench, render(bench))
    new = render(bench, "two", 2, readiness=Probe(ProbeKind.HTTP, path="/not-there", port=8080))
    bench.cluster.put(NAME, new, no_secrets)
    waits_for(bench, new, "/not-there: status 404")
    assert bench.answer(NAME) == "one"
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r2": ("no", True)}


def test_the_old_one_rests_beside_the_new_one_and_the_one_before_is_gone(bench):
    for revision, what in enumerate(("one", "two", "one"), start=1):
        up(bench, render(bench, what, revision))
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r2": ("no", False)}


def test_connections_of_the_new_version_survive_the_moment_it_takes_over(bench):
    up(bench, render(bench))
    new = render(bench, "two", 2)
    bench.cluster.put(NAME, new, no_secrets)
    before = bench.client.inspect_container("motor-speed-r2")["NetworkSettings"]["Networks"]["kelvin"]["EndpointID"]
    bench.cluster.wait({NAME: new}, PATIENCE, silent, never)
    assert bench.client.inspect_container("motor-speed")["NetworkSettings"]["Networks"]["kelvin"]["EndpointID"] == before
    assert bench.answer(NAME) == "two"


def test_a_version_that_dies_after_a_second_is_found_out_while_the_old_one_serves(bench):
    up(bench, render(bench))
    new = render(bench, "dying", 2)
    bench.cluster.put(NAME, new, no_secrets)
    health = bench.cluster.wait({NAME: new}, WaitPolicy(timeout=90, settle=20), silent, never)[NAME]
    assert (health.phase, health.why) == (Phase.FAILED, "exit code 3")
    assert bench.answer(NAME) == "one"
    evidence = bench.cluster.evidence(NAME)
    assert evidence[0].startswith("container motor-speed-r2: exited, 0 restarts, image sha256:")
    assert evidence[1:] == ("container motor-speed-r2: exit code 3", "going down")
    bench.cluster.revert(NAME, render(bench), no_secrets)
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True)}


def test_a_command_that_is_not_in_the_image_is_named(bench):
    bench.made["empty"] = lambda: make_image([tar_of({"a": b"a"})], cmd=("/bin/motor",))
    objects = render(bench, "empty")
    bench.cluster.put(NAME, objects, no_secrets)
    health = bench.cluster.wait({NAME: objects}, PATIENCE, silent, never)[NAME]
    assert health.phase is Phase.FAILED
    assert "/bin/motor" in health.why
    assert bench.cluster.observe()[NAME].observed is Observed.FAILED


def test_a_pruned_old_container_is_made_anew(bench):
    old, new = render(bench), render(bench, "two", 2)
    up(bench, old)
    up(bench, new)
    bench.client.prune_containers()
    bench.cluster.revert(NAME, old, no_secrets)
    assert bench.answer(NAME) == "one"
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True)}


def test_a_roll_back_by_applying_the_earlier_revision_again_keeps_the_later_one(bench):
    old, new = render(bench), render(bench, "two", 2)
    up(bench, old)
    up(bench, new)
    up(bench, old)
    assert bench.answer(NAME) == "one"
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r2": ("no", False)}
    bench.cluster.put(NAME, new, no_secrets)
    bench.cluster.revert(NAME, old, no_secrets)
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True)}


def test_applying_a_stopped_workload_starts_it(bench):
    objects = render(bench)
    up(bench, objects)
    bench.client.stop(NAME, timeout=0)
    assert bench.cluster.observe()[NAME].observed is Observed.STOPPED
    (change,) = bench.cluster.plan({NAME: objects}, no_secrets).changes
    assert (change.op, change.why) == (Op.UPDATE, "stopped, will be started")
    up(bench, objects)
    assert bench.answer(NAME) == "one"


def test_a_crash_loop_after_the_commit_is_seen(bench):
    up(bench, render(bench))
    new = render(bench, "dying", 2)
    bench.cluster.put(NAME, new, no_secrets)
    bench.cluster.finish(NAME, new)
    health = bench.cluster.wait({NAME: new}, WaitPolicy(timeout=90, settle=20, restarts=2), silent, never)[NAME]
    assert health.phase is Phase.FAILED
    assert health.why == "restarted 2 times; exit code 3"


def test_a_version_that_restarts_for_ever_can_be_replaced_and_stopped(bench):
    up(bench, render(bench))
    bad, good = render(bench, "dying", 2), render(bench, "two", 3)
    bench.cluster.put(NAME, bad, no_secrets)
    bench.cluster.finish(NAME, bad)
    bench.cluster.wait({NAME: bad}, WaitPolicy(timeout=90, settle=20, restarts=2), silent, never)
    up(bench, good)
    assert bench.answer(NAME) == "two"
    assert policies(bench) == {"/motor-speed": ("unless-stopped", True), "/motor-speed-r2": ("no", False)}
    bench.cluster.put(NAME, render(bench, "dying", 4), no_secrets)
    bench.cluster.finish(NAME, render(bench, "dying", 4))
    bench.cluster.wait({NAME: render(bench, "dying", 4)}, WaitPolicy(timeout=90, settle=20, restarts=2), silent, never)
    bench.cluster.stop(NAME)
    assert bench.cluster.observe()[NAME].observed is Observed.STOPPED


# --- every field of `system` -----------------------------------------------------------------------


def test_resources_and_privileges_arrive(bench):
    resources = Resources(cpu_request="250m", cpu_limit="0.5", memory_request="16M", memory_limit="64Mi")
    bench.cluster.put(NAME, render(bench, resources=resources, privileged=True), no_secrets)  # runs only where the box allows it
    host = bench.client.inspect_container("motor-speed-r1")["HostConfig"]
    assert (host["CpuShares"], host["NanoCpus"], host["MemoryReservation"], host["Memory"]) == (256, 500_000_000, 16_000_000, 67_108_864)
    assert host["Privileged"] is True


def test_more_cpu_than_the_box_has_is_all_of_it(bench):
    up(bench, render(bench, resources=Resources(cpu_limit="512")))
    assert bench.client.inspect_container(NAME)["HostConfig"]["NanoCpus"] == bench.client.info()["NCPU"] * 10**9


def test_text_secret_persistent_and_host_volumes_are_where_they_should_be(bench, tmp_path):
    host = tmp_path / "shared"
    host.mkdir()
    (host / "note").write_text("from the host")
    volumes = (
        Volume("settings", VolumeKind.TEXT, "/etc/deep/er/settings.ini", data=base64.b64encode(b"[a]\n\xff").decode(), mode="0640"),
        Volume("key", VolumeKind.SECRET, "/run/keys/mqtt", secret="user:<% secrets.mqtt %>", mode="0400"),
        Volume("data", VolumeKind.PERSISTENT, "/data"),
        Volume("host", VolumeKind.HOST, "/shared", source=str(host)),
    )
    variables = (Variable("PASSWORD", "<% secrets.mqtt %>"), Variable("PLAIN", "a=b"))
    objects = render(bench, volumes=volumes, environment=variables)
    up(bench, objects, lookup={"secrets.mqtt": "hunter2"}.__getitem__)
    job = bench.client.exec_create(NAME, ["/bin/busybox", "stat", "-c", "%a %u %s", "/etc/deep/er/settings.ini", "/run/keys/mqtt"])
    assert bench.client.exec_start(job["Id"]).decode() == "640 0 5\n400 0 12\n"
    assert read(bench, "/run/keys/mqtt") == "user:hunter2"
    assert read(bench, "/shared/note") == "from the host"
    assert "version: 1.0.0" in read(bench, "/opt/kelvin/share/app.yaml")
    assert (bench.environment(NAME, "PASSWORD"), bench.environment(NAME, "PLAIN")) == ("hunter2", "a=b")
    assert bench.environment(NAME, "KELVIN_WORKLOAD_NAME") == NAME
    assert volumes_of(bench) == ["kelvin-motor-speed-data"]
    bench.client.restart(NAME, timeout=0)
    assert read(bench, "/run/keys/mqtt") == "user:hunter2"


def test_persistent_data_survives_a_new_version_and_goes_with_the_workload(bench):
    volumes = (Volume("data", VolumeKind.PERSISTENT, "/data"),)
    up(bench, render(bench, volumes=volumes))
    job = bench.client.exec_create(NAME, ["/bin/busybox", "sh", "-c", "echo kept > /data/x"])
    bench.client.exec_start(job["Id"])
    new = render(bench, "two", 2, volumes=volumes)
    notes = bench.cluster.plan({NAME: new}, no_secrets).notes
    assert notes == ("motor-speed: short interruption: both write to volume kelvin-motor-speed-data",)
    up(bench, new)
    assert read(bench, "/data/x") == "kept\n"
    assert bench.cluster.remove(NAME) == ("container/motor-speed-r1", "container/motor-speed", "volume/kelvin-motor-speed-data")
    assert volumes_of(bench) == []


def test_a_published_port_is_handed_over_and_back(bench):
    port = free_port()
    ports = (Port("http", 8080, host_port=port),)
    old, new = render(bench, ports=ports), render(bench, "two", 2, ports=ports)
    up(bench, old)
    assert bench.get(f"http://{gateway(bench)}:{port}/") == "one"
    plan = bench.cluster.plan({NAME: new}, no_secrets)
    assert plan.findings == ()
    assert plan.notes == (f"motor-speed: short interruption: both publish host port {port}/tcp",)
    up(bench, new)
    assert bench.get(f"http://{gateway(bench)}:{port}/") == "two"
    bench.cluster.revert(NAME, old, no_secrets)
    assert bench.get(f"http://{gateway(bench)}:{port}/") == "one"


def gateway(bench):
    (network,) = bench.client.networks(names=["kelvin"])
    return network["IPAM"]["Config"][0]["Gateway"]


def test_an_exposed_service_is_published_and_a_plain_one_is_not(bench):
    port = free_port()
    up(
        bench,
        render(bench, ports=(Port("http", 8080, service_port=8080, exposed=True, exposed_port=port), Port("in", 9000, service_port=9000))),
    )
    assert bench.client.inspect_container(NAME)["HostConfig"]["PortBindings"] == {"8080/tcp": [{"HostIp": "", "HostPort": str(port)}]}


def test_a_taken_port_is_found_before_anything_is_touched(bench):
    port = free_port()  # reserved: no other test takes it after we close it
    with socket.create_server(("127.0.0.1", port)):
        objects = render(bench, ports=(Port("http", 8080, host_port=port),))
        (finding,) = bench.cluster.plan({NAME: objects}, no_secrets).findings
    assert (finding.code, finding.message) == ("port-taken", f"host port {port}/tcp is taken by another program on this box")
    assert bench.cluster.plan({NAME: objects}, no_secrets).findings == ()


def test_a_port_of_another_workload_is_named_with_it(bench):
    port = free_port()
    ports = (Port("http", 8080, host_port=port),)
    up(bench, render(bench, ports=ports))
    other = render(bench, "two", name="pump", ports=ports)
    (finding,) = bench.cluster.plan({"pump": other}, no_secrets).findings
    assert finding.message == f"host port {port}/tcp is taken by container motor-speed"


def test_a_port_that_is_taken_in_the_last_moment_is_a_failure_with_the_engines_words(bench):
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        objects = render(bench, ports=(Port("http", 8080, host_port=port),))
        bench.cluster.put(NAME, objects, no_secrets)
        health = bench.cluster.wait({NAME: objects}, PATIENCE, silent, never)[NAME]
    assert health.phase is Phase.FAILED
    assert f"{port}" in health.why
    assert "address already in use" in health.why


# --- probes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "probe",
    [
        Probe(ProbeKind.HTTP, path="/", port=8080, headers=(("X-Asked-By", "test"),)),
        Probe(ProbeKind.TCP, port=8080),
        Probe(ProbeKind.EXEC, command=("/bin/busybox", "true")),
    ],
)
def test_each_kind_of_probe_finds_a_healthy_container(bench, probe):
    up(bench, render(bench, readiness=probe, liveness=probe))


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        (Probe(ProbeKind.TCP, port=81), "Connection refused"),
        (Probe(ProbeKind.EXEC, command=("/bin/busybox", "false")), "/bin/busybox false: exit code 1"),
        (Probe(ProbeKind.EXEC, command=("/bin/busybox", "sleep", "9")), "still running after 1 s"),
        (Probe(ProbeKind.EXEC, command=("/none",)), "no such file or directory"),
    ],
)
def test_each_kind_of_probe_says_what_is_wrong(bench, probe, why):
    objects = render(bench, readiness=probe)
    bench.cluster.put(NAME, objects, no_secrets)
    waits_for(bench, objects, why)


def test_a_liveness_probe_that_keeps_failing_is_a_failure(bench):
    objects = render(bench, liveness=Probe(ProbeKind.TCP, port=81, period=1, failure_threshold=2))
    bench.cluster.put(NAME, objects, no_secrets)
    health = bench.cluster.wait({NAME: objects}, replace(PATIENCE, settle=60), silent, never)[NAME]
    assert health.phase is Phase.FAILED
    assert health.why.startswith("liveness probe: 1")


# --- images ----------------------------------------------------------------------------------------


def test_a_staged_image_that_is_not_in_the_engine_is_found_by_the_plan(bench):
    bench.made["lost"] = lambda: web_image("lost")
    objects = render(bench, "lost")
    bench.runtime.remove(bench.locks["lost"])
    (finding,) = bench.cluster.plan({NAME: objects}, no_secrets).findings
    assert finding.code == "image-missing"
    assert bench.runtime.info().identity.of(bench.locks.pop("lost")) in finding.message


def test_a_standard_revision_is_pulled(bench, registry):
    image = push(registry, "acme/motor", "1.0.0", web_image("pulled"))
    objects = bench.cluster.render(spec(NAME, Picture(image)), (), 1)
    up(bench, objects)
    assert bench.answer(NAME) == "pulled"
    bench.cluster.remove(NAME)
    bench.client.remove_image(image)


def test_an_image_that_the_registry_does_not_know_is_named(bench, registry):
    objects = bench.cluster.render(spec(NAME, Picture(f"{registry}/acme/none:1.0.0")), (), 1)
    with pytest.raises(ImageNotFound, match="acme/none"):
        bench.cluster.put(NAME, objects, no_secrets)


def test_a_registry_that_does_not_answer_is_a_temporary_failure(bench):
    objects = bench.cluster.render(spec(NAME, bench.picture("missing")), (), 1)
    with pytest.raises(RegistryUnreachable):
        bench.cluster.put(NAME, objects, no_secrets)


def test_an_engine_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ClusterUnreachable, match="Docker Engine does not answer"):
        DockerCluster(f"unix://{tmp_path}/none.sock").info()


# --- containers of others --------------------------------------------------------------------------


@pytest.fixture
def committed(bench):
    """A container of a technician's own, of an image that was committed from the one that serves: it inherits all our labels."""
    up(bench, render(bench))
    image = bench.client.commit(NAME, repository="debug", tag="1")["Id"]
    mine = bench.client.create_container(image, ["/bin/busybox", "sleep", "1000"], name="mine-of-a-technician")["Id"]
    bench.client.start(mine)
    assert bench.client.inspect_container(mine)["Config"]["Labels"]["kelvin-provision/workload"] == NAME
    yield mine
    bench.client.remove_container(mine, force=True)
    bench.client.remove_image(image, force=True)


def test_a_container_of_a_committed_image_is_not_ours_and_is_left_alone(bench, committed):
    for revision, what in ((2, "two"), (3, "one"), (4, "two")):
        objects = render(bench, what, revision)
        plan = bench.cluster.plan({NAME: objects}, no_secrets)
        assert (plan.findings, [change.object for change in plan.changes if "mine" in change.object]) == ((), [])
        up(bench, objects)
        assert bench.client.inspect_container(committed)["State"]["Running"]
    plan = bench.cluster.plan({NAME: render(bench, "one", 5)}, no_secrets)
    assert [change.object for change in plan.changes if change.op is Op.DELETE] == [f"container/{NAME}-r3"]
    bench.cluster.revert(NAME, render(bench, "one", 3), no_secrets)
    bench.cluster.stop(NAME)
    assert bench.client.inspect_container(committed)["State"]["Running"]
    assert "container/mine-of-a-technician" not in bench.cluster.remove(NAME)
    assert bench.client.inspect_container(committed)["State"]["Running"]
    assert NAME not in bench.cluster.observe()


def test_a_strangers_container_with_the_name_of_the_next_revision_is_a_finding(bench, committed):
    bench.client.rename(committed, f"{NAME}-r2")
    (finding,) = bench.cluster.plan({NAME: render(bench, "two", 2)}, no_secrets).findings
    assert (finding.code, finding.object) == ("not-ours", f"container/{NAME}-r2")


def test_a_host_port_moves_to_another_workload_of_the_set_and_back(bench):
    port = free_port()
    ports, volume = (Port("http", 8080, host_port=port),), Volume("data", VolumeKind.PERSISTENT, "/data")
    before = render(bench, ports=ports)
    up(bench, before)
    after = {"pump": render(bench, "two", name="pump", ports=ports, volumes=(volume,)), NAME: render(bench, "two", 2)}
    plan = bench.cluster.plan(after, no_secrets)
    assert (plan.findings, [each.workload for each in plan.interruptions]) == ((), [NAME])
    alone = bench.cluster.plan({"pump": after["pump"]}, no_secrets).findings
    assert [finding.message for finding in alone] == [f"host port {port}/tcp is taken by container {NAME}"]
    change(bench, after)
    assert (bench.answer(NAME), host_answer(bench, port)) == ("two", "two")
    back = {NAME: before, "pump": ()}
    assert bench.cluster.plan(back, no_secrets).findings == ()
    change(bench, back)
    assert (bench.answer(NAME), host_answer(bench, port)) == ("one", "one")
    assert [name for name in names(bench) if "pump" in name] == []
    assert bench.client.volumes(filters={"label": "kelvin-provision/workload=pump"})["Volumes"]
    bench.cluster.remove("pump")


def test_a_set_that_hands_a_port_on_and_fails_goes_back(bench):
    port = free_port()
    ports = (Port("http", 8080, host_port=port),)
    before = render(bench, ports=ports)
    up(bench, before)
    after = {"pump": render(bench, "dying", name="pump", ports=ports), NAME: render(bench, "two", 2)}
    bench.cluster.release(after)
    for workload, objects in after.items():
        bench.cluster.put(workload, objects, no_secrets)
    bench.cluster.release({NAME: before, "pump": ()})
    bench.cluster.revert(NAME, before, no_secrets)
    bench.cluster.revert("pump", (), no_secrets)
    assert (bench.answer(NAME), host_answer(bench, port)) == ("one", "one")
    assert policies(bench) == {f"/{NAME}": ("unless-stopped", True)}


def change(bench, desired):
    """What a transaction does."""
    bench.cluster.release(desired)
    wanted = {workload: objects for workload, objects in desired.items() if objects}
    for workload, objects in wanted.items():
        bench.cluster.put(workload, objects, no_secrets)
    health = bench.cluster.wait(wanted, PATIENCE, silent, never)
    assert {state.phase for state in health.values()} == {Phase.READY}, health
    for workload, objects in desired.items():
        bench.cluster.finish(workload, objects)


def host_answer(bench, port):
    return bench.get(f"http://{gateway(bench)}:{port}/")
