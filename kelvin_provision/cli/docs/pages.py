"""The pages and scripts that are made from the program itself; a test compares them with what is in the repository.

`python -m kelvin_provision.cli.docs.pages` writes them, with `--check` it names those that are stale and exits 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kelvin_provision.cli.docs import man, runtimes
from kelvin_provision.cli.docs.completion_scripts import SCRIPTS
from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.frame.command_table import ENTRIES, PROGRAM, commands
from kelvin_provision.cli.frame.parsing.lazy import root
from kelvin_provision.cli.frame.parsing.leaf import loaded
from kelvin_provision.cli.frame.terminal import write
from kelvin_provision.queries.explaining import explanations
from kelvin_provision.settings.keys import KEYS

WIDTH = 100
MADE = "<!-- Made by `python -m kelvin_provision.cli.docs.pages`; a test compares it. -->\n\n"
_SETTINGS = """\
Settings are read from `/etc/kelvin-provision/config.yaml` (the site file) and, unless the user is root, from a file of the user;
`kelvin-provision config path` lists the files that are read. Flags override environment variables, these override the user's file,
which overrides the site file; `kelvin-provision config show` says where each value comes from. A dot in a key is a level in a file:

```yaml
registry: registry.example.com:5000
cluster:
  namespace: app
registries:
  registry.example.com:5000:
    mirrors: [mirror.example.com]
```

`kelvin-provision config set KEY VALUE` and `config unset KEY` change one key in place and keep comments and order.
Keys marked *site* are only accepted in the site file, or in a file given with `--config`.

"""


def pages() -> Mapping[str, str]:
    """Path in the repository to content; the same on every machine and terminal."""
    made = {
        "docs/commands.md": "".join(_commands()),
        "docs/exit-codes.md": "".join(_exit_codes()),
        "docs/states.md": "".join(_states()),
        "docs/configuration.md": "".join(_configuration()),
        "docs/runtimes.md": "".join((f"# Container runtimes\n\n{MADE}", *runtimes.page())),
    }
    made |= {f"man/{name}": text for name, text in man.pages().items()}
    return made | {f"completions/{PROGRAM}.{shell}": script for shell, script in SCRIPTS.items()}


def stale(folder: Path) -> list[str]:
    """The paths whose file differs from what would be generated now."""
    return [name for name, text in pages().items() if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text]


def _commands() -> Iterator[str]:
    yield f"# Commands\n\n{MADE}"
    yield _help(PROGRAM, root())
    for words, entry in commands(ENTRIES):
        path = " ".join((PROGRAM, *words))
        yield _help(path, loaded(path, entry))


def _help(path: str, command: Any) -> str:
    with command.make_context(path, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH) as context:
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{path}`\n\n```text\n{text}\n```\n\n"


def _exit_codes() -> Iterator[str]:
    yield f"# Exit codes\n\n{MADE}"
    yield "The number names the family of the error, as in sysexits(3); the code, `error.code` with `--json`, names the error.\n"
    for number, text in explanations.EXIT_CODES.items():
        yield f"\n## {number}: {text}\n"
        errors = [error for error in explanations.errors() if error.exit_code == number]
        if errors:
            yield "\n| code | meaning | what leads there | what to do |\n|---|---|---|---|\n"
        for error in errors:
            explanation = explanations.explained(error)
            yield f"| `{error.code}` | {explanation.meaning} | {explanation.after} | {_cell(hints.example(explanation.then))} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _configuration() -> Iterator[str]:
    yield f"# Configuration\n\n{MADE}"
    yield _SETTINGS
    yield "| key | value | default | variable | meaning |\n|---|---|---|---|---|\n"
    for key in KEYS:
        default, variable = (f"`{text}`" if text else "-" for text in (key.default, None if key.trusted else key.variable))
        yield f"| `{key.name}` | {_cell(key.type.name)} | {default} | {variable} | {_cell(key.doc)}{' (*site*)' if key.trusted else ''} |\n"


def _states() -> Iterator[str]:
    yield f"# States\n\n{MADE}"
    yield "| state | meaning | what leads there | what to do |\n|---|---|---|---|\n"
    for state, explanation in explanations.STATES.items():
        yield f"| `{state.value}` | {explanation.meaning} | {explanation.after} | {hints.example(explanation.then)} |\n"


def _main(words: list[str]) -> int:
    folder = Path(__file__).parents[3]
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
