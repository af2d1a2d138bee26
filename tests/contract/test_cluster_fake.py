"""The fake cluster keeps the promises of the real ones."""

import pytest

from tests.contract.cluster_contract import ClusterContract, Picture
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.images import TALK


class FakeBench:
    def __init__(self):
        self.cluster = FakeCluster(broken={"test/dying:1": "exit code 3, 2 times", "test/missing:1": "no such image"})
        self.cluster.log_lines = {"test/talking:1": TALK, "test/dying:1": ["going down"]}
        self.cluster.previous_log_lines = {"test/dying:1": ["going down"]}

    def picture(self, what):
        return Picture(f"test/{what}:1")

    def answer(self, workload):
        image = self.cluster.serving.get(workload)
        return image.removeprefix("test/").removesuffix(":1") if image else None

    def environment(self, workload, name):
        (item,) = self.cluster.live[workload].values()
        return item["filled"]["spec"]["environment"][name]

    def neighbour(self):
        self.cluster.foreign.add("neighbour")
        return "neighbour"

    def neighbour_is_untouched(self, name):
        return name in self.cluster.foreign


class TestFakeCluster(ClusterContract):
    @pytest.fixture
    def bench(self):
        return FakeBench()
