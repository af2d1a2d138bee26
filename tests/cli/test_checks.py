"""workloads check and doctor, whole: a good and a broken workload, a good and a broken box, on a fake cluster."""

import json
import os
import re
import shutil
from datetime import UTC, datetime

import pytest

from kelvin_provision.checks import before_apply, doctor
from kelvin_provision.checks.host import Clock
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.cluster.survey import Condition, ResourceDemand, Survey
from kelvin_provision.errors import RegistryDenied, RuntimeUnreachable
from kelvin_provision.observation import Hold
from kelvin_provision.runtimes.protocol import ImageStorage, RuntimeInfo
from kelvin_provision.store import BlobState
from kelvin_provision.tls import files
from tests.kit.api import cheap_users
from tests.kit.box import Box
from tests.kit.certificates import give_certificate
from tests.kit.cli import run
from tests.kit.signing import key_pair, trusting


@pytest.fixture
def box(tmp_path, monkeypatch):
    """What the commands find: `pump` staged and ready, and their outside world in memory."""
    found = Box(tmp_path / "state")
    found.runtime.storage_folders = ImageStorage(unpacked=tmp_path)
    found.deploy("pump", version="2.0.0")
    found.turn()
    found.cluster.calls.clear()
    yield found
    found.close()


def check(box, *words, **more):
    result = box.run("workloads", "check", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def say(box, *words, **more):
    result = box.run("doctor", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def even(text):
    """Without what differs from box to box."""
    return re.sub(r"[0-9.]+ [KMGT]iB free", "9 GiB free", text)


def lines(result):
    return {line["id"]: (line["status"], line["found"]) for line in json.loads(result.stdout)["checks"]}


def test_a_workload_that_can_be_applied_is_a_page_of_ok(box):
    result = check(box, "-n", "pump", "--skip", "pull-policy")
    assert result.exit_code == 0
    assert even(result.stdout) == (
        "ok      staged       pump 2.0.0: 1 image, 3.8 KiB\n"
        "ok      revoked      nothing of what is staged\n"
        "ok      store        3 blobs, 3.8 KiB, all verified\n"
        "skipped signatures   no trusted keys: no signature can be verified\n"
        "ok      cluster      fake 1.0 at fake://here, node fake-node (as the test says)\n"
        "ok      images       1 image in fake 1.0.0, by digest\n"
        "ok      platform     1 image for linux/amd64\n"
        "ok      pins         1 image pinned\n"
        "skipped pull-policy  skipped by --skip\n"
        "ok      credentials  fake 1.0 does not verify credentials for images on the node\n"
        "ok      space        9 GiB free for fake, nothing to unpack\n"
        "ok      namespace    active\n"
        "ok      secrets      none referenced\n"
        "ok      kinds        all kinds are known, or are defined in the request\n"
        "ok      dry-run      accepted: 1 to create\n"
        "ok      ports        no port conflicts\n"
        "ok      node         fake-node: no condition, taint or node selector prevents the pods from starting\n"
        "ok      room         no resources requested\n"
        "ok      rights       all 0 permissions that apply and rollback need\n"
        "ok      gate         open: no hold, and inside the window\n"
        "skipped rehearsal    pump: this version was not rehearsed\n"
        "ok      hooks        none\n"
    )
    assert result.stderr == "22 checks: 19 ok, 3 skipped\n"


def test_it_touches_nothing(box):
    box.runtime.names.clear()
    before = {path: path.stat().st_mtime_ns for path in box.settings.state_dir.rglob("*") if not path.name.startswith("ledger.db")}
    result = check(box, "-n", "pump", "--json", "--deep")
    assert lines(result)["images"] == (
        "warning",
        "r.io/pump:2.0.0 is absent in fake; apply or the agent imports it from the store",
    )
    assert (box.runtime.names, box.cluster.live) == ({}, {})
    assert {verb for verb, _ in box.cluster.calls} <= {"info", "plan", "survey", "observe"}
    assert {path: path.stat().st_mtime_ns for path in box.settings.state_dir.rglob("*") if not path.name.startswith("ledger.db")} == before


def test_a_broken_workload_has_each_reason_with_why_and_what_next(box):
    box.cluster.findings = [Finding("immutable-field", "pump", "Deployment/pump", "spec.selector: field is immutable")]
    box.cluster.survey_result = Survey(resources=(ResourceDemand("memory", 2**30, 2**20),), denied=("patch deployments.apps",))
    result = check(box, "-n", "pump", "--skip", "space", "--quiet")
    assert result.exit_code == 1
    assert (
        "error   dry-run      pump: Deployment/pump: spec.selector: field is immutable [immutable-field]\n"
        "                      why: What the server refuses now, it would refuse during the apply.\n"
        "                     next: undeploy the workload first (this deletes its data), or deploy the new version under another name\n"
    ) in result.stdout
    assert (
        "error   room         new pods need 1.0 GiB of memory in addition to the running ones; node fake-node has 1.0 MiB of memory left\n"
        in result.stdout
    )
    assert result.stderr == ("error: 3 errors: this apply would fail\n hint: follow the hint below each check; --skip ID skips a check\n")


def test_a_hold_is_a_warning_and_a_hook_that_would_not_run_an_error(box, tmp_path, monkeypatch):
    hooks = tmp_path / "hooks"
    hooks.mkdir(mode=0o700)
    (hooks / "pre-apply").write_text("#!/bin/sh\n")
    (hooks / "pre-apply").chmod(0o644)
    (tmp_path / "site.yaml").write_text(f"hooks: {hooks}\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    box.command_apply("pump")
    box.deploy("pump", version="3.0.0")
    box.turn()
    box.cluster.holds = {"pump": Hold("drilling", "Deployment/pump")}
    before = box.ledger.workload("pump")
    found = {line["id"]: line for line in json.loads(check(box, "-n", "pump", "--json").stdout)["checks"]}
    assert (found["gate"]["status"], found["gate"]["found"]) == ("warning", "pump is held by Deployment/pump: drilling")
    assert (found["hooks"]["status"], found["hooks"]["found"]) == ("error", f"{hooks}/pre-apply is not executable")
    assert found["hooks"]["next"] == f"chmod 755 {hooks}/pre-apply"
    assert box.ledger.workload("pump") == before


def test_with_json_a_failure_is_one_document_with_every_line_in_it(box):
    box.cluster.findings = [Finding("port-taken", "pump", "Service/pump", "node port 30080/TCP is taken by Service/x in namespace app")]
    result = check(box, "-n", "pump", "--json")
    document = json.loads(result.stdout)
    result.check(exit_code=1, stderr="")
    assert list(document) == ["schema", "command", "status", "counts", "checks", "warnings", "error"]
    assert (document["status"], document["error"]["code"]) == ("error", "check-failed")
    assert document["error"]["evidence"] == [
        "ports: pump: Service/pump: node port 30080/TCP is taken by Service/x in namespace app [port-taken]"
    ]
    assert [line for line in document["checks"] if line["id"] == "ports"] == [
        {
            "id": "ports",
            "title": "Ports",
            "status": "error",
            "workload": "pump",
            "found": "Service/pump: node port 30080/TCP is taken by Service/x in namespace app [port-taken]",
            "why": "Two programs cannot use one port: the new pod would never start.",
            "next": "stop the program or undeploy the workload that has the port (a stopped workload keeps its Services), or change the port",
        }
    ]


def test_warnings_exit_0_and_with_strict_1(box):
    box.runtime.pinned.clear()
    words = ["-n", "pump", "--skip", "space", "--json"]
    assert json.loads(check(box, *words).stdout)["counts"]["warning"] == 2
    assert check(box, *words).exit_code == 0
    strict = check(box, *words, "--strict")
    assert (strict.exit_code, json.loads(strict.stdout)["error"]["message"]) == (1, "2 warnings, and --strict")


def test_a_cluster_that_is_away_is_one_error_and_the_rest_is_still_looked_at(box):
    box.cluster.unreachable = True
    result = check(box, "-n", "pump", "--json")
    found = lines(result)
    assert result.exit_code == 1
    assert found["cluster"] == ("error", "the fake cluster does not answer")
    assert {found[name][0] for name in ("staged", "store", "images", "platform", "pins")} == {"ok"}
    assert {found[name] for name in ("pull-policy", "namespace", "kinds", "dry-run", "ports", "room", "rights")} == {
        ("skipped", "skipped: see cluster")
    }


def test_a_runtime_that_is_away_is_one_error_too(box):
    box.runtime.error = RuntimeUnreachable("containerd does not answer on /run/x", hint="systemctl status containerd")
    found = lines(check(box, "-n", "pump", "--json"))
    assert found["store"] == ("error", "containerd does not answer on /run/x")
    assert (found["images"], found["dry-run"][0]) == (("skipped", "skipped: see store"), "ok")


def test_deep_finds_a_flipped_bit_that_nothing_else_sees(box):
    (lock,) = box.ledger.workload("pump").staged.locks
    path = box.store.path(lock.layers[0])
    times, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert box.store.state(lock.layers[0]) is BlobState.VERIFIED
    assert lines(check(box, "-n", "pump", "--json"))["store"][0] == "ok"
    result = check(box, "-n", "pump", "--deep", "--json")
    status, found = lines(result)["deep"]
    assert (status, found.endswith("the image is in the runtime, but could not be imported again")) == ("warning", True)
    assert "stored images: hashed, 1 corrupt" in result.stderr
    assert path.read_bytes() == data


def test_what_is_not_ready_is_an_error_and_no_traceback(box):
    box.deploy("fan")
    result = check(box, "--all", "--json")
    document = json.loads(result.stdout)
    staged = [line for line in document["checks"] if line["id"] == "staged"]
    assert (result.exit_code, [(line["workload"], line["found"], line["next"]) for line in staged]) == (
        1,
        [("fan", "version 1.0.0 is pending, not ready", "kelvin-provision workloads wait -n fan --for ready")],
    )


def test_a_missing_secret_is_named_and_everything_else_is_still_looked_at(box, monkeypatch):
    monkeypatch.setattr(
        type(box.cluster),
        "render",
        lambda self, spec, locks, number, members: (self._stamped(spec.name, number, "Thing/x", {"v": "<% secrets.x %>"}),),
    )
    found = lines(check(box, "-n", "pump", "--json"))
    assert (found["secrets"][0], found["secrets"][1].startswith("secret x: no file ")) == ("error", True)
    assert found["dry-run"] == ("ok", "accepted: 1 to create")


def test_which_workloads_must_be_said_and_be_there(box):
    assert check(box).exit_code == 2
    assert check(box, "-n", "nobody").exit_code == 66
    assert check(box, "-n", "pump", "--skip", "pin").exit_code == 2
    assert "unknown check pin; did you mean pins?" in check(box, "-n", "pump", "--skip", "pin").stderr


def test_nothing_staged_at_all_is_nothing_to_check(box):
    box.ledger.drop_staged("pump")
    result = check(box, "--all")
    result.check(stdout="", stderr="No checks were run.\n")


def test_the_checks_are_listed_with_their_ids(box):
    assert run("workloads", "check", "--list", "-o", "name").stdout.split() == [one.id for one in before_apply.CHECKS]
    assert run("doctor", "--list", "-o", "name").stdout.split() == [one.id for one in (*doctor.CHECKS, *doctor.ONLINE)]
    assert json.loads(run("doctor", "--list", "--json").stdout)["checks"][2] == {
        "id": "clock",
        "title": "Clock",
        "why": "With a wrong clock, certificates and logins are invalid.",
    }


def test_registries_are_asked_with_online_only(box):
    assert "registries" not in lines(say(box, "--json"))
    assert lines(say(box, "--online", "--json"))["registries"] == ("ok", "r.io: answers")
    box.source.down = RegistryDenied("the registry r.io denies access (401)", hint="docker login r.io")
    (line,) = [line for line in json.loads(say(box, "--online", "--json").stdout)["checks"] if line["id"] == "registries"]
    assert (line["status"], line["found"], line["next"]) == ("warning", "the registry r.io denies access (401)", "docker login r.io")
    assert "registries" not in lines(say(box, "--json", "--skip", "registries"))


def test_a_terminal_gets_signs_colours_and_broken_lines(box, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    box.cluster.findings = [Finding("not-ours", "pump", "Thing/pump", "Thing/pump already exists and is not managed by kelvin-provision")]
    shown = check(box, "-n", "pump", terminal=True).stdout.splitlines()
    assert shown[0] == "\x1b[32m✓\x1b[0m staged       pump 2.0.0: 1 image, 3.8 KiB"
    at = next(number for number, line in enumerate(shown) if "dry-run" in line)
    assert shown[at : at + 7] == [
        "\x1b[31m✗\x1b[0m dry-run      pump: Thing/pump already exists and is not",
        "               managed by kelvin-provision [not-ours]",
        "                why: What the server refuses now, it would",
        "                     refuse during the apply.",
        "               next: choose another workload name, or remove",
        "                     the object by hand: kubectl describe",
        "                     KIND NAME, docker inspect NAME",
    ]


# --- doctor ---------------------------------------------------------------------------------------


def test_a_box_that_is_well_says_so_line_by_line(box):
    result = say(box, "--skip", "disk", "--skip", "inodes", "--json")
    found = lines(result)
    assert (result.exit_code, {status for status, _ in found.values()}) == (0, {"ok", "skipped", "warning"})
    assert found["cluster"] == ("ok", "fake 1.0 at fake://here, node fake-node (as the test says)")
    assert found["node"] == ("ok", "fake-node: Ready")
    assert found["state"] == ("ok", "1 workload, 1 staged; the history is intact")
    assert found["operations"] == ("ok", "no interrupted operation")
    assert found["runtime"] == ("ok", "fake 1.0.0, linux/amd64")
    assert found["orphans"] == ("ok", "no unused data")
    assert found["certificates"] == ("skipped", "this cluster has no certificates")
    assert found["api"] == ("ok", "not needed: it has no user, and the default settings")
    assert found["agent"] == ("warning", "not running: 1 workload without supervision")


def test_a_node_port_that_takes_the_port_of_the_api_is_an_error(box):
    box.cluster.taken_ports = {30000: "shop/web"}
    assert lines(say(box, "--json"))["api-ports"][0] == "ok", "the API of this box has no user"
    cheap_users(box.settings.state_dir, box.clock)
    found = lines(say(box, "--json"))
    assert found["api-ports"] == ("error", "port 30000 is the NodePort of the Service shop/web: what is sent to the API goes there")
    assert found["api-cert"] == ("ok", "not needed: the API listens on this box only")


def test_a_key_of_the_api_that_others_can_read_is_named(box, tmp_path):
    give_certificate(box.settings.state_dir)
    key = tmp_path / "site.key"
    key.touch(mode=0o644)
    site = tmp_path / "site.yaml"
    site.write_text(f"api: {{tls: {{cert: {tmp_path}/site.crt, key: {key}}}}}\n")
    found = json.loads(say(box, "--json", "--config", str(site)).stdout)["checks"]
    lines = [(line["found"], line["next"]) for line in found if line["id"] == "permissions" and "site.key" in line["found"]]
    assert lines == [(f"{key} has mode 0644: others may read it", f"chmod go-rwx {key}")]
    authority = box.settings.state_dir / files.FOLDER / files.AUTHORITY
    authority.chmod(0o640)
    assert f"{authority} has mode 0640: others may read it" in say(box, "--json").stdout


def test_an_empty_box_is_no_failure_and_stays_empty(tmp_path):
    state = tmp_path / "state"
    box = Box(state)
    shutil.rmtree(state)  # the box of the tests comes with a ledger
    box.cluster.namespace = "missing"
    result = box.run("doctor", "--json", "--config", os.devnull)
    found = lines(result)
    assert found["state"] == ("ok", "no workload yet")
    assert found["agent"] == ("ok", "not needed: no workloads")
    assert not state.exists()


def test_a_box_with_neither_cluster_nor_runtime_says_both(box):
    box.cluster.unreachable = True
    box.runtime.error = RuntimeUnreachable("containerd does not answer on /run/x", hint="systemctl status containerd")
    result = say(box, "--json")
    found = lines(result)
    assert result.exit_code == 1
    assert found["cluster"] == ("error", "the fake cluster does not answer")
    assert found["runtime"] == ("error", "containerd does not answer on /run/x")
    assert found["node"] == found["namespace"] == ("skipped", "skipped: see cluster")
    assert found["short-names"] == ("skipped", "skipped: see runtime")


def test_settings_that_are_wrong_are_a_line_and_no_exit(box, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("cluster: {typ: docker}\n")
    found = lines(say(box, "--config", str(file), "--json"))
    assert found["configuration"][0] == "error"
    assert "typ" in found["configuration"][1]
    assert found["state"][0] == "ok"


def test_a_clock_in_1970_is_one_clear_error(box, monkeypatch):
    wrong = Clock(datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC), "the ledger has an entry of then")
    monkeypatch.setattr(doctor, "_clock", lambda node, now, written: wrong)
    assert lines(say(box, "--json"))["clock"] == (
        "error",
        "the clock is at 1970-01-01 00:00+00:00, before 2026-11-25 00:00+00:00: the ledger has an entry of then",
    )


def test_the_ledger_remembers_the_newest_time_and_a_clock_before_it_is_found(box):
    box.ledger.clock = lambda: "2031-05-06T07:08:09.000000Z"
    box.deploy("fan")
    status, found = lines(say(box, "--json"))["clock"]
    assert (status, found.endswith("before 2031-05-06 07:08+00:00: the last entry of the ledger")) == ("error", True)


def test_another_cluster_than_the_one_that_runs_our_workloads_is_an_error(box):
    box.command_apply("pump")
    assert lines(say(box, "--json"))["cluster"][0] == "ok"
    box.cluster.live.clear()
    box.cluster.identity = "another"
    assert lines(say(box, "--json"))["cluster"][0] == "error"
    assert lines(say(box, "--json"))["cluster"][1].endswith(
        "this is not the cluster that runs our workloads, it does not have the workload pump"
    )


def test_a_node_under_pressure_and_a_namespace_on_its_way_out_are_errors(box):
    box.cluster.conditions = (Condition("DiskPressure", healthy=False, message="kubelet has disk pressure"),)
    box.cluster.namespace = "Terminating"
    result = say(box, "--json")
    assert lines(result)["node"] == ("error", "DiskPressure: kubelet has disk pressure")
    assert lines(result)["namespace"][0] == "error"
    assert result.exit_code == 1


def test_short_names_and_orphans_are_found_with_their_repair(box, monkeypatch):
    monkeypatch.setattr(box.runtime, "info", lambda: RuntimeInfo("containerd", "1.6.20", box.runtime.platform, pins=False), raising=False)
    box.runtime.names["motor:1"] = "sha256:0"
    box.runtime.pinned.add("motor:1")
    document = json.loads(say(box, "--json").stdout)
    found = {line["id"]: line for line in document["checks"]}
    assert found["short-names"]["next"] == ("ctr -n k8s.io images tag motor:1 docker.io/library/motor:1; ctr -n k8s.io images rm motor:1")
    assert found["orphans"]["found"] == "not needed by any kept revision: 1 image in the runtime"
    assert found["runtime"]["status"] == "warning"


def trusted(tmp_path, *keys, require=""):
    site = tmp_path / "site.yaml"
    site.write_text(f"trust: {{keys: [{', '.join(map(str, keys))}]{require}}}\n")
    return str(site)


def test_doctor_says_which_keys_are_trusted_and_what_must_be_signed(box, tmp_path):
    assert lines(say(box, "--json"))["trust"] == ("ok", "no trusted keys: nothing has to be signed")
    anna, bert = key_pair()[1], key_pair("p256", "bert")[1]
    keys = trusting(tmp_path, (None, anna), (None, bert)).keys
    for require, words in [
        ("", "bundles"),
        (", require_signature: [request, bundle]", "bundles and requests"),
        (", require_signature: []", "nothing"),
    ]:
        result = lines(say(box, "--json", "--config", trusted(tmp_path, *keys, require=require)))["trust"]
        assert result == ("ok", f"trusted: anna ({anna.key_id[:12]}), bert ({bert.key_id[:12]}); must be signed: {words}")


def test_doctor_names_each_key_that_cannot_be_used_with_the_command_that_mends_it(box, tmp_path):
    anna = key_pair()
    (path,) = trusting(tmp_path, anna).keys
    (tmp_path / "again.pub").write_bytes(anna[1].pem)
    (tmp_path / "loose.pub").write_bytes(anna[1].pem)
    (tmp_path / "loose.pub").chmod(0o666)
    (tmp_path / "private.pub").write_bytes(anna[0].pem)
    names = [path, *(tmp_path / name for name in ("again.pub", "loose.pub", "private.pub", "none.pub"))]
    result = say(box, "--json", "--config", trusted(tmp_path, *names))
    found = [(line["status"], line["found"], line["next"]) for line in json.loads(result.stdout)["checks"] if line["id"] == "trust"]
    see = "see trust.keys: kelvin-provision config show -o wide"
    assert found == [
        ("warning", f"trusted key {tmp_path}/again.pub is the same as {path}, and counts once", None),
        ("error", f"trusted key {tmp_path}/loose.pub: other users can write to it (mode 0666)", f"chmod go-w {tmp_path}/loose.pub"),
        (
            "error",
            f"trusted key {tmp_path}/private.pub: it is a private key; the public one is needed",
            f"keys are Ed25519 or ECDSA P-256, in PEM; look at it: kelvin-provision key show {tmp_path}/private.pub",
        ),
        ("error", f"trusted key {tmp_path}/none.pub: no such file or directory", see),
    ]
