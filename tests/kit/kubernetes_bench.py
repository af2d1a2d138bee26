"""A Kubernetes with a namespace of a module's own. Import both fixtures."""

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.context import silent
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig
from tests.kit.waiting import until

CONTROLLERS = [*(("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")), ("batch/v1", "Job")]
PATIENCE = WaitPolicy(timeout=90.0, settle=1.0, unschedulable=45.0)
"""On a busy machine."""


def never():
    return False


def no_secrets(name):
    raise AssertionError(name)


def end_pods(api, namespace, selector):
    """Without their grace periods, and until none is left: a controller may make one more after it was deleted itself."""

    def left():
        found = [
            (kind, item) for kind in (*CONTROLLERS, ("v1", "Pod")) for item in api.list_objects(*kind, namespace, selector, metadata=True)
        ]
        for kind, item in found:
            api.delete(*kind, item["metadata"]["name"], namespace, grace=0)
        return [item for _, item in found if not item["metadata"].get("finalizers")]

    until(lambda: not left(), pause=0.1)


class KubernetesBench:
    def __init__(self, namespace, images):
        self.namespace = namespace
        self.images = images
        self.cluster = self.cluster_with(180.0)
        self.api = Api(kubeconfig=kubeconfig(), context=None)

    def cluster_with(self, removal_timeout):
        return Kubernetes(kubeconfig=kubeconfig(), namespace=self.namespace, name="real", settle=1.0, removal_timeout=removal_timeout)

    def spec(self, name, word="one", **more):
        return Spec(name, "T", "app", "1.0.0", "real", Method.STANDARD, image=self.images[word], **more)

    def plain(self, name, *manifests):
        return self.cluster.render(Spec(name, "T", "app", "1.0.0", "real", Method.STANDARD, manifests=manifests), (), 1)

    def up(self, name, objects):
        self.cluster.put(name, objects, no_secrets)
        health = self.cluster.wait({name: objects}, PATIENCE, silent, never)[name]
        assert health.phase is Phase.READY, (health, self.cluster.evidence(name))

    def names(self, kind, version="v1"):
        return sorted(item["metadata"]["name"] for item in self.api.list_objects(version, kind, self.namespace, OWNER))

    def told(self, reason):
        return [event for event in self.api.list_objects("v1", "Event", self.namespace) if event["reason"] == reason]

    def end_pods(self):
        end_pods(self.api, self.namespace, OWNER)


@pytest.fixture(scope="module")
def shared_bench(cluster_images):
    bench = KubernetesBench(fresh_namespace(), cluster_images)
    bench.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}}, bench.namespace, force=False)
    yield bench
    bench.api.delete("v1", "Namespace", bench.namespace, None)


@pytest.fixture
def bench(shared_bench):
    yield shared_bench
    shared_bench.end_pods()
    for name in list(shared_bench.cluster.observe()):
        shared_bench.cluster.remove(name)
