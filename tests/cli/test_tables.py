"""Tables for people: aligned, coloured by state where the terminal can, never cut in a pipe."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Table
from kelvin_provision.cli.render.tables import Style, ago, render
from tests.kit.cli import Stream

TABLE = Table(
    ("name", "state", "title"),
    [("motor", "Running", "Motor"), ("pump-control", "Pending for deploy", ""), ("x", "failed", "Two\nlines")],
)


def test_columns_are_two_spaces_apart_and_nothing_trails():
    assert render(TABLE, Style()) == (
        "NAME          STATE               TITLE\n"
        "motor         Running             Motor\n"
        "pump-control  Pending for deploy  -\n"
        "x             failed              Two lines\n"
    )


def test_a_terminal_gets_icons_and_colours():
    assert render(TABLE, Style(colour=True, icons=True)) == (
        "\x1b[1mNAME          STATE                 TITLE\x1b[0m\n"
        "motor         \x1b[32m● Running           \x1b[0m  Motor\n"
        "pump-control  \x1b[33m◐ Pending for deploy\x1b[0m  -\n"
        "x             \x1b[31m✗ failed            \x1b[0m  Two lines\n"
    )


@pytest.mark.parametrize(
    ("word", "painted"),
    [
        ("ready", "\x1b[36m◐ ready\x1b[0m"),
        ("Staged", "\x1b[36m◐ Staged\x1b[0m"),
        ("unreachable", "\x1b[31m✗ unreachable\x1b[0m"),
        ("stopped", "○ stopped"),
        ("downloading", "\x1b[33m◐ downloading\x1b[0m"),
        ("2.0.0 downloading", "\x1b[33m◐ 2.0.0 downloading\x1b[0m"),
        ("2.0.0 downloading 45%", "\x1b[33m◐ 2.0.0 downloading 45%\x1b[0m"),
        ("2.0.0 7%, 02:00", "\x1b[33m◐ 2.0.0 7%, 02:00\x1b[0m"),
        ("2.0.0 ready, 02:00", "\x1b[36m◐ 2.0.0 ready, 02:00\x1b[0m"),
        ("2.0.0 apply failed, 02:00", "\x1b[31m✗ 2.0.0 apply failed, 02:00\x1b[0m"),
        ("2.0.0 staging failed", "\x1b[31m✗ 2.0.0 staging failed\x1b[0m"),
        ("2.0.0 rolled back", "\x1b[36m◐ 2.0.0 rolled back\x1b[0m"),
        ("2.0.0 refused", "\x1b[31m✗ 2.0.0 refused\x1b[0m"),
        ("not running", "○ not running"),
        ("who knows", "who knows"),
    ],
)
def test_each_state_has_its_look(word, painted):
    assert render(Table(("status",), [(word,)]), Style(colour=True, icons=True)).splitlines()[1] == painted


def test_only_a_column_of_states_is_coloured():
    assert render(Table(("name",), [("running",)]), Style(icons=True)) == "NAME\nrunning\n"


def test_a_row_that_does_not_fit_is_a_block_of_lines_and_a_pipe_breaks_nothing():
    table = Table(("name", "title"), [("motor", "A very long title indeed")])
    assert render(table, Style()) == "NAME   TITLE\nmotor  A very long title indeed\n"
    assert render(table, Style(width=20)) == "motor\n  title: A very long\n  title indeed\n"
    prose = replace(table, wraps=True, rows=[("motor", "A very long title indeed, with more to say")])
    assert render(prose, Style(width=40)) == "NAME   TITLE\nmotor  A very long title indeed, with\n       more to say\n"


def test_columns_that_give_way_are_cut_first_and_then_left_out():
    rows = [("motor", "A very long title", "running", "a long while ago")]
    table = Table(("name", "title", "status", "seen"), rows, gives=("title", "seen"))
    assert render(table, Style(width=46)).splitlines()[1] == "motor  A very lo...  running  a long while ago"
    assert render(table, Style(width=36)).splitlines()[1] == "motor  A ver...  running  a long..."
    assert render(table, Style(width=30)) == "NAME   STATUS   SEEN\nmotor  running  a long whil...\n"
    assert render(table, Style(width=20)) == "NAME   STATUS\nmotor  running\n"
    assert render(table, Style(width=20, wide=True)).splitlines() == [
        "motor", "  title: A very long", "  title", "  status: running", "  seen: a long while", "  ago",
    ]  # fmt: skip
    assert render(table, Style(width=46, wide=True)).splitlines()[0] == "NAME   TITLE         STATUS   SEEN"


def test_a_column_that_is_printed_below_is_never_cut():
    table = Table(("name", "staged"), [("motor", "2.0.0 ready, 02:00"), ("fan", "-")], gives=("staged",), folds=frozenset({"staged"}))
    assert render(table, Style(width=25)) == "NAME   STAGED\nmotor  2.0.0 ready, 02:00\nfan    -\n"
    assert render(table, Style(width=24)) == "NAME\nmotor\n  staged: 2.0.0 ready,\n  02:00\nfan\n"


def test_wide_signs_take_two_columns():
    assert render(Table(("name", "x"), [("日本", "1"), ("abcd", "2")]), Style()) == "NAME  X\n日本  1\nabcd  2\n"


def test_escape_sequences_from_afar_are_made_visible():
    assert render(Table(("title",), [("\x1b[2Jx",)]), Style()) == "TITLE\n\\x1b[2Jx\n"


def test_each_stream_decides_for_itself(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR")
    terminal, pipe, latin = Stream(terminal=True), Stream(), Stream(terminal=True, encoding="latin-1")
    assert Style.of(terminal, Session()) == Style(colour=True, icons=True, width=100)
    assert Style.of(terminal, Session(no_color=True, output=Output.WIDE)) == Style(wide=True, whole=True, icons=True, width=100)
    assert Style.of(latin, Session()) == Style(colour=True, width=100)
    assert Style.of(pipe, Session()) == Style()
    monkeypatch.setenv("TERM", "dumb")
    assert Style.of(terminal, Session()) == Style()


NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        ("", "-"),
        ("2026-03-10T12:00:30Z", "Just now"),
        ("2026-03-10T11:59:01Z", "Just now"),
        ("2026-03-10T11:59:00Z", "1m ago"),
        ("2026-03-10T11:00:01.520335503Z", "59m ago"),
        ("2026-03-10T11:00:00Z", "1h ago"),
        ("2026-03-09T12:00:01Z", "23h ago"),
        ("2026-03-09T12:00:00Z", "1d ago"),
        ("2026-03-03T12:00:01Z", "6d ago"),
        ("2026-03-03T12:00:00Z", "2026-03-03 12:00+00:00"),
    ],
)
def test_how_long_ago(timestamp, words):
    assert ago(timestamp, NOW) == words


def test_a_column_that_folds_goes_below_its_row_where_it_does_not_fit_and_is_never_cut():
    table = Table(
        ("name", "digest", "detail"),
        [("pump", "b025d47c630e", "exit code 3 of the new version"), ("fan", "-", "-")],
        gives=("detail", "digest"),
        folds=frozenset({"detail"}),
        below={0: ("log: panic",)},
    )
    assert render(table, Style(width=60)) == (
        "NAME  DIGEST        DETAIL\n"
        "pump  b025d47c630e  exit code 3 of the new version\n"
        "  log: panic\n"
        "fan   -             -\n"
    )  # fmt: skip
    assert render(table, Style(width=30)) == (
        "NAME  DIGEST\n"
        "pump  b025d47c630e\n"
        "  detail: exit code 3 of the\n"
        "  new version\n"
        "  log: panic\n"
        "fan   -\n"
    )  # fmt: skip
    assert render(table, Style()).splitlines()[1] == "pump  b025d47c630e  exit code 3 of the new version"
