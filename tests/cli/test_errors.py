"""Every error has its own code, a number that is explained, a sentence and a next step."""

import ast
import re
from pathlib import Path

import pytest

from kelvin_provision.cli.frame.hints import line
from kelvin_provision.hints import Hint, command, system
from kelvin_provision.queries.explaining.explanations import EXIT_CODES, STATES, errors, words
from kelvin_provision.spec.enums import Download, State

# Their message or whoever raises them knows the next step; a general one would be wrong as often as right.
NO_GENERAL_HINT = {
    "interrupted",
    "image-unsupported",
    "transfer-stopped",
    "runtime-unreachable",
    "cluster-unreachable",
    "cluster-refused",
}


def test_every_error_has_its_own_code():
    codes = [error.code for error in errors()]
    assert len(codes) == len(set(codes)) > 30


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.code)
def test_an_error_says_what_it_means_and_what_comes_next(error):
    assert error.__doc__.strip().endswith(".")
    assert error.exit_code in EXIT_CODES
    assert bool(error.hint_default) == (error.code not in NO_GENERAL_HINT)
    assert "please" not in line(error.hint_default).lower()


def test_every_state_is_explained_once():
    assert set(STATES) == set(State) | {Download.PROCESSING}
    assert len(list(words())) == len(set(words()))


COMMAND = re.compile(
    r"kelvin-provision (workloads|images|bundle|media|key|trust|self|agent|api|config|setup|doctor|support-bundle|explain|completion|--help|\.\.\.)"
)


@pytest.mark.slow
def test_only_the_command_line_writes_command_lines():
    """An error that has a command of ours in its text cannot be shown by another front end."""
    package = Path(__file__).parents[2] / "kelvin_provision"
    elsewhere = [path for path in package.rglob("*.py") if package / "cli" not in path.parents]
    found = [f"{path.relative_to(package)}:{number}" for path in elsewhere for number, text in _strings(path) if COMMAND.search(text)]
    assert {text.partition(":")[0] for text in found} <= {
        "agent/systemd/unit.py",
        "api_service/units.py",
        "installation/__main__.py",
        "installation/services.py",
        "media_service/units.py",
        "setup/site_file.py",
        "usecases/deploy.py",
    }, "comments in the units and in the settings file, a warning, what the self-extracting file says"


def _strings(path):
    """The strings of a module that are not documentation."""
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Hint(), ""),
        (Hint.of("free some space"), "free some space"),
        (command("workloads show", "--live", names=("a",)), "kelvin-provision workloads show -n a --live"),
        (
            command("workloads apply", names=("a", "b c"), note="or --force"),
            "kelvin-provision workloads apply -n a -n 'b c', or --force",
        ),
        (command("config show", instruction="check the setting registry"), "check the setting registry: kelvin-provision config show"),
        (command("config set", "registry", "VALUE", sudo=True), "sudo kelvin-provision config set registry VALUE"),
        (command("--help"), "kelvin-provision --help"),
        (system("chmod", "755", "/etc/my hooks/pre-apply"), "chmod 755 '/etc/my hooks/pre-apply'"),
        (system("systemctl", "restart", "docker", instruction="set it, then"), "set it, then: systemctl restart docker"),
        (command("workloads show", names=("a; rm -rf /",)), "kelvin-provision workloads show -n 'a; rm -rf /'"),
    ],
)
def test_a_hint_becomes_a_line_that_can_be_pasted(hint, text):
    assert line(hint) == text
