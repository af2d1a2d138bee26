"""Completion: what could stand next, and the bash script in a real bash."""

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from kelvin_provision.cli.docs.completion_scripts import SCRIPTS
from kelvin_provision.cli.frame.complete import candidates
from tests.kit.box import Box
from tests.kit.cli import run

NEEDED = ("kelvin_provision.ledger.ledger", "kelvin_provision.settings.load")


def words(*line):
    return [word for word, _ in candidates(line)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            [""],
            [
                "workloads",
                "images",
                "bundle",
                "media",
                "follow",
                "node",
                "agent",
                "api",
                "fleet",
                "publish",
                "key",
                "trust",
                "config",
                "self",
                "setup",
                "doctor",
                "support-bundle",
                "explain",
                "completion",
            ],
        ),
        (["co"], ["config", "completion"]),
        (
            ["--"],
            ["--output", "--json", "--verbose", "--quiet", "--no-color", "--state-dir", "--config", "--help", "--version"],
        ),
        (["workloads", "--state"], ["--state-dir"]),
        (["--json", "workloads", "--state-dir", "/s", "hi"], ["history"]),
        (["-o", "wide", "wo"], ["workloads"]),
        (["-o", "w"], ["wide"]),
        (["workloads", "--output=y"], ["--output=yaml"]),
        (["--config", ""], [":files"]),
        (["workloads", "deploy", "req"], [":files"]),
        (
            ["workloads", ""],
            [
                "deploy",
                "apply",
                "diff",
                "list",
                "show",
                "check",
                "rehearse",
                "wait",
                "start",
                "stop",
                "hold",
                "release",
                "rollback",
                "history",
                "undeploy",
                "logs",
                "download",
            ],
        ),
        (["workloads", "-"], ["--output", "--json", "--verbose", "--quiet", "--no-color", "--state-dir", "--config", "--help"]),
        (["workloads", "nonsense", ""], []),
        (["workloads", "list", "--st"], ["--staged", "--state", "--state-dir"]),
        (["workloads", "list", "--state", "pending_s"], ["pending_start", "pending_stop"]),
        (["workloads", "list", "--state=pending_s"], ["--state=pending_start", "--state=pending_stop"]),
        (["workloads", "list", "--state", "=", "pending_s"], ["pending_start", "pending_stop"]),
        (["workloads", "list", "--state", "="], None),
        (["workloads", "list", "--output="], ["--output=table", "--output=wide", "--output=json", "--output=yaml", "--output=name"]),
        (["workloads", "list", "-o", "j"], ["json"]),
        (["workloads", "list", "-v", "-o", ""], ["table", "wide", "json", "yaml", "name"]),
        (["workloads", "deploy", "--no-"], ["--no-staged", "--no-instantly-apply", "--no-color"]),
        (["workloads", "deploy", "-f", "req"], [":files"]),
        (["workloads", "deploy", "--manifest="], [":files"]),
        (["bundle", "verify", "nor"], [":files"]),
        (["bundle", "import", "--im"], ["--images-only"]),
        (["setup", "--cluster", "k"], ["kubernetes"]),
        (["setup", "--no-"], ["--no-api", "--no-user", "--no-start", "--no-color"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["explain", "pending_a"], ["pending_apply"]),
        (["explain", "ready", ""], []),
        (["explain", "not-r"], ["not-ready"]),
        (["config", "set", "apply.t"], ["apply.timeout"]),
        (["config", "unset", "cluster.n"], ["cluster.namespace", "cluster.name"]),
        (["config", "set", "registries"], ["registries."]),
        (["workloads", "apply", "-n", ""], []),
        (["workloads", "check", "--skip", "p"], ["platform", "pins", "pull-policy", "ports"]),
        (["doctor", "--skip", "c"], ["configuration", "clock", "cluster", "certificates"]),
    ],
)
def test_what_could_stand_next(line, found):
    assert words(*line) == found if found is not None else len(words(*line)) == 15


@pytest.mark.parametrize("line", [["workloads", "list", "--stat", ""], ["workloads", "show", "--bad", "-x", "-o", ""], [], ["", ""]])
def test_a_half_typed_line_is_no_error(line, monkeypatch):
    monkeypatch.setenv("_KELVIN_PROVISION_COMPLETE", "bash")
    result = run(*line)
    result.check(stderr="")


def test_zsh_and_fish_get_the_help_beside_each_word(monkeypatch):
    monkeypatch.setenv("_KELVIN_PROVISION_COMPLETE", "fish")
    assert run("agent", "").stdout == (
        "run\tRun the agent in the foreground.\nstatus\tShow whether the agent is alive and what it does.\n"
        "start\tStart the agent in the background.\nstop\tStop the agent; workloads keep running.\n"
        "restart\tRestart the agent, with the present settings.\n"
        "install\tInstall the agent as a service that starts with the box.\nuninstall\tStop the service of the agent and remove it.\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(shell):
    result = run("completion", shell)
    result.check(stdout=SCRIPTS[shell], stderr="")


def test_the_shell_in_use_is_the_default(monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run("completion").stdout == SCRIPTS["fish"]
    monkeypatch.setenv("SHELL", "/bin/dash")
    result = run("completion")
    assert result.stderr == "error: no completion script for dash\n hint: kelvin-provision completion bash\n"
    assert result.exit_code == 2


def in_bash(tmp_path, *line):
    """COMPREPLY as the script leaves it, with the line split as bash's readline does."""
    program = tmp_path / "kelvin-provision"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kelvin_provision "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(SCRIPTS["bash"])
    line_words = " ".join(f"'{word}'" for word in ("kelvin-provision", *line))
    code = (
        "compopt() { :; }\n"  # only readline may call the builtin
        f"source {tmp_path}/script\nCOMP_WORDS=({line_words})\nCOMP_CWORD={len(line)}\n"
        f'_kelvin_provision kelvin-provision "{line[-1]}" "{line[-2] if len(line) > 1 else ""}"\n'
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_bash_script_in_a_real_bash(tmp_path):
    (tmp_path / "request one.yaml").write_text("")
    assert in_bash(tmp_path, "workloads", "ap") == ["apply"]
    assert in_bash(tmp_path, "workloads", "list", "--output", "=", "y") == ["yaml"]
    assert in_bash(tmp_path, "workloads", "deploy", "-f", "requ") == ["request one.yaml"]


@pytest.mark.parametrize("shell", ["bash"])
def test_the_scripts_are_good_syntax(shell):
    assert subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, check=False, capture_output=True).stderr == ""


def test_states_and_sort_keys_are_completed():
    assert words("workloads", "list", "--state", "s") == ["staged", "starting", "stopping", "stopped"]
    assert words("workloads", "list", "--sort-by", "") == ["name", "title", "cluster_name", "node_name", "enabled", "created", "updated"]
    assert words("workloads", "list", "--direction", "d") == ["desc"]
    assert words("workloads", "wait", "--for", "r") == ["received", "ready", "running"]


@pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason="the ledger and the settings are not here yet")
def test_names_of_workloads_come_from_the_ledger(tmp_path):
    place = ["--state-dir", str(tmp_path)]
    assert words("workloads", "apply", *place, "-n", "") == []
    assert list(tmp_path.iterdir()) == []
    ledger = import_module("kelvin_provision.ledger.ledger").Ledger(tmp_path / "ledger.db")
    with ledger, ledger.writing() as db:
        db.executemany("INSERT INTO workloads (name, title, created, updated) VALUES (?, '', '', '')", [("motor",), ("mixer",), ("pump",)])
    assert words("workloads", "apply", *place, "-n", "m") == ["mixer", "motor"]
    assert words("workloads", "show", *place, "--name=p") == ["--name=pump"]
    assert words("workloads", "apply", *place, "m") == ["mixer", "motor"]
    assert words(*place, "workloads", "apply", "-n", "mixer", "m") == ["motor"]
    assert words(*place, "workloads", "apply", "motor", "") == ["mixer", "pump"]
    assert words("workloads", *place, "logs", "p") == ["pump"]
    (tmp_path / "ledger.db").write_text("broken")
    assert words("workloads", "undeploy", *place, "-n", "") == []


def test_setting_keys_below_registries_are_those_of_the_hosts_that_are_set(tmp_path):
    (tmp_path / "c.yaml").write_text("registry: r.example:5000/apps\nregistries: {mirror.example: {insecure: true}}\n")
    assert words("config", "set", "--config", str(tmp_path / "c.yaml"), "registries.") == [
        "registries.mirror.example.mirrors",
        "registries.r.example:5000.mirrors",
        "registries.mirror.example.insecure",
        "registries.r.example:5000.insecure",
        "registries.mirror.example.ca_file",
        "registries.r.example:5000.ca_file",
        "registries.mirror.example.auth_file",
        "registries.r.example:5000.auth_file",
    ]


def test_revisions_to_go_back_to_are_those_that_are_kept(tmp_path):
    box = Box(tmp_path)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        box.deploy("pump", version=version)
        box.turn()
        box.command_apply("pump")
    place = ["--state-dir", str(tmp_path)]
    assert candidates(["workloads", "rollback", *place, "-n", "pump", "--to", ""]) == [("2", "version 2.0.0"), ("1", "version 1.0.0")]
    assert words("workloads", "rollback", *place, "--name", "pump", "--to=1") == ["--to=1"]
    assert words("workloads", "rollback", *place, "pump", "--to", "1") == ["1"]
    assert words("workloads", "rollback", *place, "--to", "") == []
    box.close()
