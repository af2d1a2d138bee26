"""Images of Docker Engine, by ID (the digest of the config) and by tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.docker_engine.connection import Connection
from kelvin_provision.docker_engine.pull_errors import pull_error
from kelvin_provision.errors import ImageNotFound, ProvisionError
from kelvin_provision.hints import system

_NOT_UNPACKED = "Error unpacking image"


class Images:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ids(self) -> frozenset[str]:
        with self._connection.call() as api:
            return frozenset(image["Id"] for image in api.images())

    def tags(self, repository: str | None = None) -> frozenset[str]:
        """Of all images, or of those with a tag of this repository: then others of theirs may be among them."""
        with self._connection.call() as api:
            return frozenset(tag for image in api.images(name=repository) for tag in image.get("RepoTags") or ())

    def layers(self) -> list[tuple[str, ...]]:
        """The digests of the unpacked layers of every image, in order; without images that went meanwhile."""
        images = (self.inspect(image) for image in sorted(self.ids()))
        return [tuple((image.get("RootFS") or {}).get("Layers") or ()) for image in images if image]

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """By ID or by tag; None for a missing image."""
        from kelvin_provision.docker_engine.sdk import docker

        with self._connection.call() as api:
            try:
                return dict(api.inspect_image(reference))
            except docker.errors.ImageNotFound:
                return None

    def pull(self, reference: str) -> None:
        """With the credentials of `docker login`; raises ImageNotFound, RegistryDenied, RegistryUnreachable, RegistryRefused."""
        from kelvin_provision.docker_engine.sdk import docker

        repository, _, digest = reference.partition("@")
        name, _, tag = repository.rpartition(":") if ":" in repository.rpartition("/")[2] else (repository, "", "latest")
        with self._connection.call() as api:
            try:
                for message in api.pull(name, tag=digest or tag, stream=True, decode=True):
                    if "error" in message:
                        raise pull_error(reference, message["error"])
            except docker.errors.APIError as error:
                raise pull_error(reference, str(error.explanation or error)) from error

    def load(self, archive: Iterator[bytes]) -> str:
        """Send an archive chunk by chunk. Returns the engine's complaint, or an empty string when it has taken all.

        What `archive` raises is raised unchanged. An engine that refuses an archive answers in one of four ways: with an error in
        its stream, with an HTTP status, by closing the connection, or, with the containerd image store, with a line of its progress.
        """
        from kelvin_provision.docker_engine.sdk import docker, requests

        try:
            with self._connection.call() as api:
                for message in api.load_image(archive, quiet=True):
                    if "error" in message or str(message.get("stream", "")).startswith(_NOT_UNPACKED):
                        return str(message.get("error") or message["stream"]).strip()
        except ProvisionError as error:
            if isinstance(error, self._connection.errors.refused) and isinstance(error.__cause__, docker.errors.APIError):
                return str(error)
            if isinstance(error.__cause__, requests.ConnectionError):
                with self._connection.call() as api:
                    api.version()  # raises where the engine is really gone
                return str(error.__cause__)
            raise
        return ""

    def save(self, reference: str) -> Iterator[bytes]:
        """As `docker save` writes it. Raises ImageNotFound for an image that the engine does not have."""
        if self.inspect(reference) is None:
            raise ImageNotFound(f"Docker Engine does not have {reference}", hint=system("docker", "pull", reference))
        with self._connection.call() as api:
            yield from api.get_image(reference)

    def tag(self, image: str, repository: str, tag: str) -> None:
        with self._connection.call() as api:
            api.tag(image, repository, tag=tag)

    def untag(self, name: str) -> None:
        """The image itself goes with its last tag, unless a container uses it.

        Never forced: that would take the image of a stopped container, which a rollback needs.
        """
        from kelvin_provision.docker_engine.sdk import docker

        with self._connection.call() as api:
            try:
                api.remove_image(name)
            except docker.errors.ImageNotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:  # in use
                    raise
