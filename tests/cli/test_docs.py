"""The generated pages and scripts in the repository are those that the program would write now."""

from pathlib import Path

from kelvin_provision.cli import docs
from kelvin_provision.spec.words import State

HERE = Path(__file__).parents[2]


def test_no_generated_file_is_stale():
    assert docs.stale(HERE) == [], "run: python -m kelvin_provision.cli.docs"


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
    assert pages["docs/commands.md"].count("\n## ") == 27
