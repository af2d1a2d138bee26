"""diff and the dry runs: whole outputs, on a fake cluster."""

import json

import pytest

from kelvin_provision.cli.frame.complete import candidates
from kelvin_provision.cluster.plan import Change, Drift, Finding, Interruption, Op, Plan
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec, System, Variable
from kelvin_provision.status import OperationKind
from kelvin_provision.usecases import deploy
from tests.kit.box import Box
from tests.kit.images import make_image, tar_of

BASE = tar_of({"base": b"b" * 20_000})
ONE = "sha256:0e6883ebedb8400b5b8ec9a02275506f65811b35cb02fe38f2581c1cb13e8681"
TWO = "sha256:06249f66d064a764a212b70b976dae9b4eeac95437b4e2fb8e640bc9a582186d"


def template(path):
    """`pump` 1.0.0 runs, and 2.0.0 of it is staged."""
    found = Box(path)
    for version in ("1.0.0", "2.0.0"):
        layers = [BASE, tar_of({"version": version.encode()})]
        found.source.images[f"r.io/pump:{version}"] = make_image(layers, compress=False)
    stage(found, "1.0.0", speed=3)
    found.command_apply("pump")
    stage(found, "2.0.0", speed=4)
    found.cluster.calls.clear()
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def stage(box, version, name="pump", **configuration):
    variables = System(environment=(Variable("OPTIONS", f"options-of-{version}"),))
    spec = Spec(
        name, name.title(), name, version, "c", Method.STAGED, image=f"r.io/pump:{version}", system=variables, configuration=configuration
    )
    deploy.store(box.ctx, [spec])[0]
    box.turn()


def say(box, *words, **more):
    result = box.run("workloads", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def verbs(box):
    return [verb for verb, _ in box.cluster.calls]


def workloads(result):
    return json.loads(result.stdout)["workloads"]


WHOLE = f"""\
pump: pump 1.0.0 -> 2.0.0 (revision 1 -> 2)
  downtime   none
  image      -r.io/pump:1.0.0 ({ONE[:19]}, 40.8 KiB)
             +r.io/pump:2.0.0 ({TWO[:19]}, 40.8 KiB)
             10.8 KiB new, 30.0 KiB shared
  offline    Thing/pump spec.image
             -r.io/pump:2.0.0
             +r.io/pump:2.0.0@{TWO[:19]}
  objects    1 updated
             updated Thing/pump

--- Thing/pump (revision 1)
+++ Thing/pump (revision 2)
@@ spec @@
-image: r.io/pump:1.0.0@{ONE[:19]}
+image: r.io/pump:2.0.0@{TWO[:19]}
@@ spec.configuration @@
-speed: 3
+speed: 4
@@ spec.environment @@
~OPTIONS: changed, not shown
"""


def test_diff_says_all_that_would_change_and_touches_nothing(box):
    result = say(box, "diff", "-n", "pump")
    result.check(stderr="")
    assert result.stdout == WHOLE
    assert verbs(box) == ["plan", "survey", "drift"]


def test_a_dry_run_of_apply_is_the_same(box):
    assert say(box, "apply", "-n", "pump", "--dry-run").stdout == WHOLE
    assert say(box, "apply", "--all", "--dry-run", "--json").stdout == say(box, "diff", "--all", "--json").stdout.replace(
        "workloads diff", "workloads apply --dry-run"
    )
    assert verbs(box) == ["plan", "survey", "drift"] * 3
    assert box.ledger.workload("pump").staged is not None


def test_a_look_says_that_an_apply_would_be_refused_now(box):
    say(box, "hold", "-n", "pump", "--reason", "the pump drains")
    result = say(box, "apply", "-n", "pump", "--dry-run")
    result.check(stdout=WHOLE)
    assert "warning: an apply would be refused now: pump is held" in result.stderr
    assert "the pump drains" in result.stderr


def test_json_is_one_document_with_every_field(box):
    found = json.loads(say(box, "diff", "-n", "pump", "--json").stdout)
    (workload,) = found.pop("workloads")
    assert found == {
        "schema": 1,
        "command": "workloads diff",
        "status": "success",
        "items": [{"kind": "change", "name": "pump: Thing/pump", "outcome": "update", "detail": "spec differs"}],
        "warnings": [],
        "changes": True,
    }
    assert workload == {
        "name": "pump",
        "old": {"app_name": "pump", "app_version": "1.0.0", "revision": 1},
        "new": {"app_name": "pump", "app_version": "2.0.0", "revision": 2},
        "changes": True,
        "downtime": {"expected": "none", "why": []},
        "images": [
            {
                "old": {"reference": "r.io/pump:1.0.0", "digest": ONE, "size": 41822, "additional": False},
                "new": {"reference": "r.io/pump:2.0.0", "digest": TWO, "size": 41822, "additional": False},
                "new_bytes": 11102,
                "shared_bytes": 30720,
            }
        ],
        "rewritten": [{"object": "Thing/pump", "path": "spec.image", "old": "r.io/pump:2.0.0", "new": f"r.io/pump:2.0.0@{TWO}"}],
        "objects": [
            {
                "op": "update",
                "object": "Thing/pump",
                "replaces": None,
                "replaced_by": None,
                "why": "spec differs",
                "forbidden": False,
                "fields": [
                    {"path": "spec.image", "old": f"r.io/pump:1.0.0@{ONE}", "new": f"r.io/pump:2.0.0@{TWO}"},
                    {"path": "spec.configuration.speed", "old": 3, "new": 4},
                    {"path": "spec.environment.OPTIONS", "old": "***", "new": "***", "hidden": True},
                ],
            }
        ],
        "drift": [],
        "findings": [],
    }


def test_the_exit_code_tells_of_changes_where_that_is_asked_for(box):
    assert say(box, "diff", "--all", "--exit-code").exit_code == 3
    assert say(box, "apply", "-n", "pump", "--dry-run", "--exit-code").exit_code == 3
    box.command_apply("pump")
    stage(box, "2.0.0", speed=4)
    same = say(box, "diff", "-n", "pump", "--exit-code")
    same.check(stderr="")
    assert same.stdout == (
        "pump: pump 2.0.0 -> 2.0.0 (revision 2 -> 3)\n"
        "  downtime   none\n"
        f"  image      r.io/pump:2.0.0, as before ({TWO[:19]}, 40.8 KiB)\n"
        "  offline    Thing/pump spec.image\n"
        "             -r.io/pump:2.0.0\n"
        f"             +r.io/pump:2.0.0@{TWO[:19]}\n"
        "  objects    1 kept\n"
        "             kept    Thing/pump: unchanged\n"
    )


def test_an_exit_code_for_changes_goes_with_a_dry_run_only(box):
    for verb in ("apply", "rollback"):
        result = say(box, verb, "-n", "pump", "--exit-code")
        assert (result.exit_code, result.stderr.splitlines()[0]) == (
            2,
            "error: --exit-code needs --dry-run",
        )


def test_what_is_forbidden_is_told_whole_and_ends_as_the_apply_would(box):
    box.cluster.findings = [
        Finding("immutable-field", "pump", "Thing/pump", "spec.selector: field is immutable"),
        Finding("immutable-field", "pump", "Claim/data", "spec.size: field is immutable"),
    ]
    result = say(box, "diff", "-n", "pump", "--exit-code")
    assert result.stdout == WHOLE.replace(
        "             updated Thing/pump\n",
        "             forbidden Thing/pump\n"
        "  forbidden\n"
        "    Thing/pump: spec.selector: field is immutable [immutable-field]\n"
        "    Claim/data: spec.size: field is immutable [immutable-field]\n",
    ).replace("+++ Thing/pump (revision 2)", "+++ Thing/pump (revision 2, forbidden)")
    assert result.stderr == (
        "error: 2 findings, nothing was changed\n"
        " hint: undeploy the workload first (this deletes its data), or deploy the new version under another name\n"
    )
    refused = say(box, "apply", "-n", "pump", "--json")
    told = say(box, "diff", "-n", "pump", "--json")
    assert result.exit_code == told.exit_code == refused.exit_code == 65
    assert (json.loads(told.stdout)["status"], json.loads(told.stdout)["error"]) == ("error", json.loads(refused.stdout)["error"])
    assert [finding["object"] for finding in workloads(told)[0]["findings"]] == ["Thing/pump", "Claim/data"]


def test_downtime_is_told_with_its_reason(box):
    box.cluster.interruptions = [Interruption("pump", "two pods cannot run side by side (host port 80)")]
    lines = say(box, "diff", "-n", "pump").stdout.splitlines()
    assert lines[1:3] == ["  downtime   a short interruption", "             two pods cannot run side by side (host port 80)"]
    box.cluster.interruptions = [Interruption("pump", "no sleep", certain=False)]
    assert workloads(say(box, "diff", "-n", "pump", "--json"))[0]["downtime"] == {"expected": "possible", "why": ["no sleep"]}


def test_what_somebody_else_changed_has_a_section_of_its_own(box):
    when = "2026-11-25T03:00:00Z"
    box.cluster.drifts = [
        Drift("pump", "Thing/pump", "spec.configuration.speed", 3, 9, "kubectl-edit", when),
        Drift("pump", "Thing/pump", "spec.more", live={"a": 1}, by="kubectl-edit"),
        Drift("pump", "Thing/pump", "spec.text", "a\nb\n", "a\nc\n"),
    ]
    del box.cluster.live["pump"]["Thing/pump"]
    said = say(box, "diff", "-n", "pump").stdout
    assert said[said.index("  changed on") : said.index("\n--- ")] == (
        "  changed on the cluster by another client\n"
        "    Thing/pump is gone\n"
        "    Thing/pump spec.configuration.speed\n"
        "      by kubectl-edit at 2026-11-25T03:00:00Z\n"
        "      -3\n"
        "      +9\n"
        "      is set to the value of the new version\n"
        "    Thing/pump spec.more\n"
        "      by kubectl-edit\n"
        "      -(not there)\n"
        '      +{"a": 1}\n'
        "      stays: the new version does not set it\n"
        "    Thing/pump spec.text\n"
        "      @@ -1,2 +1,2 @@\n"
        "       a\n"
        "      -b\n"
        "      +c\n"
        "      is removed with the old version\n"
    )
    assert workloads(say(box, "diff", "-n", "pump", "--json"))[0]["drift"][1] == {
        "object": "Thing/pump", "path": "spec.configuration.speed", "applied": 3, "live": 9, "then": 4, "stays": False,
        "by": "kubectl-edit", "when": when,
    }  # fmt: skip


def test_a_new_workload_is_told_whole(box):
    stage(box, "1.0.0", "valve")
    said = say(box, "diff", "-n", "valve").stdout
    assert said.splitlines()[:3] == [
        "valve: valve 1.0.0, new",
        "  downtime   none",
        f"  image      +r.io/pump:1.0.0 ({ONE[:19]}, 40.8 KiB)",
    ]
    assert said[said.index("---") :] == (
        "--- /dev/null\n"
        "+++ Thing/valve (revision 1)\n"
        "+spec:\n"
        f"+  image: r.io/pump:1.0.0@{ONE[:19]}\n"
        "+  configuration: {}\n"
        "+  environment:\n"
        "+    OPTIONS: '***'\n"
        "+  secrets: []\n"
    )


def test_an_image_that_somebody_removed_is_put_back_by_apply_and_not_by_a_look(box):
    box.runtime.garbage_collect(box.ledger.workload("pump").staged.locks[0])
    loaded = list(box.runtime.loaded)
    for words in (("diff", "-n", "pump"), ("apply", "-n", "pump", "--dry-run")):
        result = say(box, *words)
        result.check(stdout=WHOLE)
        assert result.stderr == "warning: pump: r.io/pump:2.0.0 is no longer in the runtime; it is imported from the store first\n"
    assert box.runtime.loaded == loaded
    assert box.runtime.pinned == {lock.name for lock in box.ledger.workload("pump").running.locks}


def test_a_cluster_that_misses_only_what_is_put_back_first_forbids_nothing(box):
    box.runtime.garbage_collect(box.ledger.workload("pump").staged.locks[0])
    box.cluster.findings = [Finding("image-missing", "pump", "container/pump", "image sha256:x is not in Docker Engine")]
    assert say(box, "diff", "-n", "pump").exit_code == 0


def test_an_image_that_nobody_has_any_more_forbids_the_apply(box):
    staged = box.ledger.workload("pump").staged.locks[0]
    box.runtime.garbage_collect(staged)
    box.store.path(staged.layers[-1].digest).unlink()
    result = say(box, "diff", "-n", "pump")
    assert result.exit_code == 65
    text = "is neither in the runtime nor in the store: deploy the workload again while there is a network"
    assert f"    r.io/pump:2.0.0: {text} [image-missing]\n" in result.stdout


def test_a_look_does_not_finish_what_a_crash_left(box):
    journal.begin(box.ledger, OperationKind.APPLY, Phase.APPLYING, [Step("pump", 1, 2)])
    result = say(box, "diff", "-n", "pump")
    result.check(stdout=WHOLE)
    assert result.stderr == ("warning: another change is under way or was interrupted; this preview is from before its end\n")
    assert journal.unfinished(box.ledger) is not None


def test_a_stopped_workload_is_said_to_be_started(box):
    say(box, "stop", "-n", "pump", "--yes")
    assert say(box, "diff", "-n", "pump").stderr == "warning: pump is stopped; this starts it\n"


def test_nothing_staged_and_nothing_known(box):
    assert say(box, "diff").exit_code == 2
    assert say(box, "diff", "-n", "pump", "--all").exit_code == 2
    unknown = say(box, "diff", "-n", "nobody", "--json")
    assert (unknown.exit_code, json.loads(unknown.stdout)["error"]["code"]) == (66, "workload-unknown")
    box.command_apply("pump")
    nothing = say(box, "diff", "-n", "pump", "--json")
    assert (nothing.exit_code, json.loads(nothing.stdout)["error"]["code"]) == (66, "nothing-staged")
    every = say(box, "diff", "--all", "--exit-code")
    every.check(stdout="", stderr="Nothing to do.\n")
    empty = json.loads(say(box, "diff", "--all", "--json").stdout)
    assert (empty["changes"], empty["workloads"], empty["status"]) == (False, [], "success")


def test_what_is_not_complete_is_not_told(box):
    box.source.images["r.io/pump:3.0.0"] = make_image([BASE], compress=False)
    deploy.store(box.ctx, [Spec("pump", "P", "pump", "3.0.0", "c", Method.STAGED, image="r.io/pump:3.0.0")])[0]
    result = say(box, "diff", "-n", "pump")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (75, "error: pump is not ready (pending)")


def test_a_silent_cluster_is_an_error_and_no_guess(box):
    box.cluster.unreachable = True
    result = say(box, "diff", "-n", "pump", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (69, "cluster-unreachable")


def test_a_rollback_is_told_in_the_same_way(box):
    box.command_apply("pump")
    result = say(box, "rollback", "-n", "pump", "--dry-run", "--exit-code")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[0] == "pump: pump 2.0.0 -> 1.0.0 (revision 2 -> 1)"
    assert "-speed: 4\n+speed: 3\n" in result.stdout


def test_objects_that_come_go_and_stay_are_told_with_their_reasons(box, monkeypatch):
    def planned(wanted, lookup, scales):
        return Plan(
            (
                Change(Op.CREATE, "pump", "Namespace/app", "not on the cluster"),
                Change(Op.UPDATE, "pump", "Secret/s", "data.key"),
                Change(Op.UPDATE, "pump", "Service/s", "metadata.labels[app.kubernetes.io/version]"),
                Change(Op.KEEP, "pump", "Thing/pump", "unchanged"),
                Change(Op.DELETE, "pump", "ConfigMap/old", "no longer in the workload"),
            ),
            remarks=("PersistentVolumeClaim/data is kept with its data until undeploy",),
        )

    monkeypatch.setattr(box.cluster, "plan", planned)
    result = say(box, "diff", "-n", "pump")
    assert result.stdout[result.stdout.index("  objects") :] == (
        "  objects    1 created, 2 updated, 1 kept, 1 pruned\n"
        "             created Namespace/app: not on the cluster\n"
        "             updated Secret/s: data.key\n"
        "             updated Service/s: only what names its version\n"
        "             kept    Thing/pump: unchanged\n"
        "             pruned  ConfigMap/old: no longer in the workload\n"
    )
    assert result.stderr == "warning: PersistentVolumeClaim/data is kept with its data until undeploy\n"


def test_a_terminal_gets_the_same_words_in_colours(box, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    said = say(box, "diff", "-n", "pump", terminal=True).stdout
    assert said.splitlines()[0] == "\x1b[1mpump: pump 1.0.0 -> 2.0.0 (revision 1 -> 2)\x1b[0m"
    for line in (
        "\x1b[31m-speed: 3\x1b[0m",
        "\x1b[32m+speed: 4\x1b[0m",
        "\x1b[33m~OPTIONS: changed, not shown\x1b[0m",
        "\x1b[36m@@ spec.configuration @@\x1b[0m",
    ):
        assert line in said.splitlines()
    plain = said
    for sequence in ("\x1b[0m", "\x1b[1m", *(f"\x1b[{number}m" for number in (31, 32, 33, 36))):
        plain = plain.replace(sequence, "")
    assert plain == WHOLE


def test_what_a_request_says_cannot_drive_the_terminal(box):
    stage(box, "2.0.0", speed="\x1b[2Jfast")
    assert "+speed: \\x1b[2Jfast\n" in say(box, "diff", "-n", "pump").stdout


def test_a_long_text_is_cut_for_people_and_whole_in_json(box):
    stage(box, "2.0.0", text="".join(f"line {number}\n" for number in range(300)), value="v" * 300)
    said = say(box, "diff", "-n", "pump").stdout
    assert "  and 101 lines more: --json has them\n" in said
    assert f"+value: {'v' * 200}... (300 characters)\n" in said
    (item,) = workloads(say(box, "diff", "-n", "pump", "--json"))[0]["objects"]
    fields = {field["path"]: field for field in item["fields"]}
    assert len(fields["spec.configuration.text"]["lines"]) == 301
    assert fields["spec.configuration.value"]["new"] == "v" * 300


def test_a_line_with_a_password_says_only_that_it_has_changed(box):
    box.command_apply("pump")
    stage(box, "1.0.0", text="speed: 3\npassword = one\n")
    box.command_apply("pump")
    stage(box, "2.0.0", text="speed: 4\npassword = two\n")
    said = say(box, "diff", "-n", "pump").stdout
    assert ("@@ spec.configuration.text -1,2 +1,2 @@\n-speed: 3\n+speed: 4\n password = ***\n~ more has changed, not shown\n") in said
    stage(box, "2.0.0", text="speed: 3\npassword = two\n")
    assert "@@ spec.configuration @@\n~text: changed, not shown\n" in say(box, "diff", "-n", "pump").stdout


def test_names_are_one_a_line(box):
    stage(box, "1.0.0", "valve")
    assert say(box, "diff", "--all", "-o", "name").stdout == "pump\nvalve\n"


def test_names_are_completed(box, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(box.settings.state_dir))
    assert candidates(["workloads", "diff", "-n", "pu"]) == [("pump", "")]
    assert [word for word, _ in candidates(["workloads", "diff", "--ex"])] == ["--exit-code"]
