"""Users of the API at the command line: made, listed, changed and removed, with a line of the history each."""

import json

import pytest

from kelvin_provision.access import users as module
from kelvin_provision.access.levels import Level
from kelvin_provision.access.passwords import Cost
from kelvin_provision.ledger import history
from tests.kit.box import Box

PASSWORD = "Secret123\n"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(module.Users.__init__, "__defaults__", (Cost(2, 1, 1),))
    found = Box(tmp_path / "state")
    yield found
    found.close()


def user(box, *words, stdin=PASSWORD, **more):
    return box.ended("api", "user", *words, stdin=stdin, **more)


def test_a_user_is_added_listed_changed_and_removed(box):
    assert user(box, "add", "anna", "--level", "deploy", "--password-stdin").stdout == "user anna: added, deploy\n"
    assert user(box, "add", "bert", "--password-stdin").stdout == "user bert: added, read\n"
    assert user(box, "list", "-o", "name").stdout == "anna\nbert\n"
    documents = json.loads(user(box, "list", "--json").stdout)["users"]
    assert [(document["name"], document["level"], set(document)) for document in documents] == [
        ("anna", "deploy", {"name", "level", "created", "changed"}),
        ("bert", "read", {"name", "level", "created", "changed"}),
    ]
    assert user(box, "passwd", "anna", "--password-stdin", stdin="Another123\n").stdout == "user anna: changed\n"
    assert user(box, "remove", "bert").stdout == "user bert: removed\n"
    lines = [(line.who, line.action, line.detail, line.outcome) for line in history.history(box.ledger)]
    assert lines == [
        ("anna", "api user add", "anna, deploy", "done"),
        ("anna", "api user add", "bert, read", "done"),
        ("anna", "api user passwd", "anna", "done"),
        ("anna", "api user remove", "bert", "done"),
    ]
    assert history.broken_link(box.ledger) is None
    assert "Secret123" not in box.run("workloads", "history", "-o", "wide").stdout


def test_without_a_user_the_list_says_so(box):
    result = user(box, "list")
    assert (result.stdout, result.stderr) == ("", "The API has no user yet.\n")


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["add", "anna", "--password-stdin"], "short\n", "error: the password needs 3 more characters, an upper-case letter, a digit\n"),
        (["add", "anna", "--password-stdin"], "", "error: standard input has no password\n hint: give it as the first line\n"),
        (
            ["add", "anna"],
            "",
            "error: there is no terminal to ask for the password on\n hint: --password-stdin reads it from standard input\n",
        ),
        (["add", "a b", "--password-stdin"], PASSWORD, "error: 'a b' is not a user name\n"),
        (["add", "anna", "--level", "root", "--password-stdin"], PASSWORD, "error: invalid value for '--level'"),
    ],
)
def test_what_cannot_be_added_is_refused_and_says_why(box, words, stdin, said):
    result = user(box, *words, stdin=stdin, code=2)
    assert result.stderr.startswith(said)
    assert json.loads(user(box, "list", "--json").stdout)["users"] == []


def test_a_taken_name_and_an_unknown_one_lead_to_the_right_command(box):
    user(box, "add", "anna", "--password-stdin")
    result = user(box, "add", "anna", "--password-stdin", code=2)
    assert result.stderr == "error: there is a user anna already\n hint: kelvin-provision api user passwd anna\n"
    for words in (["passwd", "bert", "--password-stdin"], ["remove", "bert"]):
        result = user(box, *words, code=66)
        assert result.stderr == "error: no user bert of the API on this box\n hint: kelvin-provision api user list\n"
    assert user(box, "list", "-o", "name").stdout == "anna\n"


@pytest.mark.parametrize(("typed", "code"), [(("Secret123", "Secret123"), 0), (("Secret123", "Secret124"), 2)])
def test_a_terminal_asks_twice(box, monkeypatch, typed, code):
    answers = iter(typed)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    result = box.run("api", "user", "add", "anna", "--level", "admin", terminal=True)
    assert result.exit_code == code
    if code:
        assert "the passwords differ; nothing was changed" in result.stderr
    assert [found.level for found in module.Users(box.settings.state_dir, box.clock).all()] == ([] if code else [Level.ADMIN])
