"""A real agent that stages one image into containerd over a proxy, killed with SIGKILL when so many bytes have passed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.agent.lifecycle import process
from tests.kit import forking

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


class Staging:
    """`app:1.0.0` of the registry at `host`, as the workload `killed`."""

    def __init__(self, folder: Path, host: str, socket: str, app: str) -> None:
        self.folder, self.state, self.app = folder, folder / "state", app
        self.host = host
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
        self.environment = kept | {
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "KELVIN_PROVISION_STATE_DIR": str(self.state),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
            "KELVIN_PROVISION_REGISTRY": host,
            "KELVIN_PROVISION_RUNTIME__TYPE": "containerd",
            "KELVIN_PROVISION_RUNTIME__ADDRESS": socket,
            "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes",
        }  # fmt: skip

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "kelvin_provision", *words]

    def _tool(self, *words: str) -> str:
        done = forking.run(words, env=self.environment, cwd=self.folder, timeout=PATIENCE)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def agent(self):
        """`agent run`, alive; killed in the end, whatever it does then."""
        with (self.folder / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                self._command("agent", "run"), env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.until(lambda: process.alive(self.state), child)
            yield child
        finally:
            child.kill()
            child.wait()

    def until(self, question, child) -> None:
        deadline = time.monotonic() + PATIENCE
        while not question():
            assert child.poll() is None, (self.folder / "agent.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.002)

    def run(self, passed, marks: Iterable[int]) -> None:
        """Deploy; kill the agent each time that so many bytes have passed; then let one finish."""
        asked = False
        for mark in marks:
            with self.agent() as child:
                asked = asked or self._deploy()
                self.until(lambda mark=mark: passed() >= mark, child)
        with self.agent():
            if not asked:
                self._deploy()
            self._tool("workloads", "wait", "-n", "killed", "--for", "ready", "--timeout", f"{PATIENCE:.0f}")

    def _deploy(self) -> bool:
        words = [
            "workloads",
            "deploy",
            "-n",
            "killed",
            "--app-name",
            self.app,
            "--app-version",
            "1.0.0",
            "--staged",
            "--no-instantly-apply",
        ]
        self._tool(*words)
        return True
