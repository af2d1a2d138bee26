"""The program in this process: words in, whole output and exit code out."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from kelvin_provision.cli.main import main


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str

    def check(self, *, exit_code: int = 0, stdout: str | None = None, stderr: str | None = None) -> "Result":
        """Compare all that is given at once, so that a failure shows what the command printed; returns itself."""
        wanted = (exit_code, self.stdout if stdout is None else stdout, self.stderr if stderr is None else stderr)
        assert (self.exit_code, self.stdout, self.stderr) == wanted
        return self


class Stream(io.TextIOWrapper):
    """A pipe unless told that it is a terminal."""

    def __init__(self, text="", *, terminal=False, encoding="utf-8"):
        super().__init__(io.BytesIO(text.encode()), encoding=encoding, newline="")
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def captured(call, *, stdin=None, terminal=False, encoding="utf-8"):
    """What a call that returns an exit code writes on the two streams."""
    out, err = Stream(terminal=terminal, encoding=encoding), Stream(terminal=terminal, encoding=encoding)
    before = sys.stdin
    sys.stdin = Stream(stdin or "", terminal=terminal)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = call()
    finally:
        sys.stdin = before
    return Result(code, out.text(), err.text())


def run(*words, stdin=None, terminal=False, wiring=None):
    return captured(lambda: main(words, wiring=wiring), stdin=stdin, terminal=terminal)
