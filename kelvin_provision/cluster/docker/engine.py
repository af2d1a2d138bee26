"""The one door to Docker Engine: the docker SDK is spoken to here, and its errors end here.

Every verb may be repeated: what is done already is fine. Reads answer with the engine's own documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kelvin_provision.cluster.docker.live import NETWORK
from kelvin_provision.cluster.docker.pulling import pulling
from kelvin_provision.cluster.labels import MANAGER, OWNER
from kelvin_provision.errors import ClusterDenied, ClusterRefused, ClusterUnreachable, ProvisionError
from kelvin_provision.files.sockets import knock
from kelvin_provision.hints import system

if TYPE_CHECKING:
    from docker import APIClient

STATUS = system("systemctl", "status", "docker")

# Those that an observation is made of; health checks alone would be three events each, every few seconds.
TOLD = ("create", "start", "restart", "die", "oom", "pause", "unpause", "rename", "destroy", "health_status")
OURS = {"app.kubernetes.io/managed-by": MANAGER}


def connect(base_url: str | None = None, *, timeout: int = 60) -> APIClient:
    """A client for a socket or URL (default: DOCKER_HOST, else the usual socket)."""
    import docker

    knock(base_url)
    if base_url is None:
        return docker.from_env(timeout=timeout, version="auto").api
    return docker.APIClient(base_url=base_url, version="auto", timeout=timeout)


@contextmanager
def speaking() -> Iterator[None]:
    """The only place of the cluster that knows what a dead, forbidden or unwilling engine looks like."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        raise _translated(error) from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        text = str(error)
        if "PermissionError" in text or "Permission denied" in text:
            raise ClusterDenied("docker: no permission on its socket", hint="run as root, or join the group docker") from error
        raise ClusterUnreachable("Docker Engine does not answer", hint=STATUS, evidence=(text[-200:],)) from error


def _translated(error: Any) -> ProvisionError:
    """By status; 409 and 500 are refusals as well: a clash of ports or names is one of them."""
    words = str(error.explanation or error)
    if error.status_code in {401, 403}:
        return ClusterDenied(f"docker: {words}")
    if error.status_code in {502, 503, 504}:
        return ClusterUnreachable(f"Docker Engine does not answer: {words}", hint=STATUS)
    return ClusterRefused(f"docker: {words}")


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    import docker

    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code == 409 and "already in progress" in str(error.explanation):
            return
        raise


class Engine:
    """Connects at the first question; `client` is how."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._make = client
        self._client: Any = None

    @property
    def api(self) -> Any:
        """The client; only to be used inside `speaking`."""
        if self._client is None:
            self._client = self._make()
        return self._client

    @property
    def address(self) -> str:
        """Where it listens."""
        with speaking():
            return str(self.api.base_url).replace("http+docker://localhost", "its local socket")

    def info(self) -> dict[str, Any]:
        """The engine's `/info`."""
        with speaking():
            return dict(self.api.info())

    def version(self) -> dict[str, Any]:
        """The engine's `/version`: `Version`, `Os`, `Arch` in the words of the OCI."""
        with speaking():
            return dict(self.api.version())

    def containers(self, workload: str | None = None) -> list[dict[str, Any]]:
        """All containers of ours, inspected; one that goes meanwhile is left out."""
        import docker

        label = OWNER if workload is None else f"{OWNER}={workload}"
        found = []
        with speaking():
            for one in self.api.containers(all=True, filters={"label": label}):
                try:
                    found.append(self.api.inspect_container(one["Id"]))
                except docker.errors.NotFound:
                    continue
        return found

    def everything(self) -> list[dict[str, Any]]:
        """The engine's short list of all containers, ours or not, running or not."""
        with speaking():
            return list(self.api.containers(all=True))

    def events(self) -> Any:
        """What happens to containers of ours, as it happens: iterate it, `close` it from anywhere. It ends when the engine does."""
        with speaking():
            return self.api.events(filters={"type": "container", "label": OWNER, "event": list(TOLD)})

    def inspect(self, container: str) -> dict[str, Any]:
        """The engine's whole answer about one container."""
        with speaking():
            return dict(self.api.inspect_container(container))

    def image_ids(self) -> frozenset[str]:
        """IDs (config digests) of all images."""
        with speaking():
            return frozenset(image["Id"] for image in self.api.images())

    def has_image(self, reference: str) -> bool:
        """By ID or by name."""
        import docker

        with speaking():
            try:
                self.api.inspect_image(reference)
            except docker.errors.ImageNotFound:
                return False
            return True

    def pull(self, reference: str) -> None:
        """Pull with the credentials of `docker login`; raises ImageNotFound, RegistryDenied, RegistryUnreachable, RegistryRefused."""
        with speaking(), pulling(reference):
            repository, _, digest = reference.partition("@")
            name, _, tag = repository.rpartition(":") if ":" in repository.rpartition("/")[2] else (repository, "", "latest")
            for line in self.api.pull(name, tag=digest or tag, stream=True, decode=True):
                if "error" in line:
                    raise RuntimeError(line["error"])

    def need_network(self) -> None:
        """The bridge on which workloads find each other by name."""
        with speaking():
            if not any(one["Name"] == NETWORK for one in self.api.networks(names=[NETWORK])):
                self.api.create_network(NETWORK, driver="bridge", labels=OURS, check_duplicate=True)

    def volumes(self, workload: str | None = None) -> dict[str, dict[str, str]]:
        """Labels by name, of one workload or of all volumes."""
        with speaking():
            filters = {"label": f"{OWNER}={workload}"} if workload else {}
            return {one["Name"]: one["Labels"] or {} for one in self.api.volumes(filters=filters)["Volumes"] or []}

    def need_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """An existing one keeps its data and labels; one that is not the workload's is refused."""
        with speaking():
            found = self.api.create_volume(name, labels=dict(labels))
        if (found["Labels"] or {}).get(OWNER) != labels[OWNER]:
            raise ClusterRefused(f"docker: volume {name} exists and is not of workload {labels[OWNER]}")

    def create(self, name: str, config: dict[str, Any]) -> str:
        """The new container's ID."""
        with speaking():
            return str(self.api.create_container_from_config(config, name)["Id"])

    def put_files(self, container: str, archive: bytes) -> None:
        """Unpack a tar at the container's root."""
        with speaking():
            self.api.put_archive(container, "/", archive)

    def archive(self, container: str, path: str, most: int) -> bytes | None:
        """The first bytes of a tar of what a container has there, whether it runs or not; None where there is nothing."""
        import docker

        with speaking():
            try:
                chunks, _ = self.api.get_archive(container, path, chunk_size=most)
            except docker.errors.NotFound:
                return None
            with closing(chunks):
                return next(iter(chunks), b"")[:most]

    def start(self, container: str) -> None:
        """Raises ClusterRefused when the engine cannot; the container's state then says why, too."""
        with speaking():
            self.api.start(container)

    def stop(self, container: str, grace: int) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        with speaking(), _absent_is_fine():
            self.api.stop(container, timeout=grace)

    def rename(self, container: str, name: str) -> None:
        """The name in the network's DNS moves with it, at once."""
        with speaking():
            self.api.rename(container, name)

    def policy(self, container: str, name: str) -> None:
        """Set the restart policy."""
        with speaking(), _absent_is_fine():
            self.api.update_container(container, restart_policy={"Name": name})

    def remove(self, container: str) -> None:
        """Kill and remove, with the volumes that have no name."""
        with speaking(), _absent_is_fine():
            self.api.remove_container(container, v=True, force=True)

    def remove_volume(self, name: str) -> None:
        """With its data."""
        with speaking(), _absent_is_fine():
            self.api.remove_volume(name)

    def run(self, container: str, command: list[str]) -> Callable[[], int | None]:
        """Start a command in a container and leave it; the answer tells its exit code, None while it runs."""
        with speaking():
            job = self.api.exec_create(container, command, stdout=False, stderr=False)["Id"]
            self.api.exec_start(job, detach=True)

        def ended() -> int | None:
            with speaking():
                state = self.api.exec_inspect(job)
            return None if state["Running"] or state["ExitCode"] is None else int(state["ExitCode"])

        return ended

    def logs(self, container: str, lines: int) -> list[str]:
        """The last lines of stdout and stderr."""
        with speaking():
            data: bytes = self.api.logs(container, tail=lines)
        return data.decode("utf-8", "replace").splitlines()

    def log(self, container: str, *, tail: int | None, since: int | None, follow: bool) -> Output:
        """Stdout and stderr as they come, each line with its time; `since` in seconds of the epoch. Nothing of one that is gone."""
        import docker

        with speaking():
            try:
                options = {"since": since} if since else {}
                last = "all" if tail is None else tail
                return Output(self.api.logs(container, stream=True, follow=follow, timestamps=True, tail=last, **options))
            except docker.errors.NotFound:
                return Output(None)


class Output:
    """Chunks of an open log. `close` may be called from another thread."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        if self._answer is not None:
            with speaking():
                yield from self._answer

    def close(self) -> None:
        """End it now."""
        if self._answer is not None:
            with suppress(OSError):
                self._answer.close()
