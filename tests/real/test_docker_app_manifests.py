"""App manifests on a real engine: what a request and an image say of volumes and health."""

import pytest

from kelvin_provision.cluster.docker.render.image_volumes import volume_name
from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.plan import Op
from kelvin_provision.context import silent
from kelvin_provision.observation import Observed
from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.docker import DockerRuntime
from tests.contract.cluster_contract import Picture, never, no_secrets, spec
from tests.kit.docker_bench import bench, docker_bench
from tests.kit.images import busybox, make_image, push, tar_of
from tests.kit.locks import blobs_in, lock_of
from tests.kit.requests import system_of
from tests.kit.waiting import until

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
PATIENCE = WaitPolicy(timeout=90, settle=0.3)
NAME = "motor-speed"


def render(bench, what, revision=1, **system):
    picture = bench.picture(what)
    return bench.cluster.render(spec(NAME, picture, f"{revision}.0.0", system=system_of(system)), picture.locks, revision)


def health(bench, objects, policy=PATIENCE):
    bench.cluster.put(NAME, objects, no_secrets)
    return bench.cluster.wait({NAME: objects}, policy, silent, never)[NAME]


def up(bench, objects):
    found = health(bench, objects)
    assert found.phase is Phase.READY, (found, bench.cluster.evidence(NAME))
    bench.cluster.finish(NAME, objects)


def run(bench, script):
    job = bench.client.exec_create(NAME, ["/bin/sh", "-c", script])
    return bench.client.exec_start(job["Id"]).decode().strip()


def waiting_image(**config):
    """Does nothing, with a working directory that is not the root, and goes when told to."""
    script = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
    return make_image([busybox("sh", "sleep", "cat", "ls", "test")], cmd=("/bin/sh", "-c", script), **config)


def test_a_target_that_is_not_absolute_is_below_the_root_whatever_the_working_directory_is(bench, tmp_path):
    (tmp_path / "given").write_text("of the box")
    bench.made["in-bin"] = lambda: waiting_image(WorkingDir="/bin")
    volumes = [
        {"name": "data", "target": "data", "type": "persistent"},
        {"name": "conf", "target": "./etc/app.conf", "type": "text", "text": {"data": "of the request"}},
        {"name": "box", "target": "box/", "type": "host", "host": {"source": str(tmp_path)}},
    ]
    up(bench, render(bench, "in-bin", volumes=volumes))
    assert run(bench, "cat /etc/app.conf; echo; cat /box/given; ls -d /data") == "of the request\nof the box/data"
    mounts = {mount["Destination"] for mount in bench.client.inspect_container(NAME)["Mounts"]}
    assert mounts == {"/data", "/box"}


# --- the health check of an image ------------------------------------------------------------------

CHECK = {"Test": ["CMD-SHELL", "cat /tmp/well"], "Interval": 10**9, "Timeout": 10**9, "Retries": 1}


def checked_image(well, **check):
    script = "trap 'exit 0' TERM; mkdir -p /tmp; " + ("echo yes > /tmp/well; " if well else "") + "while :; do sleep 0.2; done"
    layer = busybox("sh", "sleep", "cat", "mkdir", "rm")
    return make_image([layer], cmd=("/bin/sh", "-c", script), Healthcheck=CHECK | check)


@pytest.mark.parametrize("interval", [1, 3600])
def test_an_image_that_is_unhealthy_is_not_up(bench, interval):
    bench.made[f"ill-{interval}"] = lambda: checked_image(well=False, Interval=interval * 10**9)
    objects, said = render(bench, f"ill-{interval}"), []
    bench.cluster.put(NAME, objects, no_secrets)

    def told():
        found = bench.cluster.wait({NAME: objects}, WaitPolicy(timeout=0.5, settle=0.3), silent, never)[NAME]
        said.append(found.why)
        assert found.phase is Phase.WAITING, said
        why = found.why.startswith("health check of the image: ") and "exit code 1" in found.why
        return why and (interval != 1 or "can't open '/tmp/well'" in found.why)

    until(told, why=lambda: str(said))
    if interval == 1:
        assert any("health check of the image" in line for line in bench.cluster.evidence(NAME))


def test_a_healthy_image_is_up_without_waiting_for_the_interval_of_its_check(bench):
    bench.made["well"] = lambda: checked_image(well=True, Interval=3600 * 10**9)
    up(bench, render(bench, "well"))
    assert bench.cluster.observe()[NAME].observed is Observed.RUNNING


def test_a_readiness_probe_of_the_manifest_counts_instead_of_the_check_of_the_image(bench):
    bench.made["ill-1"] = lambda: checked_image(well=False)
    probe = {"readiness_probe": {"exec": {"command": ["/bin/sh", "-c", "true"]}}}
    up(bench, render(bench, "ill-1", health_check=probe))
    until(lambda: bench.client.inspect_container(NAME)["State"]["Health"]["Status"] == "unhealthy")
    assert bench.cluster.observe()[NAME].observed is Observed.RUNNING


def test_a_workload_whose_image_becomes_unhealthy_is_not_shown_as_running(bench):
    bench.made["failing"] = lambda: checked_image(well=True)
    up(bench, render(bench, "failing"))
    run(bench, "rm /tmp/well")
    until(lambda: bench.cluster.observe()[NAME].observed is Observed.STARTING)
    (warning,) = bench.cluster.observe()[NAME].warnings
    assert warning.startswith("health check of the image: exit code 1, cat: can't open")


# --- volumes of an image ---------------------------------------------------------------------------


def volumes_of(bench):
    return sorted(one["Name"] for one in bench.client.volumes(filters={"label": f"kelvin-provision/workload={NAME}"})["Volumes"] or [])


def test_data_of_a_volume_of_the_image_survives_a_new_version_and_goes_with_the_workload(bench):
    bench.made["first"] = lambda: waiting_image(Volumes={"/var/lib/db": {}, "/data": {}}, Labels={"version": "1"})
    bench.made["second"] = lambda: waiting_image(Volumes={"/var/lib/db/": {}}, Labels={"version": "2"})
    volumes = [{"name": "data", "target": "/data", "type": "persistent"}]
    one, two = render(bench, "first", volumes=volumes), render(bench, "second", 2, volumes=volumes)
    planned = [change for change in bench.cluster.plan({NAME: one}, no_secrets).changes if change.object.startswith("volume/")]
    name = volume_name(NAME, "/var/lib/db")
    assert {change.object: (change.op, change.why) for change in planned} == {
        f"volume/{name}": (Op.CREATE, "not on the engine; keeps the data in /var/lib/db, a VOLUME of the image"),
        "volume/kelvin-motor-speed-data": (Op.CREATE, "not on the engine"),
    }
    up(bench, one)
    assert bench.cluster.plan({NAME: one}, no_secrets).empty
    run(bench, "echo kept > /var/lib/db/x")
    plan = bench.cluster.plan({NAME: two}, no_secrets)
    assert f"motor-speed: short interruption: both write to volume {name}" in plan.notes
    assert [change.op for change in plan.changes if change.object == f"volume/{name}"] == [Op.KEEP]
    up(bench, two)
    assert run(bench, "cat /var/lib/db/x") == "kept"
    bench.cluster.revert(NAME, one, no_secrets)
    assert run(bench, "cat /var/lib/db/x") == "kept"
    assert volumes_of(bench) == ["kelvin-motor-speed-data", name]
    assert {mount["Name"] for mount in bench.client.inspect_container(NAME)["Mounts"]} == {"kelvin-motor-speed-data", name}
    assert f"volume/{name}" in bench.cluster.remove(NAME)
    assert volumes_of(bench) == []


def test_what_the_image_has_at_its_volume_is_there_at_first(bench):
    layers = [busybox("sh", "sleep", "cat"), tar_of({"data/start": b"of the image"})]
    command = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done")
    bench.made["filled"] = lambda: make_image(layers, cmd=command, Volumes={"/data": {}})
    up(bench, render(bench, "filled"))
    assert run(bench, "cat /data/start") == "of the image"


def test_a_standard_revision_keeps_the_volumes_of_the_image_that_it_pulls(bench, registry):
    image = push(registry, "test/with-volume", "1.0.0", waiting_image(Volumes={"/data": {}}, Labels={"pulled": "yes"}))
    objects = bench.cluster.render(spec(NAME, Picture(image), "1.0.0"), (), 1)
    up(bench, objects)
    assert volumes_of(bench) == [volume_name(NAME, "/data")]
    assert bench.cluster.plan({NAME: objects}, no_secrets).empty
    bench.cluster.remove(NAME)
    bench.client.remove_image(image)


# --- images for 32 bits ----------------------------------------------------------------------------


def test_an_image_for_32_bits_runs_where_the_settings_say_so(bench, tmp_path):
    """Its programs are those of this box: only the label is another one, which is what the engine and the program look at."""
    platform = Platform("linux", {"amd64": "386", "arm64": "arm"}[Platform.of_this_host().architecture])
    image = waiting_image(architecture=platform.architecture)
    lock = lock_of(image, "registry.example.org/contract/narrow:1.0.0", platform)
    runtime = DockerRuntime(client=lambda: bench.client, runs_32_bit=True)
    runtime.check(lock)
    runtime.load(lock, blobs_in(tmp_path / "narrow", image))
    picture = Picture(str(lock.reference), (lock,))
    up(bench, bench.cluster.render(spec(NAME, picture, "1.0.0"), picture.locks, 1))
    bench.cluster.remove(NAME)
    runtime.remove(lock)
