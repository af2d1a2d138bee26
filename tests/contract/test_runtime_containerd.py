import os
import subprocess

import pytest

from kelvin_provision.runtimes import archive
from kelvin_provision.runtimes.containerd import Containerd
from tests.contract.runtime_contract import RuntimeContract, staged

__all__ = ["staged"]
pytestmark = pytest.mark.containerd
REAL = os.environ.get("KELVIN_PROVISION_TEST_CONTAINERD")


class Outside:
    """`ctr` by hand."""

    def __init__(self, address: str) -> None:
        self._command = ["ctr", "-a", address, "-n", "k8s.io"]

    def ctr(self, *args: str, data: bytes | None = None) -> str:
        return subprocess.run([*self._command, *args], input=data, check=True, capture_output=True).stdout.decode()

    def put(self, lock, blob) -> None:
        self.ctr("images", "import", "-", data=b"".join(archive.chunks(lock, blob)))

    def holds(self, lock) -> bool:
        return bool(self.ctr("images", "ls", "-q", f"target.digest=={lock.root.digest}").strip())


@pytest.fixture(
    params=["private", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason="KELVIN_PROVISION_TEST_CONTAINERD is not set"))]
)
def address(request):
    return REAL if request.param == "real" else request.getfixturevalue("containerd")


@pytest.fixture
def outside(address):
    return Outside(address)


@pytest.fixture
def runtime(address, outside):
    """After the test nothing of ours is left, also in a containerd that is not the suite's."""
    yield Containerd(address)
    names = outside.ctr("images", "ls", "-q", 'name~="registry.example.org/acme/"').split()
    digests = {line.split()[2] for line in outside.ctr("images", "ls", 'name~="registry.example.org/acme/"').splitlines()[1:]}
    for digest in digests:
        names += outside.ctr("images", "ls", "-q", f"target.digest=={digest}").split()
    if names:
        outside.ctr("images", "rm", "--sync", *dict.fromkeys(names))


class TestContainerd(RuntimeContract):
    pass
