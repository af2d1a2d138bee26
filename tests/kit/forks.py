"""Commands as processes of their own that need not import the program: forks of one process that has, and that does nothing else.

Importing is three quarters of a short command's processor time, and the suites on real engines run thousands of commands. What is about
starting, signals and terminals starts `python -m kelvin_provision` itself (`real_box.Box.start`).
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
DIE_WITH_PARENT = 1


def run_forked(words, environment, cwd, *, module=None, timeout=120.0):
    """Exit code (negative for a signal), stdout and stderr of the program, or of another module as `__main__`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout)
        line.connect(_server())
        request = {"module": module, "words": list(words), "environment": environment, "cwd": str(cwd)}
        socket.send_fds(line, [json.dumps(request).encode() + b"\n"], [out.fileno(), err.fileno()])
        with line.makefile() as answers:
            pid = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(), err.read().decode()


_STARTING = threading.Lock()


def _server():
    with _STARTING:
        return _started(os.getpid())


@functools.cache
def _started(pid):
    address = f"\0kelvin-provision-tests/forks/{pid}"
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.kit.forks", address[1:]]
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ} | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    server.stdout.close()
    atexit.register(lambda: (server.kill(), server.wait()))
    return address


# --- the server ------------------------------------------------------------------------------------


def _serve(address):
    import kelvin_provision

    for module in pkgutil.walk_packages(kelvin_provision.__path__, "kelvin_provision."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("docker")
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"\0{address}")
        door.listen(64)
        os.write(1, b"ready\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                os._exit(_watch(line))
            line.close()


def _watch(line):
    """In a process of its own: start the command, and tell its pid and its exit code."""
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 2)
    while not data.endswith(b"\n"):
        data += line.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        line.close()
        _die_with_parent()
        os._exit(_command(json.loads(data), *descriptors))
    line.sendall(b"%d\n" % pid)
    line.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return 0


def _command(request, out, err):
    from kelvin_provision.cli.main import main

    for target, source in ((1, out), (2, err)):
        os.dup2(source, target)
        os.close(source)
    gc.unfreeze()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = [request["module"] or "kelvin-provision", *request["words"]]
    code = 1
    try:
        code = runpy.run_module(request["module"], run_name="__main__") and 0 if request["module"] else main(request["words"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  (what the interpreter does)
        traceback.print_exc()
    threading._shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


def _die_with_parent():
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    _serve(sys.argv[1])
