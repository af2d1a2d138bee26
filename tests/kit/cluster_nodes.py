"""Nodes that join a real Kubernetes and leave it again, each with a containerd, a kubelet and a network of its own, and the program on each."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.real_box import ROOT
from tests.kit.servers.kubernetes import KUBECONFIG
from tests.kit.servers.process import dying_with_us
from tests.kit.waiting import PATIENCE, until

NODES = "KELVIN_PROVISION_TEST_NODES"
"""The command that has `join NAME` and `leave NAME` for the Kubernetes that KELVIN_PROVISION_TEST_KUBECONFIG names."""


def nodes_command() -> list[str]:
    """Or the test is skipped with the reason."""
    if not os.environ.get(NODES) or not os.environ.get(KUBECONFIG):
        pytest.skip(f"{NODES} and {KUBECONFIG} are not set")
    return shlex.split(os.environ[NODES])


def kubectl(*words: str) -> str:
    done = subprocess.run(
        ["kubectl", *words], env={**os.environ, "KUBECONFIG": os.environ[KUBECONFIG]}, check=True, capture_output=True, text=True
    )
    return done.stdout


@dataclass
class ClusterNode:
    """A node that has joined. `inside` is how a command is run in its network, with its name as that of the host."""

    name: str
    folder: Path
    address: str

    @classmethod
    def join(cls, name: str) -> "ClusterNode":
        subprocess.run([*nodes_command(), "join", name], check=True, capture_output=True)
        found = json.loads(kubectl("get", "node", name, "-o", "json"))
        (address,) = [each["address"] for each in found["status"]["addresses"] if each["type"] == "InternalIP"]
        return cls(name, Path(os.environ[KUBECONFIG]).parent / "nodes" / name, address)

    def leave(self) -> None:
        subprocess.run([*nodes_command(), "leave", self.name], check=False, capture_output=True)

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    def inside(self, command: list[str]) -> list[str]:
        pid = subprocess.run(["pgrep", "-P", (self.folder / "pid").read_text().strip()], check=True, capture_output=True, text=True).stdout
        script = f'hostname {self.name}; exec "$@"'
        return ["nsenter", f"--net=/proc/{pid.split()[0]}/ns/net", "--", "unshare", "--uts", "sh", "-c", script, "sh", *command]

    def ctr(self, *words: str) -> str:
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class NodeBox:
    """The program on one node: leader or member. Each command is a process of its own; the agent is one that stays."""

    def __init__(self, node: ClusterNode, folder: Path, settings: dict) -> None:
        folder.mkdir(parents=True)
        self.node, self.folder, self.state = node, folder, folder / "state"
        self.config = folder / "config.yaml"
        self.config.write_text(json.dumps({**settings, "runtime": {"type": "containerd", "address": str(node.socket)}}))
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        self.environment = kept | {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "KELVIN_PROVISION_STATE_DIR": str(self.state),
            "KELVIN_PROVISION_SITE_CONFIG": str(self.config),
        }
        self.process = None

    def command(self, *words: str) -> list[str]:
        return self.node.inside([sys.executable, "-m", "kelvin_provision", *words])

    def typed(self, *words: str, timeout: float = 240.0) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*words), env=self.environment, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=timeout, check=False,
        )  # fmt: skip

    def run(self, *words: str, code: int = 0) -> str:
        done = self.typed(*words)
        assert done.returncode == code, (self.node.name, words, done.returncode, done.stdout, done.stderr, self.log())
        return done.stdout

    def json(self, *words: str):
        return json.loads(self.run(*words, "--json"))

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            dying_with_us(self.command(*words)), env=self.environment, cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def start_agent(self) -> None:
        log = (self.folder / "agent.out").open("ab")
        self.process = subprocess.Popen(
            dying_with_us(self.command("agent", "run")),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def kill_agent(self) -> None:
        """As a power cut would: it gets no chance to tidy up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
            self.kill_agent()

    def log(self) -> str:
        path = self.folder / "agent.out"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def staged(self, name: str) -> tuple[str, tuple[str, ...]]:
        status = self.json("workloads", "show", "-n", name)["staged"]["status"]
        return status["state"], tuple(status["warnings"])

    def has(self, image: str) -> bool:
        """In the runtime, under its pinned name."""
        return image in self.node.ctr("images", "ls", "-q").split()

    def until(self, condition, seconds: float = PATIENCE):
        """With what the agent said, where it does not come true."""
        return until(condition, seconds=seconds, why=lambda: f"it did not happen within {seconds:g} s\n{self.node.name}: {self.log()}")
