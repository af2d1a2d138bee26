"""Completion of the command line. Names of commands come from the table; only options import a command.

The scripts in `completions/` call the program with `_KELVIN_PROVISION_COMPLETE` set to the shell and the words up to the
cursor, the unfinished one last. Nothing here fails: a completing shell must not print errors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame.command_table import ENTRIES, PROGRAM, SHARED_OPTIONS, Command, Entries, Group, takes_value

if TYPE_CHECKING:
    from kelvin_provision.ledger.ledger import Ledger
    from kelvin_provision.settings.model import Settings

FILES = (":files", "")
# What typer's types for a Path are called.
_PATHS = {"path", "file", "directory"}
Candidate = tuple[str, str]


def answer(shell: str, words: Sequence[str]) -> int:
    """Print one candidate per line, with its help where the shell can show it; `:files` where a path is expected."""
    rows: list[Candidate] = []
    # A broken ledger or a half-typed option must not print a traceback into the prompt.
    with suppress(Exception):
        rows = candidates(list(words) or [""])
    lines = [f"{word}\t{text}" if text and shell != "bash" else word for word, text in rows]
    with suppress(OSError):
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    return 0


def candidates(words: Sequence[str]) -> list[Candidate]:
    """The completions of the last word, each with its one-line help."""
    *before, unfinished = _joined(words)
    # A shell that passes `--output=js` as one word expects the whole word.
    ahead = words[-1].removesuffix(unfinished) if words[-1].startswith("--") and "=" in words[-1] else ""
    entries: Entries = ENTRIES
    path = [PROGRAM]
    options: list[str] = []
    for at, word in enumerate(before):
        entry = entries.get(word)
        if options and takes_value(options[-1]):
            options.append(word)
        elif isinstance(entry, Command):
            return _whole(ahead, _of_command(" ".join((*path, word)), entry, [*options, *before[at + 1 :]], unfinished))
        elif isinstance(entry, Group):
            entries = entry.commands
            path.append(word)
        elif word.startswith("-"):
            options.append(word)
        else:
            return []
    if options and takes_value(options[-1]):
        # All commands complete the values of the shared options in the same way.
        return _whole(ahead, _of_command(f"{PROGRAM} explain", _any_command(), options[-1:], unfinished))
    names = _group_options(path) if unfinished.startswith("-") else [(name, entry.help) for name, entry in entries.items()]
    return [pair for pair in names if pair[0].startswith(unfinished)]


def _whole(ahead: str, rows: list[Candidate]) -> list[Candidate]:
    return rows if rows == [FILES] else [(f"{ahead}{value}", text) for value, text in rows]


def _any_command() -> Command:
    return next(entry for entry in ENTRIES.values() if isinstance(entry, Command))


def _group_options(path: Sequence[str]) -> list[Candidate]:
    """The long names of the options before a command."""
    shared = [(option.names[-1], option.help) for option in SHARED_OPTIONS.values()]
    version = [("--version", "Print the version and exit.")] if len(path) == 1 else []
    return [*shared, ("--help", "Show this message and exit."), *version]


def workload_names(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    """Names in the ledger that are not on the line yet; none when it cannot be read."""
    given = _named(ctx)
    with suppress(Exception), _ledger(ctx) as ledger:
        return [name for name in ledger.names() if name.startswith(incomplete) and name not in given]
    return []


def _named(ctx: Any) -> list[str]:
    """The workloads on the line, as options and as arguments."""
    given = [ctx.params.get(name) or () for name in ("name_arguments", "name")]
    return [name for names in given for name in ([names] if isinstance(names, str) else names)]


def setting_keys(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:  # noqa: ARG001  (typer finds these by name)
    """Every key with its meaning; keys under `registries` for each host in the settings."""
    from kelvin_provision.settings.keys import HOST, KEYS

    rows: list[Candidate] = []
    hosts: list[str] = []
    if incomplete.startswith("registries."):
        with suppress(Exception):
            settings = _settings(ctx)
            hosts = sorted({*settings.registries, *([settings.registry.partition("/")[0]] if settings.registry else [])})
    for key in KEYS:
        names = [key.name.replace(HOST, host) for host in hosts] or [key.name.partition(HOST)[0]] if HOST in key.name else [key.name]
        rows += [(name, key.doc if name.endswith(key.name.rpartition(".")[2]) else "") for name in names]
    return [row for row in dict.fromkeys(rows) if row[0].startswith(incomplete)]


def revisions(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:  # noqa: ARG001  (typer finds these by name)
    """The kept revisions of the workloads on the line, the latest first; none when the ledger cannot be read."""
    with suppress(Exception), _ledger(ctx) as ledger:
        kept = [revision for name in _named(ctx) for revision in ledger.kept(name)]
        numbers = [(str(revision.number), f"version {revision.spec.app_version}") for revision in kept]
        return [pair for pair in numbers if pair[0].startswith(incomplete)]
    return []


def _settings(ctx: Any) -> Settings:
    from pathlib import Path

    from kelvin_provision.cli.frame.session import CONFIG_VARIABLE
    from kelvin_provision.settings.load import load

    state_dir, config = (Path(given[-1]) if (given := ctx.params.get(name)) else None for name in ("state_dir", "config"))
    config = config or (Path(variable) if (variable := os.environ.get(CONFIG_VARIABLE)) else None)
    return load(config=config, state_dir=state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings


@contextmanager
def _ledger(ctx: Any) -> Iterator[Ledger]:
    """The ledger; raises if there is none. Completion must not create it."""
    from kelvin_provision.ledger.ledger import Ledger
    from kelvin_provision.settings.state_dir import refuse_unsafe

    path = _settings(ctx).state_dir / "ledger.db"
    refuse_unsafe(path.parent, uid=os.geteuid())
    path.stat()
    with Ledger(path) as ledger:
        yield ledger


def _joined(words: Sequence[str]) -> list[str]:
    """`--output=js` as the option and its value; Bash passes it as three words."""
    flat: list[str] = []
    for word in words[:-1]:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        flat += [name, value] if equals else [word]
    last = words[-1]
    if last.startswith("--") and "=" in last:
        name, _, last = last.partition("=")
        flat.append(name)
    return [*(word for word in flat if word != "="), "" if last == "=" else last]


def _of_command(path: str, entry: Command, before: Sequence[str], unfinished: str) -> list[Candidate]:
    from kelvin_provision.cli.frame.parsing.leaf import loaded

    command: Any = loaded(path, entry)
    context = command.make_context(path, list(_settled(command, before)), resilient_parsing=True)
    expecting = _expecting(command, before)
    if expecting is None and unfinished.startswith("-"):
        rows = [(option, parameter.help or "") for parameter in command.get_params(context) for option in _names(parameter)]
        return [row for row in rows if row[0].startswith(unfinished)]
    if expecting is None:
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        expecting = next((argument for argument in arguments if argument.nargs == -1 or not context.params.get(argument.name)), None)
    if expecting is None:
        return []
    items = expecting.shell_complete(context, unfinished)
    if not items and expecting.type.name in _PATHS:
        return [FILES]
    return [(item.value, item.help or "") for item in items]


def _names(parameter: Any) -> list[str]:
    """The long names of an option: they explain themselves."""
    if parameter.param_type_name != "option":
        return []
    return [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]


def _expecting(command: Any, before: Sequence[str]) -> Any:
    """The option at the end of the line that still needs its value."""
    last = before[-1] if before else ""
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.is_flag and last in parameter.opts:
            return parameter
    return None


def _settled(command: Any, before: Sequence[str]) -> Sequence[str]:
    """The words without an option at the end that has no value yet."""
    return before[:-1] if _expecting(command, before) is not None else before
