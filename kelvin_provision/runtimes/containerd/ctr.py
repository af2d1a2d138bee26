"""Running `ctr`, containerd's own client: one process for each question, and one that reads an archive from its standard input.

Knows processes, the socket and the form of `ctr`'s output; knows nothing of images. Works with 1.6 and 2.x.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO, BinaryIO, cast

from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.files.sockets import connect_unix
from kelvin_provision.hints import system

TIMEOUT = 120.0
"""Seconds for one question: an SD card under load is slow."""

EXIT_TIMEOUT = 10.0
"""Seconds that `ctr` gets to release its lease once its input is closed."""

PIPE_SIZE = 1 << 20
"""With the default of 64 KiB, writer and reader keep waiting for each other when both cores are busy."""

_MAX_STDERR = 1 << 16
_MAX_LINES = 5
_DEPRECATION = "DEPRECATION: "
"""containerd's warnings about its own configuration, before whatever `ctr` has to say; it is asked to leave them out since 2.0."""


@dataclass(frozen=True)
class Result:
    """Of one `ctr`; `complaint` is what it wrote to stderr."""

    code: int
    stdout: str
    complaint: str

    @property
    def stderr(self) -> tuple[str, ...]:
        """Its last lines, for people. What is shown of a long one is decided where secrets are masked."""
        lines = [line for line in self.complaint.splitlines() if line.strip() and _DEPRECATION not in line]
        return tuple(lines[-_MAX_LINES:])

    def reports(self, *phrases: str) -> bool:
        """Whether one of these phrases is in its stderr."""
        return any(phrase in self.complaint for phrase in phrases)

    def rows(self) -> list[dict[str, str]]:
        """Its table, by the header. Cells contain spaces (`complete (3/3)`), so a row is cut where the words of the header begin."""
        header, *lines = self.stdout.splitlines() or [""]
        starts = [(header.index(f" {name}") + 1 if index else 0, name) for index, name in enumerate(header.split())]
        ends = [start for start, _ in starts[1:]] + [None]
        return [{name: line[start:end].strip() for (start, name), end in zip(starts, ends, strict=True)} for line in lines if line.strip()]


@dataclass(frozen=True)
class Ctr:
    """`address` is containerd's socket, `command` how `ctr` is called here: `ctr`, or `k3s ctr`."""

    address: str
    namespace: str
    command: tuple[str, ...]
    timeout: float = TIMEOUT
    exit_timeout: float = EXIT_TIMEOUT

    @property
    def service(self) -> str:
        """The systemd unit that most likely owns the socket."""
        return "k3s" if self.command[0].endswith("k3s") or "/k3s/" in self.address else "containerd"

    def run(self, *args: str) -> Result:
        """Whatever its exit code is. Raises RuntimeUnreachable and PermissionRefused."""
        with self._process(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            try:
                stdout, stderr = process.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired as error:
                raise self._unreachable(f"no answer to {' '.join(args[:2])} in {self.timeout:.0f} s") from error
        result = Result(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))
        if result.code and result.reports("failed to dial", "connection error", "code = Unavailable"):
            raise self._unreachable(*result.stderr)
        return result

    def output(self, *args: str) -> str:
        """The output of a command that succeeds whenever containerd works; raises RuntimeUnreachable otherwise."""
        result = self.run(*args)
        if result.code:
            raise self._unreachable(*result.stderr)
        return result.stdout

    def feed(self, *args: str, chunks: Iterable[bytes]) -> Result:
        """Run a command with a stream as its input. A `ctr` that stops reading raises nothing: its result tells why.

        When the stream raises or a signal arrives, the input is closed, the process gets a moment to clean up and is then killed.
        """
        # stdout is progress in a form that differs between versions. A pipe that is not read would block the import.
        with self._process(args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            stderr = bytearray()
            reader = Thread(target=_read_stderr, args=(process.stderr, stderr), daemon=True)
            reader.start()
            try:
                _write(chunks, process)
                process.wait()
            except BaseException:
                self._end(process)
                raise
            finally:
                reader.join()
        return Result(process.returncode, "", stderr.decode(errors="replace"))

    @contextmanager
    def open_output(self, *args: str) -> Iterator[BinaryIO]:
        """A pipe from the command's stdout, for the time of the block. A command that fails ends it early, without an exception."""
        with self._process(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None  # noqa: S101  (it was started with a pipe)
            try:
                yield cast("BinaryIO", process.stdout)
            finally:
                self._end(process)  # it would wait for ever on a pipe that is not read to the end

    @contextmanager
    def _process(self, args: Sequence[str], *, stdin: int, stdout: int, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
        """In a session of its own, so that Ctrl-C reaches this process alone; ended when the block is left."""
        self._connect()
        command = [*self.command, "-a", self.address, "-n", self.namespace, *args]
        environment = {**os.environ, "LC_ALL": "C", "CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS": "1"}
        try:
            process = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, start_new_session=True, bufsize=0
            )
        except PermissionError as error:
            raise PermissionRefused(f"no permission to run {self.command[0]}") from error
        except FileNotFoundError as error:
            raise RuntimeUnreachable(f"{self.command[0]} is not installed", hint=f"install {self.command[0]}") from error
        except OSError as error:
            raise RuntimeUnreachable(f"{self.command[0]} cannot be started: {os.strerror(error.errno or 0).lower()}") from error
        with process:
            try:
                yield process
            except BaseException:
                self._end(process)
                raise

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """One that reads an archive may exit by itself first: killed, `ctr` leaves a lease that keeps half an image for a day."""
        try:
            if process.stdin is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(self.exit_timeout)
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _connect(self) -> None:
        """`ctr` itself waits ten seconds for a socket that is not there, and then reports a timeout."""
        try:
            connect_unix(self.address, self.timeout)
        except PermissionError as error:
            raise PermissionRefused(f"no permission to use containerd on {self.address}") from error
        except OSError as error:
            raise self._unreachable(os.strerror(error.errno) if error.errno else str(error)) from error

    def _unreachable(self, *evidence: str) -> RuntimeUnreachable:
        return RuntimeUnreachable(
            f"containerd does not answer on {self.address}", hint=system("systemctl", "status", self.service), evidence=evidence
        )


def _write(chunks: Iterable[bytes], process: subprocess.Popen[bytes]) -> None:
    """Write all and close. With plain writes: splice and sendfile save 0.1 s of CPU in 500 MiB and no time at all."""
    assert process.stdin is not None  # noqa: S101  (it was started with a pipe)
    with suppress(OSError):  # an administrator may have limited the size of pipes
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    with suppress(BrokenPipeError), process.stdin as pipe:
        for chunk in chunks:
            remaining = memoryview(chunk)
            while remaining:
                remaining = remaining[pipe.write(remaining) :]


def _read_stderr(pipe: IO[bytes], buffer: bytearray) -> None:
    """Read to the end and keep the last bytes only: a process that writes much must neither block nor fill the memory."""
    while data := pipe.read(4096):
        buffer += data
        del buffer[:-_MAX_STDERR]
