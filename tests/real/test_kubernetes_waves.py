"""An operator, its webhook and custom resources in one request, on a real Kubernetes: up in waves, and away the other way round.

The test plays the operator: its webhook answers, and its finalizers are removed, only while the pods of its Deployment are up.
"""

import base64
import contextlib
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from kelvin_provision.applying.waves import Waiting, put_in_waves
from kelvin_provision.cluster.health import Phase
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.context import silent
from kelvin_provision.errors import ClusterRefused, ProvisionError
from tests.kit.kubernetes_bench import PATIENCE, bench, never, no_secrets, shared_bench
from tests.kit.real_box import NAMESPACE, Box, kubernetes_settings, push_versions
from tests.kit.servers.kubernetes import kubeconfig
from tests.kit.servers.threaded import Server, serving

__all__ = ["bench", "shared_bench"]
pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        operator = self.server.operator
        if not operator.is_up():
            self.send_error(500, "the operator is not up")
            return
        refused = "refused" in ((request.get("object") or {}).get("spec") or {}) and not request.get("dryRun")
        operator.asked.append(f"{request['operation']} {request['name']}")
        response = {"uid": request["uid"], "allowed": not refused, "status": {"message": "not this one"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Operator:
    """What the pods of Deployment `operator` would do."""

    def __init__(self, api, namespace, tls):
        self.api, self.namespace, self.group = api, namespace, f"{namespace}.example"
        self.asked, self.released = [], []
        self.certificate = tls[0].read_bytes()
        self.server = Server(Handler, tls=tuple(map(str, tls)))
        self.server.operator = self

    def is_up(self):
        live = self.api.get("apps/v1", "Deployment", "operator", self.namespace)
        return bool(live and not live["metadata"].get("deletionTimestamp") and (live.get("status") or {}).get("availableReplicas"))

    def issuers(self):
        try:
            return self.api.list_objects(f"{self.group}/v1", "Issuer", self.namespace)
        except Rejected:  # the kind is not there
            return []

    def release(self):
        """Remove the finalizers of what is being deleted."""
        for item in self.issuers() if self.is_up() else ():
            name = item["metadata"]["name"]
            if item["metadata"].get("deletionTimestamp") and item["metadata"].get("finalizers"):
                self.api.patch(self.issuer(name) | {"metadata": {"name": name, "finalizers": None}}, self.namespace)
                self.released.append(name)

    @contextlib.contextmanager
    def working(self):
        ended = threading.Event()

        def work():
            while not ended.wait(0.2):
                with contextlib.suppress(Rejected, ProvisionError):
                    self.release()

        thread = threading.Thread(target=work)
        with serving(self.server):
            thread.start()
            try:
                yield self
            finally:
                ended.set()
                thread.join()
                self.let_go()

    def let_go(self):
        """What a test that failed has left would keep its namespace for ever."""
        self.api.delete("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", self.group, None)
        for item in self.issuers():
            name = item["metadata"]["name"]
            self.api.patch(self.issuer(name) | {"metadata": {"name": name, "finalizers": None}}, self.namespace)

    def issuer(self, name, **spec):
        metadata = {"name": name, "finalizers": ["x.example/hold"]}
        return {"apiVersion": f"{self.group}/v1", "kind": "Issuer", "metadata": metadata, "spec": {"a": 1, **spec}}

    def manifests(self, image, *issuers):
        names = {"plural": "issuers", "singular": "issuer", "kind": "Issuer", "listKind": "IssuerList"}
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"issuers.{self.group}"},
        }
        rules = [{"apiGroups": [self.group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["issuers"]}]
        client = {"url": self.server.url, "caBundle": base64.b64encode(self.certificate).decode()}
        hook = {
            "name": f"hook.{self.group}",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": client,
            "rules": rules,
        }
        webhook = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self.group},
        }
        container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}
        template = {"metadata": {"labels": {"app": "operator"}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "operator"}}
        return [
            webhook | {"webhooks": [hook]},
            definition | {"spec": {"group": self.group, "scope": "Namespaced", "names": names, "versions": versions}},
            deployment | {"spec": {"selector": {"matchLabels": {"app": "operator"}}, "template": template}},
            *issuers,
        ]

    def left(self):
        kinds = (("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"issuers.{self.group}"),)
        kinds += (("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", self.group),)
        return [kind for version, kind, name in kinds if self.api.get(version, kind, name)] + self.issuers()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key", folder / "pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    more = ["-subj", "/CN=operator", "-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *more], check=True, capture_output=True)
    return certificate, key


def put(cluster, objects):
    def step(workload, wave):
        cluster.put(workload, wave, no_secrets)

    lacking, left = put_in_waves(cluster, {"op": objects}, step, Waiting(PATIENCE, silent, never))
    assert lacking == {}
    health = cluster.wait({"op": objects}, left, silent, never)["op"]
    assert health.phase is Phase.READY, (health, cluster.evidence("op"))


def test_waves_on_the_way_there_and_back(bench, tls):
    operator = Operator(bench.api, bench.namespace, tls)
    cluster, one, two = bench.cluster, bench.images["one"], bench.images["two"]
    with operator.working():
        before = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before"}}
        first = bench.plain("op", before)
        put(cluster, first)
        old = bench.plain("op", before, *operator.manifests(one, operator.issuer("a")))
        plan = cluster.plan({"op": old}, no_secrets)
        assert plan.findings == ()
        put(cluster, old)
        assert operator.asked == ["CREATE a"]
        assert cluster.plan({"op": old}, no_secrets).empty

        # all of it goes again, the custom resource first, while the operator is there to let it go
        cluster.revert("op", first, no_secrets)
        assert (operator.released, operator.left()) == (["a"], [])
        assert bench.api.get("apps/v1", "Deployment", "operator", bench.namespace) is None

        # stopped: its webhook does not answer, and neither plan nor start are refused for that
        put(cluster, old)
        cluster.finish("op", old)
        cluster.stop("op")
        new = bench.plain("op", *operator.manifests(two, operator.issuer("a", b=1), operator.issuer("b")))
        plan = cluster.plan({"op": new}, no_secrets)
        changes = {change.object: change.why for change in plan.changes}
        assert (plan.findings, changes["Issuer/a"], changes["Issuer/b"]) == (
            (),
            *["checked by its webhook as soon as the webhook is up"] * 2,
        )
        put(cluster, new)

        # back to what had one custom resource
        cluster.revert("op", old, no_secrets)
        assert [(item["metadata"]["name"], item["spec"]) for item in operator.issuers()] == [("a", {"a": 1})]
        with pytest.raises(ClusterRefused, match="not this one"):
            put(cluster, bench.plain("op", *operator.manifests(one, operator.issuer("a", refused=True))))
        assert "ValidatingWebhookConfiguration/" + operator.group in cluster.remove("op")
        assert operator.left() == []


def test_a_refusal_in_the_last_wave_undoes_all_of_them(request, tmp_path, registry, tls):
    push_versions(registry)
    box = Box(tmp_path, registry, kubernetes_settings(request))
    operator = Operator(Api(kubeconfig=kubeconfig(), context=None), box.settings[NAMESPACE], tls)

    def stage(number, *issuers):
        body = {"name": "op", "app_name": "web", "app_version": f"{number}.0.0", "deployment_type": "staged-only"}
        body["manifests"] = operator.manifests(f"{registry}/web:{number}.0.0", *issuers)
        (tmp_path / "op.json").write_text(json.dumps(body))
        box.run("workloads", "deploy", "-f", str(tmp_path / "op.json"), "--wait", "--timeout", "110")

    with operator.working():
        try:
            stage(1, operator.issuer("a"))
            box.run("workloads", "apply", "-n", "op")
            stage(2, operator.issuer("a"), operator.issuer("b"), operator.issuer("c", refused=True))
            assert "not this one" in box.run("workloads", "apply", "-n", "op", code=1)[1]
            assert [item["metadata"]["name"] for item in operator.issuers()] == ["a"]
            live = operator.api.get("apps/v1", "Deployment", "operator", operator.namespace)
            assert live["metadata"]["annotations"]["kelvin-provision/app-version"] == "1.0.0"
            box.undeploy("op")
            assert operator.left() == []
            assert "a" in operator.released
        finally:
            box.end()
