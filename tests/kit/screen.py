"""What a person sees: a terminal's screen of cells, and the program on a real pseudo-terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import traceback

from tests.kit.waiting import PATIENCE

_SEQUENCE = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])")


class Screen:
    """The part of a VT100 that this program uses: text that wraps, cursor movement, erasing, and whether the cursor is shown."""

    def __init__(self, columns, lines=24):
        self.columns = columns
        self.cells = [[" "] * columns for _ in range(lines)]
        self.row = self.column = 0
        self.cursor_visible = self.wraps = True
        self._aside = None
        self._rest = ""

    def feed(self, text):
        text, at = self._rest + text, 0
        self._rest = ""
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
            elif match := _SEQUENCE.match(text, at):
                self._control(match[1] or "", match[2], match[3])
                at = match.end()
            elif len(text) - at < 16:
                self._rest = text[at:]  # the sequence is not complete yet
                return
            else:
                raise AssertionError(f"unknown sequence: {text[at : at + 16]!r}")

    def _put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        elif character == "\b":
            self.column = max(self.column - 1, 0)
        elif character >= " ":
            if self.column == self.columns and not self.wraps:
                self.column -= 1
            if self.column == self.columns:
                self.column = 0
                self._down()
            self.cells[self.row][self.column] = character
            self.column += 1

    def _down(self):
        if self.row == len(self.cells) - 1:
            self.cells = [*self.cells[1:], [" "] * self.columns]
        else:
            self.row += 1

    def _control(self, private, arguments, letter):
        number = int(arguments.partition(";")[0] or 0)
        if private:
            self._switch(number, on=letter == "h")
        elif letter == "H":
            self.row = self.column = 0
            assert arguments in {"", "1", "1;1"}, f"unknown position: {arguments}"
        elif letter == "J":
            assert arguments in {"", "0"}, f"unknown erasing: {arguments}"
            self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
            self.cells[self.row + 1 :] = [[" "] * self.columns for _ in self.cells[self.row + 1 :]]
        elif letter == "A":
            self.row = max(self.row - max(number, 1), 0)
        elif letter == "B":
            self.row = min(self.row + max(number, 1), len(self.cells) - 1)
        elif letter == "K":
            first, last = {0: (self.column, self.columns), 1: (0, self.column + 1), 2: (0, self.columns)}[number]
            self.cells[self.row][first:last] = [" "] * (min(last, self.columns) - first)
        elif letter != "m":
            raise AssertionError(f"unknown sequence: {arguments}{letter}")

    def _switch(self, number, *, on):
        """The cursor, wrapping, and the other screen, which leaves this one as it is."""
        if number == 25:
            self.cursor_visible = on
        elif number == 7:
            self.wraps = on
        elif number == 1049 and on:
            self._aside = (self.cells, self.row, self.column)
            self.cells, self.row, self.column = [[" "] * self.columns for _ in self.cells], 0, 0
        elif number == 1049:
            self.cells, self.row, self.column = self._aside

    @property
    def rows(self):
        return ["".join(row).rstrip() for row in self.cells]

    @property
    def text(self):
        """What stands there without the places where it wrapped, so that a sentence reads the same at every width."""
        return " ".join("".join(f"{row} " if len(row) < self.columns else row for row in self.rows).split())

    @property
    def sentence(self):
        """Its words in their order, whatever row they are on; a word that is broken at the edge is two."""
        return " ".join(" ".join(self.rows).split())


class Terminal:
    """A call of this process that returns an exit code, in a child process on a pseudo-terminal of so many columns."""

    def __init__(self, call, columns, lines=24):
        self.screen = Screen(columns, lines)
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            code = 99
            try:
                os.environ.pop("COLUMNS", None)
                os.environ["TERM"] = "xterm"
                fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
                sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))  # noqa: SIM115
                code = call()
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001  (pytest must not go on in the child)
                traceback.print_exc()
            finally:
                os._exit(code)

    def show(self, seconds):
        """Let the screen take what is written in that time; False when the program is gone."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                try:
                    self.screen.feed(os.read(self._master, 1 << 16).decode())
                except OSError:
                    return False
        return True

    def until(self, text, seconds=PATIENCE):
        """Until the screen shows it."""
        deadline = time.monotonic() + seconds
        while text not in self.screen.text:
            alive = self.show(0.05)
            assert alive or text in self.screen.text, self.screen.rows
            assert time.monotonic() < deadline, self.screen.rows

    def type(self, text):
        os.write(self._master, text.encode())

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)

    def end(self):
        """The exit code, after everything that was written has been shown."""
        deadline = time.monotonic() + PATIENCE
        while self.show(0.05):
            assert time.monotonic() < deadline, self.screen.rows
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
