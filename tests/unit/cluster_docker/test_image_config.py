"""What an image says of health and volumes: pure, from the engine's documents."""

import pytest

from kelvin_provision.cluster.docker.judge import image_health
from kelvin_provision.cluster.docker.judge.observation import observe
from kelvin_provision.cluster.docker.judge.verification import Verification
from kelvin_provision.cluster.docker.probes import ProbeResult
from kelvin_provision.cluster.docker.render.image_volumes import volume_name, with_image_volumes
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.observation import Observed
from kelvin_provision.timestamps import now
from tests.kit.live_containers import live_container

DESIRED = {"spec": {"readiness": None, "liveness": None}}
NO_WAIT = WaitPolicy(settle=0.0)


def checked(test, status="starting", output="", own=False, name="motor", **config):
    live = live_container(name, Health={"Status": status, "Log": [{"ExitCode": 1, "Output": output}]})
    live.document["Config"] |= {"Healthcheck": {"Test": test}} | config
    if own:
        live.document["Config"]["Labels"]["kelvin-provision/readiness"] = "manifest"
    return live


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ({}, None),
        ({"Healthcheck": None}, None),
        ({"Healthcheck": {}}, None),
        ({"Healthcheck": {"Test": ["NONE"]}}, None),
        ({"Healthcheck": {"Test": ["CMD"]}}, None),
        ({"Healthcheck": {"Test": ["OTHER", "x"]}}, None),
        ({"Healthcheck": {"Test": ["CMD", "well", "-q"]}}, ["well", "-q"]),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "well -q"]}}, ["/bin/sh", "-c", "well -q"]),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "well"]}, "Shell": ["/bin/bash", "-ec"]}, ["/bin/bash", "-ec", "well"]),
    ],
)
def test_the_check_of_an_image_as_a_probe(config, command):
    live = live_container()
    live.document["Config"] |= config
    probe = image_health.probe_of(live)
    assert (probe and probe["command"]) == command


def test_what_an_image_leaves_out_is_as_the_engine_has_it():
    live = checked(["CMD", "well"])
    assert {name: image_health.probe_of(live)[name] for name in ("period", "timeout", "failure_threshold")} == {
        "period": 30, "timeout": 30, "failure_threshold": 3,
    }  # fmt: skip
    live.document["Config"]["Healthcheck"] |= {"Interval": 5 * 10**8, "Timeout": 2 * 10**9, "Retries": 7}
    assert {name: image_health.probe_of(live)[name] for name in ("period", "timeout", "failure_threshold")} == {
        "period": 0.5, "timeout": 2.0, "failure_threshold": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "success", "health", "runs"),
    [
        ("starting", True, Health(Phase.READY), 1),
        ("starting", False, Health(Phase.WAITING, "health check of the image: exit code 4"), 1),
        ("healthy", False, Health(Phase.READY), 0),
        ("unhealthy", True, Health(Phase.WAITING, "health check of the image: exit code 1, no route to the pump"), 0),
    ],
)
def test_the_engines_verdict_counts_and_until_there_is_one_our_own_run(status, success, health, runs):
    ran = []

    def run_probe(probe, container):
        ran.append(probe["command"])
        return ProbeResult(success, "" if success else "exit code 4")

    live = checked(["CMD", "well"], status, "no route\nto  the pump\n")
    assert Verification(DESIRED).check(live, run_probe, NO_WAIT) == health
    assert len(ran) == runs


def test_a_readiness_probe_of_the_manifest_counts_alone():
    probe = {"kind": "exec", "command": ["mine"], "initial_delay": 0, "period": 1, "success_threshold": 1, "failure_threshold": 1}
    desired = {"spec": {"readiness": probe, "liveness": None}}
    found = Verification(desired).check(checked(["CMD", "well"], "unhealthy"), lambda probe, live: ProbeResult(success=True), NO_WAIT)
    assert found == Health(Phase.READY)


@pytest.mark.parametrize(
    ("live", "observed"),
    [
        (checked(["CMD", "well"], "unhealthy"), Observed.STARTING),
        (checked(["CMD", "well"], "unhealthy", own=True), Observed.RUNNING),
        (checked(["CMD", "well"], "healthy"), Observed.RUNNING),
        (checked(["CMD", "well"], "starting"), Observed.RUNNING),
    ],
)
def test_what_is_unhealthy_is_not_shown_as_running(live, observed):
    assert observe([live], now()).observed is observed


# --- volumes ---------------------------------------------------------------------------------------

LABELS = {"app.kubernetes.io/name": "db", "kelvin-provision/workload": "w", "kelvin-provision/revision": "2"}
LABELS |= {"kelvin-provision/spec-hash": "a", "prometheus.io/port": "1", "app.kubernetes.io/version": "1"}


def container(volumes=(), binds=()):
    spec = {
        "volumes": [{"name": "own", "target": target} for target in volumes],
        "binds": [{"source": "/b", "target": target} for target in binds],
    }
    return {"kind": "Container", "metadata": {"name": "w", "labels": LABELS}, "spec": spec}


@pytest.mark.parametrize(
    ("declared", "mounted", "kept"),
    [
        (None, {}, []),
        ({"/data": {}}, {}, ["/data"]),
        ({"/data/": {}, "/log": {}}, {}, ["/data", "/log"]),
        ({"/data": {}, "/log": {}}, {"volumes": ["/data"], "binds": ["/log"]}, []),
        ({"/data/db": {}}, {"volumes": ["/data"]}, ["/data/db"]),
        ({"data": {}, "//log": {}, "/": {}}, {"volumes": ["/log"]}, ["/data"]),
    ],
)
def test_each_path_of_the_image_that_the_manifest_does_not_mount_is_kept(declared, mounted, kept):
    given = container(**mounted)
    objects = with_image_volumes([given], {"Config": {"Volumes": declared}})
    made, completed = objects[:-1], objects[-1]
    assert [value["metadata"]["annotations"] for value in made] == [{"kelvin-provision/volume-of-image": path} for path in kept]
    assert completed["spec"]["volumes"][len(given["spec"]["volumes"]) :] == [
        {"name": volume_name("w", path), "target": path} for path in kept
    ]
    for value in made:
        assert value["metadata"]["labels"] == {"app.kubernetes.io/name": "db", "kelvin-provision/workload": "w"}


def test_a_missing_image_and_an_image_without_a_config_have_no_volumes():
    assert [with_image_volumes([container()], image) for image in (None, {}, {"Config": None})] == [(container(),)] * 3
    assert with_image_volumes([], {"Config": {"Volumes": {"/data": {}}}}) == ()


def test_names_of_volumes_are_those_of_their_paths_and_all_different():
    paths = ["/data", "/Data", "/data/", "/", "/da-ta", "/da/ta", "/" + "x" * 100, "/" + "x" * 101, "/\u00e9"]
    names = [volume_name("w", path) for path in paths]
    assert len(set(names)) == len(names)
    assert names[0].startswith("kelvin-w-image-data-")
    assert max(map(len, names)) < 80
