"""Questions of other processes that only the agent may ask the cluster: one line of JSON each way, on a socket of its owner alone.

A front end that other machines reach needs no access to cluster and runtime, and does not keep their clients in memory. Which questions
there are is decided above (`questions`); here it is only how they arrive. Two at a time, a few seconds each: the agent has other work.
What takes longer is a job (`jobs`), with a process of its own.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision.agent.questions.jobs import Jobs
from kelvin_provision.context import Context, separate, silent
from kelvin_provision.errors import Locked, UsageRefused
from kelvin_provision.errors.documents import to_document
from kelvin_provision.files.durable import ours

Answer = Callable[[Context, str, Mapping[str, Any]], Any]
"""From the name of a question and its arguments to a JSON value. Raises ProvisionError."""

AT_ONCE = 2
TIME = 8.0
"""Seconds for a question, from its first byte to its answer."""
MOST = 32
"""Connections that are listened to; a further one is answered at once, with an error."""
BACKLOG = 64
LONGEST = 1 << 16
_WAKE, _PAUSE = 0.5, 0.2


def socket_path(state_dir: Path) -> Path:
    return state_dir / "agent.sock"


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The same socket by a name that fits into an address (108 bytes), however deep the state directory is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Answering:
    """The agent's end of the socket. Call `run` in a thread of its own, with the agent's lock held; `ended` ends it.

    Who gives the lock back removes the socket: the next agent may have one of its own by the time this thread ends.
    """

    def __init__(self, ctx: Context, answer: Answer, ended: threading.Event, jobs: Jobs | None = None) -> None:
        self._jobs = jobs or Jobs()
        self._ctx = ctx
        self._answer = answer
        self._ended = ended
        self._places = threading.Semaphore(AT_ONCE)
        self._rooms = threading.Semaphore(MOST)
        self._serving: set[int] = set()
        self._asked = time.monotonic()
        self._waker, self._woken = socket.socketpair()

    def run(self) -> None:
        """Raises OSError where there can be no socket, such as on a full disk."""
        path = socket_path(self._ctx.settings.state_dir)
        with self._woken, socket.socket(socket.AF_UNIX) as listener, short_path(path) as address:
            path.unlink(missing_ok=True)  # of an agent that was killed: we have its lock
            _bind_private(listener, path.parent, address)
            listener.listen(BACKLOG)
            listener.settimeout(0.0)
            news = select.poll()  # select(2) takes no descriptor above 1023
            for source in (listener, self._woken):
                news.register(source, select.POLLIN)
            while not self._ended.is_set():
                news.poll(_WAKE * 1000)
                if not self._accept(listener):
                    self._ended.wait(_PAUSE)

    def _accept(self, listener: socket.socket) -> bool:
        """Serve the next connection, if any. False if the box has no room for it now: the caller waits and tries again."""
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return True
        except OSError:  # no descriptor or no memory left, or who asked has gone
            return False
        try:
            threading.Thread(target=self._serve, args=(connection,), name="answering", daemon=True).start()
        except RuntimeError:  # no thread
            connection.close()
            return False
        return True

    def is_in_use(self, linger: float) -> bool:
        """Whether it is answering, or has started or answered less than `linger` seconds ago: who started it is about to ask."""
        return bool(self._serving) or time.monotonic() - self._asked < linger

    def wake(self) -> None:
        """See at once that it has ended: until then, its socket keeps the filesystem of the state directory busy."""
        self._waker.close()

    def _serve(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + TIME
        with connection, suppress(OSError), self._one_more() as is_served:  # who asked has gone
            line = _line(connection, deadline) if is_served else b"\n"
            answer = (self._answered(line, deadline, connection) if is_served else _busy()) if line else None
            if answer is not None:
                connection.settimeout(TIME)
                connection.sendall(json.dumps(answer).encode() + b"\n")

    @contextmanager
    def _one_more(self) -> Iterator[bool]:
        """Whether there is room for another connection."""
        has_room = self._rooms.acquire(blocking=False)
        self._serving.add(threading.get_ident())
        try:
            yield has_room
        finally:
            self._asked = time.monotonic()
            self._serving.discard(threading.get_ident())
            if has_room:
                self._rooms.release()

    def _answered(self, line: bytes, deadline: float, connection: socket.socket) -> dict[str, Any] | None:
        """None where a job has answered."""
        try:
            question, arguments = _parsed(line)
            if question not in self._jobs.names:
                return self._result(question, arguments, deadline)
            connection.setblocking(True)  # noqa: FBT003  (of Python)
            self._jobs.run(question, arguments, connection, self._ended.is_set)
        except Exception as error:  # noqa: BLE001  (also a bug of ours, contained to the question)
            return {"error": to_document(ours(error, self._ctx.sanitizer.text))}
        return None

    def _result(self, question: str, arguments: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        if not self._places.acquire(blocking=False):
            return _busy()

        def stop() -> bool:
            return self._ended.is_set() or time.monotonic() > deadline

        try:
            with separate(self._ctx, progress=silent, stop=stop) as ctx:
                return {"result": self._answer(ctx, question, arguments)}
        finally:
            self._places.release()


def _busy() -> dict[str, Any]:
    return {"error": to_document(Locked(f"the agent answers {AT_ONCE} questions already", hint="try again in a moment"))}


def _bind_private(listener: socket.socket, folder: Path, address: str) -> None:
    """For its owner alone from the first moment: Linux makes the file with the mode of the socket. Raises OSError.

    Not by the umask, which other threads have, too. Who may write the folder could put a socket of his own in this one's place.
    """
    if folder.stat().st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write this folder", str(folder))
    os.fchmod(listener.fileno(), 0o600)
    listener.bind(address)


def _line(connection: socket.socket, deadline: float) -> bytes:
    """Up to a newline; empty for who says nothing, or too much. Raises TimeoutError for who is not done by then, however it trickles."""
    data = b""
    while not data.endswith(b"\n"):
        if (left := deadline - time.monotonic()) <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(LONGEST)
        data += part
        if not part or len(data) > LONGEST:
            return b""
    return data


def _parsed(line: bytes) -> tuple[str, Mapping[str, Any]]:
    try:
        document = json.loads(line)
        question, arguments = document["question"], document["arguments"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageRefused("this is not a question", hint="a question is one line of JSON with question and arguments") from error
    if not isinstance(question, str) or not isinstance(arguments, dict):
        raise UsageRefused("this is not a question", hint="question is text, arguments an object")
    return question, arguments
