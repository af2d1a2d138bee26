"""An operator that creates pods from an image in its arguments: the pods start by that reference, without a pull, and from what its version needs."""

import os

import pytest
import yaml

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from tests.kit.images import program, push
from tests.kit.real_box import NAMESPACE, Box, kubernetes_settings
from tests.kit.servers.kubernetes import kubeconfig
from tests.kit.waiting import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.registry, pytest.mark.timeout(300)]
REPOSITORY = f"helper-{os.getpid()}"
LOOP = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


@pytest.fixture
def box(request, tmp_path, registry):
    settings = kubernetes_settings(request)
    opened = Box(tmp_path, registry, settings | {"KELVIN_PROVISION_APPLY__SETTLE": "0"})
    yield opened
    opened.end()


def operator(box, version):
    """A request for it, with its helper in an argument and in `images`."""
    helper = f"{box.registry}/{REPOSITORY}:1"
    container = {"name": "c", "image": f"{box.registry}/{REPOSITORY}-operator:1", "command": ["/bin/sh", "-c", LOOP]}
    container["args"] = ["operator", f"--helper-image={helper}"]
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "operator"},
        "spec": {
            "selector": {"matchLabels": {"app": "operator"}},
            "template": {
                "metadata": {"labels": {"app": "operator", "version": version}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }
    path = box.folder / f"operator-{version}.yaml"
    request = {"name": "operator", "app_version": version, "deployment_type": "staged-only", "manifests": [manifest], "images": [helper]}
    path.write_text(yaml.safe_dump(request))
    return str(path)


def end_of_helper(box, api, name):
    """Its exit code, or why it waits. As the operator would create it, and never pulled."""
    namespace = box.settings[NAMESPACE]
    spec = {
        "restartPolicy": "Never",
        "containers": [{"name": "h", "image": f"{box.registry}/{REPOSITORY}:1", "imagePullPolicy": "Never"}],
    }
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, namespace)

    def end():
        statuses = (api.get("v1", "Pod", name, namespace) or {}).get("status", {}).get("containerStatuses") or [{}]
        state = statuses[0].get("state", {})
        reason = state.get("waiting", {}).get("reason", "")
        return str(state["terminated"]["exitCode"]) if "terminated" in state else reason if reason.startswith("ErrImage") else ""

    try:
        return until(end, 90.0)
    finally:
        api.delete("v1", "Pod", name, namespace, grace=0)


def test_pods_of_an_operator_start_by_the_reference_in_its_arguments(box):
    api = Api(kubeconfig=kubeconfig(), context=None)
    push(box.registry, f"{REPOSITORY}-operator", "1", program(LOOP))
    push(box.registry, REPOSITORY, "1", program("exit 3"))
    box.run("workloads", "deploy", operator(box, "1"), "--wait", "--timeout", "110")
    box.run("workloads", "apply", "operator")
    assert end_of_helper(box, api, "first") == "3"
    push(box.registry, REPOSITORY, "1", program("exit 4"))
    box.run("workloads", "deploy", operator(box, "2"), "--wait", "--timeout", "110")
    box.run("workloads", "apply", "operator")
    assert end_of_helper(box, api, "second") == "4"
    box.run("workloads", "rollback", "operator")
    assert end_of_helper(box, api, "third") == "3"
    box.undeploy("operator")
    runtime = ContainerdRuntime(box.settings["KELVIN_PROVISION_RUNTIME__ADDRESS"])
    assert runtime.targets([f"{box.registry}/{REPOSITORY}:1"]) == {}
