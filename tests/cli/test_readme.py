"""README: its script for updates handles every exit code, and its commands are typed one after the other on a box."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from kelvin_provision.cli.main import main
from kelvin_provision.queries.explaining.explanations import EXIT_CODES
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.images import random_image
from tests.kit.screen import Terminal

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


# --- a technician who types the page from its beginning to its end ------------------------------------

NAME = "docs-demo-motor-speed"
REQUEST = re.search(r"```json\n(.*?)```", README, re.DOTALL)[1]
CODES = {"doctor": {0, 1}}
"""The disk of the machine that tests may be full."""
ELSEWHERE = ("api ", "agent restart", "setup")
"""They start a process of their own, or look at this machine: tests/real, test_agent_control and test_setup type them."""


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable, value in {
        "KELVIN_PROVISION_SITE_CONFIG": "site.yaml", "XDG_CONFIG_HOME": "user", "KELVIN_PROVISION_UNIT_DIR": "units",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, str(tmp_path / value))
    (tmp_path / "motor-speed.json").write_text(REQUEST)
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(json.loads(REQUEST)["payload"]))
    found = Box(tmp_path / "state")
    found.source.images["registry.example.com:5000/motor-speed:2.3.0"] = random_image([3000])
    yield found
    found.close()


def newer(box):
    box.deploy(NAME, version="2.4.0")
    box.turn()


def logging(box):
    box.cluster.log_lines[NAME] = ["42 rpm"]


BEFORE = {
    f"workloads deploy -n {NAME}": lambda box: box.command_apply(NAME),  # so that there is a revision 1 to go back to
    f"workloads apply {NAME} --at": newer,
    f"workloads logs {NAME}": logging,
    f"workloads rollback {NAME}": lambda box: box.command_apply(NAME) if box.ledger.workload(NAME).staged else None,
}
"""What happens on the box before a command of the page."""


def typed(box, line):
    """As typed: until Ctrl-C where it goes on for ever, with an answer where it asks."""
    if "--watch" in line:
        words = (*shlex.split(line), "--state-dir", str(box.settings.state_dir))
        box.close()
        box._connections = None
        terminal = Terminal(lambda: main(words, wiring=box.wiring), 80)
        terminal.until(NAME)
        terminal.type("\x03")
        return terminal.end(), terminal.screen.text
    stick = box.settings.state_dir.parent / "stick"
    stick.mkdir(exist_ok=True)
    result = box.run(*shlex.split(line.replace("/media/stick", str(stick))), terminal="asks for" in COMMENTS[line], stdin="y\n")
    return result.exit_code, result.stdout + result.stderr


COMMENTS = dict(re.findall(r"^(?:sudo )?kelvin-provision ([^#\n>]+)(.*)$", README, re.MULTILINE))


def test_the_commands_of_the_page_do_what_it_says_in_its_order(box):
    told = []
    for line in [command for command in COMMANDS if not command.startswith(ELSEWHERE)]:
        for beginning, prepare in BEFORE.items():
            if line.startswith(beginning):
                prepare(box)
        code, said = typed(box, line)
        allowed = next((codes for beginning, codes in CODES.items() if line.startswith(beginning)), {0})
        assert code in allowed, (line, code, said)
        told.append((line, said))
        if line.startswith(("workloads deploy", "bundle import")):
            box.turn()
    said = {line.strip(): text for line, text in told}
    assert "running" in said[f"workloads apply {NAME}"]
    assert "will be applied at" in said[f"workloads apply {NAME} --at 02:00"]
    assert "42 rpm" in said[f"workloads logs {NAME}"]
    assert box.ledger.workload(NAME).running.number == 1  # `rollback --to 1`
    assert box.ledger.workload(NAME).enabled
