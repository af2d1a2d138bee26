"""Help, usage errors, and what the shared options do, by whole output and exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import typer

from kelvin_provision import __version__
from kelvin_provision.cli.frame.arguments import Name, Names
from kelvin_provision.cli.frame.command_table import Command, commands
from kelvin_provision.cli.frame.parsing.leaf import loaded
from kelvin_provision.cli.frame.parsing.options import SHARED
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.queries.listing import Direction
from kelvin_provision.spec.enums import Method, State
from tests.kit.cli import captured, run

HELP = """\
Usage: kelvin-provision [OPTIONS] COMMAND [ARGS]...

  Stage workloads while there is a network, and apply them without one.

Commands:
  workloads       Deploy, apply, inspect and remove workloads.
  images          The images on this box.
  bundle          Requests and images on removable media.
  media           What is done with a medium that arrives.
  follow          Publications of a fleet that this box follows.
  node            A leader, and members that keep the same images.
  agent           The background process that downloads and applies.
  api             The REST API of this box.
  fleet           What the boxes of a fleet report.
  publish         Publish requests to a fleet: signed, at a tag of a registry.
  key             Keys and signatures.
  trust           Trust documents: whose signatures count, and what is
                  revoked.
  config          The settings.
  self            The versions of this program on the box.
  setup           Set up a new box: settings, services, the first user; then
                  doctor.
  doctor          Check the health of this box, and say what to do.
  support-bundle  Pack everything known about this box, without its secrets.
  explain         Explain a state, an error code or an exit code.
  completion      Print the completion script of a shell.

Options:
  --version  Print the version and exit.

Common options (anywhere on the line):
  -o, --output FORMAT  How to write the answer: table, wide, json, yaml or
                       name.
  --json               The same as --output json.
  -v, --verbose        Say more on stderr.
  --quiet              Print nothing on stderr but errors.
  --no-color           Print no colours.  [env var: NO_COLOR]
  --state-dir PATH     Keep the state in this directory.
  --config FILE        Read this settings file and no other.  [env var:
                       KELVIN_PROVISION_CONFIG]
  -h, --help           Show this message and exit.
"""


def usage(message, hint):
    return json.dumps({"status": "error", "error": {"code": "usage", "message": message, "hint": hint, "evidence": []}}, indent=2) + "\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_an_answer(word):
    result = run(word)
    result.check(stdout=HELP, stderr="")


def test_help_fits_into_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    for words in ([], ["workloads"], ["workloads", "apply"], ["workloads", "list"], ["config", "set"], ["images", "prune"]):
        lines = run(*words, "--help").stdout.splitlines()
        assert [line for line in lines if len(line) > 40] == []


def test_no_word_at_all_is_help_on_stderr_and_2():
    result = run()
    result.check(exit_code=2, stdout="", stderr=HELP)
    assert run("workloads").exit_code == 2
    assert "  apply     Apply staged workloads, all or none, and wait until they run.\n" in run("workloads").stderr


def test_the_version_alone_and_beside_other_words():
    assert (__version__, run("--version").stdout) == ("0.1.0", "kelvin-provision 0.1.0\n")
    result = run("--version", "workloads")
    result.check(stdout="kelvin-provision 0.1.0\n", stderr="")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["worklods"], "kelvin-provision has no command worklods", "kelvin-provision workloads"),
        (["workloads", "aply"], "kelvin-provision workloads has no command aply", "kelvin-provision workloads apply"),
        (["workloads", "zzz"], "kelvin-provision workloads has no command zzz", "kelvin-provision workloads --help"),
        (["workloads", "list", "--stagd"], "no such option: --stagd; did you mean --staged?", "kelvin-provision workloads list --help"),
        (["workloads", "show"], "missing argument NAME", "kelvin-provision workloads list"),
        (["workloads", "stop"], "missing argument NAME", "kelvin-provision workloads list"),
        (["workloads", "show", "a", "b"], "got unexpected extra argument(s) (b)", "kelvin-provision workloads show --help"),
        (["workloads", "show", "a", "-n", "b"], "workloads show takes one workload, not 2: a, b", "kelvin-provision workloads show --help"),
        (
            ["workloads", "logs", "-n", "a", "-n", "b"],
            "workloads logs takes one workload, not 2: a, b",
            "kelvin-provision workloads logs --help",
        ),
        (["workloads", "apply"], "give the workloads: NAME..., or --all", "kelvin-provision workloads list --staged"),
        (
            ["workloads", "apply", "-n", "a", "--all"],
            "give the workloads: NAME..., or --all",
            "kelvin-provision workloads list --staged",
        ),
        (["workloads", "apply", "a", "--all"], "give the workloads: NAME..., or --all", "kelvin-provision workloads list --staged"),
        (["images", "list", "a"], "got unexpected extra argument(s) (a)", "kelvin-provision images list --help"),
        (["--staged", "workloads", "list"], "no such option: --staged; did you mean --state-dir?", "kelvin-provision --help"),
        (["--verbose"], "missing command", "kelvin-provision --help"),
        (
            ["--state-dir", "/a", "workloads", "list", "--state-dir", "/b"],
            "--state-dir /a and --state-dir /b contradict each other",
            "kelvin-provision --help",
        ),
        (
            ["workloads", "--config", "/a", "list", "--config=/b"],
            "--config /a and --config /b contradict each other",
            "kelvin-provision --help",
        ),
        (
            ["workloads", "apply", "a", "--timeout", "5x"],
            "invalid value for '--timeout': expected a duration such as 90, 30s, 5m or 2h, got 5x",
            "kelvin-provision workloads apply --help",
        ),
        (["explain", "redy"], "no state or code is called redy", "kelvin-provision explain ready"),
    ],
)
def test_a_usage_error_is_2_and_one_voice_for_people_and_one_document_for_scripts(words, message, hint):
    result = run(*words)
    result.check(exit_code=2, stdout="", stderr=f"error: {message}\n hint: {hint}\n")
    result = run(*words, "--json")
    result.check(exit_code=2, stdout=usage(message, hint), stderr="")


@pytest.mark.parametrize("words", [["--json"], ["-o", "json"], ["-ojson"], ["-vo", "json"], ["--output=json"], ["--output", "json"]])
def test_every_way_to_ask_for_json_is_kept_by_the_parsers_own_errors(words):
    for line in (("workloads", "zzz", *words), ("workloads", *words, "zzz"), (*words, "workloads", "zzz"), words):
        result = run(*line)
        result.check(exit_code=2, stderr="")
        assert json.loads(result.stdout)["error"]["code"] == "usage"


def test_an_option_before_the_command_that_lacks_its_value_is_a_usage_error():
    result = run("workloads", "--state-dir")
    message = "error: option '--state-dir' requires an argument\n hint: kelvin-provision --help\n"
    result.check(exit_code=2, stderr=message)


@pytest.mark.parametrize("words", [["--json"], ["-o", "json"], ["-ojson"], ["-vojson"], ["--output=json"], ["--quiet", "-v", "--json"]])
def test_a_shared_option_means_the_same_before_the_command_and_after_it(words):
    after = run("workloads", "list", *words)
    assert json.loads(after.stdout)["data"] == []
    assert run(*words, "workloads", "list") == after
    assert run("workloads", *words, "list") == after
    assert run(*words, "workloads", *words, "list", *words) == after


def test_the_state_directory_and_the_settings_file_may_stand_before_the_command(tmp_path):
    (tmp_path / "c.yaml").write_text("registry: r.example:5000\n")
    words = ["--config", str(tmp_path / "c.yaml"), "--state-dir", str(tmp_path / "s")]
    before, after = run(*words, "config", "show", "--json"), run("config", "show", "--json", *words)
    assert before == after
    values = {one["key"]: (one["value"], one["origin"]) for one in json.loads(before.stdout)["settings"]}
    assert values["registry"] == ("r.example:5000", str(tmp_path / "c.yaml"))
    assert values["state_dir"][0] == str(tmp_path / "s")


def test_the_option_config_wins_over_its_variable(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"registry: {name}.example\n")
    monkeypatch.setenv("KELVIN_PROVISION_CONFIG", str(tmp_path / "a"))
    assert run("config", "path", "-o", "name").stdout == f"{tmp_path}/a\n"
    assert "a.example" in run("config", "show").stdout
    assert run("--config", str(tmp_path / "b"), "config", "path", "-o", "name").stdout == f"{tmp_path}/b\n"
    monkeypatch.setenv("KELVIN_PROVISION_CONFIG", "")
    assert "a.example" not in run("config", "show").stdout


def test_an_output_before_the_bundle_is_its_format_and_not_its_file():
    result = run("-o", "json", "support-bundle", "-o", "-")
    assert json.loads(result.stdout)["error"]["message"] == "standard output takes the file or a document, not both"


def test_a_yaml_error_is_yaml():
    result = run("workloads", "zzz", "-o", "yaml")
    assert result.stdout == (
        "status: error\nerror:\n  code: usage\n  message: kelvin-provision workloads has no command zzz\n"
        "  hint: kelvin-provision workloads --help\n  evidence: []\n"
    )


def test_json_after_two_dashes_is_not_an_option():
    assert run("workloads", "zzz", "--", "--json").stdout == ""


def test_json_and_another_output_contradict_each_other():
    result = run("explain", "ready", "--json", "-o", "yaml")
    assert (result.exit_code, json.loads(result.stdout)["error"]["message"]) == (2, "--json and --output yaml contradict each other")
    assert run("explain", "ready", "--json", "-o", "json").exit_code == 0


def test_an_unknown_output_names_those_that_there_are():
    result = run("explain", "ready", "-o", "xml")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "error: invalid value for '-o' / '--output': 'xml' is not one of 'table', 'wide', 'json', 'yaml', 'name'\n"
    )


def program(*words, **more):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return subprocess.run(
        [sys.executable, "-m", "kelvin_provision", *words], capture_output=True, text=True, env=environment, check=False, **more
    )


def test_a_real_process_answers_and_exits_the_same_way():
    good, bad = program("--help"), program("workloads", "zzz", "--json")
    assert (good.returncode, good.stdout, good.stderr) == (0, HELP, "")
    assert (bad.returncode, bad.stderr) == (2, "")
    assert json.loads(bad.stdout)["status"] == "error"


def test_a_reader_that_goes_away_is_met_in_silence():
    command = f"{sys.executable} -m kelvin_provision explain --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_an_answer_that_does_not_fit_on_the_disk_is_73():
    command = f"{sys.executable} -m kelvin_provision explain > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    message = "error: standard output: no space left on device\n hint: the work is done; only its output was lost\n"
    assert (done.returncode, done.stderr) == (73, message)


def test_an_answer_in_a_narrow_encoding_is_escaped_and_not_a_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "kelvin_provision", "explain", "grün"],
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii:strict"},
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, rb"error: no state or code is called gr\xfcn")


def params(path, *words):
    entry = {" ".join(names): entry for names, entry in commands()}[path]
    with loaded(path, entry).make_context(path, list(words)) as context:
        return {name: value for name, value in context.params.items() if name not in SHARED and value}


def test_the_arguments_of_the_commands():
    deploy = [
        "-f",
        "a.yaml",
        "--file",
        "-",
        "--no-staged",
        "--deployment-type",
        "staged-only",
        "--manifest",
        "k8s.yaml",
        "--timeout",
        "1.5",
        "b.yaml",
    ]
    assert params("workloads deploy", *deploy) == {
        "file": ("a.yaml", "-"),
        "file_arguments": ("b.yaml",),
        "deployment_type": Method.STAGED,
        "manifest": ("k8s.yaml",),
        "timeout": 1.5,
    }
    assert params("workloads apply", "-n", "a", "--name", "b", "--dry-run") == {"name": ("a", "b"), "dry_run": True}
    assert params("workloads list", "--state", "ready", "--state", "failed", "--search", "x", "--live") == {
        "state": (State.READY, State.FAILED),
        "search": ("x",),
        "direction": Direction.ASC,
        "live": True,
    }
    assert params("workloads wait", "-n", "a", "--for", "ready") == {"name": ("a",), "state": State.READY}
    assert params("workloads logs", "-n", "a", "-f", "--tail", "7") == {"name": ("a",), "follow": True, "tail": 7}
    assert params("workloads logs", "a") == {"name_arguments": "a"}
    assert params("workloads undeploy", "-n", "a", "--staged", "-y") == {"name": ("a",), "staged": True, "yes": True}
    assert params("agent run", "--until-idle") == {"until_idle": True}


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1.5", 1.5)])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("workloads deploy", ["--timeout"]),
        ("workloads apply", ["--timeout"]),
        ("workloads apply", ["--rollback-timeout"]),
        ("workloads rollback", ["--timeout"]),
        ("workloads rollback", ["--rollback-timeout"]),
        ("workloads start", ["--timeout"]),
        ("workloads wait", ["--for", "ready", "--timeout"]),
    ],
)
def test_a_duration_is_written_as_in_the_settings(path, words, text, seconds):
    assert params(path, *words, text)[words[-1].removeprefix("--").replace("-", "_")] == seconds


def test_every_option_of_a_duration_takes_one():
    """An option that is about time and takes plain seconds has been forgotten."""
    found = []
    for words, entry in commands():
        leaf = loaded(" ".join(("kelvin-provision", *words)), entry)
        found += [
            f"{' '.join(words)} {one.opts[0]}"
            for one in leaf.params
            if one.metavar == "SECONDS" or one.type.name in {"float", "float range"}
        ]
    assert found == []


def probed(monkeypatch, command, *words):
    probe = ModuleType("probe")
    probe.command = command
    monkeypatch.setitem(sys.modules, "probe", probe)
    leaf = loaded("kelvin-provision probe", Command("probe", "Look."))
    with leaf.make_context("probe", list(words)) as context:
        return captured(lambda: leaf.invoke(context))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["-n", "a", "--name", "b"], ["a", "b"]),
        (["a", "-n", "b", "a", "-n", "a"], ["a", "b"]),
        (["-n", "b", "a"], ["a", "b"]),
        (["--", "-n"], ["-n"]),
    ],
)
def test_names_are_arguments_and_options_and_each_counts_once(monkeypatch, words, names):
    seen = []

    def command(session: Session, *, name: Names) -> Report:
        """Look."""
        seen.append(name)
        return Report("probe", text="seen")

    assert probed(monkeypatch, command, *words).stdout == "seen\n"
    assert seen == [names]


def test_one_name_may_be_said_twice(monkeypatch):
    seen = []

    def command(session: Session, *, name: Name) -> Report:
        """Look."""
        seen.append(name)
        return Report("probe", text="seen")

    for words in (["a"], ["-n", "a"], ["a", "-n", "a"]):
        assert probed(monkeypatch, command, *words).stdout == "seen\n"
    assert seen == ["a", "a", "a"]


def test_a_command_gets_its_session_and_values_of_the_types_it_asked_for(monkeypatch):
    seen = []

    def command(session: Session, *, file: Annotated[list[Path] | None, typer.Option("-f")] = None, staged: bool | None = None) -> Report:
        """Look."""
        seen.append((session, file, staged))
        return Report("probe", text="seen")

    words = ["-f", "a", "-f", "-", "-o", "wide", "-v", "--quiet", "--no-color", "--state-dir", "/s", "--config", "/c"]
    for given in (words, []):
        assert probed(monkeypatch, command, *given).stdout == "seen\n"
    assert seen == [
        (Session(Output.WIDE, True, True, True, Path("/s"), Path("/c")), [Path("a"), Path("-")], None),
        (Session(), None, None),
    ]
