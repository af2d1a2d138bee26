"""The one place where a result or an error becomes output and an exit code.

stdout has the result, stderr everything else. With JSON or YAML, stdout has exactly one document, also for errors.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kelvin_provision.cli.frame import hints, terminal
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.terminal import Colour, plain, quoted, shown, write
from kelvin_provision.cli.render import layout
from kelvin_provision.cli.render.report import Line, Report, Tone
from kelvin_provision.errors import CannotWrite, Interrupted, OurBug, ProvisionError, UsageRefused
from kelvin_provision.files.durable import trouble_of_box
from kelvin_provision.hints import command
from kelvin_provision.naming import grouped

TONES = {
    Tone.TITLE: Colour.BOLD,
    Tone.PLACE: Colour.CYAN,
    Tone.NEW: Colour.GREEN,
    Tone.GONE: Colour.RED,
    Tone.CHANGED: Colour.YELLOW,
    Tone.BAD: Colour.RED,
}
ADVICE = "add --yes to confirm"


class Cancelled(Exception):
    """The user answered no. Not an error: the edge prints `Cancelled.` and exits with 130."""


def run(session: Session, name: str, body: Callable[[], Report]) -> int:
    """Run the command and print its result. Never raises; `name` is the command's name in an internal error."""
    try:
        report = body()
    except Cancelled as cancelled:
        return _cancelled(session, cancelled)
    except ProvisionError as error:
        if session.verbose:
            _trace(name, error)
        return failed(session, error)
    except KeyboardInterrupt:
        return failed(session, Interrupted("stopped by a signal"))
    except Exception as error:  # noqa: BLE001  (the edge: what gets here is trouble of the box, or our bug, and is reported as such)
        if session.verbose:
            _trace(name, error)
        trouble = trouble_of_box(error) if isinstance(error, OSError) else None
        return failed(session, trouble or OurBug(_masked(f"{type(error).__name__}: {error}".rstrip(": "))))
    return _answered(session, report)


def failed(session: Session, error: ProvisionError) -> int:
    """Print an error; returns its exit code."""
    if session.document:
        return _printed(session, _encoded(session, {"status": "error", "error": hints.described(error)}), error.exit_code)
    _complain(session, error, error.evidence)
    return error.exit_code


def _complain(session: Session, error: ProvisionError, evidence: Sequence[str]) -> None:
    head = terminal.painted("error:", Colour.RED, on=terminal.is_coloured(sys.stderr, session))
    width = layout.width_of(sys.stderr)
    lines = [f"{head} {layout.wrapped(shown(str(error), session), width, begin=len('error: '))}"]
    lines += [layout.wrapped(f"  {quoted(line, session)}", width) for line in (evidence if session.whole else grouped(evidence))]
    if error.hint:
        hint, command_in_it = plain(hints.line(error.hint)), plain(hints.copied(error.hint))
        lines.append(f" hint: {layout.wrapped(hint, width, begin=len(' hint: '), command=command_in_it)}")
    _aside("\n".join(lines))


def misused(session: Session, error: Any) -> int:
    """Print an error of typer's parser in our form. `error` is any of its exceptions: they have no common public class."""
    context = getattr(error, "ctx", None)
    message = error.format_message().strip().removesuffix(".")
    near = getattr(error, "possibilities", None)
    if near:
        message = f"{error.message}; did you mean {near[0]}?"
    path = context.command_path.partition(" ")[2] if context is not None else ""
    return failed(session, UsageRefused(message[:1].lower() + message[1:], hint=command(f"{path} --help")))


def _answered(session: Session, report: Report) -> int:
    if not session.quiet and not (session.document and report.document is None):
        # Our own envelope has the warnings; the platform's fixed documents have no place for them.
        head = terminal.painted("warning:", Colour.YELLOW, on=terminal.is_coloured(sys.stderr, session))
        for warning in report.warnings if session.whole else grouped(report.warnings):
            _aside(f"{head} {layout.wrapped(shown(warning, session), layout.width_of(sys.stderr), begin=len('warning: '))}")
    if report.streamed:
        return report.exit_code
    code = report.refusal.exit_code if report.refusal is not None else report.exit_code
    if session.document:
        return _printed(session, _encoded(session, report.to_json()), code)
    if session.output is Output.NAME:
        names = report.names or tuple(item.name for item in report.items)
        code = _printed(session, "".join(f"{plain(name)}\n" for name in names), code)
    else:
        code = _told(session, report, code)
    if report.refusal is not None:
        _complain(session, report.refusal, ())  # the result has the evidence already, each line in its place
    return code


def _told(session: Session, report: Report, code: int) -> int:
    """Output for people: the table, the text, or a line per item. Notes go to stderr."""
    aside = ""
    if report.table is not None:
        from kelvin_provision.cli.render import tables

        answer = tables.render(report.table, tables.Style.of(sys.stdout, session))
        aside = report.table.footer if report.table.rows else report.table.empty
    elif report.lines:
        coloured = terminal.is_coloured(sys.stdout, session)
        answer = "".join(f"{_toned(line, session, on=coloured)}\n" for line in report.lines)
    elif report.checks is not None:
        from kelvin_provision.cli.render import checks

        answer, aside = checks.render(report.checks, checks.Look.of(sys.stdout, session)), checks.summary(report.checks)
        answer = _items(report, session) + answer
    elif report.text is not None:
        answer = layout.wrapped(quoted(report.text.rstrip("\n"), session), layout.width_of(sys.stdout)) + "\n"
    else:
        answer = _items(report, session)
        aside = "" if report.items else "Nothing to do."
    code = _printed(session, answer, code)
    if aside and not session.quiet:
        _aside(layout.wrapped(plain(aside), layout.width_of(sys.stderr)))
    if report.next_step and not session.quiet:
        _aside(f" next: {layout.wrapped(plain(report.next_step), layout.width_of(sys.stderr), begin=len(' next: '))}")
    return code


def _items(report: Report, session: Session) -> str:
    lines = (f"{i.kind} {i.name}: {i.outcome}{f', {i.detail}' if i.detail else ''}" for i in report.items)
    return "".join(f"{layout.wrapped(shown(line, session), layout.width_of(sys.stdout))}\n" for line in lines)


def _toned(line: Line, session: Session, *, on: bool) -> str:
    colour = TONES.get(line.tone)
    text = quoted(line.text, session)
    return terminal.painted(text, colour, on=on) if colour and text else text


def _cancelled(session: Session, cancelled: Cancelled) -> int:
    """The user answered no: nothing was changed, and what follows in a script must not take it for done."""
    if session.document:
        return _printed(
            session, _encoded(session, {"status": "cancelled", "message": str(cancelled), "hint": ADVICE}), Interrupted.exit_code
        )
    _aside("Cancelled.")
    return Interrupted.exit_code


def _encoded(session: Session, document: Mapping[str, Any]) -> str:
    import json

    text = json.dumps(document, indent=2, ensure_ascii=not terminal.is_utf8(sys.stdout))
    if session.output is Output.JSON:
        return text + "\n"
    import yaml

    # Through JSON, so that both formats hold the same plain values.
    return str(yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True))


def _printed(session: Session, text: str, code: int) -> int:
    """Write the result. A reader that is gone does not change the exit code; a full disk behind stdout does."""
    try:
        write(sys.stdout, text)
    except OSError as error:
        return answer_lost(session, error, code)
    return code


def answer_lost(session: Session, error: OSError, code: int = 0) -> int:
    """Stdout takes no more. A reader that went away is no failure; anything else is, unless the work itself has failed."""
    terminal.abandon(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return code
    lost = CannotWrite(terminal.lost(error), hint="the work is done; only its output was lost")
    return code or failed(Session(no_color=session.no_color), lost)


def _aside(text: str) -> None:
    """Print on stderr; a closed terminal is no failure."""
    try:
        write(sys.stderr, f"{text}\n")
    except (OSError, ValueError):
        terminal.abandon(sys.stderr)


def _trace(name: str, error: BaseException) -> None:
    _aside(f"{name}:\n{plain(_masked(''.join(traceback.format_exception(error))))}".rstrip())


def _masked(text: str) -> str:
    """What an error of a library says, which may quote anything. What came through `foreign` is clean already."""
    from kelvin_provision.masking.redactor import Redactor

    return Redactor().text(text)
