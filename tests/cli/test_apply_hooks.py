"""Hooks around an apply: what stops it, what is only told, and what becomes of them when the command is killed."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.applying import hooks
from kelvin_provision.errors import ApplyFailed, HookFailed
from kelvin_provision.ledger import history, journal
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box
from tests.kit.crash import Crash, crash_at
from tests.kit.scripts import script


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "hooks"
    found.mkdir(mode=0o755)
    return found


def template(path):
    """`pump` 1.0.0 runs, 2.0.0 is staged."""
    found = Box(path)
    found.deploy("pump")
    found.turn()
    found.command_apply("pump")
    found.deploy("pump", version="2.0.0")
    found.turn()
    found.cluster.calls.clear()
    return found


@pytest.fixture
def box(copy_of, tmp_path, monkeypatch, folder):
    """Every hook that is called says so in `said`."""
    found = copy_of(template)
    site = tmp_path / "site.yaml"
    site.write_text(f"hooks: {folder}\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    found.settings = replace(found.settings, hooks=folder)
    return found


def telling(folder, *events, then="exit 0"):
    for event in events:
        script(folder, event, f"cat > {folder}/{event}.json; echo {event} >> {folder}/said; {then}")


def said(folder):
    path = folder / "said"
    return path.read_text().split() if path.exists() else []


def read(folder, event):
    return json.loads((folder / f"{event}.json").read_text())


def say(box, *words):
    result = box.run("workloads", *words)
    assert "Traceback" not in result.stderr
    return result


def lines(box):
    return [
        (entry.action, entry.workload, entry.outcome, entry.detail)
        for entry in history.history(box.ledger)
        if entry.action.startswith("hook ")
    ]


def test_an_apply_runs_between_its_hooks_and_they_are_told_what_changes(box, folder):
    telling(folder, "pre-apply", "post-apply", "on-failure")
    assert say(box, "apply", "-n", "pump", "--quiet").exit_code == 0
    assert said(folder) == ["pre-apply", "post-apply"]
    new, old = box.ledger.workload("pump").running, box.ledger.kept("pump")[0]
    assert read(folder, "pre-apply") == {
        "schema": 1,
        "event": "pre-apply",
        "who": "anna",
        "interrupted": False,
        "workloads": [
            {
                "name": "pump",
                "app_name": "pump",
                "app_version": "2.0.0",
                "revision": 2,
                "digest": new.digest,
                "before": {"app_name": "pump", "app_version": "1.0.0", "revision": 1, "digest": old.digest},
            }
        ],
        "changes": [{"workload": "pump", "object": "Thing/pump", "op": "update", "why": "spec differs"}],
        "notes": [],
        "error": None,
    }
    assert read(folder, "post-apply") == read(folder, "pre-apply") | {"event": "post-apply"}
    assert hooks.owed(box.ledger) is False


def test_a_pre_apply_that_fails_stops_before_anything_is_touched(box, folder):
    telling(folder, "on-failure")
    script(folder, "pre-apply", "echo 'valve 3 is stuck'; exit 7")
    result = say(box, "apply", "-n", "pump", "--quiet")
    result.check(exit_code=1, stdout="")
    assert result.stderr == (
        "error: hook pre-apply: exit code 7; nothing was changed\n"
        "  pre-apply: valve 3 is stuck\n"
        " hint: fix what the hook reports, then apply again\n"
    )
    assert [verb for verb, _ in box.cluster.calls if verb in {"put", "finish"}] == []
    assert said(folder) == ["on-failure"]
    assert read(folder, "on-failure")["error"] == {"code": "hook-failed", "message": "hook pre-apply: exit code 7; nothing was changed"}
    assert lines(box) == [("hook pre-apply", "pump", "failed", "hook pre-apply: exit code 7")]
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"


def test_a_hook_that_cannot_be_run_has_a_code_of_its_own(box, folder):
    script(folder, "pre-apply", "exit 0", mode=0o644)
    result = json.loads(say(box, "apply", "-n", "pump", "--json").stdout)["error"]
    assert result == {
        "code": "hook-refused",
        "message": "1 finding, nothing was changed",
        "hint": f"chmod 755 {folder}/pre-apply",
        "evidence": [f"hooks: {folder}/pre-apply is not executable [hook-refused]"],
    }


def test_a_failing_ending_is_a_warning_in_report_and_history(box, folder):
    script(folder, "post-apply", "echo 'no answer from the line'; exit 1")
    result = say(box, "apply", "-n", "pump", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["warnings"] == [
        "post-apply: hook post-apply: exit code 1",
        "post-apply: no answer from the line",
    ]
    assert lines(box) == [("hook post-apply", "pump", "failed", "hook post-apply: exit code 1")]


def test_a_failed_apply_ends_with_on_failure_and_its_trouble_is_evidence(box, folder):
    telling(folder, "pre-apply")
    telling(folder, "on-failure", then="exit 4")
    box.cluster.broken = {"r.io/pump:2.0.0": "exit code 3", box.ledger.workload("pump").staged.locks[0].pinned_reference: "exit code 3"}
    with pytest.raises(ApplyFailed) as caught:
        box.command_apply("pump")
    assert caught.value.evidence[-1] == "on-failure: hook on-failure: exit code 4"
    assert said(folder) == ["pre-apply", "on-failure"]
    assert read(folder, "on-failure")["error"]["code"] == "apply-failed"


def test_what_applies_itself_has_its_hooks_and_waits_for_a_person_when_they_fail(box, folder):
    script(folder, "pre-apply", "exit 7")
    box.deploy("pump", version="3.0.0", method=Method.INSTANT)
    assert box.turn() is True
    assert box.warnings("pump") == ["version 3.0.0 was not applied: hook pre-apply: exit code 7; nothing was changed"]
    telling(folder, "pre-apply", "post-apply")
    box.deploy("pump", version="3.0.0", method=Method.INSTANT)
    box.turn()
    assert said(folder) == ["pre-apply", "post-apply"]
    assert read(folder, "post-apply")["who"] == "agent"


def test_a_dry_run_and_the_way_back_run_no_hooks(box, folder):
    telling(folder, "pre-apply", "post-apply", "on-failure")
    say(box, "apply", "-n", "pump", "--dry-run")
    assert said(folder) == []
    say(box, "apply", "-n", "pump")
    say(box, "rollback", "-n", "pump")
    assert said(folder) == ["pre-apply", "post-apply"]


@pytest.mark.parametrize(
    ("verb", "ending", "version"),
    [("put", "on-failure", "1.0.0"), ("wait", "on-failure", "1.0.0"), ("finish", "post-apply", "2.0.0")],
)
def test_after_a_crash_the_next_command_runs_the_ending_that_fits_and_says_so(box, folder, verb, ending, version):
    telling(folder, "pre-apply", "post-apply", "on-failure")

    with crash_at(box.cluster, verb=verb):
        box.command_apply("pump")
    assert (said(folder), box.interrupted) == (["pre-apply"], True)
    with box.operation("next") as recovered:
        pass
    assert recovered.warnings[-1] == f"the hooks of an interrupted apply of pump were ended with {ending}"
    assert said(folder) == ["pre-apply", ending]
    assert read(folder, ending)["interrupted"] is True
    assert (box.interrupted, box.ledger.workload("pump").running.spec.app_version) == (False, version)


def test_a_crash_in_pre_apply_touches_nothing_and_owes_on_failure(box, folder, monkeypatch):
    telling(folder, "post-apply", "on-failure")

    def killed(*_):
        raise Crash

    box.hooks = type("Killed", (), {"any": lambda self: True, "inspect": lambda self: (1, ()), "run": killed})()
    with pytest.raises(Crash):
        box.command_apply("pump")
    box.hooks = None
    assert journal.unfinished(box.ledger) is None
    with box.operation("next") as recovered:
        pass
    assert recovered.warnings == ("the hooks of an interrupted apply of pump were ended with on-failure",)
    assert read(folder, "on-failure")["error"] == {"code": "interrupted", "message": "the command was killed; the previous version runs"}


def test_a_box_whose_hooks_are_gone_is_not_kept_from_its_work(box, folder):
    script(folder, "pre-apply", "exit 7")
    with pytest.raises(HookFailed):
        box.command_apply("pump")
    (folder / "pre-apply").unlink()
    assert say(box, "apply", "-n", "pump", "--quiet").exit_code == 0
