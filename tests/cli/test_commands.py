"""explain and config show, whole."""

import json
from importlib.util import find_spec

import pytest

from kelvin_provision.cli.commands.config.show import shown
from kelvin_provision.settings.model import Origin
from tests.kit.cli import run


def test_a_state_is_explained_in_three_sentences():
    result = run("explain", "ready")
    result.check(stderr="")
    assert result.stdout == (
        "ready: Everything that the staged version needs is on this box and verified. No network is needed any more.\n\n"
        "after: All its images were downloaded, verified and imported into the runtime.\n"
        " then: kelvin-provision workloads apply -n NAME\n"
    )


@pytest.mark.parametrize("word", ["pending_deploy", "Pending for deploy", "PENDING-DEPLOY", "pending deploy"])
def test_a_state_is_found_however_it_is_written(word):
    assert json.loads(run("explain", word, "--json").stdout)["word"] == "pending_deploy"


def test_an_error_code_is_explained():
    assert run("explain", "nothing-staged").stdout == (
        "nothing-staged: The workload has no staged version to apply.\n\n"
        "exit code: 66, There is no such workload, image, or staged version.\n"
        "    after: It was applied already, deployed without staging, or removed with `workloads undeploy --staged`.\n"
        "     then: kelvin-provision workloads deploy FILE\n"
    )
    assert json.loads(run("explain", "locked", "--json").stdout) == {
        "schema": 1,
        "kind": "error",
        "word": "locked",
        "meaning": "Another command is changing this box; the message says who, and since when.",
        "after": "An apply, stop or undeploy by another person or by the agent is under way.",
        "then": "wait until it ends, then try again",
        "exit_code": 75,
        "temporary": True,
    }


def test_the_hint_of_an_explanation_is_about_any_command():
    assert run("explain", "permission-refused").stdout.endswith("then: run as root: sudo kelvin-provision ...\n")
    assert json.loads(run("explain", "permission-refused", "--json").stdout)["then"] == "run as root: sudo kelvin-provision ..."


def test_an_exit_code_is_explained_with_the_errors_behind_it():
    assert run("explain", "77").stdout == (
        "exit code 77: Permission denied.\n\n"
        "cluster-denied: The cluster rejects the credentials, or they lack a permission that the change needs.\n"
        "join-refused: The leader does not admit the node: its token, its name or its key.\n"
        "login-unreadable: The stored credentials for a registry cannot be read on this box.\n"
        "node-foreign: The other node is not the one that this node was joined to, or does not know this node any more.\n"
        "permission-refused: This user has no permission for a file, a directory or a socket.\n"
        "registry-denied: The registry rejects the credentials, or requires a login.\n"
    )
    assert run("explain", "3").stdout == "exit code 3: There are changes (only with --exit-code).\n"


def test_without_a_word_everything_is_listed():
    result = run("explain")
    assert result.stdout.splitlines()[0].split() == ["KIND", "WORD", "MEANING"]
    assert {"ready", "not-ready", "75"} < set(run("explain", "-o", "name").stdout.split())
    assert {
        "kind": "exit code",
        "word": "130",
        "meaning": "Interrupted, or a question was answered with no; then nothing was changed.",
    } in json.loads(run("explain", "--json").stdout)["words"]


def test_settings_are_shown_with_their_origins_and_without_logins():
    report = shown((Origin("registry", "https://u:p@r.example:5000", "/etc/x.yaml", "where images are pulled from"),))
    assert report.document == {
        "schema": 1,
        "settings": [
            {"key": "registry", "value": "https://***@r.example:5000", "origin": "/etc/x.yaml", "doc": "where images are pulled from"}
        ],
    }
    assert (report.names, report.table.wide) == (("registry",), {"doc"})


@pytest.mark.skipif(find_spec("kelvin_provision.settings.load") is None, reason="settings.load is not here yet")
def test_config_show_says_where_each_value_comes_from(tmp_path):
    result = run("config", "show", "--json", "--state-dir", str(tmp_path))
    result.check(stderr="")
    rows = {row["key"]: row for row in json.loads(result.stdout)["settings"]}
    assert rows["state_dir"]["value"] == str(tmp_path)
