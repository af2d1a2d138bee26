"""A box that leads members, which say what the test says."""

from kelvin_provision.cluster.kubernetes.render.placing import mark_of
from kelvin_provision.cluster.nodes import ClusterNode
from kelvin_provision.ledger.nodes import membership, reports, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeImage, NodeImageState, NodeToken
from kelvin_provision.refs import Platform
from kelvin_provision.settings.model import NodesSettings
from tests.kit.box import Box

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def cluster_node(name, **labels):
    return ClusterNode(name, AMD64, {"disk": "ssd", **labels}, name)


class Leader(Box):
    """With members that say what the test says."""

    def __init__(self, path, **changes):
        super().__init__(path, **{"nodes": NodesSettings(listen=("127.0.0.1:0",))} | changes)

    def join(self, *names, platform="linux/amd64"):
        for name in names:
            now = self.ledger.clock()
            tokens.add(self.ledger, NodeToken(name * 8, now, "2099-01-01T00:00:00Z", "anna"))
            node = Node(name, name * 8, None, "10.0.0.2:30500", Platform.parse(platform), name, "1.0", now, now)
            assert membership.join(self.ledger, node, name * 8, now) is None
            self.cluster.site = (*self.cluster.site, cluster_node(name))

    def report(self, name, *images, state=NodeImageState.HERE, why="", platform="linux/amd64"):
        now = self.ledger.clock()
        given = tuple(NodeImage(name, image, state, why, now, 0) for image in images)
        reports.record(self.ledger, name, reports.Said("10.0.0.2:30500", platform, "1.0", None, (), given))

    def staged(self, name):
        return self.ledger.workload(name).staged

    def images(self, name):
        return [lock.name for lock in self.staged(name).locks]

    def mark(self, name):
        return mark_of([lock.pinned_reference for lock in self.staged(name).locks], "fake")
