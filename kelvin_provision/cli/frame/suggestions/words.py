"""Words of other tools, and which command each means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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
RESTART = Meaning("workloads stop", ("NAME",), changes=True)

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
        **dict.fromkeys(("restart", "reboot", "reload", "rollout"), RESTART),
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
READING = (
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
)
"""More words that only read, of which none means one command."""
