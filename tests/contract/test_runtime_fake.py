import pytest

from tests.contract.runtime_contract import RuntimeContract, rebuilt, staged
from tests.kit.fakes.runtime import FakeRuntime

__all__ = ["rebuilt", "staged"]


class Outside:
    def __init__(self, runtime: FakeRuntime) -> None:
        self.put = runtime.import_unpinned
        self._runtime = runtime

    def holds(self, lock) -> bool:
        return lock.root.digest in self._runtime.names.values()


class TestFake(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return FakeRuntime()

    @pytest.fixture
    def outside(self, runtime):
        return Outside(runtime)
