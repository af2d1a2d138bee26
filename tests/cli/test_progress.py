"""Progress: lines in a pipe on a clock that the test holds, bars on a real pseudo-terminal, nothing when quiet."""

import io
import os
import pty
import subprocess
import sys
import threading

import pytest

from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.amounts import Meter
from kelvin_provision.cli.render.progress import Lines, choose
from kelvin_provision.context import silent
from kelvin_provision.events import Advanced, Finished, Note, Started
from kelvin_provision.quantity import format_bytes, format_duration
from tests.kit.cli import Stream
from tests.kit.clock import Clock

pytestmark = pytest.mark.slow

MIB = 2**20


@pytest.fixture
def lines():
    return Lines(io.StringIO(), Clock(100.0))


def test_a_line_at_the_start_every_ten_seconds_and_at_the_end(lines):
    lines(Started("motor:1", "downloading", 40 * MIB))
    for second in range(1, 26):
        lines.clock.now = 100.0 + second
        lines(Advanced("motor:1", (10 + second) * MIB))
    lines(Finished("motor:1", "downloaded", "6 layers"))
    assert lines.stream.getvalue().splitlines() == [
        "downloading motor:1, 40.0 MiB",
        "downloading motor:1: 20.0 MiB of 40.0 MiB, 50%, 1.0 MiB/s, 20s left",
        "downloading motor:1: 30.0 MiB of 40.0 MiB, 75%, 1.0 MiB/s, 10s left",
        "motor:1: downloaded, 6 layers",
    ]


def test_a_task_that_sends_nothing_still_gets_its_line(lines):
    lines(Started("motor", "applying"))
    for second in range(1, 24):
        lines.clock.now = 100.0 + second
        lines.beat()
    lines(Finished("motor", "running"))
    lines.clock.now = 200.0
    lines.beat()
    assert lines.stream.getvalue() == "applying motor\napplying motor: 10s\napplying motor: 20s\nmotor: running\n"


def test_a_stalled_download_loses_its_rate(lines):
    lines(Started("motor:1", "downloading", 40 * MIB))
    lines(Advanced("motor:1", 10 * MIB))
    lines.clock.now = 110.0
    lines.beat()
    assert lines.stream.getvalue().splitlines()[1] == "downloading motor:1: 10.0 MiB of 40.0 MiB, 25%"


def test_notes_and_unannounced_tasks_are_no_surprise(lines):
    lines(Note("retrying: \x1b[31mno route to host"))
    lines(Advanced("late", 5, 10))
    lines(Finished("other", "already present"))
    assert lines.stream.getvalue() == "retrying: \\x1b[31mno route to host\nother: already present\n"


def test_a_stream_that_is_gone_stops_nothing():
    gone = io.StringIO()
    gone.close()
    Lines(gone)(Note("hello"))


def test_many_threads_write_whole_lines(lines):
    def work(name):
        for _ in range(200):
            lines(Note(name * 20))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(lines.stream.getvalue().splitlines())) == ["a" * 20, "b" * 20, "c" * 20, "d" * 20]


def test_what_suits_which_stream(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    pipe, terminal = Stream(), Stream(terminal=True)
    with choose(Session(quiet=True), terminal) as progress:
        assert progress is silent
    with choose(Session(), pipe) as progress:
        assert type(progress).__name__ == "Lines"
    with choose(Session(output=Output.JSON), terminal) as progress:
        assert type(progress).__name__ == "Lines"
    with choose(Session(), terminal) as progress:
        assert type(progress).__name__ == "Bars"
    assert [thread.name for thread in threading.enumerate() if thread.name == "progress"] == []


def test_the_words_of_amounts():
    assert [
        format_bytes(0),
        format_bytes(1023),
        format_bytes(1024),
        format_bytes(36 * MIB),
        format_bytes(1.5 * 2**30),
        format_bytes(2**41),
    ] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "36.0 MiB",
        "1.5 GiB",
        "2.0 TiB",
    ]
    assert [format_duration(59.9), format_duration(60), format_duration(200), format_duration(7500)] == ["59s", "1m00s", "3m20s", "2h05m"]
    assert Meter(0.0).words(5.0) == "5s"


ON_A_TERMINAL = """
import sys, time
from kelvin_provision.cli.render.progress import choose
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.events import *
with choose(Session()) as progress:
    progress(Started("motor:1", "downloading", 40 * 2**20))
    progress(Started("[b]pump", "applying"))
    progress(Advanced("motor:1", 10 * 2**20))
    time.sleep(0.3)
    progress(Note("retrying: no route to host"))
    progress(Finished("motor:1", "downloaded"))
    progress(Started("motor:1", "importing"))
    time.sleep(0.3)
    progress(Finished("motor:1", "imported"))
    progress(Finished("[b]pump", "running", "5s"))
print("answer")
"""


def drawn(code, **environment):
    """What a program writes on a pseudo-terminal that is its stderr."""
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100", "LANG": "C.UTF-8", **environment}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, stdin=theirs, env=env, text=True) as process:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer is gone.
                break
            if not piece:
                break
            pieces.append(piece)
        os.close(ours)
        answer = process.stdout.read()
    return b"".join(pieces).decode(), answer, process.returncode


def test_bars_on_a_pseudo_terminal():
    seen, answer, code = drawn(ON_A_TERMINAL)
    assert (answer, code) == ("answer\n", 0)
    for words in ("motor:1", "[b]pump", "10.0 MiB of 40.0 MiB, 25%", "retrying: no route to host", "importing", "━", "⠋"):
        assert words in seen
    assert "MiB" not in seen[seen.index("importing") :]
    last = seen[seen.rindex("\x1b[2K") :]
    assert "imported" in last
    assert "running, 5s" in last


def test_no_colour_on_a_terminal_that_does_not_want_it():
    seen, _, _ = drawn(ON_A_TERMINAL, NO_COLOR="1")
    assert "\x1b[3" not in seen.replace("\x1b[?25", "")
    seen, _, _ = drawn(ON_A_TERMINAL, TERM="dumb")
    assert "\x1b" not in seen
    assert "motor:1: imported" in seen


def test_a_terminal_that_is_closed_meanwhile_fails_nothing():
    ours, theirs = pty.openpty()
    code = ON_A_TERMINAL.replace("time.sleep(0.3)", "time.sleep(0.5)")
    env = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=env, text=True) as process:
        os.close(theirs)
        os.read(ours, 10)
        os.close(ours)
        assert process.stdout.read() == "answer\n"
    assert process.returncode == 0
