"""A command line that is run without typer means what it means to typer."""

import random
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

from kelvin_provision.cli import main
from kelvin_provision.cli.frame.arguments import Either
from kelvin_provision.cli.frame.command_table import SHARED_OPTIONS, commands
from kelvin_provision.cli.frame.declared import REQUIRED, Argument, Option, parameters
from kelvin_provision.cli.frame.invocation import argument_name
from kelvin_provision.cli.frame.parsing import direct, options

COMMANDS = {" ".join(path): import_module(entry.module).command for path, entry in commands()}
WRONG = [
    "--nonsense",
    "--",
    "-",
    "",
    "--json=1",
    "-h",
    "-vn",
    "-nx",
    "--name=",
    "--page-size",
    "0",
    "x",
    "--no-",
    "é",
    "--output=JSON",
    "-o",
    "99999999999",
]


@pytest.fixture
def by_typer(monkeypatch, capsys):
    """What typer makes of a line: the name of the command and the values, or None for what it refuses or answers itself."""
    seen = []
    monkeypatch.setattr(options, "invoked", lambda command, name, values: seen.append((name, effective(command, values))) or 0)

    def ask(words):
        seen.clear()
        try:
            main._typed(list(words))
        except Exception:  # noqa: BLE001  (also a command that does not exist)
            return None
        finally:
            capsys.readouterr()
        return seen[0] if seen else None

    return ask


def directly(words):
    line = direct.parsed(words)
    return line and (line.name, effective(line.function, line.values))


def effective(command, values):
    """Every value that the command and the session are made of, whether it was given or not."""
    found = {name: values.get(name) or None for name in SHARED_OPTIONS}
    for name, _, mark, default in parameters(command):
        if isinstance(mark, Either):
            found |= {key: values.get(key) or None for key in (name, argument_name(name))}
        else:
            assert default is not REQUIRED or name in values
            found[name] = values.get(name, default)
    return {name: list(value) or None if isinstance(value, list | tuple) else value for name, value in found.items()}


def values_of(kind, more, dice):
    kind, _ = direct._kind(kind)
    if "parser" in more:
        return dice.choice(["90", "30s", "5m", "1h30m"])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return dice.choice(list(kind)).value
    if kind is int:
        return str(dice.randint(more.get("min", 0), min(more.get("max", 50), 50)))
    return dice.choice(["pump", "a/b.yaml", "with space", "=", "a=b", "2.0.0"])


def written(name, value, dice):
    return [f"{name}={value}"] if name.startswith("--") and dice.random() < 0.4 else [name, value]


def options_of(command, dice):
    for _, kind, mark, default in parameters(command):
        if isinstance(mark, Either) and dice.random() < 0.5:
            yield written(dice.choice(mark.flags), values_of(mark.kind, {}, dice), dice)
        elif isinstance(mark, Option) and (default is REQUIRED or dice.random() < 0.4):
            if direct._kind(kind)[0] is bool:
                yield [dice.choice(dice.choice(mark.flags).split("/"))]
            else:
                yield written(dice.choice(mark.flags), values_of(kind, mark.more, dice), dice)


def shared_of(dice):
    if dice.random() < 0.3:
        yield written(dice.choice(["-o", "--output"]), dice.choice(["json", "table"]), dice)
    for word in ("--json", "--quiet", "--verbose", "-v", "--no-color"):
        if dice.random() < 0.1:
            yield [word]
    if dice.random() < 0.2:
        yield written("--state-dir", "/tmp/state", dice)


def arguments_of(command, dice):
    for _, kind, mark, default in parameters(command):
        if isinstance(mark, Either):
            yield from ([values_of(mark.kind, {}, dice)] for _ in range(dice.choice([0, 1]) if mark.single else dice.choice([0, 1, 3])))
        elif isinstance(mark, Argument) and (default is REQUIRED or dice.random() < 0.7):
            yield [values_of(kind, mark.more, dice)]


def shuffled(parts, dice):
    """Options anywhere, arguments in their order."""
    places = sorted((dice.random(), number) for number in range(len(parts)))
    return [word for _, number in places for word in parts[number]]


def line_of(path, dice):
    command = COMMANDS[path]
    before = [word for part in shared_of(dice) for word in part]
    after = shuffled([*options_of(command, dice), *shared_of(dice)], dice)
    for argument in arguments_of(command, dice):
        after = [*after, *argument] if dice.random() < 0.5 else [*argument, *after]
    return [*before, *path.split(), *after]


@pytest.mark.parametrize("path", COMMANDS)
def test_lines_as_declared_are_run_without_typer_and_mean_the_same(path, by_typer):
    dice = random.Random(path)  # noqa: S311
    run = 0
    for _ in range(60):  # the others repeat an option that takes one value
        line = line_of(path, dice)
        found = directly(line)
        if found:
            run += 1
            assert found == by_typer(line), line
        if run == 8:
            break
    assert run == 8


def test_what_typer_refuses_or_reads_in_its_own_way_is_left_to_it(by_typer):
    dice = random.Random(7)  # noqa: S311
    left = 0
    for _ in range(150):
        line = line_of(dice.choice(list(COMMANDS)), dice)
        line.insert(dice.randint(0, len(line)), dice.choice(WRONG))
        found = directly(line)
        left += found is None
        if found:
            assert found == by_typer(line), line
    assert left > 75


def test_no_command_needs_typer_to_be_declared():
    marks = [parameter.mark for command in COMMANDS.values() for parameter in parameters(command)]
    assert [mark for mark in marks if not isinstance(mark, Either | Option | Argument)] == []


def test_a_file_that_cannot_be_read_is_told_by_typer(tmp_path, monkeypatch):
    closed = tmp_path / "request.yaml"
    closed.touch()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != closed)
    assert direct.parsed(["workloads", "deploy", str(closed)]) is None
    assert direct.parsed(["workloads", "deploy", str(tmp_path / "absent.yaml")]) is not None
