"""The generated pages and scripts in the repository are those that the program would write now."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kelvin_provision.cli.docs import pages as docs
from kelvin_provision.cli.frame.command_table import ENTRIES, commands
from kelvin_provision.queries.explaining import explanations
from kelvin_provision.queries.explaining.reasons import REASONS
from kelvin_provision.settings.keys import KEYS
from kelvin_provision.spec.enums import State
from tests import corpus_page

HERE = Path(__file__).parents[2]


def test_no_generated_file_is_stale():
    assert docs.stale(HERE) == [], "run: python -m kelvin_provision.cli.docs.pages"
    assert corpus_page.PAGE.read_text("utf-8") == corpus_page.page(), "run: python -m tests.corpus_page"


def test_the_pages_do_not_depend_on_the_terminal(monkeypatch):
    before = docs.pages()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("NO_COLOR")
    assert docs.pages() == before


def test_a_missing_or_changed_file_is_named(tmp_path):
    for name, text in docs.pages().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert docs.stale(tmp_path) == []
    (tmp_path / "docs/states.md").write_text("old")
    (tmp_path / "completions/kelvin-provision.fish").unlink()
    assert docs.stale(tmp_path) == ["docs/states.md", "completions/kelvin-provision.fish"]


def test_every_state_and_every_command_is_on_its_page():
    pages = docs.pages()
    assert [state for state in State if f"| `{state.value}` |" not in pages["docs/states.md"]] == []
    assert pages["docs/commands.md"].count("\n## ") == 1 + len(list(commands()))


def test_every_setting_is_on_its_page_with_its_variable():
    page = docs.pages()["docs/configuration.md"]
    assert [key.name for key in KEYS if f"\n| `{key.name}` | " not in page] == []
    assert (
        "| `cluster.namespace` | name | `app` | `KELVIN_PROVISION_CLUSTER__NAMESPACE` | namespace for objects that do not name one; created if missing |"
        in page
    )
    assert "| `registries.<host>.insecure` | true or false | `false` | - | allow plain HTTP (*site*) |" in page


def test_every_command_is_in_a_manual_page():
    pages = docs.pages()
    assert {name for name in pages if name.startswith("man/")} == {
        f"man/kelvin-provision{word}.1" for word in ("", *(f"-{name}" for name in ENTRIES))
    }
    text = pages["man/kelvin-provision-workloads.1"]
    assert [word for word in ENTRIES["workloads"].commands if f"\n.SS {word}\n" not in text] == []
    assert "\n.TP\n\\fB\\-n, \\-\\-name NAME\\fR\n" in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is absent")
def test_the_manual_pages_are_good_roff():
    found = {}
    for name, text in docs.pages().items():
        if name.startswith("man/"):
            command = ["groff", "-man", "-Tutf8", "-ww", "-Z"]
            done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
            found[name] = done.stderr.decode()
    assert {name: said for name, said in found.items() if said} == {}


def test_every_error_says_what_leads_there_and_what_to_do():
    missing = [error.code for error in explanations.errors() if error.code not in REASONS]
    assert missing == [], "write them into kelvin_provision/queries/reasons.py"
    told = {error.code: explanations.explained(error) for error in explanations.errors()}
    assert [code for code, one in told.items() if not (one.meaning and one.after and one.then)] == []
    assert [state for state, one in explanations.STATES.items() if not (one.meaning and one.after and one.then)] == []
    assert {*State, "processing"} == {state.value for state in explanations.STATES}
    page = docs.pages()["docs/exit-codes.md"]
    assert [code for code, one in told.items() if one.after not in page] == []


def test_every_exit_code_of_an_error_is_explained():
    assert {error.exit_code for error in explanations.errors()} <= {*explanations.EXIT_CODES}
