"""Words of other tools are answered with our command, and no word that reads is ever answered with a command that changes something."""

import pytest

from kelvin_provision.cli.frame.command_table import ENTRIES, commands
from kelvin_provision.cli.frame.suggestions.nearest import meant
from kelvin_provision.cli.frame.suggestions.words import CHANGING, WORDS
from tests.kit.cli import run

READING = {
    "workloads rehearse", "workloads diff", "workloads list", "workloads show", "workloads check", "workloads wait", "workloads history", "workloads logs", "workloads download",
    "images list", "images verify", "fleet status", "bundle inspect", "bundle verify", "media list", "follow list", "node list", "key show", "key verify", "trust show", "trust history", "agent status", "api status", "api cert show", "api cert export-ca", "api user list", "api token list", "config show", "config path", "doctor",
    "self list", "self verify",
    "support-bundle", "explain", "completion",
}  # fmt: skip
READING_WORDS = [
    "status", "statu", "stats", "stat", "stauts", "state", "get", "gett", "describe", "descibe", "ls", "lsit", "lst", "ps", "top", "view",
    "info", "inspect", "print", "display", "read", "reed", "see", "find", "search", "query", "overview", "watch", "follow", "tail", "log",
    "plan", "preview", "verify", "validate", "version", "help", "health", "audit", "events", "summary", "report", "count", "size", "who",
    "where", "which", "dump", "export", "cat", "less", "more", "explain", "doc", "docs", "monitor", "metrics", "ready", "running", "staged",
    "history", "histroy", "logs", "lgos", "show", "shwo", "check", "chek", "diff", "dif", "wait", "list", "path",
]  # fmt: skip
GROUPS = {"": ENTRIES, **{name: entry.commands for name, entry in ENTRIES.items() if hasattr(entry, "commands")}}
GROUPS |= {f"api {name}": GROUPS["api"][name].commands for name in ("user", "token")}


def test_every_command_is_known_to_read_or_to_change():
    assert {" ".join(words) for words, _ in commands()} == READING | CHANGING
    assert set() == READING & CHANGING


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("word", READING_WORDS)
def test_a_reading_word_is_never_answered_with_a_change(group, word):
    for rest in ([], ["motor"], ["-n", "motor", "--json"]):
        assert meant(group, word, rest, GROUPS[group]).action not in CHANGING


def test_the_table_says_of_each_word_whether_it_changes_something():
    wrong = [(group, word) for group, words in WORDS.items() for word, one in words.items() if one.changes != (one.action in CHANGING)]
    assert wrong == []
    actions = {one.action for words in WORDS.values() for one in words.values()} | {
        one.named for words in WORDS.values() for one in words.values()
    }
    known = {" ".join(words) for words, _ in commands()}
    assert {action.removesuffix(" --watch").removesuffix("--help").strip() for action in actions} <= known | {
        "",
        "--version",
        *ENTRIES,
        "api user",
        "api token",
    }


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("status", "kelvin-provision workloads list"),
        ("list", "kelvin-provision workloads list"),
        ("list --staged --json", "kelvin-provision workloads list --staged"),
        ("apply -n motor", "kelvin-provision workloads apply -n motor"),
        ("rollback motor --to 1", "kelvin-provision workloads rollback motor --to 1"),
        ("delete motor", "kelvin-provision workloads undeploy motor"),
        ("update", "kelvin-provision workloads deploy FILE"),
        ("install app.yaml", "kelvin-provision workloads deploy app.yaml"),
        ("upgrade motor:2.0.0", "kelvin-provision workloads deploy FILE"),
        ("help", "kelvin-provision --help"),
        ("version", "kelvin-provision --version"),
        ("verify", "kelvin-provision workloads check --all"),
        ("workloads status", "kelvin-provision workloads list"),
        ("workloads status motor", "kelvin-provision workloads show motor"),
        ("workloads get -n motor", "kelvin-provision workloads show motor"),
        ("workloads describe", "kelvin-provision workloads show NAME"),
        ("workloads ls", "kelvin-provision workloads list"),
        ("workloads ps", "kelvin-provision workloads list"),
        ("workloads delete", "kelvin-provision workloads undeploy NAME"),
        ("workloads rm motor pump", "kelvin-provision workloads undeploy motor pump"),
        ("workloads remove -n 'a b'", "kelvin-provision workloads undeploy 'a b'"),
        ("workloads undo motor", "kelvin-provision workloads rollback motor"),
        ("workloads revert", "kelvin-provision workloads rollback NAME"),
        ("workloads up motor", "kelvin-provision workloads start motor"),
        ("workloads down motor", "kelvin-provision workloads stop motor"),
        ("workloads restart motor", "kelvin-provision workloads stop motor; then kelvin-provision workloads start motor"),
        ("workloads pull", "kelvin-provision workloads deploy FILE"),
        ("workloads freeze motor", "kelvin-provision workloads hold motor --reason TEXT"),
        ("workloads cancel motor", "kelvin-provision workloads apply motor --cancel"),
        ("workloads aply motor", "kelvin-provision workloads apply motor"),
        ("workloads strt", "kelvin-provision workloads start"),
        ("workloads zzz", "kelvin-provision workloads --help"),
        ("images ls", "kelvin-provision images list"),
        ("images rmi x", "kelvin-provision images prune"),
        ("images pull x", "kelvin-provision workloads deploy FILE"),
        ("agent logs", "kelvin-provision agent status"),
        ("agent enable", "kelvin-provision agent install"),
        ("api ls", "kelvin-provision api user list"),
        ("api start", "kelvin-provision api serve"),
        ("images remove x", "kelvin-provision images prune"),
        ("bundle show /media/stick", "kelvin-provision bundle inspect /media/stick"),
        ("bundle make request.json", "kelvin-provision bundle create request.json --to PLACE"),
        ("bundle load /media/stick", "kelvin-provision bundle import /media/stick"),
        ("key new", "kelvin-provision key generate NAME"),
        ("key print anna.key", "kelvin-provision key show anna.key"),
        ("bundle check", "kelvin-provision bundle verify PLACE"),
        ("config get registry", "kelvin-provision config show"),
        ("config list", "kelvin-provision config show"),
        ("config edit", "kelvin-provision config set KEY VALUE"),
        ("config rm registry", "kelvin-provision config unset registry"),
        ("worklods", "kelvin-provision workloads"),
        ("doctr", "kelvin-provision doctor"),
    ],
)
def test_a_word_of_another_tool_is_answered_with_the_line_to_type(line, hint):
    import shlex

    words = shlex.split(line)
    result = run(*words)
    assert (
        (result.exit_code, result.stderr.splitlines()[-1]) == (2, f" hint: {hint}") if "--json" not in words else (2, hint in result.stdout)
    )
    group = " ".join(["kelvin-provision", *words[: 1 if words[0] in GROUPS else 0]])
    if "--json" not in words:
        assert result.stderr.splitlines()[0] == f"error: {group} has no command {words[len(group.split()) - 1]}"
