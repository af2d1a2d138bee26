"""The results of `workloads check` and `doctor` for people: mark, check and finding; for problems also the reason and the hint."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TextIO

from kelvin_provision import timestamps
from kelvin_provision.check_result import CheckResult, CheckStatus, counts
from kelvin_provision.cli.frame import hints, terminal
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.terminal import Colour
from kelvin_provision.cli.render import layout
from kelvin_provision.hints import Hint
from kelvin_provision.naming import listed

_NARROWEST = 16
_WHY, _NEXT = " why: ", "next: "
_SYMBOLS = {CheckStatus.OK: "✓", CheckStatus.WARNING: "!", CheckStatus.ERROR: "✗", CheckStatus.SKIPPED: "-"}
_COLOURS = {CheckStatus.OK: Colour.GREEN, CheckStatus.WARNING: Colour.YELLOW, CheckStatus.ERROR: Colour.RED}


@dataclass(frozen=True)
class Look:
    """The style of results on a stream. `width` is None where lines may not be broken: in a pipe or a file. `whole`: reason and hint for
    every line.
    """

    colour: bool = False
    symbols: bool = False
    width: int | None = None
    whole: bool = False

    @classmethod
    def of(cls, stream: TextIO, session: Session) -> Self:
        """The style for this stream and session."""
        draws = terminal.can_draw(stream)
        return cls(
            colour=terminal.is_coloured(stream, session),
            symbols=draws and terminal.is_utf8(stream),
            width=shutil.get_terminal_size().columns if draws else None,
            whole=session.verbose or session.output is Output.WIDE,
        )


def render(lines: Sequence[CheckResult], look: Look) -> str:
    """One line per result with indented lines below it; marks are words where symbols cannot be shown."""
    lines = lines if look.whole else _grouped(lines)
    ids = max((len(line.id) for line in lines), default=0)
    marks = 1 if look.symbols else max((len(line.status.value) for line in lines), default=0)
    first = {line.id: at for at, line in reversed(list(enumerate(lines)))}
    return "".join(f"{text}\n" for at, line in enumerate(lines) for text in _lines(line, marks, ids, look, why=first[line.id] == at))


def _grouped(lines: Sequence[CheckResult]) -> list[CheckResult]:
    """What was found of several workloads, one after the other, with the same words and the same next command, is one line."""
    groups: list[tuple[list[str], CheckResult]] = []
    for line in lines:
        if groups and line.name and groups[-1][1]._replace(name=line.name) == line:
            groups[-1][0].append(line.name)
        else:
            groups.append(([line.name], line))
    return [line._replace(name=listed(names)) for names, line in groups]


def _lines(line: CheckResult, marks: int, ids: int, look: Look, *, why: bool) -> Iterator[str]:
    """`why` is printed once per check, for its first problem."""
    mark = (_SYMBOLS[line.status] if look.symbols else line.status.value).ljust(marks)
    colour = _COLOURS.get(line.status)
    mark = terminal.painted(mark, colour, on=look.colour) if colour else mark
    indent = marks + 1 + ids + 2
    first, *rest = _broken(f"{f'{line.name}: ' if line.name else ''}{line.text}", indent, look)
    yield f"{mark} {line.id.ljust(ids)}  {first}"
    yield from (" " * indent + text for text in rest)
    if line.status in {CheckStatus.WARNING, CheckStatus.ERROR} or look.whole:
        for at, part in enumerate(_broken(line.why, indent + len(_WHY), look) if line.why and why else ()):
            yield " " * indent + (_WHY if at == 0 else " " * len(_WHY)) + part
        if line.hint:
            yield from _next(line.hint, indent, look)


def _next(hint: Hint, indent: int, look: Look) -> Iterator[str]:
    """A command is not broken, as it is copied: where it does not fit beside its label, it begins further to the left."""
    text = _plain(hints.line(hint), look)
    if not hint.action:
        first, *rest = _broken(text, indent + len(_NEXT), look)
        yield " " * indent + _NEXT + first
        yield from (" " * (indent + len(_NEXT)) + part for part in rest)
        return
    first, *rest = layout.wrapped(text, look.width, begin=indent + len(_NEXT), command=_plain(hints.copied(hint), look)).split("\n")
    yield f"{' ' * indent}{_NEXT}{first}".rstrip()
    yield from rest


def _broken(text: str, indent: int, look: Look) -> list[str]:
    """Wrapped with an indent."""
    plain = _plain(text, look)
    if look.width is None:
        return [plain]
    room = max(look.width - indent, _NARROWEST)
    return textwrap.wrap(plain, room, break_long_words=False, break_on_hyphens=False) or [""]


def _plain(text: str, look: Look) -> str:
    plain = timestamps.with_local_times(terminal.plain(" ".join(text.split())))
    return plain if look.whole else terminal.with_short_digests(plain)


def summary(lines: Sequence[CheckResult]) -> str:
    """`17 checks: 15 ok, 1 skipped; 2 warnings, 1 error`: checks first, then what they found."""
    if not lines:
        return "No checks were run."
    bad = {CheckStatus.WARNING, CheckStatus.ERROR}
    problematic = {line.id for line in lines if line.status in bad}
    ok = {line.id for line in lines if line.status is CheckStatus.OK} - problematic
    neither = {line.id for line in lines} - problematic - ok
    checks = [f"{len(ids)} {word}" for ids, word in ((ok, "ok"), (neither, "skipped")) if ids]
    numbers = counts(lines)
    findings = [f"{numbers[word]} {word}{'' if numbers[word] == 1 else 's'}" for word in ("warning", "error") if numbers[word]]
    parts = [", ".join(part) for part in (checks, findings) if part]
    return f"{len({line.id for line in lines})} checks: {'; '.join(parts)}"
