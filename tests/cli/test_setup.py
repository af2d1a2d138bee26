"""`setup` at the command line: questions on a terminal, options without one, and what it prints."""

import json
import os
import re
from pathlib import Path

import pytest

from kelvin_provision.access import users as module
from kelvin_provision.access.passwords import Cost
from kelvin_provision.cli.main import main
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.screen import Terminal
from tests.kit.signing import key_pair
from tests.kit.waiting import until

PASSWORD = "Secret123"


@pytest.fixture
def box(tmp_path, monkeypatch):
    """A new box with the kubeconfig of a session: settings, units and state are below a folder, and systemd does not run."""
    monkeypatch.setattr(module.Users.__init__, "__defaults__", (Cost(2, 1, 1),))
    (tmp_path / "kubeconfig").touch()
    for name, value in {
        "KELVIN_PROVISION_SITE_CONFIG": tmp_path / "etc/kelvin-provision/config.yaml",
        "KELVIN_PROVISION_UNIT_DIR": tmp_path / "etc/systemd/system",
        "KELVIN_PROVISION_STATE_DIR": tmp_path / "state",
        "KUBECONFIG": tmp_path / "kubeconfig",
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
    }.items():
        monkeypatch.setenv(name, str(value))
    found = Box(tmp_path / "state")
    yield found
    found.close()


@pytest.fixture
def site(tmp_path):
    return tmp_path / "etc/kelvin-provision/config.yaml"


def setup(box, *words, **more):
    return run("setup", *words, wiring=box.wiring, **more)


def password_file(path, mode=0o600, text=f"{PASSWORD}\n"):
    file = path / "password"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


# --- without a terminal -------------------------------------------------------------------------------


def test_missing_answers_are_refused_with_their_options(box, site):
    result = setup(box)
    assert (result.exit_code, result.stdout) == (2, "")
    options = re.findall(r"^  (--[a-z-]+)", result.stderr, re.MULTILINE)
    assert {"--registry", "--cluster-name", "--trust-key", "--listen", "--user"} <= {*options}
    assert result.stderr.startswith("Found Kubernetes of KUBECONFIG: ")
    assert f"\nerror: {len(options)} answers are missing, and there is no terminal to ask on\n" in result.stderr
    assert result.stderr.endswith(" hint: add --yes to take the defaults; add --user NAME --password-file FILE, or --no-user\n")
    assert not site.exists()


def test_with_yes_only_the_first_user_has_no_default(box, site):
    result = setup(box, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(" hint: add --user NAME --password-file FILE, or --no-user\n")
    assert not site.exists()
    assert setup(box, "--yes", "--no-user").stdout.startswith("setting cluster.type: set, kubernetes\n")
    assert site.exists()


def test_a_change_without_a_terminal_needs_yes(box, site):
    assert setup(box, "--yes", "--no-user").stderr.count("error:") <= 1
    result = setup(box, "--registry", "r.example")
    assert (result.exit_code, site.read_text().count("r.example")) == (2, 0)
    assert result.stderr.endswith(
        "error: this will change this box\n  setting registry: will be set, r.example\n hint: add --yes to confirm\n"
    )


def test_the_user_and_its_password_come_from_a_file_or_standard_input(box, tmp_path):
    assert "user anna: added, admin\n" in setup(box, "--yes", "--user", "anna", "--password-file", password_file(tmp_path)).stdout
    again = setup(box, "--yes", "--user", "bert", "--level", "read", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert "user bert: added, read\n" in again.stdout
    assert "user anna: unchanged, it is there already\n" in setup(box, "--yes", "--user", "anna").stdout
    assert json.loads(run("api", "user", "list", "--json", wiring=box.wiring).stdout)["users"][1]["level"] == "read"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--user", "anna"], "add --password-file FILE, or --password-stdin"),
        (["--user", "anna", "--password-file", "{open}"], "chmod 600 {open}"),
        (["--user", "anna", "--password-file", "{empty}"], "write the password there"),
        (["--user", "anna", "--password-file", "/nowhere"], "check the path and its permissions"),
        (["--user", "anna", "--no-user"], "kelvin-provision --help"),
        (["--password-stdin"], "add --user NAME"),
        (["--user", "anna", "--no-start", "--password-stdin"], "leave out --user; on the box: kelvin-provision api user add NAME"),
        (["--no-user", "--exit-code"], "kelvin-provision --help"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_type(box, site, tmp_path, words, hint):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = {"open": password_file(tmp_path / "a", 0o644), "empty": password_file(tmp_path / "b", text="\n")}
    result = setup(box, "--yes", *(word.format(**files) for word in words), stdin=f"{PASSWORD}\n")
    assert result.exit_code != 0
    assert result.stderr.endswith(f" hint: {hint.format(**files)}\n"), result.stderr
    assert not site.exists()


def test_a_dry_run_asks_nothing_changes_nothing_and_says_whether_there_are_changes(box, site):
    before = {path for path in site.parents[2].rglob("*") if "state" not in path.parts}
    result = setup(box, "--dry-run", "--registry", "r.example", "--user", "anna", "--exit-code")
    assert result.exit_code == 3
    assert "setting registry: would be set, r.example\n" in result.stdout
    assert "user anna: would be added, admin\n" in result.stdout
    assert {path for path in site.parents[2].rglob("*") if "state" not in path.parts} == before
    setup(box, "--yes", "--no-user", "--registry", "r.example")
    same = setup(box, "--dry-run", "--registry", "r.example", "--exit-code")
    assert same.exit_code == 0
    assert "would" not in same.stdout


def test_the_document_has_what_was_found_changed_and_checked(box):
    result = setup(box, "--yes", "--no-user", "--json")
    document = json.loads(result.stdout)
    assert document["taken"]["name"] == document["found"][0]["name"] == "Kubernetes of KUBECONFIG"
    assert {item["kind"] for item in document["items"]} == {"setting", "folder", "unit"}
    assert {check["id"] for check in document["checks"]} > {"agent", "disk", "cluster"}
    assert (result.exit_code == 0) == (document["status"] == "success")
    assert (document["changes"], result.stderr) == (True, "")


def test_it_ends_with_doctor_whose_errors_decide_the_exit_code(box):
    box.cluster = None
    result = setup(box, "--yes", "--no-user")
    assert re.search(r"^ok +disk ", result.stdout, re.MULTILINE)
    assert (result.exit_code, "error: 1 error: this box has problems" in result.stderr) == (1, True)


def test_a_password_is_in_no_argument_and_no_output(box):
    result = setup(box, "--yes", "--user", "anna", "--password-stdin", "--json", stdin=f"{PASSWORD}\n")
    assert PASSWORD not in result.stdout + result.stderr
    refused = setup(box, "--user", "anna", "--password", PASSWORD)
    assert (refused.exit_code, "no such option" in refused.stderr.lower()) == (2, True)


def test_another_settings_file_is_written_and_is_that_of_the_services(box, tmp_path):
    other = tmp_path / "other.yaml"
    setup(box, "--yes", "--no-user", "--registry", "r.example", "--config", str(other))
    assert "registry: r.example\n" in other.read_text()
    for name in ("agent", "api"):
        assert f"--config {other}" in (tmp_path / f"etc/systemd/system/kelvin-provision-{name}.service").read_text()


# --- at a terminal ------------------------------------------------------------------------------------


def typed(terminal, *pairs):
    for prompt, answer in pairs:
        terminal.until(prompt)
        terminal.type(f"{answer}\n")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 80])
def test_questions_are_asked_and_their_answers_are_carried_out(box, site, tmp_path, monkeypatch, columns):
    (tmp_path / "k").mkdir()
    key = tmp_path / "k/anna.pub"
    key.write_bytes(key_pair()[1].pem)
    box.close()
    box._connections = None
    monkeypatch.chdir(tmp_path / "k")
    terminal = Terminal(lambda: main(("setup",), wiring=box.wiring), columns, lines=200)
    terminal.until("Found Kubernetes of KUBECONFIG:")
    typed(
        terminal,
        ("Registry [none]:", "https://not one"),
        ("expected", "r.example:5000"),
        ("Name [none]:", "line-3"),
        ("Keys [none]:", "anna.pub"),
        ("Address [none]:", "0.0.0.0:8443"),
        ("User [admin]:", ""),
        ("Password:", "short"),
        ("Again:", "short"),
    )
    for prompt in ("Password:", "Again:"):  # the first one is too short
        until(lambda prompt=prompt: terminal.show(0.05) and terminal.screen.text.count(prompt) == 2)
        terminal.type(f"{PASSWORD}\n")
    terminal.until("[y/N]")
    assert "setting registry: will be set, r.example:5000" in terminal.screen.sentence
    assert not site.exists()
    terminal.type("y\n")
    assert terminal.end() in {0, 1}
    text = site.read_text()
    for part in ("registry: r.example:5000", "name: line-3", "0.0.0.0:8443", "keys/anna.pub"):
        assert part in text
    assert PASSWORD not in terminal.screen.text
    assert "user admin: added" in terminal.screen.sentence


@pytest.mark.slow
def test_no_and_the_end_of_input_change_nothing(box, site):
    box.close()
    box._connections = None
    for answers in (["\x04"], ["\n", "\x03"], ["\n"] * 4 + ["n\n"]):
        terminal = Terminal(lambda: main(("setup", "--no-user"), wiring=box.wiring), 80, lines=60)
        for label, answer in zip(("Registry [none]:", "Name [none]:", "Keys [none]:", "Address [none]:", "[y/N]"), answers, strict=False):
            terminal.until(label)
            terminal.type(answer)
        assert terminal.end() == 130
        assert not site.exists()
    assert Path(os.environ["KELVIN_PROVISION_STATE_DIR"]).exists()
