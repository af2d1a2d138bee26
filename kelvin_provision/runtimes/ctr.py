"""Speaking to containerd through its own `ctr`: one process a question, and one that is fed an archive.

Knows processes, the socket and how `ctr` words things; knows nothing of images. Works with 1.6 and 2.x.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO, BinaryIO, cast

from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.hints import system

ANSWER_TIME = 120.0  # seconds for one question: an SD card under load is slow, a hung daemon is not worth more
GOODBYE_TIME = 10.0  # seconds that ctr gets, once its input is closed, to give its lease back
PIPE_SIZE = 1 << 20  # bytes: with the usual 64 KiB, writer and reader wait for each other all the time on two busy cores
_KEPT = 8192  # bytes of ctr's last words


@dataclass(frozen=True)
class Answer:
    """What one `ctr` said: its exit code, its output, and its last words as short lines."""

    code: int
    out: str
    words: tuple[str, ...]

    def says(self, *texts: str) -> bool:
        """Whether one of these is in its last words."""
        return any(text in line for text in texts for line in self.words)

    def rows(self) -> list[dict[str, str]]:
        """A table by its header. Cells hold spaces (`complete (3/3)`), so it is cut where the header's words begin.

        1.6 and 2.x order the columns alike today; nothing here depends on it.
        """
        header, *lines = self.out.splitlines() or [""]
        starts = [(header.index(f" {name}") + 1 if at else 0, name) for at, name in enumerate(header.split())]
        ends = [start for start, _ in starts[1:]] + [None]
        return [{name: line[start:end].strip() for (start, name), end in zip(starts, ends, strict=True)} for line in lines if line.strip()]


@dataclass(frozen=True)
class Ctr:
    """Where containerd listens, which namespace, and how `ctr` is called here (`ctr`, or `k3s ctr`)."""

    address: str
    namespace: str
    command: tuple[str, ...]

    @property
    def service(self) -> str:
        """The systemd unit that most likely owns the socket."""
        return "k3s" if self.command[0].endswith("k3s") or "/k3s/" in self.address else "containerd"

    def ask(self, *args: str) -> Answer:
        """Run one command to its end, whatever its exit code is. Raises RuntimeUnreachable and PermissionRefused."""
        with self._started(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
            try:
                out, err = child.communicate(timeout=ANSWER_TIME)
            except subprocess.TimeoutExpired as error:
                raise self._silent(f"no answer to {' '.join(args[:2])} in {ANSWER_TIME:.0f} s") from error
        answer = Answer(child.returncode, out.decode(errors="replace"), _lines(err))
        if answer.code and answer.says("failed to dial", "connection error", "code = Unavailable"):
            raise self._silent(*answer.words)
        return answer

    def text(self, *args: str) -> str:
        """The output of a command that has no business to fail; raises RuntimeUnreachable with ctr's words."""
        answer = self.ask(*args)
        if answer.code:
            raise self._silent(*answer.words)
        return answer.out

    def feed(self, *args: str, chunks: Iterable[bytes]) -> Answer:
        """Run a command with a stream as its input. A `ctr` that stops reading is no exception: its answer says why.

        An exception of the stream or a signal closes the input, gives the child a moment to clean up, then kills it.
        """
        # stdout: only progress, in words that depend on the version. A pipe that nobody reads would stop the import.
        with self._started(args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            heard = bytearray()
            listener = Thread(target=_listen, args=(child.stderr, heard), daemon=True)
            listener.start()
            try:
                _pour(chunks, child)
                child.wait()
            except BaseException:
                _end(child)
                raise
            finally:
                listener.join()
        return Answer(child.returncode, "", _lines(bytes(heard)))

    @contextmanager
    def output(self, *args: str) -> Iterator[BinaryIO]:
        """The bytes that a command writes, while the block lasts. One that fails ends them early and says nothing more."""
        with self._started(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None  # noqa: S101  (it was started with a pipe)
            try:
                yield cast("BinaryIO", child.stdout)
            finally:
                _end(child)  # a reader that has seen enough leaves it with a pipe that nobody empties

    @contextmanager
    def _started(self, args: Sequence[str], *, stdin: int, stdout: int, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
        """A child in a session of its own, so that Ctrl-C reaches us alone and we decide; gone when the block is left."""
        self._knock()
        command = [*self.command, "-a", self.address, "-n", self.namespace, *args]
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            child = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, start_new_session=True, bufsize=0)
        except PermissionError as error:
            raise PermissionRefused(f"no permission to run {self.command[0]}") from error
        except FileNotFoundError as error:
            raise RuntimeUnreachable(f"{self.command[0]} is not installed", hint=f"install {self.command[0]}") from error
        with child:
            try:
                yield child
            except BaseException:
                _end(child)
                raise

    def _knock(self) -> None:
        """Open the socket before `ctr` does: it would wait ten seconds for one that is not there, and say "timeout"."""
        try:
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(ANSWER_TIME)
                door.connect(self.address)
        except PermissionError as error:
            raise PermissionRefused(f"no permission to use containerd on {self.address}") from error
        except OSError as error:
            raise self._silent(os.strerror(error.errno) if error.errno else str(error)) from error

    def _silent(self, *words: str) -> RuntimeUnreachable:
        return RuntimeUnreachable(
            f"containerd does not answer on {self.address}", hint=system("systemctl", "status", self.service), evidence=words
        )


def _pour(chunks: Iterable[bytes], child: subprocess.Popen[bytes]) -> None:
    """Write it all and close. Plain reads and writes: splice and sendfile save 0.1 s of CPU in 500 MiB and no time at all."""
    assert child.stdin is not None  # noqa: S101  (it was started with a pipe)
    with suppress(OSError):  # not where an administrator has made pipes small
        fcntl.fcntl(child.stdin, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    with suppress(BrokenPipeError), child.stdin as pipe:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[pipe.write(rest) :]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let one that was fed go by itself first: killed, `ctr` leaves a lease that keeps half an image on the disk for a day."""
    try:
        if child.stdin is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(GOODBYE_TIME)
    finally:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _listen(pipe: IO[bytes], heard: bytearray) -> None:
    """Read to the end, keep the last words only: a chatty child must neither block nor grow us."""
    while data := pipe.read(4096):
        heard += data
        del heard[:-_KEPT]


def _lines(data: bytes) -> tuple[str, ...]:
    return tuple(line[:400] for line in data.decode(errors="replace").splitlines()[-5:] if line.strip())
