"""The pages and scripts that are made from the program itself; a test compares them with what is in the repository.

`python -m kelvin_provision.cli.docs` writes them, with `--check` it names those that are stale and exits 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kelvin_provision.cli import explanations
from kelvin_provision.cli.lazy import root
from kelvin_provision.cli.leaf import loaded
from kelvin_provision.cli.scripts import SCRIPTS
from kelvin_provision.cli.table import ENTRIES, PROGRAM, commands
from kelvin_provision.cli.terminal import write

WIDTH = 100
_MADE = "<!-- Made by `python -m kelvin_provision.cli.docs`; a test compares it. -->\n\n"


def pages() -> Mapping[str, str]:
    """Path in the repository to content; the same on every machine and terminal."""
    made = {
        "docs/commands.md": "".join(_commands()),
        "docs/exit-codes.md": "".join(_exit_codes()),
        "docs/states.md": "".join(_states()),
    }
    return made | {f"completions/{PROGRAM}.{shell}": script for shell, script in SCRIPTS.items()}


def stale(folder: Path) -> list[str]:
    """The paths whose file is not what it would be now."""
    return [name for name, text in pages().items() if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text]


def _commands() -> Iterator[str]:
    yield f"# Commands\n\n{_MADE}"
    yield _help(PROGRAM, root())
    for words, entry in commands(ENTRIES):
        path = " ".join((PROGRAM, *words))
        yield _help(path, loaded(path, entry))


def _help(path: str, command: Any) -> str:
    with command.make_context(path, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH) as context:
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{path}`\n\n```text\n{text}\n```\n\n"


def _exit_codes() -> Iterator[str]:
    yield f"# Exit codes\n\n{_MADE}"
    yield "The number says which family it is, those of sysexits(3); the code, in `error.code` with `--json`, says exactly which one.\n"
    for number, text in explanations.EXIT_CODES.items():
        yield f"\n## {number}: {text}\n"
        found = [error for error in explanations.errors() if error.exit_code == number]
        if found:
            yield "\n| code | meaning | next step |\n|---|---|---|\n"
        for error in found:
            yield f"| `{error.code}` | {explanations.meaning(error)} | {error.hint_default or '-'} |\n"


def _states() -> Iterator[str]:
    yield f"# States\n\n{_MADE}"
    yield "| state | meaning | what leads there | what to do |\n|---|---|---|---|\n"
    for state, told in explanations.STATES.items():
        yield f"| `{state.value}` | {told.meaning} | {told.after} | {told.then} |\n"


def _main(words: list[str]) -> int:
    folder = Path(__file__).parents[2]
    old = stale(folder)
    if words == ["--check"]:
        write(sys.stderr, "".join(f"stale: {name}\n" for name in old))
        return 1 if old else 0
    for name in old:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(pages()[name], "utf-8")
        write(sys.stdout, f"written: {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
