"""README: its script for updates handles every exit code, and its commands are accepted as they are typed."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from kelvin_provision.queries.explaining.explanations import EXIT_CODES
from tests.kit.cli import run

README = (Path(__file__).parents[2] / "README.md").read_text()
SCRIPT = re.search(r"```sh\n(.*?)```", README, re.DOTALL)[1]
SUBJECTS = {
    0: None,
    1: "update failed; the previous version runs",
    2: "update refused; correct the request, the permissions or the configuration",
    65: "update refused; correct the request, the permissions or the configuration",
    66: "update refused; correct the request, the permissions or the configuration",
    69: None,
    70: "update failed; a bug of kelvin-provision",
    71: "update and rollback failed; the box needs help",
    73: "update failed; no disk space",
    75: None,
    77: "update refused; correct the request, the permissions or the configuration",
    78: "update refused; correct the request, the permissions or the configuration",
    130: None,
}


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("code", SUBJECTS)
def test_the_script_reports_what_needs_a_person_and_ends_with_the_code(tmp_path, code, shell):
    executable(tmp_path / "kelvin-provision", f"echo \"$*\" > called; echo '{{}}'; exit {code}")
    executable(tmp_path / "mail", 'echo "$2" > subject; cat > body')
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    result = subprocess.run([shell, "-c", SCRIPT], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)

    subject = tmp_path / "subject"
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")
    assert (tmp_path / "called").read_text() == "workloads apply --all --json\n"
    assert (subject.read_text().strip() if subject.exists() else None) == SUBJECTS[code]
    assert subject.exists() is (SUBJECTS[code] is not None)
    assert not subject.exists() or (tmp_path / "body").read_text() == "{}\n"


def test_every_exit_code_of_an_apply_is_in_the_script():
    assert set(EXIT_CODES) - {3} == set(SUBJECTS)


COMMANDS = re.findall(r"^(?:sudo )?kelvin-provision ([^#\n>]+)", README, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_page_and_their_options_exist(line):
    run(*shlex.split(line), "--help").check(stderr="")  # --help changes nothing, and options are parsed first


def test_the_page_has_commands():
    assert len(COMMANDS) > 25
