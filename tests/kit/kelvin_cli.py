"""The platform's command line `kelvin`, unmodified, in an environment of its own, with a home of its own."""

import json
import os
import subprocess

from tests.kit.api import PASSWORD
from tests.kit.official_clients import environment, trusting

PACKAGE, VERSION = "kelvin-sdk", "9.8.0"


class Kelvin:
    """Tokens are in a file below `home`: there is no keyring without a session. Nothing is reported to its vendor."""

    def __init__(self, home, trusts):
        self._program = environment(PACKAGE, VERSION) / "kelvin"
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
            "DO_NOT_TRACK": "1",
            "KELVIN_TELEMETRY": "0",
            **trusting(trusts),
        }

    def run(self, *words, code=0):
        done = subprocess.run(
            [self._program, *words], env=self._environment, cwd=self._home, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def login(self, url, user="admin"):
        return self.run("auth", "login", url, "-u", user, "-p", PASSWORD)

    def json(self, *words):
        return json.loads(self.run(*words, "--json").stdout)
