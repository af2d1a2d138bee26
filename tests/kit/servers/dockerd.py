"""A private Docker Engine: Debian's dockerd, or a newer one, with everything it has in a temporary folder.

It runs in the network of the box, because the program asks containers on their own addresses, but without iptables:
embedded DNS, published ports (docker-proxy) and containers among themselves work all the same, and no rule is left behind.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import docker
import pytest

from tests.kit.servers.newer import path_with
from tests.kit.servers.process import dying_with_us, wait_for
from tests.kit.servers.reserved import reserve
from tests.kit.waiting import PATIENCE


class Dockerd:
    """An engine that can be started, killed as by a power cut, and started again on the same data.

    `programs`: the folder of another dockerd than the installed one. `features` as in daemon.json.
    `prefix`: how long that of a network is, which has room for 29 containers with 27, and for 61 with 26.
    """

    def __init__(self, folder: Path, *, programs: Path | None = None, features: dict[str, bool] | None = None, prefix: int = 27):
        self.folder = folder
        self.programs = programs
        self.features = features
        self.prefix = prefix
        self.url = f"unix://{folder / 'docker.sock'}"
        self.process = None
        self.network = f"10.100.{reserve('docker-network', range(256))}.0/24"
        remove_bridges(self.network)

    def start(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        places = ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid"]
        network = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        network += ["--default-address-pool", f"base={self.network},size={self.prefix}"]
        (self.folder / "daemon.json").write_text(json.dumps({"features": self.features} if self.features else {}))
        places += ["--config-file", self.folder / "daemon.json"]
        program = str(self.programs / "dockerd") if self.programs else "dockerd"
        with (self.folder / "log").open("ab") as sink:
            self.process = subprocess.Popen(
                dying_with_us([program, *map(str, places), "-H", self.url, *network]),
                env={**os.environ, **path_with(self.programs)},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        wait_for(self.answers, "dockerd", self.folder / "log", process=self.process)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PATIENCE)
            probe.connect(str(self.folder / "docker.sock"))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(4096)

    def empty(self) -> None:
        """Everything that makes processes, mounts or bridges goes while the engine can still take it away."""
        with contextlib.closing(docker.APIClient(self.url, timeout=PATIENCE)) as client:
            for one in client.containers(all=True):
                client.remove_container(one["Id"], force=True, v=True)
            for network in client.networks(filters={"type": "custom"}):
                client.remove_network(network["Id"])

    def stop(self) -> None:
        with contextlib.suppress(Exception):
            self.empty()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        remove_bridges(self.network)  # of a network that was being made when the power was cut

    def cut_power(self) -> None:
        """Kill engine, containerd, shims and containers at once, by pid; forget what a reboot forgets."""
        with contextlib.closing(docker.APIClient(self.url, timeout=PATIENCE)) as client:
            running = [client.inspect_container(one["Id"])["State"]["Pid"] for one in client.containers()]
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shims = [parent_of(pid) for pid in running]
        for pid in [*shims, *running]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in sorted(mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)
        remove_bridges(self.network)


def remove_bridges(network: str) -> None:
    """Those of an engine that was killed together with its tests: nobody else has this network now."""
    shown = subprocess.run(["ip", "-o", "-4", "address", "show", "to", network], capture_output=True, text=True, check=True).stdout
    for line in shown.splitlines():
        subprocess.run(["ip", "link", "delete", line.split()[1]], check=False, capture_output=True)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def mounts_below(folder: Path) -> list[str]:
    rows = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [place for place in rows if place.startswith(f"{folder}/")]


def why_not() -> str:
    """Why no engine of our own can be started here, or nothing."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    missing = [name for name in ("dockerd", "containerd", "runc", "iptables") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextlib.contextmanager
def own_dockerd(folder: Path, **options):
    engine = Dockerd(folder, **options)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        for mount in sorted(mounts_below(folder), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory):
    """`unix:///...docker.sock` of one engine for the whole run; tests use names of their own."""
    given = os.environ.get("KELVIN_PROVISION_TEST_DOCKER")
    if given:
        yield given
        return
    if why_not():
        pytest.skip(why_not())
    with own_dockerd(tmp_path_factory.mktemp("dockerd")) as engine:
        yield engine.url
