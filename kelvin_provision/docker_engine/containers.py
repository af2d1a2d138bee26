"""Containers of Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

from kelvin_provision.docker_engine.connection import Connection, ignore_missing

EVENTS = ("create", "start", "restart", "die", "oom", "pause", "unpause", "rename", "destroy", "health_status")
"""Those that change what a container is; `exec_create` and the like would be three events for each health check."""


class Containers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def inspect_all(self, label: str) -> list[dict[str, Any]]:
        """All containers with this label, inspected; one that is removed meanwhile is left out."""
        from kelvin_provision.docker_engine.sdk import docker

        inspected = []
        with self._connection.call() as api:
            for container in api.containers(all=True, filters={"label": label}):
                with suppress(docker.errors.NotFound):
                    inspected.append(api.inspect_container(container["Id"]))
        return inspected

    def list_all(self) -> list[dict[str, Any]]:
        """The short list of all containers, running or not."""
        with self._connection.call() as api:
            return list(api.containers(all=True))

    def inspect(self, container: str) -> dict[str, Any]:
        with self._connection.call() as api:
            return dict(api.inspect_container(container))

    def events(self, label: str) -> Any:
        """Events of containers with this label, as they happen: iterate it, `close` it from any thread. It ends with the engine."""
        with self._connection.call() as api:
            return api.events(filters={"type": "container", "label": label, "event": list(EVENTS)})

    def create(self, name: str, config: dict[str, Any]) -> str:
        """The new container's ID."""
        with self._connection.call() as api:
            return str(api.create_container_from_config(config, name)["Id"])

    def put_archive(self, container: str, archive: bytes) -> None:
        """Unpack a tar at the container's root."""
        with self._connection.call() as api:
            api.put_archive(container, "/", archive)

    def read_archive(self, container: str, path: str, limit: int) -> bytes | None:
        """The first bytes of a tar of a path in a container, running or not; None for a missing path."""
        from kelvin_provision.docker_engine.sdk import docker

        with self._connection.call() as api:
            try:
                chunks, _ = api.get_archive(container, path, chunk_size=limit)
            except docker.errors.NotFound:
                return None
            with closing(chunks):
                return next(iter(chunks), b"")[:limit]

    def start(self, container: str) -> None:
        """When the engine refuses, the container's state has the reason too."""
        with self._connection.call() as api:
            api.start(container)

    def stop(self, container: str, grace: int) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        with self._connection.call() as api, ignore_missing():
            api.stop(container, timeout=grace)

    def rename(self, container: str, name: str) -> None:
        """Its name in the network's DNS changes at the same time."""
        with self._connection.call() as api:
            api.rename(container, name)

    def set_restart_policy(self, container: str, name: str) -> None:
        with self._connection.call() as api, ignore_missing():
            api.update_container(container, restart_policy={"Name": name})

    def remove(self, container: str) -> None:
        """Kill and remove, anonymous volumes included."""
        with self._connection.call() as api, ignore_missing():
            api.remove_container(container, v=True, force=True)

    def exec_detached(self, container: str, command: list[str]) -> Callable[[], int | None]:
        """Start a command in a container; the returned function tells its exit code, None while it runs."""
        with self._connection.call() as api:
            exec_id = api.exec_create(container, command, stdout=False, stderr=False)["Id"]
            api.exec_start(exec_id, detach=True)

        def exit_code() -> int | None:
            with self._connection.call() as api:
                state = api.exec_inspect(exec_id)
            return None if state["Running"] or state["ExitCode"] is None else int(state["ExitCode"])

        return exit_code

    def last_log_lines(self, container: str, count: int) -> list[str]:
        """Of stdout and stderr."""
        with self._connection.call() as api:
            data: bytes = api.logs(container, tail=count)
        return data.decode("utf-8", "replace").splitlines()

    def open_log(self, container: str, *, tail: int | None, since: int | None, follow: bool) -> LogChunks:
        """Stdout and stderr, each line with its time; `since` in seconds of the epoch. Empty for a missing container."""
        from kelvin_provision.docker_engine.sdk import docker

        with self._connection.call() as api:
            try:
                options = {"since": since} if since else {}
                last = "all" if tail is None else tail
                stream = api.logs(container, stream=True, follow=follow, timestamps=True, tail=last, **options)
            except docker.errors.NotFound:
                stream = None
        return LogChunks(self._connection, stream)


class LogChunks:
    """Chunks of an open log. `close` may be called from another thread."""

    def __init__(self, connection: Connection, stream: Any) -> None:
        self._connection = connection
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        if self._stream is not None:
            with self._connection.call():
                yield from self._stream

    def close(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
