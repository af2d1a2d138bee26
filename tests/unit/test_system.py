"""The `system` block: every field, every default, every refusal."""

import base64

import pytest

from kelvin_provision.spec.workload import Port, Probe, ProbeKind, Resources, System, Variable, Volume, VolumeKind
from tests.kit.requests import accepted, body, refused, spec_of, system_of, system_refused


def test_an_empty_block_is_the_defaults():
    assert system_of({}) == System()
    assert system_of({"resources": {}, "privileged": None, "ports": [], "health_check": {}}) == System()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"requests": {}}, Resources("0.4", "256Mi", None, None)),
        ({"requests": {"cpu": "1"}, "limits": {"memory": "1K"}}, Resources("1", "256Mi", "0.4", "1K")),
        ({"limits": {"cpu": "400m", "memory": "1.5Gi"}}, Resources(None, None, "400m", "1.5Gi")),
    ],
)
def test_resources_take_the_platforms_defaults_for_what_a_block_leaves_out(given, expected):
    assert system_of({"resources": given}).resources == expected


def test_environment_variables_that_are_no_text_become_json():
    values = [("A", "on"), ("B", True), ("C", 5), ("D", {"x": [1, "é"]}), ("E", None), ("F", "<% secrets.known %>")]
    system = system_of({"environment_vars": [{"name": name, "value": value} for name, value in values]})
    assert system.environment == (
        Variable("A", "on"),
        Variable("B", "true"),
        Variable("C", "5"),
        Variable("D", '{"x": [1, "é"]}'),
        Variable("E", ""),
        Variable("F", "<% secrets.known %>"),
    )


def test_ports_of_both_types():
    ports = [
        {"name": "http", "type": "host", "host": {"port": 1880}},
        {"name": "api", "service": {"port": 80, "container_port": 8080, "exposed": True, "exposed_port": 30080}},
        {"name": "dns", "type": "service", "service": {"port": 53, "protocol": "udp"}},
        {"name": "dns-tcp", "type": "service", "service": {"port": 53, "protocol": "tcp"}},
    ]
    assert system_of({"ports": ports}).ports == (
        Port("http", 1880, "TCP", host_port=1880),
        Port("api", 8080, "TCP", service_port=80, exposed=True, exposed_port=30080),
        Port("dns", 53, "UDP", service_port=53),
        Port("dns-tcp", 53, "TCP", service_port=53),
    )


@pytest.mark.parametrize(
    ("value", "warned"),
    [("hunter2", True), ("<% secrets.known %>", False), ("password=<% secrets.known %>\n", False), ("", False)],
)
def test_a_secret_that_stands_in_the_request_is_accepted_with_a_warning_that_does_not_repeat_it(value, warned):
    item = {"name": "pw", "target": "/run/pw", "type": "secret", "secret": {"value": value}}
    where = "a.yaml, document 1, payload.system.volumes[0].secret.value"
    text = f"{where}: volume pw: the secret is stored in the ledger with the request; use <% secrets.NAME %> instead"
    assert accepted(body(payload={"system": {"volumes": [item]}})).warnings == ((text,) if warned else ())


def test_volumes_of_every_type():
    volumes = [
        {"name": "conf", "target": "/etc/app//x.conf", "type": "text", "text": {"data": "é", "encoding": "latin_1"}},
        {"name": "bin", "target": "/bin.dat", "type": "text", "text": {"data": "AAH/", "base64": True}},
        {"name": "dev", "target": "/dev/ttyS0", "type": "host", "host": {"source": "/dev/ttyS0/"}},
        {"target": "/Mosquitto/data", "type": "persistent", "persistent": {}},
        {"target": "/mosquitto-data", "type": "persistent"},
        {"target": "/1/x", "type": "persistent"},
        {"name": "pw", "target": "/run/pw", "type": "secret", "secret": {"value": "<% secrets.known %>", "mode": "0400"}},
    ]
    assert system_of({"volumes": volumes}).volumes == (
        Volume("conf", VolumeKind.TEXT, "/etc/app/x.conf", data=base64.b64encode(b"\xe9").decode()),
        Volume("bin", VolumeKind.TEXT, "/bin.dat", data="AAH/"),
        Volume("dev", VolumeKind.HOST, "/dev/ttyS0", source="/dev/ttyS0"),
        Volume("mosquitto-data", VolumeKind.PERSISTENT, "/Mosquitto/data"),
        Volume("mosquitto-data-2", VolumeKind.PERSISTENT, "/mosquitto-data"),
        Volume("volume-1-x", VolumeKind.PERSISTENT, "/1/x"),
        Volume("pw", VolumeKind.SECRET, "/run/pw", secret="<% secrets.known %>", mode="0400"),
    )


@pytest.mark.parametrize("target", ["data", "./data", "data/", "/data", "//data", "/./data"])
@pytest.mark.parametrize(
    "kind", [{"type": "persistent"}, {"type": "text", "text": {"data": "x"}}, {"type": "host", "host": {"source": "//d"}}]
)
def test_a_target_that_is_not_absolute_is_below_the_root_of_the_container(target, kind):
    (volume,) = system_of({"volumes": [{"name": "v", "target": target} | kind]}).volumes
    assert (volume.target, volume.source) == ("/data", "/d" if kind["type"] == "host" else "")


def test_a_volume_without_a_name_has_the_same_one_however_its_target_is_written():
    names = {system_of({"volumes": [{"target": target, "type": "persistent"}]}).volumes[0].name for target in ("data", "/data", "./data/")}
    assert names == {"data"}


def test_a_path_of_a_request_may_leave_out_its_slash():
    probe = {"http_get": {"port": 80, "path": "healthz?full=1"}}
    system = system_of({"health_check": {"readiness_probe": probe}, "metrics": {"port": 80, "path": "numbers"}})
    assert (system.readiness.path, system.metrics) == ("/healthz?full=1", (80, "/numbers"))


def test_a_text_volume_may_hold_somebody_elses_templates():
    text = {"data": "<% if x %> <%= y %>"}
    (volume,) = system_of({"volumes": [{"name": "t", "target": "/t", "type": "text", "text": text}]}).volumes
    assert base64.b64decode(volume.data) == b"<% if x %> <%= y %>"


def test_health_checks_and_metrics():
    system = system_of(
        {
            "health_check": {
                "liveness_probe": {
                    "type": "http_get",
                    "http_get": {
                        "path": "/live",
                        "port": 80,
                        "scheme": "https",
                        "http_headers": [{"name": "X", "value": "y"}, {"name": "Z"}],
                    },
                    "initial_delay_seconds": 1,
                    "period_seconds": 2,
                    "timeout_seconds": 3,
                    "failure_threshold": 4,
                },
                "readiness_probe": {"exec": {"command": ["cat", "/ready"]}, "success_threshold": 2},
            },
            "metrics": {"port": 9100},
        }
    )
    assert system.liveness == Probe(ProbeKind.HTTP, "/live", 80, "HTTPS", (("X", "y"), ("Z", "")), (), 1, 2, 3, 4)
    assert system.readiness == Probe(ProbeKind.EXEC, command=("cat", "/ready"), success_threshold=2)
    assert system.metrics == (9100, "/metrics")


def test_a_probe_by_tcp():
    system = system_of({"health_check": {"liveness_probe": {"type": "tcp_socket", "tcp_socket": {"port": 1883}}}})
    assert system.liveness == Probe(ProbeKind.TCP, port=1883)


def test_an_exposed_port_that_is_not_exposed_is_a_warning():

    result = accepted(body(payload={"system": {"ports": [{"name": "p", "service": {"port": 80, "exposed_port": 30080}}]}}))
    assert result.specs[0].system.ports == (Port("p", 80, service_port=80),)
    assert result.warnings == ("a.yaml, document 1, payload.system.ports[0].service.exposed_port: has no effect without exposed: true",)


PLAIN = "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
SERVICE = {"port": 80}
TEXT = {"data": "x"}


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ({"prots": []}, ["prots: unknown key 'prots'; did you mean ports?"]),
        (
            {"xyz": 1},
            ["xyz: unknown key 'xyz'; accepted are resources, privileged, environment_vars, ports, volumes, health_check, metrics"],
        ),
        ({"privileged": "yes"}, ["privileged: expected true or false, got 'yes'"]),
        ({"privileged": 1}, ["privileged: expected true or false, got 1"]),
        ({"resources": []}, ["resources: expected a mapping, got a list"]),
        ({"resources": {"requests": {"cpu": 0.5}}}, ["resources.requests.cpu: expected text, got 0.5; put it in quotes"]),
        (
            {"resources": {"requests": {"memory": "256 MB"}}},
            ["resources.requests.memory: expected memory as text, such as 256Mi or 1G, got '256 MB'"],
        ),
        (
            {"resources": {"limits": {"cpu": "1k"}}},
            ["resources.limits.cpu: expected CPUs as text, such as '0.4' or 400m, got '1k'"],
        ),
        ({"resources": {"limits": {"cpus": "1"}}}, ["resources.limits.cpus: unknown key 'cpus'; did you mean cpu?"]),
        ({"volumes": [None] * 1001}, ["volumes: expected a list of at most 1000 items, got a list"]),
        ({"environment_vars": {"A": "x"}}, ["environment_vars: expected a list, got a mapping"]),
        ({"environment_vars": ["A=hunter2"]}, ["environment_vars[0]: expected a mapping, got text"]),
        ({"environment_vars": [{"value": "x"}]}, ["environment_vars[0].name: required field is missing"]),
        (
            {"environment_vars": [{"name": "1A"}]},
            ["environment_vars[0].name: expected letters, digits and '_', beginning with a letter, got '1A'"],
        ),
        (
            {"environment_vars": [{"name": "A"}, {"name": "A"}]},
            ["environment_vars[1].name: duplicate variable A; variables must be unique"],
        ),
        ({"ports": [{"name": "P", "service": SERVICE}]}, [f"ports[0].name: expected {PLAIN}, got 'P'"]),
        ({"ports": [{"name": "p"}]}, ["ports[0].service: required field is missing; type service needs a mapping with a port"]),
        (
            {"ports": [{"name": "p", "type": "host", "service": SERVICE}]},
            ["ports[0].host: required field is missing; type host needs a mapping with a port"],
        ),
        (
            {"ports": [{"name": "p", "type": "host", "host": SERVICE, "service": SERVICE}]},
            ["ports[0].service: not allowed with type host; remove it, or use type service"],
        ),
        (
            {"ports": [{"name": "p", "type": "service", "host": SERVICE, "service": SERVICE}]},
            ["ports[0].host: not allowed with type service; remove it, or use type host"],
        ),
        ({"ports": [{"name": "p", "type": "node"}]}, ["ports[0].type: expected host or service, got 'node'"]),
        ({"ports": [{"name": "p", "service": {"port": 0}}]}, ["ports[0].service.port: expected a number of at least 1, got 0"]),
        ({"ports": [{"name": "p", "service": {"port": 65536}}]}, ["ports[0].service.port: expected a number of at most 65535, got 65536"]),
        ({"ports": [{"name": "p", "service": {"port": "80"}}]}, ["ports[0].service.port: expected an integer, got '80'"]),
        ({"ports": [{"name": "p", "service": {"port": True}}]}, ["ports[0].service.port: expected an integer, got true"]),
        (
            {"ports": [{"name": "p", "service": {"port": 80, "protocol": "sctp"}}]},
            ["ports[0].service.protocol: expected tcp or udp, got 'sctp'"],
        ),
        (
            {"ports": [{"name": "p", "service": {"port": 80, "exposed": True, "exposed_port": 30000}}]},
            ["ports[0].service.exposed_port: expected a number of at least 30001, got 30000"],
        ),
        (
            {"ports": [{"name": "p", "service": {"port": 80}}, {"name": "p", "service": {"port": 81}}]},
            ["ports[1].name: duplicate port name p; names must be unique"],
        ),
        (
            {"ports": [{"name": "p", "type": "host", "host": SERVICE}, {"name": "q", "type": "host", "host": SERVICE}]},
            ["ports[1].host.port: duplicate host port 80/tcp; ports must be unique"],
        ),
        (
            {"ports": [{"name": "p", "service": SERVICE}, {"name": "q", "service": SERVICE}]},
            ["ports[1].service.port: duplicate service port 80/tcp; ports must be unique"],
        ),
        (
            {"ports": [{"name": n, "service": {"port": p, "exposed": True, "exposed_port": 30080}} for n, p in (("p", 1), ("q", 2))]},
            ["ports[1].service.exposed_port: duplicate exposed port 30080; ports must be unique"],
        ),
        ({"volumes": [{"name": "v", "type": "persistent"}]}, ["volumes[0].target: required field is missing"]),
        (
            {"volumes": [{"name": "v", "target": "", "type": "persistent"}]},
            ["volumes[0].target: expected non-empty text, got ''"],
        ),
        (
            {"volumes": [{"target": "./", "type": "persistent"}]},
            ["volumes[0].target: expected a path without '..' and ':', below /, got './'"],
        ),
        (
            {"volumes": [{"target": "../data", "type": "persistent"}]},
            ["volumes[0].target: expected a path without '..' and ':', below /, got '../data'"],
        ),
        (
            {"volumes": [{"target": "data", "type": "persistent"}, {"target": "//data/.", "type": "persistent"}]},
            ["volumes[1].target: duplicate target '/data'; targets must be unique"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "host", "host": {"source": "data"}}]},
            ["volumes[0].host.source: expected a path that begins with /, got 'data'"],
        ),
        (
            {"volumes": [{"name": "v", "target": "/a/../b", "type": "persistent"}]},
            ["volumes[0].target: expected a path without '..' and ':', below /, got '/a/../b'"],
        ),
        (
            {"volumes": [{"target": "/", "type": "persistent"}]},
            ["volumes[0].target: expected a path without '..' and ':', below /, got '/'"],
        ),
        (
            {"volumes": [{"target": "/a:b", "type": "persistent"}]},
            ["volumes[0].target: expected a path without '..' and ':', below /, got '/a:b'"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "host", "host": {"source": "/x/.."}}]},
            ["volumes[0].host.source: expected an absolute path without '..' and ':', below /, got '/x/..'"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "persistent"}, {"target": "/a/", "type": "persistent"}]},
            ["volumes[1].target: duplicate target '/a'; targets must be unique"],
        ),
        (
            {"volumes": [{"name": "v", "target": "/a", "type": "persistent"}, {"name": "v", "target": "/b", "type": "persistent"}]},
            ["volumes[1].name: duplicate volume name v; names must be unique"],
        ),
        ({"volumes": [{"target": "/a", "type": "nfs"}]}, ["volumes[0].type: expected text, host, persistent or secret, got 'nfs'"]),
        (
            {"volumes": [{"target": "/a", "type": "text"}]},
            ["volumes[0].text: required field is missing; type text needs a mapping with data"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "host"}]},
            ["volumes[0].host: required field is missing; type host needs a mapping with source"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "secret"}]},
            ["volumes[0].secret: required field is missing; type secret needs a mapping with value"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "text", "text": TEXT, "persistent": {}}]},
            ["volumes[0].persistent: not allowed with type text; remove it"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "text", "text": {"data": "hunter2 é", "encoding": "ascii"}}]},
            ["volumes[0].text.data: has characters that ascii cannot encode; use another encoding"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "text", "text": {"data": "hunter2!", "base64": True}}]},
            ["volumes[0].text.data: invalid base64; expected base64 without line breaks, or base64: false"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "text", "text": {"data": "pw <% secrets.known %>"}}]},
            ["volumes[0].text.data: secrets are not filled into text volumes; use a volume of type secret"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "secret", "secret": {"value": "hunter2", "mode": 420}}]},
            ["volumes[0].secret.mode: expected text, got a number; put it in quotes"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "secret", "secret": {"value": "hunter2", "mode": "rw"}}]},
            ["volumes[0].secret.mode: expected octal digits as text, such as '0644', got text"],
        ),
        (
            {"volumes": [{"target": "/a", "type": "secret", "secret": {"value": 8675309}}]},
            ["volumes[0].secret.value: expected text, got a number; put it in quotes"],
        ),
        (
            {"health_check": {"startup_probe": {}}},
            ["health_check.startup_probe: unknown key 'startup_probe'; accepted are liveness_probe, readiness_probe"],
        ),
        (
            {"health_check": {"liveness_probe": {}}},
            ["health_check.liveness_probe: expected exactly one block, of http_get, tcp_socket, exec, got none"],
        ),
        (
            {"health_check": {"liveness_probe": {"type": "exec", "http_get": {"port": 1}}}},
            ["health_check.liveness_probe: expected exactly one block, of exec, got http_get"],
        ),
        (
            {"health_check": {"liveness_probe": {"http_get": {"port": 1}, "success_threshold": 2}}},
            ["health_check.liveness_probe.success_threshold: unknown key 'success_threshold'; did you mean failure_threshold?"],
        ),
        (
            {"health_check": {"readiness_probe": {"exec": {"command": []}}}},
            ["health_check.readiness_probe.exec.command: expected a non-empty list, got a list"],
        ),
        (
            {"health_check": {"readiness_probe": {"exec": {"command": ["sh", 5]}}}},
            ["health_check.readiness_probe.exec.command[1]: expected text, got a number; put it in quotes"],
        ),
        (
            {"health_check": {"readiness_probe": {"http_get": {"port": 1, "http_headers": [{"nam": "x"}]}}}},
            [
                "health_check.readiness_probe.http_get.http_headers[0].name: required field is missing",
                "health_check.readiness_probe.http_get.http_headers[0].nam: unknown key 'nam'; did you mean name?",
            ],
        ),
        (
            {"health_check": {"readiness_probe": {"http_get": {"port": 1}, "period_seconds": 0}}},
            ["health_check.readiness_probe.period_seconds: expected a number of at least 1, got 0"],
        ),
        ({"metrics": {"path": "x"}}, ["metrics.port: required field is missing"]),
    ],
)
def test_each_refusal_says_where_and_what_would_be_right(system, expected):
    assert system_refused(system) == expected


def test_one_wrong_item_does_not_hide_the_findings_of_the_others():
    found = system_refused(
        {
            "prots": 1,
            "privileged": "on",
            "ports": [{"name": "a"}, {"name": "b", "service": {"port": "x"}}, {"name": "c", "type": "host", "host": {"port": 0}}],
            "volumes": [5, {"target": "", "type": "text", "text": {}}],
            "metrics": {},
        }
    )
    assert [line.split(":")[0] for line in found] == [
        "privileged",
        "prots",
        "ports[1].service.port",
        "ports[2].host.port",
        "ports[0].service",
        "volumes[0]",
        "volumes[1].target",
        "volumes[1].text.data",
        "metrics.port",
    ]


@pytest.mark.parametrize(
    "system",
    [
        {
            "environment_vars": [
                {"name": "A", "value": "hunter2", "x": 1},
                {"name": "A", "value": "hunter2"},
                "hunter2",
                {"name": 5, "value": "hunter2"},
            ]
        },
        {"environment_vars": {"PASSWORD": "hunter2"}},
        {"environment_vars": "hunter2"},
        {"volumes": [{"target": "/a", "type": "secret", "secret": "hunter2"}]},
        {"volumes": [{"target": "/a", "type": "secret", "secret": {"value": ["hunter2"], "mode": "hunter2"}}]},
        {"volumes": [{"target": "/a", "type": "text", "secret": {"value": "hunter2"}, "text": {"data": "hunter2", "encoding": "hunter2"}}]},
        {"volumes": ["hunter2", {"secret": {"valeu": "hunter2"}}]},
        {"health_check": {"liveness_probe": {"exec": {"command": "hunter2"}}}},
        {"health_check": {"liveness_probe": {"http_get": {"http_headers": [{"name": "Authorization", "value": 1, "v": "hunter2"}]}}}},
        {"environment_vars": [{"name": "A", "value": "<% vault.hunter2 %>"}]},
        "hunter2",
    ],
)
def test_no_finding_ever_shows_what_may_be_a_secret(system):
    for payload in ({"system": system}, {"type": "docker", "defaults": {"system": system}}):
        found = refused(body(payload=payload))
        assert found
        assert "hunter2" not in "\n".join(found)


def test_both_generations_have_the_same_block():
    system = {"privileged": True, "ports": [{"name": "p", "service": {"port": 80}}]}
    old = spec_of(body(payload={"app": {"type": "docker"}, "system": system}))
    new = spec_of(body(payload={"type": "docker", "defaults": {"system": system}}))
    assert old.system == new.system == System(privileged=True, ports=(Port("p", 80, service_port=80),))
