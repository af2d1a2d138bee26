"""What is said of the box, from plain facts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kelvin_provision.checks import host, node, state
from kelvin_provision.checks.box import Filesystem
from kelvin_provision.checks.configuration import tolerant
from kelvin_provision.checks.host import Clock, Permissions
from kelvin_provision.checks.state import AgentState, LedgerState, UnusedData
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition
from kelvin_provision.hints import system
from kelvin_provision.ledger.model.operations import Operation, Phase, Step
from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.protocol import RuntimeInfo
from kelvin_provision.status import OperationKind
from kelvin_provision.store.gc.unreferenced import Unreferenced

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
CONTAINERD = RuntimeInfo("containerd", "1.6.20", Platform("linux", "amd64"), pins=False)
GIB = 1 << 30


def told(founds):
    return [(found.status.value, found.text) for found in founds]


@pytest.mark.parametrize(
    ("now", "mark"),
    [
        (NOW, "ok"),
        (NOW - timedelta(minutes=1), "ok"),
        (NOW - timedelta(hours=1), "warning"),
        (datetime(1970, 1, 1, tzinfo=UTC), "error"),
        (datetime(2019, 6, 1, tzinfo=UTC), "error"),
    ],
)
def test_a_clock_is_wrong_when_it_is_before_what_was_seen(now, mark):
    assert told(host.clock(Clock(now, NOW, "the last entry of the ledger")))[0][0] == mark


def test_a_clock_in_1970_is_a_clear_line():
    (found,) = host.clock(Clock(datetime(1970, 1, 1, tzinfo=UTC), NOW, "the last entry of the ledger"))
    assert found.text == "the clock is at 1970-01-01 00:00+00:00, before 2026-11-25 03:00+00:00: the last entry of the ledger"
    assert shell_line(found.hint) == "timedatectl set-time 'YYYY-MM-DD HH:MM:SS', or set-ntp true where there is a network"


@pytest.mark.parametrize(
    ("free", "writable", "mark"),
    [(50 * GIB, True, "ok"), (10 * GIB, True, "warning"), (2 * GIB, True, "error"), (50 * GIB, False, "error")],
)
def test_a_disk_is_judged_by_what_is_left(free, writable, mark):
    assert told(host.disk([Filesystem("the state", "/var", 100 * GIB, free, writable=writable)]))[0][0] == mark


def test_a_disk_without_inodes_is_full():
    assert told(host.inodes([Filesystem("the state", "/var", GIB, GIB, inodes=1000, inodes_free=3)])) == [
        ("error", "the state (/var): 3 of 1000 inodes free")
    ]
    assert told(host.inodes([Filesystem("the state", "/var", GIB, GIB)])) == [("ok", "not counted here")]


def test_what_others_may_look_into_is_said_with_the_command_that_closes_it():
    open_, closed = (
        Permissions("/var/lib/x", 0o755, trusted_owner=True),
        Permissions("/etc/x/config.yaml", 0o644, trusted_owner=True, secret=False),
    )
    (found,) = host.permissions([open_, closed])
    assert (found.text, shell_line(found.hint)) == ("/var/lib/x has mode 0755: others may read it", "chmod go-rwx /var/lib/x")
    (found,) = host.permissions([Permissions("/etc/x", 0o666, trusted_owner=True, secret=False)])
    assert "others may change it" in found.text
    assert told(host.permissions([closed])) == [("ok", "closed to others: 1 checked")]


def test_an_interrupted_operation_is_told_from_one_that_is_under_way():
    doing = Operation(1, OperationKind.APPLY, Phase.APPLYING, (Step("pump", 1, 2),), "2026-11-25T02:00:00Z")
    ((mark, text),) = told(state.operations(LedgerState(unfinished=doing)))
    assert (mark, text.startswith("apply of pump was interrupted (applying, since 2026-11-25T02:00:00Z)")) == ("warning", True)
    assert told(state.operations(LedgerState(unfinished=doing, holder="anna (pid 7): workloads apply"))) == [
        ("ok", "apply of pump is under way: anna (pid 7): workloads apply")
    ]


def test_a_changed_history_is_an_error():
    assert told(state.state(LedgerState(broken=3))) == [("error", "line 3 of the history was changed, or one before it removed")]
    assert told(state.state(LedgerState())) == [("ok", "no workload yet")]


@pytest.mark.parametrize(
    ("agent", "mark", "words"),
    [
        (AgentState("", service=False, systemd=True), "ok", "not needed"),
        (
            AgentState("", service=False, systemd=True, pending=("pump",), workloads=2),
            "warning",
            "2 workloads without supervision; pump: waiting for it",
        ),
        (AgentState("alive, pid 7", service=False, systemd=True, workloads=1), "warning", "it does not survive a reboot"),
        (AgentState("alive, pid 7", service=True, systemd=True, workloads=1), "ok", "a service"),
    ],
)
def test_an_agent_must_live_and_come_back(agent, mark, words):
    (found,) = state.agent(agent)
    assert (found.status.value, words in found.text) == (mark, True), found.text


def test_conditions_of_the_node_that_are_not_well_are_lines():
    info = ClusterInfo("kubernetes", "v1.20.2", "edge", Platform("linux", "amd64"))
    state = ClusterState(
        info,
        "",
        "",
        (
            Condition("Ready", healthy=True),
            Condition(
                "DiskPressure", healthy=False, message="kubelet has disk pressure", hint=system("kubectl", "describe", "node", "edge")
            ),
        ),
    )
    assert told(node.node(state)) == [("error", "DiskPressure: kubelet has disk pressure")]
    assert [shell_line(found.hint) for found in node.node(state)] == ["kubectl describe node edge"]
    assert told(node.node(state._replace(conditions=state.conditions[:1]))) == [("ok", "edge: Ready")]


def test_a_warning_of_docker_engine_about_itself_is_a_warning():
    info = ClusterInfo("docker", "20.10", "edge", Platform("linux", "amd64"))
    condition = Condition("engine", healthy=False, message="No cpuset support", critical=False, hint=system("docker", "info"))
    (found,) = node.node(ClusterState(info, "", "", (condition,)))
    assert (found.status.value, found.text, shell_line(found.hint)) == ("warning", "No cpuset support", "docker info")


def test_a_runtime_without_pins_says_so():
    assert told(node.runtime(CONTAINERD))[0][0] == "warning"
    assert told(node.runtime(RuntimeInfo("docker", "20.10", Platform("linux", "amd64"), pins=True))) == [
        ("ok", "docker 20.10, linux/amd64")
    ]


def test_a_short_name_comes_with_the_commands_that_repair_it():
    names = ["motor-speed:1.0.0", "docker.io/library/web:1", "sha256:0123", "r.io/x@sha256:" + "0" * 64]
    (found,) = node.short_names(names, CONTAINERD, ())
    assert found.text == "motor-speed:1.0.0 is not a full name: pods with docker.io/library/motor-speed:1.0.0 hang in CreateContainerError"
    assert shell_line(found.hint) == (
        "ctr -n k8s.io images tag motor-speed:1.0.0 docker.io/library/motor-speed:1.0.0; ctr -n k8s.io images rm motor-speed:1.0.0"
    )
    assert told(node.short_names(names[1:], CONTAINERD, ())) == [("ok", "3 image names, all of them full")]


def test_what_nobody_needs_is_counted():
    found = UnusedData(Unreferenced(blobs=(2, 2048), partials=(1, 10), quarantined=(0, 0)), ("r.io/x",))
    assert told(state.orphans(found)) == [
        ("warning", "not needed by any kept revision: 2 blobs (2.0 KiB), 1 partial download (10 B), 1 image in the runtime")
    ]


def test_settings_that_are_wrong_are_lines_and_the_rest_is_looked_at_with_defaults(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("regsitry: r.io\n")
    found = tolerant(config=file, state_dir=tmp_path, environ={}, is_root=False)
    assert (found.settings.state_dir, found.settings.registry) == (tmp_path, None)
    assert [text for mark, text in told(host.configuration(found)) if mark == "error"] == list(found.findings)
    assert "regsitry" in found.findings[0]


def test_a_member_deploys_nothing_and_needs_no_registry(tmp_path):
    settings = tolerant(config=Path("/dev/null"), state_dir=tmp_path, environ={}, is_root=False)
    assert [mark for mark, _ in told(host.configuration(settings))] == ["ok", "warning"]
    assert [mark for mark, _ in told(host.configuration(settings, "member"))] == ["ok"]


def test_a_variable_that_is_wrong_is_a_line_too(tmp_path):
    environ = {"KELVIN_PROVISION_KEEP_REVISIONS": "many"}
    found = tolerant(config=Path("/dev/null"), state_dir=tmp_path, environ=environ, is_root=False)
    assert len(found.findings) == 1
    assert found.settings.keep_revisions == 2
