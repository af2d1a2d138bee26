"""Every command with its module and its one-line help. Help and completion read this and import no command.

Tests verify that each module imports and that its docstring begins with the help given here. Named tuples, because importing
dataclasses would take longer than completing a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from keyword import iskeyword
from types import MappingProxyType
from typing import NamedTuple

PROGRAM = "kelvin-provision"
SUMMARY = "Stage workloads while there is a network, and apply them without one."
COMMON = "Common options (anywhere on the line)"
HELP = {"help_option_names": ["-h", "--help"]}
_COMMANDS = "kelvin_provision.cli.commands"


class Command(NamedTuple):
    """One command: where its function `command` is, and what it does in one line."""

    module: str
    help: str


class Group(NamedTuple):
    """Commands that belong together."""

    help: str
    commands: Mapping[str, Command | Group]


Entries = Mapping[str, Command | Group]


class SharedOption(NamedTuple):
    """A common option, accepted before and after the command's name. Without a metavar it is a flag."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""


SHARED_OPTIONS: Mapping[str, SharedOption] = MappingProxyType(
    {
        "output": SharedOption(("-o", "--output"), "How to write the answer: table, wide, json, yaml or name.", "FORMAT"),
        "json": SharedOption(("--json",), "The same as --output json."),
        "verbose": SharedOption(("-v", "--verbose"), "Say more on stderr."),
        "quiet": SharedOption(("--quiet",), "Print nothing on stderr but errors."),
        "no_color": SharedOption(("--no-color",), "Print no colours.  [env var: NO_COLOR]"),
        "state_dir": SharedOption(("--state-dir",), "Keep the state in this directory.", "PATH"),
        "config": SharedOption(("--config",), "Read this settings file and no other.  [env var: KELVIN_PROVISION_CONFIG]", "FILE"),
    }
)


def takes_value(word: str) -> bool:
    """Whether the next word of a command line is the value of this shared option."""
    return any(option.metavar and word in option.names for option in SHARED_OPTIONS.values())


def _group(name: str, summary: str, lines: Mapping[str, str]) -> Group:
    return Group(summary, MappingProxyType({line: Command(f"{_COMMANDS}.{name}.{_module(line)}", text) for line, text in lines.items()}))


def _module(line: str) -> str:
    return f"{line}_" if iskeyword(line) else line.replace("-", "_")


ENTRIES: Entries = MappingProxyType(
    {
        "workloads": _group(
            "workloads",
            "Deploy, apply, inspect and remove workloads.",
            {
                "deploy": "Stage workloads in the background, or apply them at once.",
                "apply": "Apply staged workloads, all or none, and wait until they run.",
                "diff": "Show what an apply would change, and change nothing.",
                "list": "List workloads with their states.",
                "show": "Show everything about one workload.",
                "check": "Check whether staged workloads can be applied, and change nothing.",
                "rehearse": "Start staged versions beside the running ones, cut off from them, and take them away again.",
                "wait": "Wait until workloads are in a state.",
                "start": "Start stopped workloads again and wait until they run.",
                "stop": "Stop workloads and keep them on this box with their data.",
                "hold": "Hold workloads: nothing is applied until they are released.",
                "release": "Release workloads that a person holds.",
                "rollback": "Go back to the version that ran before, or to a kept one.",
                "history": "Show what was done to workloads, when, by whom and how it ended.",
                "undeploy": "Remove workloads, or only their staged versions.",
                "logs": "Print the logs of a workload.",
                "download": "Write a workload with its images as a package for an offline installation.",
            },
        ),
        "images": _group(
            "images",
            "The images on this box.",
            {
                "list": "List images: where they are, and which workloads need them.",
                "verify": "Hash every stored image again and quarantine corrupt blobs.",
                "prune": "Remove images and downloads that no kept version needs.",
                "delta": "Make the deltas that turn one image into another.",
            },
        ),
        "bundle": _group(
            "bundle",
            "Requests and images on removable media.",
            {
                "create": "Write requests and their images as a bundle onto a medium.",
                "sign": "Add a signature to a bundle, in place.",
                "inspect": "Show what a bundle has, for whom it is, and who signed it.",
                "verify": "Read every byte of a bundle, and name the bad places.",
                "import": "Bring requests and images from a medium to this box.",
            },
        ),
        "media": _group(
            "media",
            "What is done with a medium that arrives.",
            {
                "list": "List the bundles on media that have arrived and are in the box.",
                "arrived": "Look at a medium, and do what media.auto says.",
                "install": "Have the box look at media that arrive, as media.auto says.",
                "uninstall": "Leave media that arrive alone.",
            },
        ),
        "follow": _group(
            "follow",
            "Publications of a fleet that this box follows.",
            {
                "list": "List the publications that this box follows, and what became of each workload in them.",
                "now": "Look at the publications that this box follows, and stage what is new.",
                "send": "Send the report of this box to follow.report now.",
                "key": "Print the public key with which this box signs its reports.",
            },
        ),
        "node": _group(
            "agent.node",
            "A leader, and members that keep the same images.",
            {
                "token": "Make a token with which one node joins this leader.",
                "join": "Join a leader: this node keeps the images that its workloads need.",
                "list": "List the members of this leader with their images.",
                "drain": "Send no new images to a member.",
                "remove": "Remove a member: its key is not accepted any more.",
            },
        ),
        "agent": _group(
            "agent",
            "The background process that downloads and applies.",
            {
                "run": "Run the agent in the foreground.",
                "status": "Show whether the agent is alive and what it does.",
                "start": "Start the agent in the background.",
                "stop": "Stop the agent; workloads keep running.",
                "restart": "Restart the agent, with the present settings.",
                "install": "Install the agent as a service that starts with the box.",
                "uninstall": "Stop the service of the agent and remove it.",
            },
        ),
        "api": Group(
            "The REST API of this box.",
            MappingProxyType(
                {
                    **_group(
                        "api",
                        "",
                        {
                            "serve": "Serve the REST API in the foreground.",
                            "status": "Show whether the REST API runs, where, and for whom.",
                            "install": "Install the REST API as a service that starts with the box.",
                            "uninstall": "Stop the service of the REST API and remove it.",
                        },
                    ).commands,
                    "cert": _group(
                        "api.cert",
                        "The certificate of the API.",
                        {
                            "show": "Show the certificate of the API: fingerprints, names and days left.",
                            "renew": "Make a new certificate for the API.",
                            "export-ca": "Print the authority that clients of the API have to trust.",
                        },
                    ),
                    "user": _group(
                        "api.user",
                        "The users of the API.",
                        {
                            "add": "Add a user of the API.",
                            "level": "Set the level of a user.",
                            "list": "List the users of the API with their levels.",
                            "passwd": "Set the password of a user, and end all of the user's tokens.",
                            "remove": "Remove a user of the API, and end all of the user's tokens.",
                            "unlock": "Lift the lock-out of a user after failed logins.",
                        },
                    ),
                    "token": _group(
                        "api.token",
                        "The tokens of programs.",
                        {
                            "create": "Create a token for a program, and show it once.",
                            "list": "List the tokens of programs with their last use.",
                            "revoke": "Revoke a token of a program.",
                        },
                    ),
                }
            ),
        ),
        "fleet": _group(
            "fleet",
            "What the boxes of a fleet report.",
            {"status": "Show what the boxes of a fleet report: versions, states, and who is behind."},
        ),
        "publish": Command(f"{_COMMANDS}.fleet.publish", "Publish requests to a fleet: signed, at a tag of a registry."),
        "key": _group(
            "key",
            "Keys and signatures.",
            {
                "generate": "Make a key pair for signing: NAME.key and NAME.pub.",
                "show": "Show the type and the id of a key.",
                "sign": "Sign requests: FILE.sig beside each file.",
                "verify": "Verify the signatures of requests.",
            },
        ),
        "trust": _group(
            "trust",
            "Trust documents: whose signatures count, and what is revoked.",
            {
                "show": "Show whose signatures count here, and what is revoked.",
                "history": "Show which trust documents this box has accepted.",
                "create": "Make the next trust document, for its root keys to sign.",
                "sign": "Sign trust documents: FILE.sig beside each file.",
                "import": "Accept trust documents on this box, without a bundle.",
            },
        ),
        "config": _group(
            "config",
            "The settings.",
            {
                "show": "Show every setting with its value and where it comes from.",
                "set": "Set a key in a settings file; its comments and order are kept.",
                "unset": "Remove a key from a settings file; its default applies again.",
                "path": "Show which settings files are read, and which of them exist.",
            },
        ),
        "self": _group(
            "self_",
            "The versions of this program on the box.",
            {
                "list": "List the versions of this program that are installed.",
                "verify": "Verify the signature of a package of this program.",
                "rollback": "Go back to the version of this program before this one.",
            },
        ),
        "setup": Command(f"{_COMMANDS}.setup.setup", "Set up a new box: settings, services, the first user; then doctor."),
        "doctor": Command(f"{_COMMANDS}.doctor", "Check the health of this box, and say what to do."),
        "support-bundle": Command(f"{_COMMANDS}.support_bundle", "Pack everything known about this box, without its secrets."),
        "explain": Command(f"{_COMMANDS}.explain", "Explain a state, an error code or an exit code."),
        "completion": Command(f"{_COMMANDS}.completion", "Print the completion script of a shell."),
    }
)


def commands(entries: Entries = ENTRIES, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command with its path, in the order of the help."""
    for name, entry in entries.items():
        if isinstance(entry, Group):
            yield from commands(entry.commands, (*above, name))
        else:
            yield (*above, name), entry
