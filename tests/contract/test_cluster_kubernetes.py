"""The cluster contract on a real Kubernetes."""

import base64
import contextlib
import itertools
import urllib.request

import pytest

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.cluster.kubernetes.judge.failures import is_ready
from kelvin_provision.cluster.labels import OWNER
from tests.contract.cluster_contract import POLICY, ClusterContract, Picture
from tests.kit.kubernetes_bench import end_pods
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig
from tests.kit.waiting import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
_NUMBERS = itertools.count(1)


class KubernetesBench:
    def __init__(self, images, namespace):
        self.images = images
        self.namespace = namespace
        self.cluster = Kubernetes(
            kubeconfig=kubeconfig(), namespace=namespace, name="contract", settle=POLICY.settle, removal_timeout=180.0
        )
        self.api = Api(kubeconfig=kubeconfig(), context=None)

    def picture(self, what):
        return Picture(self.images[what])

    def answer(self, workload):
        """None without a pod that serves. Its process may not listen yet, for it has no probe; or it ends, and nothing is left to ask."""
        (text,) = until(lambda: self._answers(workload))
        return text

    def _answers(self, workload):
        """What the oldest pod says now, or None without a pod; nothing at all where it should answer and does not."""
        pods = self.api.list_objects("v1", "Pod", self.namespace, f"{OWNER}={workload}")
        serving = [pod for pod in pods if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
        if not serving:
            return [None]
        oldest = min(serving, key=lambda pod: pod["metadata"]["creationTimestamp"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError), opener.open(f"http://{oldest['status']['podIP']}:8080/", timeout=5) as answer:
            return [answer.read().decode().strip()]
        return []

    def environment(self, workload, name):
        live = self.api.get("apps/v1", "Deployment", workload, self.namespace)
        (variable,) = [item for item in live["spec"]["template"]["spec"]["containers"][0]["env"] if item["name"] == name]
        if "value" in variable:
            return variable["value"]
        reference = variable["valueFrom"]["secretKeyRef"]
        secret = self.api.get("v1", "Secret", reference["name"], self.namespace)
        return base64.b64decode(secret["data"][reference["key"]]).decode()

    def neighbour(self):
        name = f"neighbour-{next(_NUMBERS)}"
        metadata = {"name": name, "namespace": self.namespace}
        container = {"name": "x", "image": "provision.test/none:1"}
        template = {"metadata": {"labels": {"app": "neighbour"}}, "spec": {"containers": [container]}}
        body = {"replicas": 0, "selector": {"matchLabels": {"app": "neighbour"}}, "template": template}
        self.home()
        self.api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": body}, self.namespace)
        return name

    def neighbour_is_untouched(self, name):
        live = self.api.get("apps/v1", "Deployment", name, self.namespace)
        return live["metadata"]["generation"] == 1 and "labels" not in live["metadata"]

    def end_pods(self, workload):
        """They linger for some ten seconds otherwise, in every test."""
        end_pods(self.api, self.namespace, f"{OWNER}={workload}")

    def home(self):
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}, self.namespace, force=False)

    def away(self):
        self.api.delete("v1", "Namespace", self.namespace, None)


@pytest.fixture(scope="session")
def kubernetes_bench(cluster_images):
    bench = KubernetesBench(cluster_images, fresh_namespace())
    yield bench
    bench.away()


class TestKubernetes(ClusterContract):
    @pytest.fixture
    def bench(self, kubernetes_bench):
        return kubernetes_bench
