"""Words of other tools, and misspelt ones: which command they mean. Imported only for an unknown command.

A reading word is never answered with a command that changes something: people paste hints.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from kelvin_provision.cli.frame.command_table import PROGRAM, SHARED_OPTIONS, Command, Entries, Group, commands, takes_value
from kelvin_provision.hints import Hint, command

CHANGING = frozenset(
    {
        "workloads deploy", "workloads apply", "workloads start", "workloads stop", "workloads hold", "workloads release",
        "workloads rollback", "workloads undeploy", "images prune", "images delta", "bundle create", "bundle sign", "bundle import",
        "key generate", "key sign", "trust create", "trust sign", "trust import",
        "media arrived", "media install", "media uninstall", "follow now", "follow send", "follow key", "publish",
        "agent run", "agent install", "agent uninstall", "agent start",
        "agent stop", "agent restart", "api serve", "api install", "api uninstall", "api user add", "api user passwd", "api user remove",
        "api user unlock", "api user level", "api cert renew", "api token create", "api token revoke", "config set", "config unset",
        "node token", "node join", "node drain", "node remove", "setup", "self rollback",
    }
)  # fmt: skip
_CUTOFF = 0.7
_MARGIN = 0.1
"""How much more similar than a reading word a changing word must be."""


class Meaning(NamedTuple):
    """The meaning of a word: a command with its arguments; `named` is the command if the line has names."""

    action: str
    arguments: tuple[str, ...] = ()
    named: str = ""
    changes: bool = False


def _reading(action: str, *arguments: str, named: str = "") -> Meaning:
    return Meaning(action, arguments, named)


def _changing(action: str, *arguments: str) -> Meaning:
    return Meaning(action, arguments, changes=True)


_LIST = _reading("workloads list", named="workloads show")
_DEPLOY = _changing("workloads deploy", "FILE")
_UNDEPLOY = _changing("workloads undeploy", "NAME")
_ROLLBACK = _changing("workloads rollback", "NAME")
_RESTART = Meaning("workloads stop", ("NAME",), changes=True)

_WORKLOADS: Mapping[str, Meaning] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "status",
                "stat",
                "stats",
                "get",
                "ls",
                "ps",
                "top",
                "state",
                "states",
                "find",
                "search",
                "print",
                "display",
                "query",
                "read",
                "see",
                "overview",
            ),
            _LIST,
        ),
        **dict.fromkeys(("describe", "inspect", "info", "view", "cat"), _reading("workloads show", "NAME")),
        **dict.fromkeys(("log", "tail"), _reading("workloads logs", "NAME")),
        **dict.fromkeys(("plan", "preview", "changes"), _reading("workloads diff", "--all", named="workloads diff")),
        **dict.fromkeys(("verify", "validate", "test", "lint"), _reading("workloads check", "--all", named="workloads check")),
        **dict.fromkeys(("revisions", "events", "audit"), _reading("workloads history")),
        **dict.fromkeys(("watch", "follow"), _reading("workloads list", "--watch", named="workloads list --watch")),
        **dict.fromkeys(("delete", "del", "rm", "remove", "uninstall", "destroy", "purge"), _UNDEPLOY),
        **dict.fromkeys(("undo", "revert", "back", "downgrade"), _ROLLBACK),
        **dict.fromkeys(("up", "resume", "unpause"), _changing("workloads start", "NAME")),
        **dict.fromkeys(("down", "kill", "halt", "pause", "scale"), _changing("workloads stop", "NAME")),
        **dict.fromkeys(("restart", "reboot", "reload", "rollout"), _RESTART),
        **dict.fromkeys(("pull", "install", "create", "add", "new", "run", "stage", "update", "upgrade", "download", "import"), _DEPLOY),
        **dict.fromkeys(("lock", "freeze"), _changing("workloads hold", "NAME", "--reason", "TEXT")),
        **dict.fromkeys(("unlock", "unhold", "unfreeze"), _changing("workloads release", "NAME")),
        **dict.fromkeys(("schedule", "at"), _changing("workloads apply", "NAME", "--at", "TIME")),
        "staged": _reading("workloads list", "--staged"),
        "cancel": _changing("workloads apply", "NAME", "--cancel"),
    }
)
_IMAGES_LIST = _reading("images list")
WORDS: Mapping[str, Mapping[str, Meaning]] = MappingProxyType(
    {
        "": {
            **_WORKLOADS,
            "help": _reading("--help"),
            "version": _reading("--version"),
            "image": _IMAGES_LIST,
            "workload": _reading("workloads list"),
            "settings": _reading("config show"),
            "health": _reading("doctor"),
            "diagnose": _reading("doctor"),
            "report": _reading("support-bundle"),
            "gc": _changing("images prune"),
            "cleanup": _changing("images prune"),
        },
        "workloads": {**_WORKLOADS, "help": _reading("workloads --help")},
        "images": {
            **dict.fromkeys(("ls", "get", "ps", "show", "status", "inspect", "df"), _IMAGES_LIST),
            **dict.fromkeys(("check", "fsck", "scrub", "test"), _reading("images verify")),
            **dict.fromkeys(("rm", "rmi", "remove", "delete", "del", "clean", "gc"), _changing("images prune")),
            **dict.fromkeys(("pull", "add", "load", "import", "download"), _DEPLOY),
            "help": _reading("images --help"),
        },
        "bundle": {
            **dict.fromkeys(("ls", "list", "get", "show", "info", "view", "cat", "describe"), _reading("bundle inspect", "PLACE")),
            **dict.fromkeys(("check", "fsck", "scrub", "test", "validate"), _reading("bundle verify", "PLACE")),
            **dict.fromkeys(("make", "new", "build", "pack", "save", "write"), _changing("bundle create", "FILE", "--to", "PLACE")),
            **dict.fromkeys(("load", "add", "install", "restore", "unpack"), _changing("bundle import", "PLACE")),
            "help": _reading("bundle --help"),
        },
        "key": {
            **dict.fromkeys(("ls", "list", "get", "info", "print", "fingerprint", "public"), _reading("key show", "FILE")),
            **dict.fromkeys(("check", "validate", "test"), _reading("key verify", "FILE")),
            **dict.fromkeys(("new", "create", "make", "gen", "add"), _changing("key generate", "NAME")),
            "help": _reading("key --help"),
        },
        "trust": {
            **dict.fromkeys(("ls", "list", "get", "info", "print", "status", "view", "keys"), _reading("trust show")),
            **dict.fromkeys(("log", "logs"), _reading("trust history")),
            **dict.fromkeys(("new", "make", "next", "rotate", "revoke"), _changing("trust create", "FILE")),
            **dict.fromkeys(("add", "load", "accept", "install"), _changing("trust import", "FILE")),
            "help": _reading("trust --help"),
        },
        "agent": {
            **dict.fromkeys(("ls", "ps", "list", "get", "show", "info", "log", "logs", "ping"), _reading("agent status")),
            **dict.fromkeys(("up", "reload"), _changing("agent start")),
            **dict.fromkeys(("down", "kill"), _changing("agent stop")),
            **dict.fromkeys(("enable", "add"), _changing("agent install")),
            **dict.fromkeys(("disable", "rm", "remove", "delete"), _changing("agent uninstall")),
            "help": _reading("agent --help"),
        },
        "api": {
            **dict.fromkeys(("list", "ls", "users", "who", "show"), _reading("api user list")),
            **dict.fromkeys(("info", "ping", "log", "logs"), _reading("api status")),
            **dict.fromkeys(("start", "run", "up", "listen"), _changing("api serve")),
            **dict.fromkeys(("enable",), _changing("api install")),
            **dict.fromkeys(("disable",), _changing("api uninstall")),
            **dict.fromkeys(("add", "useradd", "adduser"), _changing("api user add", "NAME")),
            **dict.fromkeys(("passwd", "password"), _changing("api user passwd", "NAME")),
            **dict.fromkeys(("rm", "remove", "delete", "userdel"), _changing("api user remove", "NAME")),
            "help": _reading("api --help"),
        },
        "api user": {
            **dict.fromkeys(("ls", "get", "show"), _reading("api user list")),
            **dict.fromkeys(("create", "new", "useradd"), _changing("api user add", "NAME")),
            **dict.fromkeys(("password", "reset", "edit"), _changing("api user passwd", "NAME")),
            **dict.fromkeys(("rm", "delete", "del", "userdel"), _changing("api user remove", "NAME")),
            "help": _reading("api user --help"),
        },
        "api token": {
            **dict.fromkeys(("ls", "get", "show"), _reading("api token list")),
            **dict.fromkeys(("add", "new", "make"), _changing("api token create", "NAME")),
            **dict.fromkeys(("rm", "remove", "delete", "del"), _changing("api token revoke", "NAME")),
            "help": _reading("api token --help"),
        },
        "config": {
            **dict.fromkeys(("get", "ls", "list", "view", "cat", "print", "status", "dump", "describe"), _reading("config show")),
            **dict.fromkeys(("where", "file", "files", "which"), _reading("config path")),
            **dict.fromkeys(("edit", "put", "add", "change"), _changing("config set", "KEY", "VALUE")),
            **dict.fromkeys(("rm", "remove", "delete", "del", "reset"), _changing("config unset", "KEY")),
            "help": _reading("config --help"),
        },
    }
)


_READING = [
    "count",
    "export",
    "health",
    "less",
    "metrics",
    "monitor",
    "more",
    "read",
    "ready",
    "report",
    "running",
    "size",
    "summary",
    "which",
    "who",
]


def meant(group: str, word: str, rest: Sequence[str], entries: Entries) -> Hint:
    """The hint for an unknown command of this group: the group's help if nothing is similar."""
    word = word.lower()
    words = WORDS.get(group, {})
    if word in words:
        return _hint(words[word], rest)
    if elsewhere := _elsewhere(group, word):
        return command(elsewhere, *_own(rest))
    own = {name: _command(group, name, entry) for name, entry in entries.items()}
    near = _nearest(word, {**words, **own})
    if near is None:
        return command(f"{group} --help".strip())
    return command(own[near].action, *_own(rest)) if near in own else _hint(words[near], rest)


def _elsewhere(group: str, word: str) -> str:
    """A command of another group, of workloads first: `kelvin-provision list`, `kelvin-provision images deploy`.

    Not one of a group in a group: `images remove` does not mean the users of the API.
    """
    for words, _ in commands():
        if words[-1] == word and words[0] != group and len(words) <= 2:
            return " ".join(words)
    return ""


def _command(group: str, name: str, entry: Command | Group) -> Meaning:
    action = f"{group} {name}".strip()
    return Meaning(action, changes=isinstance(entry, Command) and action in CHANGING)


def _nearest(word: str, choices: Mapping[str, Meaning]) -> str | None:
    """The most similar word; a changing one only if no reading word is nearly as similar."""
    ranked = sorted(((difflib.SequenceMatcher(None, word, choice).ratio(), choice) for choice in choices), reverse=True)
    close = [pair for pair in ranked if pair[0] >= _CUTOFF]
    if not close:
        return None
    enough = close[0][0] - _MARGIN
    reading = [pair for pair in close if not choices[pair[1]].changes and pair[0] >= enough]
    if not reading and any(difflib.SequenceMatcher(None, word, other).ratio() >= enough for other in _reading_words()):
        return None
    return (reading or close)[0][1]


def _reading_words() -> Iterator[str]:
    """All words that only read, in all groups."""
    yield from _READING
    yield from (word for words in WORDS.values() for word, meaning in words.items() if not meaning.changes)
    yield from (words[-1] for words, _ in commands() if " ".join(words) not in CHANGING)


def _hint(meaning: Meaning, rest: Sequence[str]) -> Hint:
    values = _values(rest)
    if meaning.action == "workloads deploy":
        values = [value for value in values if value.endswith((".yaml", ".yml", ".json"))]
    if values and meaning.named:
        return command(meaning.named, *values)
    at = next((at for at, word in enumerate(meaning.arguments) if word.startswith("-")), len(meaning.arguments))
    places, flags = meaning.arguments[:at], meaning.arguments[at:]
    words = (*(values if places else ()), *places[len(values) :], *flags)
    note = f"then {PROGRAM} workloads start {shlex.join(words)}" if meaning is _RESTART else ""
    return command(meaning.action, *words, note=note)


def _values(rest: Sequence[str]) -> list[str]:
    """The arguments on the line and the values of `-n` and `-f`."""
    values: list[str] = []
    words = iter(_own(rest))
    for word in words:
        if word in {"-n", "--name", "-f", "--file"}:
            values += [value for value in [next(words, "")] if value]
        elif not word.startswith("-"):
            values.append(word)
    return values


def _own(rest: Sequence[str]) -> list[str]:
    """The words without the shared options."""
    shared = {name for option in SHARED_OPTIONS.values() for name in option.names}
    kept: list[str] = []
    words = iter(rest)
    for word in words:
        if word.partition("=")[0] not in shared:
            kept.append(word)
        elif takes_value(word):
            next(words, "")
    return kept
