"""The API as a process of its own, started as a person starts it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kelvin_provision.tls import files
from kelvin_provision.tls.x509 import pem_of_der
from tests.kit.api import Client, cheap_users
from tests.kit.servers.process import dying_with_us
from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[2]


def environment(folder: Path) -> dict[str, str]:
    """Of a command whose state is in `state` of this folder. Docker is the cluster, and does not answer."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "KELVIN_PROVISION_STATE_DIR": str(folder / "state"),
        "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none.yaml"),
        "KELVIN_PROVISION_CLUSTER__TYPE": "docker",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }


class ApiProcess:
    """`environment` is that of the command, `flags` are the interpreter's; users have the names of their levels.

    `complaints` is what it has written to its log, when it has ended.
    """

    complaints = ""

    def __init__(
        self,
        state_dir: Path,
        environment: Mapping[str, str],
        cwd: Path,
        *words: str,
        flags: Sequence[str] = (),
        listen: str = "127.0.0.1:0",
    ):
        self.state_dir = state_dir
        cheap_users(state_dir, lambda: "2026-11-23T00:00:00Z")
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

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        code = self.process.wait(PATIENCE)
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
