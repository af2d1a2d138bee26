"""Commands as processes of their own, without what an interpreter and its imports cost: forked from a process that has imported the program.

The tests on real engines start more than a thousand. What a start costs is for `bench`; that the program starts by its name and as a
module is shown by tests that do so.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = "kelvin_provision"
OTHERS = f"{PROGRAM}.api"
"""A server, which tests start as one."""
LIBRARIES = ("docker", "urllib3", "yaml", "typer", "rich.live", "rich.table", "pydantic")


def run(words: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 240.0, module: str = PROGRAM):
    """`python -m MODULE WORDS`, with nothing on its standard input."""
    with os.fdopen(os.memfd_create("stdout"), "rb") as out, os.fdopen(os.memfd_create("stderr"), "rb") as err:
        job = {"module": module, "words": list(words), "env": dict(env), "cwd": str(cwd)}
        code = _server(Path("/proc/thread-self/ns/net").readlink()).run(job, (out, err), timeout)
        streams = []
        for file in (out, err):
            file.seek(0)
            streams.append(file.read().decode())
    return subprocess.CompletedProcess([module, *words], code, *streams)


class Server:
    """The process that forks, seen from the tests. It ends with them, since its socket is closed then."""

    def __init__(self):
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        with theirs:
            command = [sys.executable, "-m", "tests.kit.forking", str(theirs.fileno())]
            self._process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])

        atexit.register(self.close)

    def close(self):
        self._ours.close()
        self._process.wait()

    def run(self, document, streams, timeout):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(self._ours, [json.dumps(document).encode()], [theirs.fileno(), *(stream.fileno() for stream in streams)])
            theirs.close()
            ours.settimeout(timeout)
            pid = int.from_bytes(_exactly(ours, 4), "little")
            try:
                return int.from_bytes(_exactly(ours, 4), "little", signed=True)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(document["words"], timeout) from None


@functools.cache
def _server(_network: Path) -> Server:
    """One for each network namespace: what it forks is in its own."""
    return Server()


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = stream.recv(size, socket.MSG_WAITALL)
    assert len(data) == size, "the process that forks is gone"
    return data


# --- the process that forks -----------------------------------------------------------------------


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    for found in pkgutil.walk_packages(importlib.import_module(PROGRAM).__path__, f"{PROGRAM}."):
        if not found.name.endswith("__main__") and not found.name.startswith(OTHERS):
            importlib.import_module(found.name)
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    if job := _serve(control):
        sys.argv = [job["module"], *job["words"]]
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)


def _serve(control):
    """Returns in the child, with what it is to do; in the parent at the end."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    previous = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    children = {}
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_ended(children)
        if control in ready:
            message, fds, _, _ = socket.recv_fds(control, 1 << 20, 3)
            if not message:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, previous)
                return _become(json.loads(message), fds)
            for fd in fds[1:]:
                os.close(fd)
            children[pid] = socket.socket(fileno=fds[0])
            children[pid].send(pid.to_bytes(4, "little"))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return None


def _tell_ended(children):
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        with children.pop(pid) as told, contextlib.suppress(BrokenPipeError):  # who started one that took too long has left
            told.send(os.waitstatus_to_exitcode(status).to_bytes(4, "little", signed=True))


def _become(job, fds):
    for number, fd in enumerate(fds[1:], start=1):
        os.dup2(fd, number)
    os.closerange(3, 1 << 10)
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    sys.path.insert(0, job["cwd"])  # as `python -m` does
    return job


if __name__ == "__main__":
    main()
