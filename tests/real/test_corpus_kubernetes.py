"""The manifests and app manifests of tests/corpus on a real Kubernetes: their whole life, a group in one transaction."""

import itertools
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ProvisionError
from kelvin_provision.settings.model import ClusterSettings, RuntimeSettings
from tests.kit import corpus
from tests.kit.corpus_life import Life, box, push_images
from tests.kit.servers.kubernetes import containerd_socket, kubeconfig
from tests.kit.waiting import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(500)]
OLDER = {
    ("batch/v1", "CronJob"): "batch/v1beta1",
    ("policy/v1", "PodDisruptionBudget"): "policy/v1beta1",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling/v2beta2",
}
"""For a server that does not have the current version of a kind yet."""
_NUMBERS = itertools.count(1)


class Place:
    """Unique names for cluster-scoped objects, which are deleted after the test."""

    def __init__(self):
        self.unique = f"c{os.getpid()}-{next(_NUMBERS)}"
        self.home = corpus.HOME.replace("corpus", self.unique)
        self.api = Api(kubeconfig=kubeconfig(), context=None)
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.home}}, self.home)

    def requests(self, group, registry, version):
        for case in corpus.of_groups(group):
            (document,) = case.documents(version=version, unique=self.unique, registry=registry)
            for item in document.value.get("manifests", ()):
                self._make_older(item)
            yield document

    def _make_older(self, item):
        older = OLDER.get((item["apiVersion"], item["kind"]))
        if older and not self._serves(item):
            item["apiVersion"] = older

    def volumes(self, count):
        """For claims without a class: this cluster has nothing that makes volumes."""
        for number in range(count):
            name = f"{self.unique}-claim-{number}"
            spec = {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": f"/tmp/{name}", "type": "DirectoryOrCreate"},
            }
            self.api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}, self.home)
            yield name

    @contextmanager
    def no_lingering(self):
        """Pods that are told to end are gone at once, instead of seconds after their last process."""
        ended = threading.Event()

        def work():
            while not ended.wait(0.3):
                with suppress(Rejected, ProvisionError):
                    for pod in self.api.list_objects("v1", "Pod", None, OWNER, metadata=True):
                        metadata = pod["metadata"]
                        if metadata.get("deletionTimestamp") and self.unique in metadata["namespace"]:
                            self.api.delete("v1", "Pod", metadata["name"], metadata["namespace"], uid=metadata["uid"], grace=0)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def left(self, objects):
        """What is still there of these objects and of what was made of them; without the volumes of the test."""
        found = [
            f"{item['kind']}/{item['metadata']['name']}"
            for item in objects
            if self._serves(item) and self.api.get(item["apiVersion"], item["kind"], item["metadata"]["name"], namespace_of(item) or None)
        ]
        made = [("v1", "Pod"), ("v1", "PersistentVolumeClaim"), ("apps/v1", "ReplicaSet"), ("v1", "Secret"), ("v1", "ConfigMap")]
        return found + [
            f"{kind}/{item['metadata']['name']}"
            for version, kind in made
            for item in self.api.list_objects(version, kind, None, OWNER)
            if self.unique in str(item)
        ]

    def _serves(self, item):
        try:
            self.api.namespaced(item["apiVersion"], item["kind"])
        except Rejected:
            return False
        return True


@pytest.fixture
def place():
    made = Place()
    yield made
    made.api.delete("v1", "Namespace", made.home, None)
    for folder in Path("/tmp").glob(f"{made.unique}-*"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("group", ["charts", "operators", "controllers", "pods", corpus.APPS])
def test_a_whole_life(place, group, tmp_path, registry):
    push_images(registry, place.unique)
    volumes = list(place.volumes(5)) if group == corpus.APPS else []
    settings = {
        "cluster": ClusterSettings(type="kubernetes", kubeconfig=kubeconfig(), namespace=place.home, name="edge"),
        "runtime": RuntimeSettings(type="containerd", address=containerd_socket()),
    }
    try:
        with place.no_lingering(), box(tmp_path, registry, **settings) as ctx:
            objects = Life(ctx, lambda version: place.requests(group, registry, version)).whole()
            until(lambda: not place.left(objects), why=lambda: place.left(objects))
    finally:
        for name in volumes:
            place.api.delete("v1", "PersistentVolume", name, None)
