"""Streamed results: line by line, until a signal, or until the reader of stdout is gone."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from kelvin_provision.cli.frame import hints, terminal
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import CannotWrite, ProvisionError, UsageRefused


def streamed(session: Session, command: str, body: Callable[[], None]) -> Report:
    """Run a command that writes lines until its reader is gone. With --json, an error is one more line, in its usual form."""
    if session.output in {Output.YAML, Output.NAME}:
        raise UsageRefused(f"an endless stream cannot be written as {session.output}", hint="--json writes one object per line")
    code = 0
    try:
        body()
    except BrokenPipeError:
        terminal.abandon(sys.stdout)
    except ProvisionError as error:
        if session.output is not Output.JSON:
            raise
        with suppress(OSError, CannotWrite):
            line({"status": "error", "error": hints.described(error)})
        code = error.exit_code
    return Report(command, streamed=True, exit_code=code)


def line(document: Mapping[str, Any]) -> None:
    """One object of a stream, as a line of JSON."""
    write(f"{json.dumps(document, ensure_ascii=not terminal.is_utf8(sys.stdout))}\n")


def write(text: str) -> None:
    """Write to stdout and flush. Raises BrokenPipeError when the reader is gone, CannotWrite for other errors."""
    try:
        terminal.write(sys.stdout, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        terminal.abandon(sys.stdout)
        raise CannotWrite(terminal.lost(error), hint="only output was lost") from error


def reader_gone(seconds: float = 0.0) -> bool:
    """Wait up to this long for the reader of stdout to go away. Nothing may be written for hours, so no write would notice."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return bool(watched.poll(seconds * 1000))
    except (OSError, ValueError):
        time.sleep(seconds)
        return False
