"""Jobs: questions that take minutes or have a large answer. Each is answered by a process of its own, which ends with the agent.

That process writes to the connection of who asked, and nothing of what it imports stays in the agent. Its standard input is open for as
long as it may work: it ends with the agent, however that ends, and when who asked hangs up.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import Locked, OurBug
from kelvin_provision.errors.documents import from_document

AT_ONCE = 3
"""Of all kinds; of each kind there is one at a time."""
LARGEST = 16 << 20
"""Bytes of an answer that the agent itself asked for."""
_LOOK = 200
"""Milliseconds between two looks at whether the agent ends."""
_PATIENCE, _PAUSE = 2.0, 1.0
"""Seconds in which a process has to end that is told to, and that another one waits for its place."""


@dataclass
class Jobs:
    """`names` are the jobs that `command` carries out; it reads one line of JSON, and writes lines of JSON (`kelvin_provision.jobs`)."""

    names: frozenset[str] = frozenset()
    command: Sequence[str] = ()
    _running: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, name: str, arguments: Mapping[str, Any], connection: socket.socket, ended: Callable[[], bool]) -> None:
        """Until it is done, who asked hangs up, or the agent ends. Raises Locked; OSError where no process can be started."""
        with self._place(name):
            child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=connection.fileno(), stderr=subprocess.DEVNULL)
            try:
                assert child.stdin is not None  # noqa: S101  (a pipe was asked for)
                with suppress(BrokenPipeError):
                    child.stdin.write(json.dumps({"question": name, "arguments": arguments}).encode() + b"\n")
                    child.stdin.flush()
                _watch(child, connection, ended)
            finally:
                _end(child)

    def result(self, name: str, arguments: Mapping[str, Any], ended: Callable[[], bool]) -> Any:
        """The same for the agent itself. Raises the error of the job; OurBug for one that dies; Locked."""
        ours, theirs = socket.socketpair()
        answer = bytearray()
        with ours:
            # Read while it is written: the socket takes some hundred KiB, and the job would wait for ever.
            reader = threading.Thread(target=_read, args=(ours, answer), name=f"answer-{name}", daemon=True)
            reader.start()
            try:
                with theirs:
                    self.run(name, arguments, theirs, ended)
            finally:
                reader.join()
        last = _last_line(answer)
        if "error" in last:
            raise from_document(last["error"])
        if "result" not in last:
            raise OurBug(f"the job {name} ended without a result")
        return last["result"]

    @contextmanager
    def _place(self, name: str) -> Iterator[None]:
        with self._changed:
            # Who asked has the result before the process of it has ended, and may ask again.
            if not self._changed.wait_for(lambda: name not in self._running and len(self._running) < AT_ONCE, _PAUSE):
                raise Locked(f"the agent is at work on {', '.join(sorted(self._running))} already", hint="try again when that is done")
            self._running.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._running.discard(name)
                self._changed.notify_all()


@dataclass(frozen=True)
class FollowingJobs:
    """What `following.follower` has done by jobs."""

    jobs: Jobs

    def take_in(self, reference: str, stop: Callable[[], bool]) -> bool:
        results = self.jobs.result("follow", {"publications": [reference]}, stop)
        return all(result["error"] is None for result in results)

    def report(self, stop: Callable[[], bool]) -> None:
        self.jobs.result("report", {}, stop)


def _read(connection: socket.socket, answer: bytearray) -> None:
    """To the end; of a longer answer than there may be, a beginning that is too long."""
    while chunk := connection.recv(1 << 16):
        if len(answer) <= LARGEST:
            answer += chunk


def _last_line(answer: bytearray) -> Any:
    """Empty for an answer that is cut off, as by a job that was killed, or that is too long."""
    lines = answer.splitlines() if len(answer) <= LARGEST else []
    try:
        return json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}


def _watch(child: subprocess.Popen[bytes], connection: socket.socket, ended: Callable[[], bool]) -> None:
    news = select.poll()
    news.register(connection, select.POLLRDHUP)
    while child.poll() is None and not ended():
        if any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in news.poll(_LOOK)):
            return


def _end(child: subprocess.Popen[bytes]) -> None:
    """Closing its standard input tells it to end."""
    with suppress(OSError):
        child.stdin.close()  # type: ignore[union-attr]
    try:
        child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
