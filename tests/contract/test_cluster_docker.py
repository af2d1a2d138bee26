import pytest

from tests.contract.cluster_contract import ClusterContract, no_secrets
from tests.kit.docker_bench import bench, docker_bench
from tests.kit.images import TALK

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker


class TestDockerBox(ClusterContract):
    def test_nodes_have_exactly_the_marks_that_were_set_last(self, cluster):
        """An engine is a single node, and has none."""
        cluster.mark_nodes({cluster.info().node: {"x"}})
        assert [(node.name, dict(node.labels)) for node in cluster.nodes()] == [(cluster.info().node, {})]

    def test_each_start_begins_a_log_of_its_own(self, bench, cluster, name):
        self.bring_up(cluster, name, self.objects(bench, name, "talking"))
        heard = []

        def enough():
            return len(heard) == 2 * len(TALK)

        for line in cluster.logs(name, follow=True, stop=enough):
            heard += [line.text]
            if len(heard) == len(TALK):
                bench.client.restart(name, timeout=1)
        assert heard == TALK * 2
        assert self.texts(cluster, name, previous=True) == TALK
        assert self.texts(cluster, name, previous=True, tail=1) == TALK[-1:]
        assert self.texts(cluster, name) == TALK

    def test_a_container_is_made_from_an_image_with_a_rebuilt_layer(self, bench, cluster, name):
        """With the containerd image store the engine has it under the ID of its local manifest only; the objects have that of the original."""
        objects = self.objects(bench, name, "rebuilt")
        assert cluster.plan({name: objects}, no_secrets).findings == ()
        self.bring_up(cluster, name, objects)
        assert bench.answer(name) == "rebuilt"
        assert cluster.plan({name: objects}, no_secrets).empty
        assert cluster.drift({name: objects}) == ()
