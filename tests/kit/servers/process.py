"""Starting a real server for a test and stopping it by its pid, never by name."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.kit.waiting import PATIENCE


def wait_for(answers, what: str, log: Path, seconds: float = PATIENCE, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if answers():
                return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{what} does not answer:\n{log.read_text()[-2000:]}")


def dying_with_us(command: list[str]) -> list[str]:
    """The kernel ends it when this process is gone, however it went."""
    return ["setpriv", "--pdeathsig", "TERM", *command]


@contextlib.contextmanager
def running(command: list[str], log: Path, answers, *, env: dict[str, str] | None = None, grace: float = PATIENCE):
    """The process in a session of its own, from the moment it answers; ended with its whole group."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            dying_with_us(command),
            stdout=sink,
            stderr=sink,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        wait_for(answers, command[0], log, process=process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def connects(port: int):
    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
            return True

    return answers
