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
from kelvin_provision.cli.frame.command_table import Command, commands
from kelvin_provision.cli.frame.leaf import loaded
from kelvin_provision.cli.frame.options import SHARED
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.queries.listing import Direction
from kelvin_provision.spec.enums import Method, State
from tests.kit.cli import captured, run

HELP = """\
Usage: kelvin-provision [OPTIONS] COMMAND [ARGS]...

  Stage workloads while there is a network; apply them when there is none.

Options:
  --version   Print the version and exit.
  -h, --help  Show this message and exit.

Commands:
  workloads       Deploy, apply, look at and remove workloads.
  images          The images on this box.
  agent           The background process that downloads and applies.
  config          The settings.
  doctor          Say how well this box is, and what to do where it is not.
  support-bundle  Pack what is known of this box, without its secrets.
  explain         Explain a state, an error code or an exit code.
  completion      Print the completion script of a shell.
"""


def usage(message, hint):
    return json.dumps({"status": "error", "error": {"code": "usage", "message": message, "hint": hint, "evidence": []}}, indent=2) + "\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_an_answer(word):
    result = run(word)
    assert (result.exit_code, result.stdout, result.stderr) == (0, HELP, "")


def test_no_word_at_all_is_help_on_stderr_and_2():
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", HELP)
    assert run("workloads").exit_code == 2
    assert "  apply     Apply staged workloads, all or none, and wait until they run.\n" in run("workloads").stderr


def test_the_version_alone_and_beside_other_words():
    assert (__version__, run("--version").stdout) == ("0.1.0", "kelvin-provision 0.1.0\n")
    result = run("--version", "workloads")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "kelvin-provision 0.1.0\n", "")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["worklods"], "kelvin-provision has no command worklods", "kelvin-provision workloads"),
        (["workloads", "aply"], "kelvin-provision workloads has no command aply", "kelvin-provision workloads apply"),
        (["workloads", "zzz"], "kelvin-provision workloads has no command zzz", "kelvin-provision workloads --help"),
        (["workloads", "list", "--stagd"], "no such option: --stagd; the nearest is --staged", "kelvin-provision workloads list --help"),
        (["workloads", "show"], "missing option '-n' / '--name'", "kelvin-provision workloads show --help"),
        (["workloads", "apply"], "say which workloads: --name NAME, or --all", "kelvin-provision workloads list --staged"),
        (
            ["workloads", "apply", "-n", "a", "--all"],
            "say which workloads: --name NAME, or --all",
            "kelvin-provision workloads list --staged",
        ),
        (["workloads", "apply", "a"], "got unexpected extra argument(s) (a)", "kelvin-provision workloads apply --help"),
        (["--verbose", "workloads", "list"], "--verbose goes behind the command", "kelvin-provision COMMAND --verbose"),
        (["workloads", "-o", "wide", "list"], "-o goes behind the command", "kelvin-provision workloads COMMAND -o"),
        (["explain", "redy"], "no state or code is called redy", "kelvin-provision explain ready"),
    ],
)
def test_a_usage_error_is_2_and_one_voice_for_people_and_one_document_for_scripts(words, message, hint):
    result = run(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n hint: {hint}\n")
    result = run(*words, "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (2, usage(message, hint), "")


@pytest.mark.parametrize("words", [["--json"], ["-o", "json"], ["-ojson"], ["-vo", "json"], ["--output=json"], ["--output", "json"]])
def test_every_way_to_ask_for_json_is_kept_by_the_parsers_own_errors(words):
    result = run("workloads", "zzz", *words)
    assert (result.exit_code, result.stderr) == (2, "")
    assert json.loads(result.stdout)["error"]["code"] == "usage"


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
    message = "error: standard output: no space left on device\n hint: the work is done; only its answer was lost\n"
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
    ]
    assert params("workloads deploy", *deploy) == {
        "file": ("a.yaml", "-"),
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
    assert params("workloads logs", "-n", "a", "-f", "--tail", "7") == {"name": "a", "follow": True, "tail": 7}
    assert params("workloads undeploy", "-n", "a", "--staged", "-y") == {"name": ("a",), "staged": True, "yes": True}
    assert params("agent run", "--until-idle") == {"until_idle": True}


def test_a_command_gets_its_session_and_values_of_the_types_it_asked_for(monkeypatch):
    seen = []

    def command(session: Session, *, file: Annotated[list[Path] | None, typer.Option("-f")] = None, staged: bool | None = None) -> Report:
        """Look."""
        seen.append((session, file, staged))
        return Report("probe", text="seen")

    probe = ModuleType("probe")
    probe.command = command
    monkeypatch.setitem(sys.modules, "probe", probe)
    words = ["-f", "a", "-f", "-", "-o", "wide", "-v", "--quiet", "--no-color", "--state-dir", "/s", "--config", "/c"]
    for given in (words, []):
        leaf = loaded("kelvin-provision probe", Command("probe", "Look."))
        with leaf.make_context("probe", list(given)) as context:
            assert captured(lambda: leaf.invoke(context)).stdout == "seen\n"  # noqa: B023  (called at once)
    assert seen == [
        (Session(Output.WIDE, True, True, True, Path("/s"), Path("/c")), [Path("a"), Path("-")], None),
        (Session(), None, None),
    ]
