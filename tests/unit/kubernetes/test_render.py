"""What a request becomes on Kubernetes, against documents written out."""

import base64
import json
from dataclasses import replace

import pytest
import yaml

from kelvin_provision.cluster.kubernetes.render.objects import Context, label_value
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.errors import RequestRefused
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.enums import Method, ProbeKind, VolumeKind
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Port, Probe, Resources, Spec, System, Variable, Volume

CONTEXT = Context(namespace="app", cluster_name="docs-demo", node_name="edge-1", node_label="host-1", settle=5)
D = "sha256:" + "a" * 64
SPEC = Spec(
    name="motor",
    title="Motor",
    app_name="motor-speed",
    app_version="2.3.0+7",
    cluster_name="docs-demo",
    method=Method.STAGED,
    image="reg.example:5000/motor-speed:2.3.0_7",
    payload={"info": {"name": "motor-speed"}},
    configuration={"speed": 3},
)
LOCK = ImageLock(
    reference=Reference.parse("reg.example:5000/motor-speed:2.3.0_7"),
    platform=Platform("linux", "amd64"),
    manifest=Descriptor("application/vnd.oci.image.manifest.v1+json", D, 100),
    config=Descriptor("application/vnd.oci.image.config.v1+json", "sha256:" + "b" * 64, 100),
    layers=(),
)


def kinds(objects):
    return [f"{item['kind']}/{item['metadata']['name']}" for item in objects]


def only(objects, kind):
    (result,) = [item for item in objects if item["kind"] == kind]
    return result


def pod(objects):
    return only(objects, "Deployment")["spec"]["template"]["spec"]


def rendered(context=CONTEXT, locks=(LOCK,), **system):
    return render(replace(SPEC, system=System(**system)), locks, 3, context)


def test_the_smallest_request_is_a_configuration_and_a_deployment():
    config, deployment = rendered()
    labels = {
        "app.kubernetes.io/name": "motor-speed",
        "app.kubernetes.io/instance": "motor",
        "app.kubernetes.io/version": "2.3.0_7",
        "app.kubernetes.io/managed-by": "kelvin-provision",
        "kelvin-provision/workload": "motor",
    }
    assert config == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "motor-config-7773f76df1",
            "namespace": "app",
            "labels": labels,
            "annotations": config["metadata"]["annotations"],
        },
        "data": {"app.yaml": "info:\n  name: motor-speed\n", "config.yaml": "speed: 3\n"},
    }
    notes = deployment["metadata"]["annotations"]
    assert (notes["kelvin-provision/revision"], notes["kelvin-provision/app-version"]) == ("3", "2.3.0+7")
    assert len(notes["kelvin-provision/spec-hash"]) == 64
    template = deployment["spec"]["template"]
    assert deployment == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "motor", "namespace": "app", "labels": labels, "annotations": notes},
        "spec": {
            "replicas": 1,
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 605,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {"kelvin-provision/workload": "motor"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels, "annotations": template["metadata"]["annotations"]},
                "spec": {
                    "automountServiceAccountToken": False,
                    "nodeSelector": {"kubernetes.io/hostname": "host-1"},
                    "volumes": [{"name": "kelvin-config", "configMap": {"name": "motor-config-7773f76df1"}}],
                    "containers": [
                        {
                            "name": "motor",
                            "image": f"reg.example:5000/motor-speed:2.3.0_7@{D}",
                            "imagePullPolicy": "IfNotPresent",
                            "env": [
                                {"name": "KELVIN_WORKLOAD_NAME", "value": "motor"},
                                {"name": "KELVIN_APP_NAME", "value": "motor-speed"},
                                {"name": "KELVIN_CLUSTER_NAME", "value": "docs-demo"},
                            ],
                            "volumeMounts": [
                                {
                                    "name": "kelvin-config",
                                    "mountPath": "/opt/kelvin/share/app.yaml",
                                    "subPath": "app.yaml",
                                    "readOnly": True,
                                },
                                {
                                    "name": "kelvin-config",
                                    "mountPath": "/opt/kelvin/share/config.yaml",
                                    "subPath": "config.yaml",
                                    "readOnly": True,
                                },
                            ],
                        }
                    ],
                },
            },
        },
    }


def test_the_same_request_gives_the_same_documents_and_they_are_json():
    assert rendered() == rendered()
    assert json.loads(json.dumps(rendered())) == list(rendered())


def test_a_new_revision_of_the_same_request_makes_no_new_pods():
    first, second = (render(SPEC, [LOCK], number, CONTEXT) for number in (3, 4))
    assert only(first, "Deployment")["spec"] == only(second, "Deployment")["spec"]
    assert only(second, "Deployment")["metadata"]["annotations"]["kelvin-provision/revision"] == "4"


def test_a_changed_configuration_makes_new_pods():
    changed = render(replace(SPEC, configuration={"speed": 4}), [LOCK], 4, CONTEXT)
    assert kinds(changed) != kinds(rendered())
    assert only(changed, "Deployment")["spec"]["template"] != only(rendered(), "Deployment")["spec"]["template"]


def test_a_standard_deployment_is_pulled_by_the_cluster_and_may_run_on_any_node():
    result = pod(render(replace(SPEC, method=Method.STANDARD), (), 1, CONTEXT))
    assert result["containers"][0]["image"] == "reg.example:5000/motor-speed:2.3.0_7"
    assert "nodeSelector" not in result


def test_another_computer_is_refused_by_name():
    with pytest.raises(RequestRefused) as refused:
        render(replace(SPEC, node_name="edge-2"), [LOCK], 1, CONTEXT)
    assert refused.value.evidence == ("node_name: edge-2 is another node; this box is edge-1",)


def test_inside_ports_become_a_service_with_written_protocols():
    objects = rendered(ports=(Port("http", 8080, service_port=80), Port("dns", 53, "UDP", service_port=53)))
    assert only(objects, "Service")["spec"] == {
        "type": "ClusterIP",
        "selector": {"kelvin-provision/workload": "motor"},
        "ports": [
            {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
            {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
        ],
    }
    assert pod(objects)["containers"][0]["ports"] == [
        {"containerPort": 8080, "protocol": "TCP"},
        {"containerPort": 53, "protocol": "UDP"},
    ]


def test_a_port_of_the_container_is_one_entry_however_many_ways_lead_to_it():
    ports = (
        Port("http", 8080, service_port=80),
        Port("box", 8080, host_port=8080),
        Port("other", 8080, service_port=81),
        Port("dns", 8080, "UDP", service_port=53),
    )
    objects = rendered(ports=ports)
    assert pod(objects)["containers"][0]["ports"] == [
        {"containerPort": 8080, "protocol": "TCP", "hostPort": 8080},
        {"containerPort": 8080, "protocol": "UDP"},
    ]
    assert [port["port"] for port in only(objects, "Service")["spec"]["ports"]] == [80, 81, 53]


def test_exposed_ports_become_node_ports():
    objects = rendered(ports=(Port("http", 8080, service_port=80, exposed=True, exposed_port=30080),))
    assert only(objects, "Service")["spec"]["type"] == "NodePort"
    assert only(objects, "Service")["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "nodePort": 30080}
    ]


def test_a_port_that_is_not_exposed_gets_no_node_port_from_its_neighbour():
    objects = rendered(ports=(Port("http", 8080, service_port=80, exposed=True), Port("admin", 9000, service_port=9000)))
    inside, outside = [item for item in objects if item["kind"] == "Service"]
    assert (inside["metadata"]["name"], inside["spec"]["type"]) == ("motor", "ClusterIP")
    assert (outside["metadata"]["name"], outside["spec"]["type"]) == ("motor-exposed", "NodePort")
    assert [port["name"] for port in outside["spec"]["ports"]] == ["http"]


@pytest.mark.parametrize(
    "system",
    [
        {"ports": (Port("http", 1880, host_port=1880),)},
        {"volumes": (Volume("data", VolumeKind.PERSISTENT, "/data"),)},
    ],
)
def test_what_cannot_run_side_by_side_is_recreated_without_a_rolling_update(system):
    assert only(rendered(**system), "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_a_host_port_is_on_the_container_and_needs_no_service():
    objects = rendered(ports=(Port("http", 1880, host_port=1880),))
    assert kinds(objects) == ["ConfigMap/motor-config-7773f76df1", "Deployment/motor"]
    assert pod(objects)["containers"][0]["ports"] == [{"containerPort": 1880, "protocol": "TCP", "hostPort": 1880}]


def test_a_persistent_volume_is_a_claim_whose_name_never_changes():
    objects = rendered(volumes=(Volume("data", VolumeKind.PERSISTENT, "/data"),))
    claim = only(objects, "PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "motor-data"
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert {"name": "v-data", "persistentVolumeClaim": {"claimName": "motor-data"}} in pod(objects)["volumes"]
    assert {"name": "v-data", "mountPath": "/data"} in pod(objects)["containers"][0]["volumeMounts"]


def test_a_host_volume_is_mounted_as_it_is():
    objects = rendered(volumes=(Volume("bus", VolumeKind.HOST, "/dev/ttyS0", source="/dev/ttyUSB0"),))
    assert {"name": "v-bus", "hostPath": {"path": "/dev/ttyUSB0"}} in pod(objects)["volumes"]


def test_text_volumes_are_files_with_their_modes_and_bytes_that_are_no_text_stay_bytes():
    binary = base64.b64encode(b"\xff\x00").decode()
    volumes = (
        Volume("script", VolumeKind.TEXT, "/run/go.sh", data=base64.b64encode("grüße\n".encode()).decode(), mode="0755"),
        Volume("blob", VolumeKind.TEXT, "/run/blob", data=binary),
    )
    objects = rendered(volumes=volumes)
    _, files = [item for item in objects if item["kind"] == "ConfigMap"]
    assert files["data"] == {"script": "grüße\n"}
    assert files["binaryData"] == {"blob": binary}
    source = pod(objects)["volumes"][1]["configMap"]
    assert source["items"] == [{"key": "script", "path": "script", "mode": 0o755}, {"key": "blob", "path": "blob", "mode": 0o644}]
    assert pod(objects)["containers"][0]["volumeMounts"][2:] == [
        {"name": "kelvin-files", "mountPath": "/run/go.sh", "subPath": "script", "readOnly": True},
        {"name": "kelvin-files", "mountPath": "/run/blob", "subPath": "blob", "readOnly": True},
    ]


def test_a_volume_of_the_request_wins_over_our_configuration_at_the_same_place():
    volume = Volume("mine", VolumeKind.TEXT, "/opt/kelvin/share/config.yaml", data=base64.b64encode(b"a: 1").decode())
    paths = [mount["mountPath"] for mount in pod(rendered(volumes=(volume,)))["containers"][0]["volumeMounts"]]
    assert paths == ["/opt/kelvin/share/app.yaml", "/opt/kelvin/share/config.yaml"]


def test_secrets_stay_references_in_one_secret():
    system = {
        "environment": (Variable("USER", "demo"), Variable("PASSWORD", "<% secrets.mqtt %>")),
        "volumes": (Volume("login", VolumeKind.SECRET, "/run/login", secret="<% secrets.login %>", mode="0400"),),
    }
    objects = rendered(**system)
    secret = only(objects, "Secret")
    assert secret["stringData"] == {"volume.login": "<% secrets.login %>", "env.PASSWORD": "<% secrets.mqtt %>"}
    name = secret["metadata"]["name"]
    assert name.startswith("motor-secrets-")
    container = pod(objects)["containers"][0]
    assert container["env"][3:] == [
        {"name": "USER", "value": "demo"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": "env.PASSWORD"}}},
    ]
    assert {"name": "kelvin-secrets", "mountPath": "/run/login", "subPath": "volume.login", "readOnly": True} in container["volumeMounts"]
    (volume,) = [item for item in pod(objects)["volumes"] if "secret" in item]
    assert volume["secret"] == {"secretName": name, "items": [{"key": "volume.login", "path": "volume.login", "mode": 0o400}]}


def test_a_secret_volume_may_be_bytes():
    volume = Volume("login", VolumeKind.SECRET, "/run/login", data=base64.b64encode(b"hush").decode())
    assert only(rendered(volumes=(volume,)), "Secret")["stringData"] == {"volume.login": "hush"}


@pytest.mark.parametrize("place", [lambda system: {"system": system}, lambda system: {"defaults": {"system": system}}])
def test_a_literal_secret_is_in_the_secret_only(place):
    def item(value):
        return {"target": "/run/pw", "type": "secret", "secret": {"value": value, "mode": "0400"}}

    payload = place({"volumes": [item("hunter2"), item("hunter2 <% secrets.a %>"), item("<% secrets.a %>"), {"type": "persistent"}]})
    system = System(volumes=(Volume("pw", VolumeKind.SECRET, "/run/pw", secret="hunter2", mode="0400"),))
    objects = render(replace(SPEC, payload=payload, system=system), [LOCK], 1, CONTEXT)
    assert [value["kind"] for value in objects if "hunter2" in json.dumps(value)] == ["Secret"]
    texts = yaml.safe_load(only(objects, "ConfigMap")["data"]["app.yaml"])
    assert texts == place({"volumes": [item("***"), item("***"), item("<% secrets.a %>"), {"type": "persistent"}]})
    assert payload == place(
        {"volumes": [item("hunter2"), item("hunter2 <% secrets.a %>"), item("<% secrets.a %>"), {"type": "persistent"}]}
    )


def test_a_configuration_that_names_secrets_is_a_secret():
    objects = render(replace(SPEC, configuration={"token": "<% secrets.t %>"}), [LOCK], 1, CONTEXT)
    assert "config.yaml" not in only(objects, "ConfigMap")["data"]
    assert only(objects, "Secret")["stringData"] == {"config.yaml": "token: <% secrets.t %>\n"}
    mounts = pod(objects)["containers"][0]["volumeMounts"]
    assert {"name": "kelvin-secrets", "mountPath": "/opt/kelvin/share/config.yaml", "subPath": "config.yaml", "readOnly": True} in mounts


def test_everything_that_does_not_fit_is_named_at_once():
    large = base64.b64encode(b"x" * 1048577).decode()
    volumes = (
        Volume("large", VolumeKind.TEXT, "/a", data=large),
        Volume("odd", VolumeKind.TEXT, "/b", data="%%%"),
        Volume("mode", VolumeKind.SECRET, "/c", secret="x", mode="rwx"),
    )
    with pytest.raises(RequestRefused) as refused:
        rendered(volumes=volumes)
    assert refused.value.evidence == (
        "volume large: 1048577 bytes; a text volume has at most 1048576",
        "volume odd: its data is not base64",
        "text volumes: 1048577 bytes in total; Kubernetes accepts at most 1048576",
        "volume mode: mode rwx is not an octal number",
    )


def test_resources_use_kubernetes_own_letters():
    resources = Resources(cpu_request="0.4", memory_request="256K", memory_limit="1Gi")
    result = pod(rendered(resources=resources))["containers"][0]["resources"]
    assert result == {"requests": {"cpu": "0.4", "memory": "256k"}, "limits": {"memory": "1Gi"}}


def test_privileged_is_said():
    assert pod(rendered(privileged=True))["containers"][0]["securityContext"] == {"privileged": True}


def test_probes_of_every_kind():
    system = {
        "liveness": Probe(ProbeKind.HTTP, "/live", 8080, headers=(("X-A", "b"),), success_threshold=2),
        "readiness": Probe(ProbeKind.TCP, port=9000, initial_delay=1, period=2, timeout=3, failure_threshold=4, success_threshold=5),
    }
    container = pod(rendered(**system))["containers"][0]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/live", "port": 8080, "scheme": "HTTP", "httpHeaders": [{"name": "X-A", "value": "b"}]},
        "initialDelaySeconds": 0,
        "periodSeconds": 10,
        "timeoutSeconds": 1,
        "failureThreshold": 3,
        "successThreshold": 1,
    }
    assert container["readinessProbe"] == {
        "tcpSocket": {"port": 9000},
        "initialDelaySeconds": 1,
        "periodSeconds": 2,
        "timeoutSeconds": 3,
        "failureThreshold": 4,
        "successThreshold": 5,
    }
    command = Probe(ProbeKind.EXEC, command=("cat", "/ok"))
    assert pod(rendered(readiness=command))["containers"][0]["readinessProbe"]["exec"] == {"command": ["cat", "/ok"]}


def test_metrics_are_annotations_of_the_pod():
    notes = only(rendered(metrics=(9100, "/metrics")), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert {key: value for key, value in notes.items() if key.startswith("prometheus")} == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9100",
        "prometheus.io/path": "/metrics",
    }


@pytest.mark.parametrize(
    ("able", "pause"), [(True, {"sleep": {"seconds": 5}}), (False, {"exec": {"command": ["sleep", "5"]}})], ids=["1.30", "before 1.30"]
)
def test_a_pause_before_the_end_where_somebody_may_be_asking(able, pause):
    result = pod(rendered(replace(CONTEXT, has_sleep=able), ports=(Port("http", 8080, service_port=80),)))
    assert result["containers"][0]["lifecycle"] == {"preStop": pause}
    assert result["terminationGracePeriodSeconds"] == 35


@pytest.mark.parametrize(
    "system",
    [
        {},
        {"ports": (Port("ui", 8080, host_port=80), Port("http", 8081, service_port=80))},
        {"ports": (Port("http", 8080, service_port=80),), "volumes": (Volume("data", VolumeKind.PERSISTENT, "/data"),)},
    ],
    ids=["nobody asks", "host port", "persistent volume"],
)
def test_no_pause_where_it_would_only_make_the_interruption_longer(system):
    result = pod(rendered(**system))
    assert "lifecycle" not in result["containers"][0]
    assert "terminationGracePeriodSeconds" not in result


def test_a_registry_with_a_login_gets_a_pull_secret():
    objects = rendered(replace(CONTEXT, pull_hosts=frozenset({"reg.example:5000", "other.example"})))
    secret = only(objects, "Secret")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secret["stringData"] == {".dockerconfigjson": "<% registries.reg.example:5000 %>"}
    assert pod(objects)["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]


def test_a_variable_of_the_request_wins_over_ours():
    env = pod(rendered(environment=(Variable("KELVIN_APP_NAME", "other"),)))["containers"][0]["env"]
    assert [item for item in env if item["name"] == "KELVIN_APP_NAME"] == [{"name": "KELVIN_APP_NAME", "value": "other"}]


def test_an_image_that_was_not_staged_is_refused():
    with pytest.raises(RequestRefused) as refused:
        render(replace(SPEC, image="reg.example:5000/other:1"), [LOCK], 1, CONTEXT)
    assert refused.value.evidence == ("image: reg.example:5000/other:1 is not staged",)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.0.0+7", "1.0.0_7"), ("-x-", "x"), ("a" * 70, "a" * 63), ("a" * 62 + "+b", "a" * 62), ("", "")],
)
def test_a_label_keeps_what_a_label_may_hold(text, value):
    assert label_value(text) == value
