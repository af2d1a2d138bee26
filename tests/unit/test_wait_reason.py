"""Why something waits, in words: one text for each kind, the same in list, show, agent status and deploy --wait."""

import time

import pytest

from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.status import Situation, Slot, derive, of_staged
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe, describe_with_name

CASES = [
    (WaitReason(WaitKind.DOWNLOAD_WINDOW, until="22:00"), "pump waits for the download window, which opens at 22:00"),
    (
        WaitReason(WaitKind.DOWNLOAD_BUDGET, "the 2 MB of download.budget are used up for today"),
        "pump waits for midnight: the 2 MB of download.budget are used up for today",
    ),
    (
        WaitReason(WaitKind.APPLY_WINDOW, "22:00-05:00", "2026-11-23T22:00:00Z"),
        "pump waits for the apply window 22:00-05:00, which opens at 2026-11-23 22:00+00:00",
    ),
    (WaitReason(WaitKind.HOLD, workloads=("fan",)), "pump waits until fan is released"),
    (WaitReason(WaitKind.HOLD, workloads=("fan", "pump")), "pump waits until fan, pump are released"),
    (WaitReason(WaitKind.MEDIUM, "update-7, part 2"), "pump waits for the stick update-7, part 2"),
    (WaitReason(WaitKind.GROUP, "r.io/b:1: not found", workloads=("b",)), "pump waits for b of the same group: r.io/b:1: not found"),
    (WaitReason(WaitKind.REGISTRY_UNREACHABLE, "r.io: no route to host"), "pump waits: r.io: no route to host"),
    (WaitReason(WaitKind.REGISTRY_BUSY, "r.io: 429"), "pump waits: r.io: 429"),
    (WaitReason(WaitKind.RUNTIME_UNREACHABLE, "containerd does not answer"), "pump waits: containerd does not answer"),
    (WaitReason(WaitKind.CLUSTER_UNREACHABLE, "k3s does not answer"), "pump waits: k3s does not answer"),
    (WaitReason(WaitKind.NO_SPACE, "no room for pump"), "pump waits: no room for pump"),
    (WaitReason(WaitKind.IMAGE_UNSIGNED, "r.io/pump:1: not signed"), "pump waits: r.io/pump:1: not signed"),
    (WaitReason(WaitKind.DELTA_MISSING, "r.io/pump:1: no delta"), "pump waits: r.io/pump:1: no delta"),
    (WaitReason(WaitKind.OUR_BUG, "our bug: KeyError: 1"), "pump waits: our bug: KeyError: 1"),
    (WaitReason(WaitKind.ERROR, "no login"), "pump waits: no login"),
    (WaitReason(WaitKind.ROLLED_BACK, "version 1.0.0"), "pump: version 1.0.0 was rolled back, so it is applied only by its name"),
    (WaitReason(WaitKind.REVOKED, "image r.io/a:1 is revoked"), "pump: this version is revoked: image r.io/a:1 is revoked"),
    (WaitReason(WaitKind.REFUSED, "Job/x: no [invalid-object]"), "pump: the cluster would refuse this version: Job/x: no [invalid-object]"),
    (WaitReason(WaitKind.NODES, "2/3, node-b: no space left"), "pump: ready 2/3, node-b: no space left"),
]


@pytest.fixture(autouse=True)
def _zone(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.parametrize(("reason", "text"), CASES)
def test_each_kind_has_one_sentence(reason, text):
    assert describe_with_name("pump", reason) == text


def test_the_table_has_every_kind():
    assert {reason.kind for reason, _ in CASES} == {*WaitKind}


@pytest.mark.parametrize("reason", [reason for reason, _ in CASES])
def test_a_reason_survives_json(reason):
    assert WaitReason.from_json(reason.to_json()) == reason


def test_a_reason_is_a_warning_of_the_workload_and_of_its_staged_version():
    slot = Slot(Method.STAGED, Download.DOWNLOADING, waiting=CASES[0][0])
    assert derive(Situation(running=True, staged=slot)).warnings == ("waits for the download window, which opens at 22:00",)
    assert of_staged(slot).warnings == ("waits for the download window, which opens at 22:00",)
    assert describe(CASES[7][0]) == "r.io: no route to host"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("no-space", WaitKind.NO_SPACE),
        ("registry-busy", WaitKind.REGISTRY_BUSY),
        ("download-window", WaitKind.ERROR),
        ("held", WaitKind.ERROR),
        ("registry-denied", WaitKind.ERROR),
    ],
)
def test_the_kind_of_a_retry_is_the_code_of_its_error(code, kind):
    assert WaitKind.of_error(code) is kind
