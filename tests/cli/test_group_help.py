"""The help of groups, printed without the parser, is what the parser prints."""

import os
import shutil
import subprocess
import sys

import pytest

from kelvin_provision.cli.frame import group_help, terminal
from kelvin_provision.cli.frame.command_table import ENTRIES, PROGRAM, Group
from kelvin_provision.cli.frame.parsing.lazy import root

GROUPS = [[], *([name] for name, entry in ENTRIES.items() if isinstance(entry, Group))]


def parsed(path):
    """What the parser has to say, as `main._parsed` asks it."""
    with root().make_context(PROGRAM, [*path, "doctor"][:1] or ["doctor"], terminal_width=terminal.narrow_width()) as context:
        if not path:
            return f"{context.get_help()}\n"
        group = context.command.get_command(context, path[0])
        inner = type(context)(group, parent=context, info_name=path[0])
        return f"{inner.get_help()}\n"


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_every_page_is_that_of_the_parser_at_every_width(path, monkeypatch):
    for width in range(40, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        page = group_help.page([*path, "--help"])
        if width < 52:
            assert page is None
            continue
        assert page == (parsed(path), True), width
        assert group_help.page([*path, "-h"]) == page
        assert group_help.page(path) == (page[0], False)


@pytest.mark.parametrize(
    "words", [["doctor"], ["zzz"], ["--json", "--help"], ["workloads", "list"], ["workloads", "--help", "x"], ["--help", "--help"]]
)
def test_other_words_are_for_the_parser(words):
    assert group_help.page(words) is None


@pytest.mark.parametrize("given", [None, "", "0", "-3", "x", "37", " 90 "])
def test_the_width_is_that_of_the_standard_library(given, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    if given is not None:
        monkeypatch.setenv("COLUMNS", given)
    assert terminal.columns() == shutil.get_terminal_size().columns


def test_no_parser_is_imported_for_it():
    script = "import sys; from kelvin_provision.cli.main import main; assert main(['--help']) == 0; sys.exit('typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}, check=False)
    assert (done.returncode, done.stdout.startswith("Usage: kelvin-provision")) == (0, True), done.stderr
