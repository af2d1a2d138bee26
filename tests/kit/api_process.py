"""The API as a process of its own, started as a person starts it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from kelvin_provision.tls import files
from kelvin_provision.tls.x509 import pem_of_der
from tests.kit.api import CHEAP, PASSWORD, Client
from tests.kit.confirmation import CONFIRMED
from tests.kit.servers.process import dying_with_us


class ApiProcess:
    """`environment` is that of the command, `flags` are the interpreter's; users have the names of their levels.

    `complaints` is what it has written to its log, when it has ended.
    """

    complaints = ""

    def __init__(self, state_dir, environment, cwd, *words, flags=(), listen="127.0.0.1:0"):
        self.state_dir = state_dir
        users = Users(state_dir, lambda: "2026-11-23T00:00:00Z", CHEAP)
        for level in Level:
            if users.find(str(level)) is None:
                users.add(str(level), PASSWORD, level, CONFIRMED)
        command = [sys.executable, *flags, "-m", "kelvin_provision", "api", "serve", "--listen", listen, *words]
        self.process = subprocess.Popen(dying_with_us(command), env=environment, cwd=cwd, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        match = re.match(r"listening on (https?)://[0-9.]+:(\d+)", self.said)
        if not match:
            self.said += self.process.stderr.read()
            self.end()
            raise AssertionError(self.said)
        authority = files.authority(Path(state_dir)) if match[1] == "https" else None
        self.client = Client(int(match[2]), authority and pem_of_der(authority.leaf.der).decode())

    @property
    def secure_port(self):
        """The port of the address with TLS."""
        return int(re.search(r"https://\S+:(\d+)", self.said)[1])

    @property
    def url(self):
        return self.client.url

    def end(self, number=signal.SIGTERM):
        """The exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        code = self.process.wait(20)
        self.complaints = "" if self.process.stderr.closed else self.process.stderr.read()
        self.process.stderr.close()
        return code


@contextlib.contextmanager
def api_of(box, *words):
    """The API of a `real_box`."""
    found = ApiProcess(box.state, box.environment, box.folder, *words)
    try:
        yield found
    finally:
        found.end()
