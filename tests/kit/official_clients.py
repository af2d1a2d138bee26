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
NAMES = {"0.0.13": {}, "0.4.1": LEGACY, "1.2.0": LEGACY}
"""By version, what it calls the routes; where nothing stands here, as the first one does."""
SECURE = {"1.2.0"}
"""They speak TLS at port 443 and nothing else."""


def interpreter(version):
    """That of a client's environment."""
    return environment(PACKAGE, version) / "python"


def environment(package, version):
    """Where the commands of this package are, which is installed once for a machine. Skips where the package index does not have it."""
    name = f"{version}-{sys.version_info.major}.{sys.version_info.minor}"
    place = PLACE / (name if package == PACKAGE else f"{package}-{name}")
    PLACE.mkdir(exist_ok=True)
    with (PLACE / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            pip = [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{package} {version} cannot be installed: {done.stderr.strip().rpartition(chr(10))[2]}")
            (place / "complete").touch()
    return place / "bin"


class Failed(Exception):
    """What the client raised: the name of its class and its text."""


class Official:
    """One client, which has logged in as this user. `trusts` is the file with the authority of the API, for TLS."""

    def __init__(self, version, url, home, user="admin", trusts=None):
        self._names = NAMES[version]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), **trusting(trusts)}
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
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


def trusting(file):
    """The variables of the two libraries that clients use."""
    return {"SSL_CERT_FILE": str(file), "REQUESTS_CA_BUNDLE": str(file)} if file else {}


@contextlib.contextmanager
def official(version, url, home, user="admin", trusts=None):
    client = Official(version, url, home, user, trusts)
    try:
        client.call("login", password=PASSWORD)
        yield client
    finally:
        client.end()
