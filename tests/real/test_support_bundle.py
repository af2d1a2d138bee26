"""A bundle of a box with a real Kubernetes: what its pod wrote and what happened to it are in there, its secret is not."""

import io
import json
import tarfile

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
from kelvin_provision.context import silent
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec, System, Variable
from tests.contract.cluster_contract import never, no_secrets
from tests.kit.cli import run
from tests.kit.images import TALK
from tests.kit.servers.kubernetes import fresh_namespace, kubeconfig
from tests.kit.waiting import until


@pytest.mark.kubernetes
@pytest.mark.timeout(400)
def test_a_bundle_of_a_real_cluster(cluster_images, tmp_path, monkeypatch):
    namespace = fresh_namespace()
    cluster = Kubernetes(kubeconfig=kubeconfig(), namespace=namespace, name="real", settle=1.0, removal_timeout=180.0)
    system = System(environment=(Variable("DB_PASSWORD", "s3cret-of-the-pod"),))
    image = cluster_images["talking"]
    spec = Spec("talks", "T", "app", "1", "real", Method.STANDARD, image, system=system)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.accept([spec], "batch")
    objects = cluster.render(spec, (), 1)
    cluster.put("talks", objects, no_secrets)
    assert cluster.wait({"talks": objects}, WaitPolicy(timeout=90.0, settle=1.0), silent, never)["talks"].phase is Phase.READY
    until(lambda: list(cluster.logs("talks", follow=False, stop=never)))
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__KUBECONFIG", str(kubeconfig()))
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__NAMESPACE", namespace)
    result = run("support-bundle", "-o", str(tmp_path / "b.tar.gz"), "--state-dir", str(tmp_path), "--json")
    cluster.remove("talks")
    cluster._api.delete("v1", "Namespace", namespace, None)
    assert result.exit_code == 0, result.stderr
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "b.tar.gz").read_bytes())) as tar:
        files = {member.name.partition("/")[2]: tar.extractfile(member).read().decode() for member in tar}
    said = [line.split(" ", 2)[2] for line in files["logs/talks.log"].splitlines() if line[:2] == "20"]
    assert said[0] == TALK[0]
    info = json.loads(files["cluster.json"])
    assert (info["type"], info["observed"]["talks"]["observed"]) == ("kubernetes", "running")
    assert "== talks\n" in files["evidence.txt"]
    assert [name for name, text in files.items() if "s3cret-of-the-pod" in text] == []
