"""Hints that are instructions to a person: the error is made, what the hint says is done, and the outcome is another one.

With `test_hints`, which types the hints that are commands, it has every error that a command of this program ends with.
"""

import json
import os
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision import errors
from kelvin_provision.bundles import limits
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import ClusterDenied, RemovalUnfinished
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.load import load
from kelvin_provision.staging.limits.policy import local_time
from tests.kit import bundles
from tests.kit.cli import run
from tests.kit.hints import MADE, error, request, stage, two_versions, typed
from tests.kit.images import random_image

pytestmark = pytest.mark.slow

PERMANENT = [
    errors.RegistryDenied, errors.RegistryRefused, errors.ImageNotFound, errors.ManifestInvalid, errors.DigestMismatch,
    errors.PlatformMissing, errors.ImageUnsupported, errors.BudgetTooSmall, errors.ImportFailed,
]  # fmt: skip
TEMPORARY = [errors.RegistryUnreachable, errors.RegistryBusy, errors.LoginUnreadable, errors.RuntimeFailed, errors.NoSpace]


@pytest.fixture
def box(copy_of, tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "state"))
    return copy_of(two_versions)


# --- what the cluster would refuse ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("field-conflict", "leave them out of the request"),
        ("invalid-object", "correct what the evidence names and deploy again"),
        ("never-up", "then deploy again"),
        ("not-ours", "choose another workload name, or remove the object by hand"),
        ("port-taken", "or change the port"),
        ("unknown-kind", "install the definition first"),
        ("image-name-taken", "remove the other image by hand"),
        ("denied", "and deploy again, or have the rule of the cluster changed"),
        ("namespace-terminating", "wait until the namespace is gone, then try again"),
    ],
)
def test_what_was_corrected_is_applied(box, code, advice):
    stage(box, "3.0.0")
    box.cluster.findings = [Finding(code, "pump", "Thing/pump", "it is refused")]
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], advice in found["hint"]) == (code, True)
    box.cluster.findings = []
    if "deploy again" in found["hint"]:
        stage(box, "3.0.1")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_an_immutable_field_is_changed_after_an_undeploy(box):
    stage(box, "3.0.0")
    box.cluster.before = lambda verb, name: setattr(box.cluster, "findings", [] if verb == "remove" else box.cluster.findings)
    box.cluster.findings = [Finding("immutable-field", "pump", "Thing/pump", "spec.x cannot change")]
    found = error(box, "workloads", "apply", "pump")
    assert found["hint"].startswith("undeploy the workload first")
    assert box.run("workloads", "undeploy", "pump", "--yes").exit_code == 0
    stage(box, "3.0.0")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_findings_of_several_kinds_are_corrected_together(box):
    stage(box, "3.0.0")
    box.cluster.findings = [Finding(code, "pump", "Thing/pump", "it is refused") for code in ("port-taken", "not-ours")]
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"]) == ("plan-refused", "correct the findings, deploy again, then apply")
    box.cluster.findings = []
    stage(box, "3.0.1")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_permission_that_is_granted_is_enough(box):
    stage(box, "3.0.0")

    def denied(verb, name):
        raise ClusterDenied("deployments.apps is forbidden")

    box.cluster.before = denied
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "cluster-denied"
    assert "a kubeconfig with permission" in found["hint"]
    box.cluster.before = lambda verb, name: None
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_cluster_that_answers_again_is_enough(box):
    stage(box, "3.0.0")
    box.cluster.unreachable = True
    assert error(box, "workloads", "apply", "pump")["code"] == "cluster-unreachable"
    box.cluster.unreachable = False
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_cluster_that_refused_or_was_not_there_is_asked_again(box):
    stage(box, "3.0.0")
    there, box.cluster = box.cluster, errors.ClusterMissing("no cluster was found")
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"].startswith("install k3s or Docker Engine")) == ("cluster-missing", True)
    box.cluster = there

    def refused(verb, name):
        raise errors.ClusterRefused("quota exceeded", hint="raise the quota")

    box.cluster.before = refused
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"]) == ("cluster-refused", "raise the quota")
    box.cluster.before = lambda verb, name: None
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_runtime_that_answers_again_is_enough(box):
    stage(box, "3.0.0")
    there, box.runtime = box.runtime, errors.RuntimeUnreachable("containerd does not answer", hint="systemctl status containerd")
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"]) == ("runtime-unreachable", "systemctl status containerd")
    box.runtime = there
    assert box.run("workloads", "apply", "pump").exit_code == 0


def explained(box, code):
    """What is shown of an error that no command ends with: it is recorded by the agent, and looked up by who reads it."""
    MADE.add(code)
    return json.loads(box.run("explain", code, "--json").stdout)["then"]


def test_a_download_that_waits_goes_on_when_the_setting_that_the_hint_shows_allows_it(box, tmp_path, monkeypatch):
    def settings():
        return load(state_dir=box.settings.state_dir, environ=os.environ, is_root=True).settings.download

    hour = local_time().minute // 60
    opens, closes = (f"{(hour + hours) % 24:02}:00" for hours in (2, 3))
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    (tmp_path / "site.yaml").write_text(f"download:\n  window: {opens}-{closes}\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    box.settings = replace(box.settings, download=settings())
    stage(box, "3.0.0")
    assert box.states()["pump"] == ("running", "downloading")
    assert f"waits for the download window, which opens at {opens}" in box.run("workloads", "list", "--staged").stderr
    shown = typed(box, explained(box, "download-waits")).stdout
    assert re.search(rf"download.window +{opens}-{closes} .*site.yaml", shown), shown
    assert box.run("config", "unset", "download.window").exit_code == 0
    box.settings = replace(box.settings, download=settings())
    box.turn()
    assert box.states()["pump"] == ("running", "ready")


def test_a_download_that_was_stopped_continues_where_it_was_and_nothing_has_to_be_done(box):
    asked = iter(range(1000))
    box.source.images["r.io/pump:3.0.0"] = random_image([50_000])
    box.deploy("pump", version="3.0.0")
    box.turn(stop=lambda: next(asked) > 20)
    assert explained(box, "transfer-stopped") == "Nothing: it continues where it stopped."
    (lock,) = box.ledger.workload("pump").staged.locks
    there = box.store.bytes_present(lock.layers[0])
    assert 0 < there < 50_000
    box.source.served.clear()
    box.turn()
    assert box.states()["pump"] == ("running", "ready")
    assert [offset for digest, offset, _ in box.source.served if digest == lock.layers[0].digest] == [there]


def test_an_image_that_is_nowhere_is_there_after_another_deploy(box):
    stage(box, "3.0.0")
    (lock,) = box.ledger.workload("pump").staged.locks
    box.runtime.remove(lock)
    box.store.path(lock.layers[0]).unlink()
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"]) == ("image-missing", "deploy the workload again while there is a network")
    stage(box, "3.0.0")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_silent_agent_leads_to_one_that_says_why(box, tmp_path):
    class Silent:
        def ensure(self, settings):
            raise errors.AgentSilent("the agent did not start within 10 seconds")

        def survives_reboot(self, settings):
            return False

    box.launcher = Silent()
    found = error(box, "workloads", "deploy", request(tmp_path / "r.json"))
    assert (found["code"], found["hint"]) == ("agent-silent", "kelvin-provision agent run -v")
    assert box.run("agent", "run", "-v", "--until-idle").exit_code == 0
    assert box.states()["fan"] == ("staged", "failed")  # there is no such image: the agent has done its work


# --- requests and files -------------------------------------------------------------------------------------


def test_a_request_is_corrected_and_deployed_again(box, tmp_path):
    path = Path(request(tmp_path / "r.json"))
    good = path.read_text()
    path.write_text(json.dumps({key: value for key, value in json.loads(good).items() if key != "payload"}))
    found = error(box, "workloads", "deploy", str(path))
    assert (found["code"], found["hint"]) == ("request-refused", "correct the findings and deploy again; nothing was stored")
    path.write_text(good)
    assert box.run("workloads", "deploy", str(path)).exit_code == 0


def test_a_reference_is_written_as_the_hint_says(box, tmp_path):
    found = error(box, "workloads", "deploy", request(tmp_path / "r.json"), "--image", "https://r.io/X")
    assert found["code"] in {"reference-invalid", "request-refused"}
    box.source.images["r.io/x:1"] = box.source.images["r.io/pump:1.0.0"]
    assert box.run("workloads", "deploy", request(tmp_path / "r.json"), "--image", "r.io/x:1").exit_code == 0


def test_a_file_is_where_the_path_says(box, tmp_path):
    found = error(box, "workloads", "deploy", str(tmp_path / "r.json"))
    assert (found["code"], found["hint"]) == ("file-unreadable", "check the path and its permissions")
    assert box.run("workloads", "deploy", request(tmp_path / "r.json")).exit_code == 0


def test_a_state_directory_that_is_a_file_leads_to_another_one(box, tmp_path):
    (tmp_path / "file").write_text("")
    words = ("workloads", "deploy", request(tmp_path / "r.json"), "--json", "--state-dir")
    found = json.loads(run(*words, str(tmp_path / "file"), wiring=box.wiring).stdout)["error"]
    assert (found["code"], found["hint"].endswith("or choose another directory with --state-dir")) == ("cannot-write", True)
    assert run(*words, str(tmp_path / "other"), wiring=box.wiring).exit_code == 0


# --- images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PERMANENT, ids=lambda kind: kind.code)
def test_an_image_that_cannot_be_staged_is_after_its_cause_was_fixed_and_it_was_deployed_again(box, kind):
    box.source.down = kind("the cause")
    stage(box, "3.0.0")
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"]) == ("staging-failed", "fix what the message names, then deploy again")
    assert "the cause" in found["message"]
    box.source.down = None
    box.turn()
    assert error(box, "workloads", "apply", "pump")["code"] == "staging-failed"  # the second half of the hint is needed, too
    stage(box, "3.0.0")
    assert box.run("workloads", "apply", "pump").exit_code == 0


@pytest.mark.parametrize("kind", TEMPORARY, ids=lambda kind: kind.code)
def test_what_ends_by_itself_leads_to_the_list_and_the_agent_tries_again(box, kind):
    box.source.down = kind("the cause")
    stage(box, "3.0.0")
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "not-ready"
    assert "the cause" in typed(box, found["hint"]).stderr
    box.source.down = None
    box.turn()
    assert box.run("workloads", "apply", "pump").exit_code == 0


# --- hooks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "script", "hint"),
    [
        ("hook-refused", "", "chmod 755 "),
        ("hook-failed", "echo the press moves >&2; exit 3", "fix what the hook reports, then apply again"),
        ("hook-timeout", "exec sleep 60", "find out why the hook hangs, or raise hooks_timeout"),
    ],
)
def test_a_hook_that_was_fixed_lets_the_apply_through(box, tmp_path, monkeypatch, code, script, hint):
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o755)
    hook = folder / "pre-apply"
    (tmp_path / "site.yaml").write_text(f"hooks: {folder}\nhooks_timeout: 1s\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755 if script else 0o644)
    stage(box, "3.0.0")
    found = error(box, "workloads", "apply", "pump")
    assert (found["code"], found["hint"].startswith(hint)) == (code, True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    assert box.run("workloads", "apply", "pump").exit_code == 0


# --- changes ------------------------------------------------------------------------------------------------------------


def test_a_start_that_failed_leads_to_the_reason(box):
    box.run("workloads", "stop", "pump", "--yes")
    box.cluster.broken["pump"] = "exit code 3"
    found = error(box, "workloads", "start", "pump")
    assert found["code"] == "start-failed"
    assert "exit code 3" in typed(box, found["hint"]).stdout


def test_a_wait_that_failed_leads_to_the_reason(box):
    box.source.down = errors.ImageNotFound("the registry r.io has no pump:3.0.0")
    stage(box, "3.0.0")
    found = error(box, "workloads", "wait", "pump", "--for", "ready")
    assert found["code"] == "wait-failed"
    assert "the registry r.io has no pump:3.0.0" in typed(box, found["hint"]).stdout


def test_a_removal_goes_on_with_the_command_of_the_hint(box):
    def hangs(verb, name):
        if verb == "remove":
            raise RemovalUnfinished("pump: still being deleted: Pump/pump")

    box.cluster.before = hangs
    found = error(box, "workloads", "undeploy", "pump", "--yes")
    assert found["code"] == "removal-unfinished"
    box.cluster.before = lambda verb, name: None
    typed(box, found["hint"].replace("; it continues", " --yes; it continues"))
    if box.ledger.names():
        assert box.run("workloads", "undeploy", "pump", "--yes").exit_code == 0
    assert box.ledger.names() == []


# --- the box ------------------------------------------------------------------------------------------------------------


def test_a_bug_is_told_with_its_traceback_when_it_is_run_again_with_v(box):
    def bug(verb, name):
        raise ZeroDivisionError("by zero")

    stage(box, "3.0.0")
    box.cluster.before = bug
    found = error(box, "workloads", "logs", "pump")
    assert (found["code"], found["hint"]) == ("our-bug", "run it again with -v and report the output")
    assert "Traceback" in box.run("workloads", "logs", "pump", "-v").stderr
    assert "Traceback" not in box.run("workloads", "logs", "pump").stderr


def test_a_ledger_of_a_newer_program_is_read_by_a_newer_program(box):
    path = box.settings.state_dir / "ledger.db"
    box.close()
    box._connections = None
    with sqlite3.connect(path) as db:
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {schema + 1}")
    found = error(box, "workloads", "list")
    assert (found["code"], found["hint"]) == ("state-too-new", "upgrade kelvin-provision on this box first")
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {schema}")  # as a program that knows it reads it
    assert box.run("workloads", "list").exit_code == 0


def test_damaged_state_leads_to_a_bundle_and_the_cluster_goes_on(box, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box.close()
    box._connections = None
    with sqlite3.connect(box.settings.state_dir / "ledger.db") as db:
        db.execute("UPDATE revisions SET spec = '{'")
    found = error(box, "workloads", "show", "pump")
    assert found["code"] == "state-damaged"
    assert "pump" in box.cluster.live
    assert re.search("undeploy|support-bundle", found["hint"])
    assert box.run("support-bundle").exit_code == 0
    assert list(tmp_path.glob("*.tar.gz"))


def test_a_history_that_was_changed_is_kept_and_workloads_go_on(box):
    box.close()
    box._connections = None
    with Ledger(box.settings.state_dir / "ledger.db") as ledger, ledger.writing() as db:
        db.execute("UPDATE history SET who = 'nobody' WHERE seq = 2")
    found = error(box, "workloads", "history", "--verify")
    assert (found["code"], "workloads and images are not affected" in found["hint"]) == ("history-broken", True)
    stage(box, "3.0.0")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_clock_that_was_set_lets_an_apply_be_scheduled(box):
    stage(box, "3.0.0")
    right = box.clock
    box.clock = lambda: "1970-01-01T00:05:00Z"
    found = error(box, "workloads", "apply", "pump", "--at", "02:00")
    assert (found["code"], found["hint"].startswith("set the clock")) == ("clock-behind", True)
    box.clock = right
    assert box.run("workloads", "apply", "pump", "--at", "02:00").exit_code == 0


# --- bundles --------------------------------------------------------------------------------------------------


@pytest.fixture
def stick(tmp_path):
    bundles.write(tmp_path / "stick", {"r.io/pump:1": random_image([9_000_000])}, name="north", part_size=limits.CHUNK)
    return tmp_path / "stick"


def test_a_bundle_that_is_not_there_is_found_by_its_folder_or_file(box, stick, tmp_path):
    missing = error(box, "bundle", "inspect", str(tmp_path))
    assert (missing["code"], missing["hint"]) == ("bundle-missing", "name the bundle's file, or the folder that has it")
    bundles.write(stick, name="south")
    several = error(box, "bundle", "inspect", str(stick))
    assert (several["code"], several["hint"]) == ("bundle-missing", "name the file of one of them")
    assert [box.run("bundle", "inspect", path).exit_code for path in several["evidence"]] == [0, 0]


def test_a_bundle_for_another_box_is_made_again_at_the_desk(box, tmp_path):
    bundles.write(tmp_path / "other", {"r.io/pump:1": random_image([100])}, name="north", boxes=("line-2",))
    other = error(box, "bundle", "import", str(tmp_path / "other"), "--yes")
    assert (other["code"], other["hint"]) == ("bundle-unsuitable", "make a bundle for this box at the desk")
    image = random_image([100, 200])
    layer = json.loads(image.manifest)["layers"][0]["digest"]
    bundles.write(tmp_path / "parts", {"r.io/pump:1": image}, name="south", absent=(layer,))
    lacking = error(box, "bundle", "import", str(tmp_path / "parts"), "--images-only", "--yes")
    assert lacking["code"] == "bundle-unsuitable"
    assert "kelvin-provision bundle create REQUEST --to PLACE" in lacking["hint"]
    bundles.write(tmp_path / "whole", {"r.io/pump:1": image}, name="south")
    assert box.run("bundle", "import", str(tmp_path / "whole"), "--images-only", "--yes").exit_code == 0


def test_an_older_bundle_is_imported_all_the_same_by_the_option_that_is_named(box, tmp_path):
    image = random_image([100])
    for serial in (2, 1):
        bundles.write(tmp_path / str(serial), {"r.io/pump:1": image}, name="north", serial=serial)
    assert box.run("bundle", "import", str(tmp_path / "2"), "--images-only", "--yes").exit_code == 0
    place = str(tmp_path / "1")
    older = error(box, "bundle", "import", place, "--images-only", "--yes")
    assert older["code"] == "bundle-older"
    assert older["hint"].endswith("kelvin-provision bundle import PLACE --allow-older")
    assert "bundle north with serial 2 was imported before, and this one has serial 1" in box.run("bundle", "inspect", place).stderr
    assert box.run("bundle", "import", place, "--images-only", "--yes", "--allow-older").exit_code == 0


def test_an_inventory_that_is_none_is_made_again_at_the_box(box, tmp_path):
    path = tmp_path / "north.json"
    path.write_text("{}")
    words = [request(tmp_path / "r.json"), "--to", str(tmp_path), "--no-images", "--for", str(path)]
    wrong = error(box, "bundle", "create", *words)
    assert (wrong["code"], wrong["hint"].startswith("make it again at the box: ")) == ("inventory-invalid", True)
    assert typed(box, wrong["hint"].partition(": ")[2], FILE=str(path)).exit_code == 0
    assert box.run("bundle", "create", *words).exit_code == 0


def test_what_is_no_bundle_is_copied_again(box, stick):
    part = stick / "north.kpb.001"
    data = part.read_bytes()
    part.write_bytes(bytes(len(data)))
    wrong = error(box, "bundle", "inspect", str(stick))
    assert (wrong["code"], wrong["hint"]) == ("bundle-invalid", "copy the bundle to the medium again")
    part.write_bytes(data)
    assert box.run("bundle", "inspect", str(stick)).exit_code == 0


def test_damage_is_repaired_at_the_desk(box, tmp_path):
    image = random_image([5_000_000])
    box.source.images |= {"r.io/fan:1.0.0": image, f"r.io/fan:1.0.0@{image.digest}": image}
    file, stick = request(tmp_path / "fan.json"), tmp_path / "made"
    stick.mkdir()
    assert box.run("bundle", "create", file, "--to", str(stick)).exit_code == 0
    (part,) = stick.iterdir()
    data = part.read_bytes()
    part.chmod(0o644)
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    damaged = error(box, "bundle", "verify", str(stick))
    assert (damaged["code"], damaged["hint"].startswith("copy the named files again, or repair them")) == ("bundle-damaged", True)
    assert typed(box, damaged["hint"][damaged["hint"].index("kelvin") :], FILE=file, PLACE=str(stick)).exit_code == 0
    assert part.read_bytes() == data
    assert box.run("bundle", "verify", str(stick)).exit_code == 0


def test_damage_names_the_files_to_copy_again(box, stick):
    part = stick / "north.kpb.002"
    data = part.read_bytes()
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    damaged = error(box, "bundle", "verify", str(stick))
    repair = "copy the named files again, or repair them at the desk: kelvin-provision bundle create FILE --to PLACE --repair"
    assert (damaged["code"], damaged["hint"]) == ("bundle-damaged", repair)
    assert damaged["evidence"][0].startswith(f"{part}, MiB 0 to 3: changed")
    part.write_bytes(data)
    assert box.run("bundle", "verify", str(stick)).exit_code == 0
    whole = bundles.make().write(stick.parent / "whole")[0]
    os.truncate(whole, 100)
    cut = error(box, "bundle", "inspect", str(whole))
    assert (cut["code"], cut["hint"].startswith("kelvin-provision bundle verify PLACE")) == ("bundle-damaged", True)
    assert str(whole) in typed(box, cut["hint"], PLACE=str(whole)).stderr


def test_the_medium_with_the_first_part_is_inserted(box, stick, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (stick / "north.kpb.001").rename(other / "north.kpb.001")
    gone = error(box, "bundle", "verify", str(stick))
    assert (gone["code"], gone["hint"]) == ("medium-gone", "insert the medium with part 1; what was copied is kept")
    assert "parts 2 to 3 are not here" in box.run("bundle", "verify", str(other)).stderr
    assert box.run("bundle", "verify", str(other), str(stick)).exit_code == 0


def test_what_is_not_that_bundle_is_not_repaired(box, stick, tmp_path):
    words = [request(tmp_path / "r.json"), "--to", str(stick), "--name", "south", "--no-images"]
    assert box.run("bundle", "create", *words).exit_code == 0
    differs = error(box, "bundle", "create", *words, "--serial", "3", "--repair")
    assert (differs["code"], "without --repair it is replaced" in differs["hint"]) == ("bundle-differs", True)
    assert box.run("bundle", "create", *words, "--serial", "3").exit_code == 0
