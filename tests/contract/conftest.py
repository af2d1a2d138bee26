"""The contract suites run on the installed runtimes and on newer ones, side by side; each engine is started once for all tests."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.kit.servers import containerd as containerd_kit
from tests.kit.servers import dockerd as dockerd_kit
from tests.kit.servers import newer

REAL = os.environ.get("KELVIN_PROVISION_TEST_CONTAINERD")
GIVEN = os.environ.get("KELVIN_PROVISION_TEST_DOCKER")
STORES = {"engine-newer": {"containerd-snapshotter": False}, "engine-newer-containerd-store": {"containerd-snapshotter": True}}


def newer_or_skip():
    if reason := newer.why_not():
        pytest.skip(reason)
    return newer.folder()


@pytest.fixture(scope="session", params=["containerd-installed", "containerd-newer", *(["containerd-given"] if REAL else [])])
def containerd_and_ctr(request):
    """The socket of a containerd, and its client."""
    if request.param == "containerd-given":
        yield REAL, "ctr"
    elif request.param == "containerd-installed":
        yield request.getfixturevalue("containerd"), "ctr"
    else:
        programs = newer_or_skip()
        if os.geteuid() != 0:
            pytest.skip("containerd needs root")
        with (
            tempfile.TemporaryDirectory(prefix="containerd-") as folder,
            containerd_kit.containerd_server(Path(folder), programs=programs) as address,
        ):
            yield address, str(programs / "ctr")


@pytest.fixture(scope="session", params=["engine-installed", *STORES])
def dockerd(request):
    """As the fixture of this name elsewhere, once for each engine and image store."""
    programs = None if request.param == "engine-installed" else newer_or_skip()
    if GIVEN and programs is None:
        yield GIVEN
        return
    if reason := dockerd_kit.why_not():
        pytest.skip(reason)
    # Not below pytest's folder: the path of a socket of the engine's containerd has at most 104 characters.
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as folder,
        dockerd_kit.own_dockerd(Path(folder), programs=programs, features=STORES.get(request.param)) as engine,
    ):
        yield engine.url
