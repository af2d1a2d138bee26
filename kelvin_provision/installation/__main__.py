"""What the self-extracting file calls with the interpreter that it has unpacked, or with the installed one: `install` and `uninstall`.

It is no command of the program: there is none yet.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import command, pasted
from kelvin_provision.installation.changing import install, uninstall
from kelvin_provision.installation.outside import Outside


def main() -> int:
    parser = argparse.ArgumentParser(prog="kelvin-provision.run")
    parser.add_argument("what", choices=("install", "uninstall"))
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--incoming", type=Path)
    parser.add_argument("--purge", action="store_true")
    words = parser.parse_args()
    os.umask(0o022)
    try:
        _WHAT[words.what](words)
    except ProvisionError as error:
        hint = pasted(error.hint)
        sys.stderr.write(f"kelvin-provision: {error}\n" + (f"hint: {hint}\n" if hint else ""))
        return error.exit_code
    return 0


def _install(words: argparse.Namespace) -> None:
    done = install(words.incoming, words.prefix, Outside())
    before = "" if done.before in {"", done.tree.path.name} else f"; {done.before} is kept: {pasted(command('self rollback'))}"
    lines = [f"{done.tree.version} is installed in {done.tree.path}{before}"]
    lines += [f"removed the older version {version}" for version in done.removed]
    if not done.before:
        lines.append(f"nothing of it runs yet. Next, as root: {pasted(command('setup'))}")
    _say(lines, done.warnings)


def _uninstall(words: argparse.Namespace) -> None:
    stays = uninstall(words.prefix, Outside(), purge=words.purge)
    _say(["it is removed", *(f"{path} stays: remove it, or use --uninstall --purge" for path in stays)], ())


def _say(lines: list[str], warnings: tuple[str, ...]) -> None:
    sys.stdout.write("".join(f"kelvin-provision: {line}\n" for line in lines))
    sys.stderr.write("".join(f"kelvin-provision: warning: {line}\n" for line in warnings))


_WHAT: dict[str, Callable[[argparse.Namespace], None]] = {"install": _install, "uninstall": _uninstall}

if __name__ == "__main__":
    sys.exit(main())
