"""What the SDK raises, as our errors: those of a cluster or those of a runtime."""

import docker
import pytest
import requests

from kelvin_provision.docker_engine.connection import CLUSTER_ERRORS, RUNTIME_ERRORS
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import (
    ClusterDenied,
    ClusterRefused,
    ClusterUnreachable,
    DigestMismatch,
    ImportFailed,
    PermissionRefused,
    RuntimeUnreachable,
)
from kelvin_provision.spec.identity import Identity
from tests.kit.waiting import until


def api_error(status, explanation):
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("failed", response, explanation)


def engine(errors, raised):
    class Client:
        def info(self):
            raise raised

    return Engine(Client, errors)


@pytest.mark.parametrize(
    ("raised", "of_cluster", "of_runtime", "message"),
    [
        (api_error(409, "name in use"), ClusterRefused, ImportFailed, "docker: name in use"),
        (api_error(500, "port is taken"), ClusterRefused, ImportFailed, "docker: port is taken"),
        (api_error(403, "not for you"), ClusterDenied, PermissionRefused, "docker: not for you"),
        (api_error(503, "shutting down"), ClusterUnreachable, RuntimeUnreachable, "Docker Engine does not answer: shutting down"),
        (requests.ConnectionError("refused"), ClusterUnreachable, RuntimeUnreachable, "Docker Engine does not answer"),
        (FileNotFoundError(2, "No such file"), ClusterUnreachable, RuntimeUnreachable, "Docker Engine does not answer"),
        (PermissionError(13, "Permission denied"), ClusterDenied, PermissionRefused, "docker: no permission on the engine's socket"),
    ],
)
def test_errors_of_the_sdk_become_ours(raised, of_cluster, of_runtime, message):
    for errors, expected in ((CLUSTER_ERRORS, of_cluster), (RUNTIME_ERRORS, of_runtime)):
        with pytest.raises(expected) as caught:
            engine(errors, raised).info()
        assert str(caught.value) == message


def loading(result, version=None):
    class Client:
        def load_image(self, archive, quiet):
            list(archive)
            if isinstance(result, Exception):
                raise result
            return iter(result)

        def version(self):
            if version is None:
                raise requests.ConnectionError("refused")
            return {"Version": version}

    return Engine(Client, RUNTIME_ERRORS).images


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ([{"stream": "Loaded image"}], ""),
        ([{"error": " invalid tar header\n"}], "invalid tar header"),
        (api_error(500, "no space left on device"), "docker: no space left on device"),
        (requests.ConnectionError("broken pipe"), "broken pipe"),
    ],
)
def test_an_engine_complains_about_an_archive_in_one_of_three_ways(result, complaint):
    assert loading(result, "20.10").load(iter([b"x"])) == complaint


def test_an_engine_that_is_gone_while_it_loads_is_unreachable():
    with pytest.raises(RuntimeUnreachable):
        loading(requests.ConnectionError("broken pipe")).load(iter([b"x"]))


def test_what_the_archive_raises_comes_through():
    def archive():
        yield b"x"
        raise DigestMismatch("a blob is corrupt")

    with pytest.raises(DigestMismatch, match="a blob is corrupt"):
        loading([], "20.10").load(archive())


def test_the_image_store_is_not_asked_for_with_each_image_and_a_change_of_it_is_seen():
    class Client:
        asked, status = 0, []

        def info(self):
            Client.asked += 1
            return {"DriverStatus": Client.status}

    lasting, passing = Engine(Client, RUNTIME_ERRORS, identity_lasts=60), Engine(Client, RUNTIME_ERRORS, identity_lasts=0.05)
    assert {lasting.identity() for _ in range(100)} == {passing.identity()} == {Identity.CONFIG}
    assert Client.asked == 2
    Client.status = [["driver-type", "io.containerd.snapshotter.v1"]]
    assert until(lambda: passing.identity() is Identity.ROOT)
