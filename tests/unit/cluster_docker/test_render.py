import base64
import json
from dataclasses import replace

import pytest
import yaml

from kelvin_provision.cluster.docker.render.container_config import create_body
from kelvin_provision.cluster.docker.render.quantities import cpu_shares, memory_bytes, nano_cpus
from kelvin_provision.cluster.docker.render.revision import BoxInfo, render, spec_hash
from kelvin_provision.errors import RequestRefused
from kelvin_provision.spec.enums import Method, ProbeKind, VolumeKind
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Port, Probe, Resources, Spec, System, Variable, Volume
from tests.kit.images import make_image, tar_of
from tests.kit.locks import lock_of

HERE = BoxInfo(cluster_name="plant-7", node="edge-1")
PLAIN = Spec(
    name="motor-speed",
    title="Motor speed",
    app_name="motor",
    app_version="2.3.0+build.5",
    cluster_name="docs-demo",
    method=Method.STANDARD,
    image="registry.example.org/motor:2.3.0",
)
FULL = replace(
    PLAIN,
    system=System(
        resources=Resources("0.25", "128M", "400m", "256Mi"),
        privileged=True,
        environment=(Variable("MQTT", "<% secrets.mqtt %>"), Variable("KELVIN_APP_NAME", "a lie")),
        ports=(
            Port("ui", 1880, host_port=80),
            Port("opc", 4840, "UDP", service_port=4840),
            Port("web", 8080, service_port=8080, exposed=True, exposed_port=30080),
        ),
        volumes=(
            Volume("settings", VolumeKind.TEXT, "/etc/settings.ini", data="W2Fd", mode="0644"),
            Volume("key", VolumeKind.SECRET, "/run/key", secret="<% secrets.key %>", mode="0400"),
            Volume("dev", VolumeKind.HOST, "/dev/ttyS0", source="/dev/ttyS0"),
            Volume("data", VolumeKind.PERSISTENT, "/data"),
        ),
        liveness=Probe(ProbeKind.EXEC, command=("true",)),
        readiness=Probe(ProbeKind.HTTP, "/health", 8080, headers=(("A", "b"),), initial_delay=2),
        metrics=(9100, "/metrics"),
    ),
    configuration={"note": "<% secrets.note %> " + "long " * 40, "rate": 5},
    payload={"spec_version": "5.0.0", "name": "motor"},
)


def container(spec, locks=(), revision=3):
    return render(spec, locks, revision, HERE)[-1]


def test_every_field_has_its_place():
    volume, made = render(FULL, (), 3, HERE)
    assert volume["kind"] == "Volume"
    assert volume["metadata"]["name"] == "kelvin-motor-speed-data"
    assert volume["metadata"]["labels"]["kelvin-provision/workload"] == "motor-speed"
    files = made["spec"].pop("files")
    assert made["spec"] == {
        "image": "registry.example.org/motor:2.3.0",
        "pull": "missing",
        "environment": {
            "MQTT": "<% secrets.mqtt %>",
            "KELVIN_APP_NAME": "motor",
            "KELVIN_WORKLOAD_NAME": "motor-speed",
            "KELVIN_CLUSTER_NAME": "docs-demo",
        },
        "resources": {"nano_cpus": 400_000_000, "cpu_shares": 256, "memory": 268_435_456, "memory_reservation": 128_000_000},
        "privileged": True,
        "ports": [
            {"name": "ui", "port": 1880, "protocol": "tcp", "published": 80},
            {"name": "opc", "port": 4840, "protocol": "udp", "published": None},
            {"name": "web", "port": 8080, "protocol": "tcp", "published": 30080},
        ],
        "binds": [{"source": "/dev/ttyS0", "target": "/dev/ttyS0"}],
        "volumes": [{"name": "kelvin-motor-speed-data", "target": "/data"}],
        "liveness": {
            "kind": "exec",
            "path": "/",
            "port": 0,
            "scheme": "HTTP",
            "headers": [],
            "command": ["true"],
            "initial_delay": 0,
            "period": 10,
            "timeout": 1,
            "failure_threshold": 3,
            "success_threshold": 1,
        },
        "readiness": {
            "kind": "http_get",
            "path": "/health",
            "port": 8080,
            "scheme": "HTTP",
            "headers": [["A", "b"]],
            "command": [],
            "initial_delay": 2,
            "period": 10,
            "timeout": 1,
            "failure_threshold": 3,
            "success_threshold": 1,
        },
    }
    assert files == [
        {"path": "/opt/kelvin/share/app.yaml", "mode": "0644", "base64": "c3BlY192ZXJzaW9uOiA1LjAuMApuYW1lOiBtb3Rvcgo="},
        {"path": "/opt/kelvin/share/config.yaml", "mode": "0644", "text": "note: '<% secrets.note %> " + "long " * 40 + "'\nrate: 5\n"},
        {"path": "/etc/settings.ini", "mode": "0644", "base64": "W2Fd"},
        {"path": "/run/key", "mode": "0400", "text": "<% secrets.key %>"},
    ]
    assert base64.b64decode(files[0]["base64"]) == b"spec_version: 5.0.0\nname: motor\n"
    assert base64.b64decode(files[2]["base64"]) == b"[a]"
    labels = made["metadata"]["labels"]
    assert len(labels.pop("kelvin-provision/spec-hash")) == 64
    assert made["metadata"] == {
        "name": "motor-speed",
        "labels": {
            "app.kubernetes.io/name": "motor",
            "app.kubernetes.io/instance": "motor-speed",
            "app.kubernetes.io/version": "2.3.0+build.5",
            "app.kubernetes.io/managed-by": "kelvin-provision",
            "kelvin-provision/workload": "motor-speed",
            "kelvin-provision/revision": "3",
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "9100",
            "prometheus.io/path": "/metrics",
        },
        "annotations": {"kelvin-provision/image": "registry.example.org/motor:2.3.0", "kelvin-provision/readiness": "manifest"},
    }


def test_a_staged_image_is_meant_by_its_id_and_never_pulled():
    lock = lock_of(make_image([tar_of({"a": b"a"})]), PLAIN.image)
    spec = container(PLAIN, (lock,))["spec"]
    assert (spec["image"], spec["pull"]) == (lock.config.digest, "never")


def test_a_name_that_may_move_is_pulled_each_time():
    assert container(replace(PLAIN, image="motor:latest"))["spec"]["pull"] == "always"


def test_a_request_without_a_cluster_name_gets_that_of_the_box():
    assert container(replace(PLAIN, cluster_name=""))["spec"]["environment"]["KELVIN_CLUSTER_NAME"] == "plant-7"


def test_nothing_given_is_nothing_written():
    spec = container(PLAIN)["spec"]
    assert spec["resources"] == {"nano_cpus": 0, "cpu_shares": 0, "memory": 0, "memory_reservation": 0}
    assert (spec["files"], spec["ports"], spec["liveness"], spec["readiness"]) == ([], [], None, None)


def test_the_revision_alone_does_not_change_the_hash():
    hashes = {container(FULL, revision=revision)["metadata"]["labels"]["kelvin-provision/spec-hash"] for revision in (1, 2)}
    assert len(hashes) == 1
    assert hashes == {spec_hash(container(FULL))}


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, configuration={"rate": 6}),
        replace(PLAIN, app_version="2.3.1"),
        replace(PLAIN, image="registry.example.org/motor:2.3.1"),
        replace(PLAIN, system=System(privileged=True)),
        replace(PLAIN, system=System(metrics=(1, "/"))),
        replace(PLAIN, system=System(readiness=Probe(ProbeKind.TCP, port=1))),
    ],
)
def test_everything_else_does(other):
    assert spec_hash(container(other)) != spec_hash(container(PLAIN))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(PLAIN, manifests=({"kind": "Pod"},)), "manifests: plain Kubernetes objects cannot be applied, this box has no Kubernetes"),
        (
            replace(PLAIN, images=("r.io/a:1", "r.io/a@sha256:" + "a" * 64), method=Method.STAGED),
            f"images: r.io/a@sha256:{'a' * 64}: Docker Engine finds no imported image by its digest; use a tag, here and in the text that names it",
        ),
        (replace(PLAIN, name="m"), "name: Docker Engine needs a name of at least two characters"),
        (
            replace(PLAIN, system=System(volumes=(Volume("usb", VolumeKind.HOST, "/usb", source="/dev/1:2"),))),
            "system.volumes.usb: Docker Engine does not allow a colon in a path",
        ),
        (replace(PLAIN, node_name="edge-2"), "node_name: edge-2 is another node; this box is edge-1"),
        (
            replace(PLAIN, system=System(ports=(Port("web", 8080, service_port=80),))),
            (
                "system.ports.web: service.port 80 is not container_port 8080; "
                "Docker Engine does not translate ports between containers, so both must be the same"
            ),
        ),
        (
            replace(PLAIN, system=System(ports=(Port("web", 80, service_port=80, exposed=True),))),
            "system.ports.web: an exposed port needs exposed_port; without it Docker Engine chooses another one at every start",
        ),
        (
            replace(PLAIN, system=System(resources=Resources(memory_limit="1Mi"))),
            "system.resources.limits.memory: 1Mi is less than Docker Engine's minimum of 6Mi",
        ),
        (
            replace(PLAIN, system=System(resources=Resources(memory_request="1G", memory_limit="256Mi"))),
            "system.resources.requests.memory: 1G is more than the limit of 256Mi",
        ),
        (
            replace(PLAIN, system=System(resources=Resources(cpu_limit="much"))),
            "system.resources.limits.cpu: much is not an amount of CPU such as 0.4 or 400m",
        ),
    ],
)
def test_what_a_docker_box_cannot_do_is_refused_by_name(spec, words):
    with pytest.raises(RequestRefused) as caught:
        container(spec)
    assert caught.value.evidence == (words,)
    assert str(caught.value) == f"{spec.name}: {words}"


def test_all_findings_come_at_once():
    ports = (Port("a", 1, service_port=2), Port("b", 3, service_port=4))
    with pytest.raises(RequestRefused) as caught:
        container(replace(PLAIN, node_name="edge-2", system=System(ports=ports)))
    assert len(caught.value.evidence) == 3


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("1K", 1000),
        ("1Ki", 1024),
        ("1.5M", 1_500_000),
        ("256Mi", 268_435_456),
        ("2G", 2_000_000_000),
        ("0.5Gi", 536_870_912),
        ("1e3", 1000),
    ],
)
def test_memory(text, bytes_):
    assert memory_bytes(text, "x") == bytes_


@pytest.mark.parametrize(
    ("text", "nano", "shares"), [("0.4", 400_000_000, 409), ("400m", 400_000_000, 409), ("2", 2_000_000_000, 2048), ("1m", 1_000_000, 2)]
)
def test_cpu(text, nano, shares):
    assert (nano_cpus(text, "x"), cpu_shares(text, "x")) == (nano, shares)


@pytest.mark.parametrize("text", ["", "1x", "-1K", "1 K"])
def test_other_amounts_of_memory_are_refused(text):
    with pytest.raises(RequestRefused, match="limits"):
        memory_bytes(text, "limits.memory")


def test_a_literal_secret_is_in_its_own_file_only_and_never_in_what_inspect_shows():
    item = {"name": "pw", "target": "/run/pw", "type": "secret", "secret": {"value": "hunter2", "mode": "0400"}}
    payload = {"defaults": {"system": {"volumes": [item]}, "configuration": {"secret": {"value": 5}, "token": "<% secrets.t %>"}}}
    volume = Volume("pw", VolumeKind.SECRET, "/run/pw", secret="hunter2", mode="0400")
    made = container(replace(PLAIN, payload=payload, system=System(volumes=(volume,))))
    app, secret = made["spec"]["files"]
    assert secret == {"path": "/run/pw", "mode": "0400", "text": "hunter2"}
    told = yaml.safe_load(base64.b64decode(app["base64"]))["defaults"]
    assert told["system"]["volumes"][0]["secret"] == {"value": "***", "mode": "0400"}
    assert told["configuration"] == {"secret": {"value": 5}, "token": "<% secrets.t %>"}
    assert fill(made, lambda name: "value")["spec"]["files"][0] == app
    assert "hunter2" not in json.dumps(create_body(made, cpus=4, log_driver="json-file"))
