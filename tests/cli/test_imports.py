"""Nothing is imported that was not asked for: by module list in a fresh interpreter, not by stopwatch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEAVY = {"yaml", "rich", "docker", "kubernetes", "pydantic", "urllib3", "sqlite3", "ssl", "asyncio"}
PROBE = """
import json, sys
from kelvin_provision.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


def modules(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], **environment}
    )
    code, names = json.loads(done.stderr)
    return code, done.stdout, set(names)


@pytest.mark.parametrize("words", [["--help"], ["workloads", "--help"], ["agent", "-h"]])
def test_help_imports_no_command_and_nothing_heavy(words):
    code, stdout, names = modules(*words)
    assert (code, stdout[:6]) == (0, "Usage:")
    assert {name for name in names if name.startswith("kelvin_provision.cli.commands")} == set()
    assert "kelvin_provision.cli.frame.parsing.options" not in names, "the common options are shown from the table"
    assert names & HEAVY == set()


def test_the_version_does_not_even_import_typer():
    code, stdout, names = modules("--version")
    assert (code, stdout, names & (HEAVY | {"typer"})) == (0, "kelvin-provision 0.1.0\n", set())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completing_names_imports_no_command_and_not_even_typer(shell):
    _, stdout, names = modules("workloads", "", _KELVIN_PROVISION_COMPLETE=shell)
    assert stdout.startswith("deploy")
    assert names & (HEAVY | {"typer", "kelvin_provision.cli.commands"}) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completing_options_imports_that_one_command_and_nothing_heavy(shell):
    _, stdout, names = modules("workloads", "apply", "--d", _KELVIN_PROVISION_COMPLETE=shell)
    assert stdout.startswith("--dry-run")
    assert {name for name in names if name.startswith("kelvin_provision.cli.commands.workloads.")} == {
        "kelvin_provision.cli.commands.workloads.apply"
    }
    assert names & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "first"),
    [(["config", "set", ""], "state_dir"), (["explain", "not-r"], "not-ready"), (["support-bundle", "--f"], "--file")],
)
def test_completing_keys_and_codes_imports_nothing_heavy(words, first):
    _, stdout, names = modules(*words, _KELVIN_PROVISION_COMPLETE="bash")
    assert stdout.startswith(first)
    assert names & HEAVY == set()


def test_a_table_for_people_needs_no_rich():
    _, _, names = modules("explain")
    assert names & HEAVY == set()


@pytest.mark.parametrize("words", [["list"], ["list", "--page-size", "1", "--json"], ["wait", "-n", "nobody", "--for", "running"]])
def test_looking_needs_nothing_heavy_but_the_ledger(tmp_path, words):
    code, _, names = modules("workloads", *words, "--quiet", "--json", "--state-dir", str(tmp_path))
    assert code in {0, 66}
    assert names & (HEAVY | {"typer"}) == {"sqlite3"}
    values = {f"kelvin_provision.cluster.{name}" for name in ("protocol", "plan", "survey", "labels")}
    assert {name for name in names if name.startswith("kelvin_provision.cluster.")} <= values


def test_threads_that_import_a_library_at_once_cannot_wait_for_each_other():
    """`import docker.errors` locks the part and then the whole; `import docker` the other way round: Python calls that a deadlock."""
    part_first = re.compile(r"^\s+(import (docker|kubernetes|requests)\.|from docker\.)", re.MULTILINE)
    sources = (Path(__file__).parents[2] / "kelvin_provision").rglob("*.py")
    assert [path.name for path in sources if part_first.search(path.read_text())] == []


def test_the_agent_which_lives_for_months_has_nothing_that_only_commands_the_api_or_mistakes_need(tmp_path):
    around = {"KELVIN_PROVISION_CLUSTER__TYPE": "docker", "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    code, _, names = modules("agent", "run", "--until-idle", "--quiet", "--state-dir", str(tmp_path / "state"), **around)
    assert (code, "kelvin_provision.agent.loop" in names) == (0, True)
    never = {"pydantic", "cryptography", "kubernetes", "typer", "rich", "charset_normalizer", "difflib", "yaml", "jinja2", "starlette"}
    assert names & never == set()


DOCKER = """
import json, sys
from kelvin_provision.docker_engine.sdk import docker, requests
answer = requests.Response()  # which names no encoding
answer._content = "läuft".encode()
print(json.dumps([answer.text, sorted(sys.modules)]))
"""


def test_docker_brings_nothing_that_guesses_encodings_and_comes_from_one_place():
    """2 MiB in the memory of the agent."""
    done = subprocess.run([sys.executable, "-c", DOCKER], capture_output=True, text=True, check=True)
    text, names = json.loads(done.stdout)
    assert (text, {"docker", "requests"} <= set(names), set(names) & {"charset_normalizer", "chardet"}, done.stderr) == (
        "läuft",
        True,
        set(),
        "",
    )
    elsewhere = re.compile(r"^\s*(import|from) (docker|requests)\b(?! import APIClient)", re.MULTILINE)
    sources = (Path(__file__).parents[2] / "kelvin_provision").rglob("*.py")
    assert [path.name for path in sources if elsewhere.search(path.read_text())] == ["sdk.py"]
