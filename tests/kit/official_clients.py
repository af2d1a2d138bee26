"""The platform's published Python clients, unmodified, each in an environment of its own that outlives the test run."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.api import PASSWORD
from tests.kit.servers.process import dying_with_us

PACKAGE = "kelvin-python-api-client"
PLACE = Path("/var/tmp/kelvin-provision-clients")
SCRIPT = Path(__file__).with_name("client_process.py")
LEGACY = {
    name: name.replace("_workload", "_legacy_workload")
    for name in ("apply_workload", "deploy_workload", "get_workload", "list_workloads", "get_workload_configuration", "get_workload_logs",
                 "download_workload", "update_workload_configuration")
}  # fmt: skip
NAMES = {"0.0.13": {}, "0.4.1": LEGACY}
"""By version, what it calls the routes; where nothing stands here, as the first one does."""


def interpreter(version):
    """That of its environment, which is made once for a machine. Skips where the package index does not have the client."""
    place = PLACE / f"{version}-{sys.version_info.major}.{sys.version_info.minor}"
    PLACE.mkdir(exist_ok=True)
    with (PLACE / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            pip = [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", f"{PACKAGE}=={version}"]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{PACKAGE} {version} cannot be installed: {done.stderr.strip().rpartition(chr(10))[2]}")
            (place / "complete").touch()
    return place / "bin/python"


class Failed(Exception):
    """What the client raised: the name of its class and its text."""


class Official:
    """One client, which has logged in as this user."""

    def __init__(self, version, url, home, user="admin"):
        self._names = NAMES[version]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        command = dying_with_us([str(interpreter(version)), "-P", str(SCRIPT), url, user])
        self._process = subprocess.Popen(command, env=environment, cwd=home, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, name, **arguments):
        """The result of a call, as JSON values. Raises Failed."""
        self._process.stdin.write(json.dumps([self._names.get(name, name), arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Failed(f"{answer['error']}: {answer['text']}")
        return answer["result"]

    def end(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@contextlib.contextmanager
def official(version, url, home, user="admin"):
    client = Official(version, url, home, user)
    try:
        client.call("login", password=PASSWORD)
        yield client
    finally:
        client.end()
