"""Plain Kubernetes objects as people have them: what is wrong is named with its place, and nothing is stored."""

import pytest

from tests.kit.box import Box

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {labels}}}
spec:
  strategy: {strategy}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      hostNetwork: no
      containers: {containers}
      volumes: [{{name: k, secret: {{secretName: key, defaultMode: 0400}}}}]
"""
CONTAINERS = "[{name: c, image: 'r.io/web:1', args: null}]"
REFUSED = {
    "Recreate": (DEPLOYMENT.format(labels="", strategy="Recreate", containers=CONTAINERS), "spec.strategy must be a mapping, not text"),
    "labels": (DEPLOYMENT.format(labels="[a]", strategy="", containers=CONTAINERS), "metadata.labels must be a mapping, not a list"),
    "containers": (
        DEPLOYMENT.format(labels="", strategy="", containers="{}"),
        "spec.template.spec.containers must be a list, not a mapping",
    ),
    "ports": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [80]}\n",
        "Service/web: spec.ports[0] must be a mapping, not a number",
    ),
    "compose": ("services:\n  a: {image: eclipse-mosquitto:2}\n", "this is a Compose file"),
    "helm": ('metadata:\n  name: {{ include "x.fullname" . }}\n', "this is an unrendered Helm template"),
    "generated": ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n", "use metadata.name instead"),
}


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path / "state")
    yield opened
    opened.close()


def deployed(box, folder, text):
    (folder / "k8s.yaml").write_text(text)
    given = ("--manifest", str(folder / "k8s.yaml"), "-n", "web", "--app-version", "1", "--staged", "--no-instantly-apply")
    return box.run("workloads", "deploy", *given)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named_at_deploy(box, tmp_path, name):
    text, expected = REFUSED[name]
    result = deployed(box, tmp_path, text)
    assert (result.exit_code, expected in result.stderr, "k8s.yaml" in result.stderr) == (65, True, True), result
    assert box.run("workloads", "list").stdout.count("web") == 0


def test_a_folder_is_refused_with_what_to_give(box, tmp_path):
    box.run("workloads", "deploy", "--manifest", str(tmp_path), "-n", "web", "--app-version", "1").check(
        exit_code=66,
        stderr=f"error: {tmp_path}: is a directory\n"
        " hint: give the files in it; for a kustomization, give the output of `kubectl kustomize`; for a chart, that of `helm template`\n",
    )


def test_keys_left_empty_octal_modes_and_fields_of_the_server_are_taken(box, tmp_path):
    text = DEPLOYMENT.format(labels="", strategy="", containers=CONTAINERS).replace("name: web, ", "name: web, uid: 1-2, ", 1)
    result = deployed(box, tmp_path, text)
    assert result.exit_code == 0, result.stderr
    assert "fields that the API server sets are left out: Deployment/web (metadata.uid)" in result.stderr
    (item,) = box.ctx.ledger.workloads()[0].staged.spec.manifests
    pod = item["spec"]["template"]["spec"]
    assert (item["metadata"], "strategy" in item["spec"], pod["hostNetwork"]) == ({"name": "web"}, False, False)
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o400
