"""What could run workloads on this box: kubeconfigs and sockets at their usual places. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kelvin_provision.docker_engine.connection import DEFAULT_SOCKET
from kelvin_provision.errors import ClusterMissing
from kelvin_provision.files.sockets import connect_unix
from kelvin_provision.runtimes.containerd.discovery import K3S_SOCKET, SOCKET
from kelvin_provision.settings.sources import K3S_KUBECONFIG
from kelvin_provision.settings.types import absolute

KUBERNETES, DOCKER, AUTO = "kubernetes", "docker", "auto"
PATIENCE = 2.0
"""Seconds in which a socket of the box has to answer."""


@dataclass(frozen=True)
class Candidate:
    """`place` is a kubeconfig, or the socket of Docker Engine. `settings` are those without which the program would not find it.

    `runtime` is the socket of its images, `answers` whether something listens there; empty and None where that is not on this box.
    """

    name: str
    type: str
    place: str
    settings: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""
    answers: bool | None = None

    @property
    def state(self) -> str:
        """For people."""
        if self.type == DOCKER:
            return "" if self.answers is None else "it answers" if self.answers else "nothing answers there"
        if not self.runtime:
            return "no socket of containerd yet"
        return f"containerd {'answers' if self.answers else 'does not answer'} on {self.runtime}"


@dataclass(frozen=True)
class Choice:
    """Which candidate, and why; None for the one that is found when there is one."""

    candidate: Candidate | None
    reason: str


@dataclass(frozen=True)
class Look:
    """Where to look: below `root`, and at what the session's variables name."""

    environ: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")

    def at(self, path: str | Path) -> Path:
        return self.root / str(path).lstrip("/")


_K0S_SOCKET, _MICROK8S_SOCKET = "/run/k0s/containerd.sock", "/var/snap/microk8s/common/run/containerd.sock"
_USUAL = (
    ("k3s", str(K3S_KUBECONFIG), K3S_SOCKET),
    ("RKE2", "/etc/rancher/rke2/rke2.yaml", K3S_SOCKET),
    ("k0s", "/var/lib/k0s/pki/admin.conf", _K0S_SOCKET),
    ("MicroK8s", "/var/snap/microk8s/current/credentials/client.config", _MICROK8S_SOCKET),
    ("Kubernetes", "/etc/kubernetes/admin.conf", SOCKET),
    ("Kubernetes", "/root/.kube/config", SOCKET),
)
"""Name, kubeconfig and containerd, in the order in which they are taken."""
_FOUND_ANYWAY = {K3S_SOCKET, SOCKET}
"""Sockets that need no setting."""


def find(look: Look) -> tuple[Candidate, ...]:
    """All of them, the one to be taken first."""
    candidates = {candidate.place: candidate for candidate in reversed([*_kubernetes(look), *_docker(look)])}
    return tuple(reversed(candidates.values()))


def choose(candidates: Sequence[Candidate], asked: str = AUTO, kubeconfig: Path | None = None) -> Choice:
    """`asked` is a type or the name of a candidate, `kubeconfig` a file that a person has named. Raises ClusterMissing."""
    if kubeconfig is not None:
        there = next((candidate for candidate in candidates if candidate.place == str(kubeconfig)), None)
        return Choice(there or Candidate("Kubernetes", KUBERNETES, str(kubeconfig), {"cluster.kubeconfig": str(kubeconfig)}), "as asked")
    fitting = [candidate for candidate in candidates if asked in {AUTO, candidate.type, candidate.name}]
    if fitting:
        return Choice(fitting[0], _reason(candidates, fitting, asked))
    if asked != AUTO:
        raise ClusterMissing(f"there is no {asked} on this box", evidence=[f"{there.name}: {there.place}" for there in candidates])
    raise ClusterMissing("there is no kubeconfig at a usual place, none in KUBECONFIG, and no Docker Engine", evidence=looked_at())


def looked_at() -> tuple[str, ...]:
    """The places, for who expected something else."""
    return (*(f"{name}: {kubeconfig}" for name, kubeconfig, _ in _USUAL), f"Docker Engine: {DEFAULT_SOCKET}")


def _reason(candidates: Sequence[Candidate], fitting: Sequence[Candidate], asked: str) -> str:
    if asked != AUTO:
        return "as asked"
    if len(candidates) == 1:
        return "it is the only one on this box"
    first, second = fitting[0], fitting[1]
    if first.type != second.type:
        return f"Kubernetes is taken before {second.name}, which it may run beside"
    return f"{first.name} is looked for before {second.name}"


def _kubernetes(look: Look) -> Iterator[Candidate]:
    given = look.environ.get("KUBECONFIG", "")
    for part in given.split(":") if given else ():
        path = absolute(part)
        if part and path.exists():
            # A list is merged by the client: the variable stays what is read.
            settings = {} if ":" in given else {"cluster.kubeconfig": str(path)}
            yield _candidate(look, "Kubernetes of KUBECONFIG", str(path), _runtime_of(str(path)), settings)
            break
    for name, kubeconfig, socket in _USUAL:
        if _is_there(look.at(kubeconfig)):
            settings = {} if kubeconfig == str(K3S_KUBECONFIG) else {"cluster.kubeconfig": kubeconfig}
            yield _candidate(look, name, kubeconfig, socket, settings)


def _runtime_of(kubeconfig: str) -> str:
    """One of the usual kubeconfigs may be the one that KUBECONFIG names."""
    return next((socket for _, usual, socket in _USUAL if usual == kubeconfig), SOCKET)


def _candidate(look: Look, name: str, kubeconfig: str, socket: str, settings: Mapping[str, str]) -> Candidate:
    sockets = dict.fromkeys((socket, K3S_SOCKET, SOCKET)) if socket == SOCKET else (socket,)
    runtime = next((path for path in sockets if _is_there(look.at(path))), "")
    more = {"runtime.address": runtime} if runtime and runtime not in _FOUND_ANYWAY else {}
    return Candidate(name, KUBERNETES, kubeconfig, {**settings, **more}, runtime, _answers(look.at(runtime)) if runtime else None)


def _docker(look: Look) -> Iterator[Candidate]:
    url = look.environ.get("DOCKER_HOST", "")
    if url and not url.startswith("unix://"):
        yield Candidate("Docker Engine of DOCKER_HOST", DOCKER, url, {"runtime.address": url})
        return
    socket = Path(urlsplit(url).path) if url else look.at(DEFAULT_SOCKET)
    name = str(socket) if url else str(DEFAULT_SOCKET)
    if _is_there(socket):
        settings = {"runtime.address": url} if url and socket != DEFAULT_SOCKET else {}
        yield Candidate("Docker Engine", DOCKER, name, settings, name, _answers(socket))


def _is_there(path: Path) -> bool:
    """A place that this user may not look into counts: permission is another question."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _answers(path: Path) -> bool:
    with suppress(OSError):
        connect_unix(str(path), PATIENCE)
        return True
    return False
