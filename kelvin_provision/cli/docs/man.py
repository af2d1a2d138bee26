"""The manual pages, in roff, made from the same commands as their help: one of the program and one of each group or single command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kelvin_provision import __version__
from kelvin_provision.cli.frame.command_table import ENTRIES, PROGRAM, SUMMARY, Command, Entries, Group, commands
from kelvin_provision.cli.frame.parsing.leaf import loaded
from kelvin_provision.cli.frame.parsing.options import SHARED
from kelvin_provision.queries.explaining import explanations
from kelvin_provision.settings.keys import PREFIX

_MADE = '.\\" Made by `python -m kelvin_provision.cli.docs.pages`; a test compares it.\n'
_FILES = (
    ("/etc/kelvin-provision/config.yaml", "The settings of the box; kelvin-provision config path lists the files."),
    ("/etc/kelvin-provision/secrets/NAME", "The value of <% secrets.NAME %>."),
    ("/var/lib/kelvin-provision", "Ledger, images, partial downloads and the agent's log, as root; else in the user's state directory."),
)
_ENVIRONMENT = (
    (f"{PREFIX}KEY", "A setting: its key in capitals, two underscores for a dot."),
    ("KUBECONFIG, DOCKER_HOST", "Where the cluster is, when no setting says so."),
    ("NO_COLOR", "Not empty: no colours."),
)


def pages(entries: Entries = ENTRIES) -> Mapping[str, str]:
    """File name to text."""
    made = {f"{PROGRAM}.1": "".join(_program(entries))}
    for name, entry in entries.items():
        text = _group(name, entry) if isinstance(entry, Group) else _single(name, entry)
        made[f"{PROGRAM}-{name}.1"] = "".join(text)
    return made


def _program(entries: Entries) -> Iterator[str]:
    yield _head(PROGRAM, SUMMARY)
    yield f".SH SYNOPSIS\n.B {_plain(PROGRAM)}\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n"
    yield ".SH DESCRIPTION\n"
    yield _text(
        "Brings new versions of workloads to an edge computer in two steps: stage while there is a network, apply when it suits, with no"
        " network at all. All workloads of an apply come up, or all go back to what ran before."
    )
    yield ".SH COMMANDS\n"
    for name, entry in entries.items():
        yield _item(f"\\fB{_plain(PROGRAM)} {_plain(name)}\\fR", entry.help)
    yield ".SH EXIT STATUS\n"
    for number, text in explanations.EXIT_CODES.items():
        yield _item(f"\\fB{number}\\fR", text)
    yield ".SH ENVIRONMENT\n"
    yield from (_item(f"\\fB{_plain(name)}\\fR", text) for name, text in _ENVIRONMENT)
    yield ".SH FILES\n"
    yield from (_item(f"\\fI{_plain(name)}\\fR", text) for name, text in _FILES)
    yield _also(f"{PROGRAM}-{name}" for name in entries)


def _group(name: str, entry: Group) -> Iterator[str]:
    path = f"{PROGRAM} {name}"
    yield _head(f"{PROGRAM}-{name}", entry.help)
    words = {" ".join(words): command for words, command in commands(entry.commands)}
    made = {word: _command(f"{path} {word}", command) for word, command in words.items()}
    yield ".SH SYNOPSIS\n"
    yield ".br\n".join(f".B {_plain(path)} {_plain(word)}\n{_usage(command)}" for word, command in made.items())
    yield ".SH COMMANDS\n"
    for word, command in made.items():
        yield f".SS {_plain(word)}\n"
        yield _about(command)
        yield from _options(command, shared=False)
    yield ".SH COMMON OPTIONS\n"
    yield from _options(next(iter(made.values())), shared=True)
    yield _also([PROGRAM])


def _single(name: str, entry: Command) -> Iterator[str]:
    path = f"{PROGRAM} {name}"
    command = _command(path, entry)
    yield _head(f"{PROGRAM}-{name}", entry.help)
    yield f".SH SYNOPSIS\n.B {_plain(path)}\n{_usage(command)}"
    yield f".SH DESCRIPTION\n{_about(command)}"
    own = "".join(_options(command, shared=False))
    yield f".SH OPTIONS\n{own}" if own else ""
    yield ".SH COMMON OPTIONS\n"
    yield from _options(command, shared=True)
    yield _also([PROGRAM])


def _command(path: str, entry: Command) -> Any:
    command = loaded(path, entry)
    return command, command.make_context(path, [], resilient_parsing=True)


def _usage(made: Any) -> str:
    command, context = made
    return "".join(f"{_plain(piece)}\n" for piece in command.collect_usage_pieces(context))


def _about(made: Any) -> str:
    paragraphs = re.split(r"\n\s*\n", made[0].help or "")
    return ".PP\n".join(_text(" ".join(paragraph.split())) for paragraph in paragraphs)


def _options(made: Any, *, shared: bool) -> Iterator[str]:
    command, context = made
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and (parameter.name in SHARED or parameter.name == "help") == shared:
            yield _item(f"\\fB{_plain(record[0])}\\fR", " ".join(record[1].split()))


def _head(name: str, summary: str) -> str:
    head = f'.TH "{_plain(name.upper())}" "1" "" "{PROGRAM} {__version__}" "{PROGRAM}"\n'
    return f"{_MADE}{head}.nh\n.ad l\n.SH NAME\n{_plain(name)} \\- {_plain(summary.rstrip('.'))}\n"


def _also(names: Any) -> str:
    return ".SH SEE ALSO\n" + ",\n".join(f".BR {_plain(name)} (1)" for name in names).replace(",\n", " ,\n") + "\n"


def _item(head: str, text: str) -> str:
    return f".TP\n{head}\n{_text(text)}"


def _text(text: str) -> str:
    return f"{_plain(text)}\n"


def _plain(text: str) -> str:
    """Letters that roff would take for its own."""
    text = (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("`", "\\(ga")
        .replace("~", "\\(ti")
        .replace("^", "\\(ha")
        .replace("|", "|\\:")
    )
    return f"\\&{text}" if text.startswith((".", "\\(aq")) else text
