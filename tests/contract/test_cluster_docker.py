import pytest

from tests.contract.cluster_contract import ClusterContract
from tests.docker_bench import bench, docker_bench

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker


class TestDockerBox(ClusterContract):
    pass
