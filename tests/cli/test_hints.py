"""Every hint leads somewhere: the error is made, its hint is typed, and the outcome is another one.

Here are the hints that are commands; `test_hints_of_others` has those that are instructions to a person. The end of this module accounts
for every error.
"""

import ast
import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kelvin_provision.access import users
from kelvin_provision.access.passwords import Cost
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import holds
from kelvin_provision.queries.explaining.explanations import errors
from kelvin_provision.settings.window import Window
from kelvin_provision.timestamps import rfc3339
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.hints import MADE, error, request, stage, two_versions, typed

NOON = datetime(2036, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def box(copy_of, tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "state"))
    return copy_of(two_versions)


# --- the command line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status"], 0),
        (["workloads", "describe", "pump"], 0),
        (["workloads", "lst"], 0),
        (["workloads", "show"], 0),
        (["workloads", "apply"], 0),
        (["workloads", "list", "--stagd"], 0),
        (["explain", "redy"], 0),
        (["config", "get", "registry"], 0),
        (["config", "set", "registri", "r.example"], 0),
        (["workloads", "list", "--next", "abc", "--staged"], 65),
    ],
)
def test_a_usage_error_leads_to_what_was_meant(box, words, code):
    found = error(box, *words)
    assert found["code"] == "usage"
    result = typed(box, found["hint"], VALUE="r.example:5000", CURSOR="abc")
    assert result.exit_code == code, result.stderr


def test_a_misspelt_workload_leads_to_the_closest_one(box):
    found = error(box, "workloads", "show", "pmup")
    assert found["hint"] == "the closest name is pump: kelvin-provision workloads show -n pump"
    assert "2.0.0" in typed(box, found["hint"]).stdout
    unlike = error(box, "workloads", "show", "zzzzzz")
    assert "pump" in typed(box, unlike["hint"]).stdout


def test_a_confirmation_is_given_by_the_option_that_is_named(box):
    found = error(box, "workloads", "stop", "pump")
    assert (found["code"], found["hint"]) == ("confirmation-needed", "add --yes to confirm")
    assert box.run("workloads", "stop", "pump", "--yes").exit_code == 0


def test_a_cursor_that_is_none_leads_to_the_first_page(box):
    assert error(box, "workloads", "list", "--next", "abc")["hint"] == "start again without --next"
    assert box.run("workloads", "list").exit_code == 0


def test_a_code_of_an_order_that_is_none_leads_to_the_history(box):
    found = error(box, "workloads", "history", "--code", "412-KLM")
    assert (found["code"], found["hint"]) == ("order-unknown", "look for it in the history: kelvin-provision workloads history --limit 20")
    assert "pump" in typed(box, found["hint"]).stdout


def test_a_time_that_is_none_says_how_one_is_written(box):
    stage(box, "3.0.0")
    found = error(box, "workloads", "apply", "pump", "--at", "two o'clock")
    assert "02:00" in found["hint"]
    assert box.run("workloads", "apply", "pump", "--at", "02:00").exit_code == 0


# --- settings and secrets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "registri: r.example",
        "keep_revisions: many",
        "cluster:\n  namespce: app",
        "cluster: app",
        "workload_deploy:\n  staged: false\n  instantly_apply: false",
        "registries:\n  r.example:\n    insecur: true",
    ],
)
def test_a_wrong_setting_in_a_file_is_taken_out_by_the_hint(box, tmp_path, monkeypatch, text):
    site = tmp_path / "site.yaml"
    site.write_text(text + "\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    found = error(box, "config", "show")
    assert found["code"] == "settings-invalid"
    assert typed(box, found["hint"]).exit_code == 0
    assert box.run("config", "show").exit_code == 0


def test_what_the_editor_cannot_change_without_loss_leads_to_an_edit_by_hand(box, tmp_path, monkeypatch):
    site = tmp_path / "site.yaml"
    site.write_text("cluster: {namespce: app}\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    first = error(box, "config", "show")
    result = typed(box, first["hint"])
    assert result.exit_code == 0 or "by hand" in result.stderr


def test_a_wrong_setting_in_the_file_of_config_is_taken_out_there(box, tmp_path):
    path = tmp_path / "my settings.yaml"
    path.write_text("registri: x\nkeep_revisions: many\n")
    found = error(box, "config", "show", "--config", str(path))
    assert typed(box, found["hint"]).exit_code == 0
    second = error(box, "config", "show", "--config", str(path))
    assert "registri" not in second["evidence"][0]
    assert typed(box, second["hint"]).exit_code == 0
    assert box.run("config", "show", "--config", str(path)).exit_code == 0


def test_a_wrong_variable_is_unset(box, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_KEEP_REVISIONS", "many")
    found = error(box, "config", "show")
    assert found["hint"] == "unset KELVIN_PROVISION_KEEP_REVISIONS"
    monkeypatch.delenv(found["hint"].split()[1])
    assert box.run("config", "show").exit_code == 0


def test_a_secret_is_written_where_the_settings_say(box, tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_SECRETS_DIR", str(tmp_path / "mine"))
    box.settings = replace(box.settings, secrets_dir=tmp_path / "mine")
    file = request(tmp_path / "r.json", defaults={"system": {"environment_vars": [{"name": "A", "value": "<% secrets.mqtt %>"}]}})
    found = error(box, "workloads", "deploy", file)
    assert (found["code"], found["hint"]) == ("secret-missing", f"write the value to {tmp_path}/mine/mqtt, mode 0600")
    path = Path(re.search(r"to (\S+),", found["hint"])[1])
    path.parent.mkdir()
    path.write_text("hush")
    assert box.run("workloads", "deploy", file).exit_code == 0


# --- what a command needs ---------------------------------------------------------------------------


def test_nothing_staged_leads_to_a_deploy(box, tmp_path):
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "nothing-staged"
    assert typed(box, found["hint"], FILE=request(tmp_path / "r.json", "pump")).exit_code == 0
    assert error(box, "workloads", "apply", "pump")["code"] == "not-ready"


def test_nothing_applied_leads_to_the_apply(box):
    stage(box, "1.0.0", "fan")
    found = error(box, "workloads", "start", "fan")
    assert found["code"] == "nothing-applied"
    assert typed(box, found["hint"]).exit_code == 0
    assert box.run("workloads", "start", "fan").exit_code == 0


@pytest.mark.parametrize(("words", "code"), [(["--to", "9"], "revision-unknown"), ([], "nothing-to-roll-back")])
def test_a_rollback_that_cannot_be_leads_to_the_history(box, words, code):
    box.up("1.0.0", "fan")
    found = error(box, "workloads", "rollback", "fan", *words)
    assert found["code"] == code
    assert "fan" in typed(box, found["hint"]).stdout


def test_what_is_not_ready_leads_to_how_far_it_is(box):
    box.deploy("pump", version="3.0.0")
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "not-ready"
    assert "3.0.0" in typed(box, found["hint"]).stdout


def test_a_rehearsal_that_failed_leads_to_its_evidence(box):
    box.deploy("pump", version="3.0.0")
    box.turn()
    box.cluster.broken["r.io/pump:3.0.0"] = box.cluster.broken["pump"] = "exit code 3"
    found = error(box, "workloads", "rehearse", "pump")
    assert found["code"] == "rehearsal-failed"
    assert "pump: exit code 3" in typed(box, found["hint"]).stdout


def test_a_rehearsal_that_a_change_ended_leads_to_the_next_one(box):
    box.deploy("pump", version="3.0.0")
    box.turn()
    request = box.settings.state_dir / "rehearsal.end"
    box.cluster.rehearsing = request.touch
    found = error(box, "workloads", "rehearse", "pump")
    assert found["code"] == "rehearsal-ended"
    box.cluster.rehearsing = lambda: None
    assert typed(box, found["hint"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"), [(["--for", "stopped", "--timeout", "0"], "wait-timeout"), (["--for", "ready"], "nothing-staged")]
)
def test_a_wait_that_ends_leads_to_the_states(box, tmp_path, words, code):
    found = error(box, "workloads", "wait", "pump", *words)
    assert found["code"] == code
    assert typed(box, found["hint"], FILE=request(tmp_path / "r.json", "pump")).exit_code == 0


def test_a_log_that_is_not_there_leads_to_the_workload(box):
    box.run("workloads", "stop", "pump", "--yes")
    found = error(box, "workloads", "logs", "pump")
    assert found["code"] == "log-missing"
    assert "pump" in typed(box, found["hint"]).stdout


# --- changes ----------------------------------------------------------------------------------------


def test_a_version_that_the_cluster_would_refuse_is_applied_by_the_hint_once_the_cluster_accepts_it(box):
    box.cluster.findings = [Finding("unknown-kind", "pump", "Lamp/pump", "no matches for kind Lamp")]
    stage(box, "3.0.0")
    found = error(box, "workloads", "apply", "--all")
    assert found["code"] == "version-refused"
    box.cluster.findings = []
    assert typed(box, found["hint"]).exit_code == 0


def test_a_failed_apply_leads_to_what_is_known_of_it(box):
    stage(box, "3.0.0")
    box.cluster.broken[box.ledger.workload("pump").staged.locks[0].pinned_reference] = "exit code 3"
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "apply-failed"
    assert "exit code 3" in typed(box, found["hint"]).stdout


def test_a_failed_rollback_leads_to_what_the_cluster_says(box):
    stage(box, "3.0.0")
    box.cluster.broken["pump"] = "exit code 3"
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "undo-failed"
    result = typed(box, found["hint"])
    assert (result.exit_code, "2.0.0" in result.stdout) == (0, True)


def test_what_was_left_leads_back(box):
    stage(box, "3.0.0")
    box.cluster.broken[box.ledger.workload("pump").staged.locks[0].pinned_reference] = "exit code 3"
    found = error(box, "workloads", "apply", "pump", "--no-rollback")
    assert found["code"] == "apply-left"
    assert typed(box, found["hint"]).stdout.startswith("workload pump: running, pump 2.0.0")


def test_outside_the_window_leads_to_an_apply_at_its_opening(box, monkeypatch):
    stage(box, "3.0.0")
    monkeypatch.setenv("KELVIN_PROVISION_APPLY__WINDOW", "22:00-05:00")
    box.settings = replace(box.settings, apply=replace(box.settings.apply, window=Window.parse("22:00-05:00")))
    box.clock = lambda: rfc3339(NOON)
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "outside-window"
    result = typed(box, found["hint"])
    assert (result.exit_code, "accepted" in result.stdout) == (0, True)
    assert found["hint"].endswith(", or --force")
    assert box.run("workloads", "apply", "pump", "--force").exit_code == 0


def test_a_hold_leads_to_its_reason(box):
    stage(box, "3.0.0")
    holds.hold(box.ledger, ["pump"], "line 3 produces", actor="eve")
    found = error(box, "workloads", "apply", "pump")
    assert found["code"] == "held"
    assert "line 3 produces" in typed(box, found["hint"]).stdout
    assert box.run("workloads", "apply", "pump", "--force").exit_code == 0


def test_an_unknown_user_leads_to_those_that_there_are(box, monkeypatch):
    monkeypatch.setattr(users.Users.__init__, "__defaults__", (Cost(2, 1, 1),))
    assert box.run("api", "user", "add", "anna", "--password-stdin", stdin="Secret123\n").exit_code == 0
    found = error(box, "api", "user", "passwd", "ana", "--password-stdin")
    assert found["code"] == "user-unknown"
    (name,) = typed(box, f"{found['hint']} -o name").stdout.split()
    assert box.run("api", "user", "passwd", name, "--password-stdin", stdin="Another123\n").exit_code == 0


def test_a_lock_is_waited_for(box):
    stage(box, "3.0.0")
    with exclusive(box.settings.state_dir / "lock", command="workloads apply"):
        found = error(box, "workloads", "apply", "pump")
        assert (found["code"], found["hint"]) == ("locked", "wait until it ends, then try again")
    assert box.run("workloads", "apply", "pump").exit_code == 0


def test_a_check_that_failed_says_below_each_line_what_to_type(box):
    box.deploy("pump", version="3.0.0")
    document = json.loads(box.run("workloads", "check", "pump", "--json").stdout)
    MADE.add(document["error"]["code"])
    bad = [line for line in document["checks"] if line["status"] == "error"]
    assert bad
    assert [line["id"] for line in bad if not line["next"]] == []
    box.turn()
    assert box.run("workloads", "check", "pump").exit_code == 0


def test_orphans_that_doctor_finds_are_removed_by_its_hint(box):
    other = Box(box.settings.state_dir.parent / "other", like=box)
    stage(other, "1.0.0", "gone")
    other.close()
    (line,) = [line for line in json.loads(box.run("doctor", "--json").stdout)["checks"] if line["id"] == "orphans"]
    assert (line["status"], line["next"]) == ("warning", "kelvin-provision images prune --orphans")
    typed(box, f"{line['next']} --yes")
    (after,) = [line for line in json.loads(box.run("doctor", "--json").stdout)["checks"] if line["id"] == "orphans"]
    assert (after["status"], after["found"]) == ("ok", "no unused data")


def test_a_hook_that_may_not_run_is_repaired_by_the_command_that_is_named(box, tmp_path, monkeypatch):
    folder = tmp_path / "my hooks"
    folder.mkdir(mode=0o755)
    hook = folder / "pre-apply"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o644)
    (tmp_path / "site.yaml").write_text(f"hooks: {folder}\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    stage(box, "3.0.0")
    checks = json.loads(box.run("workloads", "check", "pump", "--json").stdout)["checks"]
    hints = [line["next"] for line in checks if line["id"] == "hooks"]
    assert hints == [f"chmod 755 '{hook}'"]
    subprocess.run(["sh", "-c", hints[0]], check=True)
    assert box.run("workloads", "apply", "pump").exit_code == 0


# --- every error is in one of these ---------------------------------------------------------------------

CASES = {
    "usage", "confirmation-needed", "secret-missing", "nothing-staged", "nothing-applied", "nothing-to-roll-back", "revision-unknown",
    "not-ready", "check-failed", "cursor-invalid", "wait-timeout", "log-missing", "locked", "apply-failed", "apply-left", "undo-failed", "time-refused",
    "rehearsal-failed", "rehearsal-ended", "version-refused", "outside-window", "held", "settings-invalid", "workload-unknown",
    "user-unknown", "order-unknown",
}  # fmt: skip
"""Made above."""
OTHERS = {
    "request-refused", "file-unreadable", "reference-invalid", "plan-refused", "staging-failed", "history-broken", "clock-behind", "hook-failed",
    "hook-timeout", "hook-refused", "our-bug", "state-too-new", "state-damaged", "cannot-write", "immutable-field", "not-ours",
    "field-conflict", "invalid-object", "unknown-kind", "port-taken", "namespace-terminating", "never-up", "image-name-taken", "image-missing",
    "start-failed", "wait-failed", "removal-unfinished", "cluster-denied", "cluster-unreachable", "cluster-refused", "cluster-missing",
    "runtime-unreachable", "denied", "agent-silent",
    "registry-denied", "registry-refused", "registry-unreachable", "registry-busy", "image-not-found", "manifest-invalid", "digest-mismatch",
    "platform-missing", "image-unsupported", "budget-too-small", "import-failed", "login-unreadable", "runtime-failed", "no-space",
    "download-waits", "transfer-stopped", "bundle-missing", "bundle-invalid", "bundle-damaged", "medium-gone", "bundle-differs", "inventory-invalid", "bundle-unsuitable",
    "bundle-older",
}  # fmt: skip
"""Made in `test_hints_of_others`."""
ELSEWHERE = {
    "permission-refused": "tests/cli/test_not_root.py",
    "interrupted": "tests/cli/test_ctrl_c.py",
    "answers-missing": "tests/cli/test_setup.py",
    "api-missing": "tests/api/test_process.py",
    "listen-refused": "tests/api/test_process.py",
    "listen-failed": "tests/api/test_process.py",
    "certificate-missing": "tests/cli/test_api_cert.py",
    "certificate-unusable": "tests/cli/test_api_cert.py",
    "package-impossible": "tests/cli/test_package.py",
    "token-unknown": "tests/api/test_tokens.py",
    "upload-unknown": "tests/api/test_uploads.py",
    "too-many-uploads": "tests/api/test_uploads.py",
    "name-taken": "tests/cli/test_api_users.py",
    "password-refused": "tests/cli/test_api_users.py",
    "setting-missing": "tests/cli/test_follow.py",
    "node-foreign": "tests/unit/test_nodes.py",
    "join-refused": "tests/unit/test_nodes.py",
    "node-unknown": "tests/unit/test_nodes_agents.py",
    "node-role-wrong": "tests/unit/test_nodes_agents.py",
    "node-protocol-invalid": "tests/unit/test_nodes_protocol.py",
    "leader-unreachable": "tests/unit/test_nodes.py",
    "copy-invalid": "tests/unit/test_ledger_copy.py",
    "lead-elsewhere": "tests/unit/test_leading.py",
    "service-failed": "tests/real/test_systemd.py",
    "signature-missing": "tests/cli/test_keys.py",
    "signature-invalid": "tests/cli/test_keys.py",
    "signer-unknown": "tests/cli/test_keys.py",
    "signer-revoked": "tests/cli/test_trust.py",
    "signers-too-few": "tests/cli/test_trust.py",
    "trust-document-invalid": "tests/cli/test_trust.py",
    "trust-document-refused": "tests/cli/test_trust.py",
    "version-revoked": "tests/unit/test_revoked_versions.py",
    "bundle-revoked": "tests/unit/test_revoked_versions.py",
    "expected-other": "tests/unit/trust/test_verifying.py",
    "image-unsigned": "tests/unit/test_image_signatures.py",
    "key-invalid": "tests/cli/test_keys.py",
    "trusted-key-invalid": "tests/cli/test_keys.py",
    "signing-failed": "tests/cli/test_keys.py",
    "delta-invalid": "tests/unit/deltas/test_artifact.py",
    "delta-missing": "tests/unit/test_stage_deltas.py",
    "delta-base-missing": "tests/unit/deltas/test_rebuilding.py",
    "delta-base-damaged": "tests/unit/deltas/test_rebuilding.py",
    "publication-differs": "tests/cli/test_hints_of_registries.py",
    "publication-invalid": "tests/unit/publications/test_publication.py",
    "publication-older": "tests/unit/test_following.py",
    "tag-moved": "tests/contract/test_pushing.py",
    "report-invalid": "tests/unit/publications/test_report.py",
    "release-invalid": "tests/unit/trust/test_release_files.py",
    "release-missing": "tests/unit/test_installation.py",
}
"""Another user, a signal, a window of the link, the API or systemd is needed."""


def hinted():
    """The commands of all hints in the code, as words; what is known at run time only is `1`."""
    for path in sorted(Path("kelvin_provision").rglob("*.py")):
        tree = ast.parse(path.read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "kelvin_provision.hints"]
        names = {alias.asname or alias.name for node in imports for alias in node.names if alias.name == "command"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
                words = [arg.value if isinstance(arg, ast.Constant) else "1" for arg in node.args if not isinstance(arg, ast.Starred)]
                if words[0] not in {"1", "..."}:  # the last is the command line itself
                    yield (*str(words[0]).split(), *map(str, words[1:]))


@pytest.mark.parametrize("words", sorted(set(hinted())), ids=" ".join)
def test_every_command_of_a_hint_exists_with_its_options(words):
    run(*words, "--help").check(stderr="")


def test_every_error_is_made_and_its_hint_is_followed():
    codes = {found.code for found in errors()}
    assert codes == CASES | OTHERS | set(ELSEWHERE), "make it above, in test_hints_of_others, or say where"
    assert codes >= MADE  # also by modules that this worker ran before
    assert all(Path(place).exists() for place in ELSEWHERE.values())
