import pytest

from kelvin_provision.cluster.docker.containers import conflicts, find_matching
from kelvin_provision.cluster.docker.judge.planning import EngineState, handed_over, plan
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.cluster.plan import Change, Finding, Op
from kelvin_provision.docker_engine.pull_errors import pull_error
from kelvin_provision.errors import ImageNotFound, NoSpace, RegistryBusy, RegistryDenied, RegistryRefused, RegistryUnreachable
from kelvin_provision.files.procfs import listening_ports
from tests.kit.live_containers import live_container

NEW, OLD = "b" * 64, "a" * 64


def desired(name="motor", *, revision=2, spec_hash=NEW, ports=(), volumes=(), image="x:1", pull="missing"):
    labels = {"kelvin-provision/workload": name, "kelvin-provision/revision": str(revision), "kelvin-provision/spec-hash": spec_hash}
    spec = {
        "image": image,
        "pull": pull,
        "ports": [{"port": 8080, "protocol": "tcp", "published": port} for port in ports],
        "volumes": [{"name": volume, "target": "/v"} for volume in volumes],
    }
    stores = [{"kind": "Volume", "metadata": {"name": volume, "labels": labels}, "spec": {}} for volume in volumes]
    return [*stores, {"kind": "Container", "metadata": {"name": name, "labels": labels}, "spec": spec}]


def engine_state(*live, volumes=None, names=None, published=None, listening=(), images=()):
    by_workload = {}
    for container in live:
        by_workload.setdefault(container.workload, []).append(container)
    return EngineState(by_workload, volumes or {}, names or {}, published or {}, frozenset(listening), frozenset(images))


@pytest.mark.parametrize(
    ("live", "change"),
    [
        ((), Change(Op.CREATE, "motor", "container/motor", "not on the engine")),
        ((live_container("motor-r1", Status="exited"),), Change(Op.CREATE, "motor", "container/motor", "not on the engine")),
        ((live_container(),), Change(Op.UPDATE, "motor", "container/motor", "spec aaaaaaa -> bbbbbbb")),
        ((live_container(spec_hash=NEW),), Change(Op.KEEP, "motor", "container/motor", "same spec")),
        ((live_container(spec_hash=NEW, Status="exited"),), Change(Op.UPDATE, "motor", "container/motor", "stopped, will be started")),
        (
            (live_container(), live_container("motor-r2", revision=2, spec_hash=NEW)),
            Change(Op.UPDATE, "motor", "container/motor", "spec aaaaaaa -> bbbbbbb"),
        ),
    ],
)
def test_what_changes_and_why(live, change):
    assert plan({"motor": desired()}, engine_state(*live)).changes == (change,)


def test_a_volume_is_created_once():
    objects = {"motor": desired(volumes=("kelvin-motor-data",))}
    ours = {"kelvin-motor-data": {"kelvin-provision/workload": "motor"}}
    assert plan(objects, engine_state()).changes[0] == Change(Op.CREATE, "motor", "volume/kelvin-motor-data", "not on the engine")
    assert plan(objects, engine_state(volumes=ours)).changes[0] == Change(Op.KEEP, "motor", "volume/kelvin-motor-data", "same data")


@pytest.mark.parametrize(
    ("names", "volumes", "what"),
    [
        ({"motor": None}, {}, "container/motor"),
        ({"motor": "pump"}, {}, "container/motor"),
        ({"motor-r2": None}, {}, "container/motor-r2"),
        ({"motor": "motor"}, {"kelvin-motor-data": {}}, "volume/kelvin-motor-data"),
        ({}, {"kelvin-motor-data": {"kelvin-provision/workload": "pump"}}, "volume/kelvin-motor-data"),
    ],
)
def test_what_is_not_ours_is_found(names, volumes, what):
    findings = plan({"motor": desired(volumes=("kelvin-motor-data",))}, engine_state(names=names, volumes=volumes)).findings
    assert [(finding.code, finding.object) for finding in findings] == [("not-ours", what)]


def test_two_workloads_cannot_have_one_port():
    findings = plan({"motor": desired(ports=(80,)), "pump": desired("pump", ports=(80,))}, engine_state()).findings
    assert findings == (
        Finding("port-taken", "motor", "container/motor", "host port 80/tcp is taken by workload pump of the same apply"),
        Finding("port-taken", "pump", "container/pump", "host port 80/tcp is taken by workload motor of the same apply"),
    )


@pytest.mark.parametrize(
    ("there", "by"),
    [
        ({"published": {(80, "tcp"): ("nginx", None)}, "listening": [(80, "tcp")]}, "container nginx"),
        ({"published": {(80, "tcp"): ("pump", "pump")}}, "container pump"),
        ({"listening": [(80, "tcp")]}, "another program on this box"),
        ({"published": {(80, "tcp"): ("motor", "motor")}, "listening": [(80, "tcp")]}, None),
        ({"listening": [(80, "udp")]}, None),
    ],
)
def test_the_user_of_a_taken_port_is_named(there, by):
    findings = plan({"motor": desired(ports=(80,))}, engine_state(**there)).findings
    assert [finding.message for finding in findings] == ([f"host port 80/tcp is taken by {by}"] if by else [])


OLD_HAS = {"published": {(80, "tcp"): ("motor", "motor")}, "listening": [(80, "tcp")]}
HOLDER = live_container(ports=[(80, "tcp")])


@pytest.mark.parametrize(
    ("set_", "handed", "notes"),
    [
        (
            {"pump": desired("pump", ports=(80,)), "motor": desired()},
            [HOLDER],
            ("motor: short interruption: another workload of the same change takes over its host port",),
        ),
        ({"pump": desired("pump", ports=(80,)), "motor": ()}, [HOLDER], ()),
        ({"pump": desired("pump", ports=(81,)), "motor": desired()}, [], ()),
        ({"pump": desired("pump"), "motor": ()}, [], ()),
    ],
)
def test_a_port_that_the_set_hands_on_is_free(set_, handed, notes):
    found = plan(set_, engine_state(HOLDER, **OLD_HAS))
    assert (found.findings, found.notes) == ((), notes)
    assert handed_over(set_, {"motor": [HOLDER], "pump": []}) == handed


def test_what_keeps_its_port_does_not_hand_it_on():
    set_ = {"pump": desired("pump", ports=(80,)), "motor": desired(ports=(80,))}
    assert {finding.code for finding in plan(set_, engine_state(HOLDER, **OLD_HAS)).findings} == {"port-taken"}
    assert handed_over(set_, {"motor": [HOLDER]}) == []
    stopped = live_container(ports=[(80, "tcp")], Status="exited")
    assert handed_over({"pump": desired("pump", ports=(80,)), "motor": ()}, {"motor": [stopped]}) == []


def test_a_workload_that_goes_loses_its_containers_and_keeps_its_volumes():
    found = plan({"motor": ()}, engine_state(live_container(volumes=["data"]), volumes={"data": {OWNER: "motor"}}))
    assert found.changes == (Change(Op.DELETE, "motor", "container/motor", "no version ran before"),)


def test_a_staged_image_must_be_present():
    objects = {"motor": desired(image="sha256:1", pull="never")}
    assert [finding.code for finding in plan(objects, engine_state()).findings] == ["image-missing"]
    assert plan(objects, engine_state(images=["sha256:1"])).findings == ()


def test_containers_in_conflict_are_an_interruption_with_the_reason():
    live = live_container(ports=[(80, "tcp"), (81, "tcp")], volumes=["data"])
    (container,) = [value for value in desired(ports=(80,), volumes=("data",)) if value["kind"] == "Container"]
    assert conflicts(live, container) == ("both publish host port 80/tcp", "both write to volume data")
    notes = plan({"motor": desired(ports=(80,))}, engine_state(live)).notes
    assert notes == ("motor: short interruption: both publish host port 80/tcp",)
    assert plan({"motor": desired(ports=(80,))}, engine_state(live_container(ports=[(80, "tcp")], Status="exited"))).notes == ()


def test_of_two_containers_with_the_same_spec_that_of_the_revision_matches():
    serving, kept = live_container(revision=3, spec_hash=NEW), live_container("motor-r2", revision=2, spec_hash=NEW)
    assert find_matching([kept, serving], desired(revision=2)[0]) is kept
    assert find_matching([kept, serving], desired(revision=4)[0]) is serving
    assert find_matching([kept], desired(revision=4)[0]) is None


def test_listening_ports_are_read_from_the_kernels_tables(tmp_path):
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(
        head
        + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
        + "   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n"
    )
    (tmp_path / "net/tcp6").write_text(head + "   0: " + "0" * 32 + ":0050 " + "0" * 32 + ":0000 0A 0:0 00:0 0 0 0 3 1 0 100 0 0 10 0\n")
    (tmp_path / "net/udp").write_text(head + "   0: 00000000:0044 00000000:0000 07 0:0 00:0 0 0 0 4 2 0 0\n")
    assert listening_ports(tmp_path) == {(8080, "tcp"), (80, "tcp"), (68, "udp")}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("manifest for h/x:1 not found: manifest unknown: manifest unknown", ImageNotFound),
        ("pull access denied for x, repository does not exist or may require 'docker login'", RegistryDenied),
        ("unauthorized: authentication required", RegistryDenied),
        ("Get https://h/v2/: dial tcp: lookup h: no such host", RegistryUnreachable),
        ("Get http://127.0.0.1:1/v2/: dial tcp 127.0.0.1:1: connect: connection refused", RegistryUnreachable),
        ("net/http: TLS handshake timeout", RegistryUnreachable),
        ("toomanyrequests: slow down", RegistryBusy),
        ("write /x: no space left on device", NoSpace),
        ("x509: certificate signed by unknown authority", RegistryRefused),
    ],
)
def test_messages_of_a_pull_become_errors(message, error):
    assert type(pull_error("h/x:1", message)) is error


def test_a_pull_that_failed_says_so_in_words_with_the_engines_own_as_evidence():
    missing = pull_error("h.example/x:1", "manifest for h.example/x:1 not found: manifest unknown")
    assert (str(missing), missing.evidence) == (
        "the registry h.example has no x:1",
        ("manifest for h.example/x:1 not found: manifest unknown",),
    )
    silent = pull_error("h.example/x:1", "Get http://h.example/v2/: dial tcp 192.0.2.1:80: connect: connection refused")
    assert str(silent) == "the registry h.example does not answer (connection refused)"


def test_every_container_that_goes_is_shown():
    live = (live_container(), live_container("motor-r3", revision=3), live_container("motor-r2", revision=2, spec_hash=NEW))
    removed = [
        change for change in plan({"motor": desired(revision=4, spec_hash="c" * 64)}, engine_state(*live)).changes if change.op is Op.DELETE
    ]
    assert removed == [
        Change(Op.DELETE, "motor", "container/motor", "revision 1, older than the one that is kept"),
        Change(Op.DELETE, "motor", "container/motor-r2", "revision 2, older than the one that is kept"),
    ]


@pytest.mark.parametrize(
    ("name", "image_labels", "ours"),
    [
        ("motor", {}, True),
        ("motor-r1", {}, True),
        ("MOTOR", {}, True),
        ("mine", {}, False),
        ("motor-r2", {}, False),
        ("motor-r1", {OWNER: "motor", REVISION: "1", SPEC_HASH: "a" * 64}, False),
        ("motor", {OWNER: "motor", REVISION: "7", SPEC_HASH: "b" * 64}, True),  # ours, of an image that was committed from an earlier one
    ],
)
def test_a_container_is_ours_by_its_name_and_by_labels_that_its_image_has_not(name, image_labels, ours):
    assert live_container(name).is_ours(image_labels) is ours


def test_of_thousands_of_workloads_each_port_has_its_first_other_user():
    ports = {f"w{number}": (number + 1,) for number in range(3000)} | {"late": (3000, 7)}
    objects = {name: desired(name, ports=of) for name, of in ports.items()}
    assert [(finding.workload, finding.message) for finding in plan(objects, engine_state()).findings] == [
        ("w6", "host port 7/tcp is taken by workload late of the same apply"),
        ("w2999", "host port 3000/tcp is taken by workload late of the same apply"),
        ("late", "host port 7/tcp is taken by workload w6 of the same apply"),
        ("late", "host port 3000/tcp is taken by workload w2999 of the same apply"),
    ]
