"""The process of the API, again and again, forked from one that has imported the program; each may end by SIGKILL at a step of its first order.

`python -m tests.kit.mortal_api WORDS`: for each line with a number on its standard input, an API with these words is started, and its pid and port are
written. A step is a call of a function of ours, from the head of the request for an order on; at the step of that number it is killed, with 0 never. When
it has ended, the number of its steps is written.
"""

import importlib
import io
import mmap
import os
import pkgutil
import re
import signal
import sys
import threading
from pathlib import Path

import kelvin_provision
from kelvin_provision.api import process, server

OURS = str(Path(kelvin_provision.__file__).parent)
STEPS = mmap.mmap(-1, 8)
"""Shared with the child."""


class Announced(io.StringIO):
    """Standard error of an API, of which the line with its port is passed on."""

    def write(self, text):
        if match := re.search(r"listening on http://127\.0\.0\.1:(\d+)", text):
            sys.stdout.write(f"{os.getpid()} {match[1]}\n")
            sys.stdout.flush()
            return len(text)
        return sys.__stderr__.write(text)


class Counting:
    """A profile function for every thread, armed by the first request for an order."""

    def __init__(self, last):
        self.last, self.steps, self.armed, self.lock = last, 0, False, threading.Lock()

    def __call__(self, frame, event, _argument):
        if event != "call" or not frame.f_code.co_filename.startswith(OURS):
            return
        if not self.armed:
            self.armed = frame.f_code is server.Application.__call__.__code__ and frame.f_locals["scope"]["path"].endswith("/stop")
            return
        with self.lock:
            self.steps += 1
            STEPS[:] = self.steps.to_bytes(8, "little")
            if self.steps == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def live(words, last):
    counting = Counting(last)
    sys.stderr = Announced()
    threading.setprofile(counting)
    sys.setprofile(counting)
    os._exit(process.main(words))


def main(words):
    for module in pkgutil.walk_packages(kelvin_provision.__path__, f"{kelvin_provision.__name__}."):
        if not module.name.endswith("__main__") and ".cli" not in module.name:
            importlib.import_module(module.name)  # what a first request imports is no step of it
    for line in sys.stdin:
        STEPS[:] = bytes(8)
        pid = os.fork()
        if pid == 0:
            live(words, int(line))
        os.waitpid(pid, 0)
        sys.stdout.write(f"{int.from_bytes(STEPS[:], 'little')}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
