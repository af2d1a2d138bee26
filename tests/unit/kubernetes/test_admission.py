"""What admission makes of our pods is compared with what was sent; image volumes are images as well."""

import pytest

from kelvin_provision.cluster.kubernetes.judge.admission import changed_images
from kelvin_provision.cluster.kubernetes.judge.images import image_uses
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.kubernetes.render.manifests import with_images
from kelvin_provision.cluster.kubernetes.render.secrets import registries_of
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import AdmittedImage
from kelvin_provision.cluster.survey import ImageUse
from tests.kit.fakes.kubernetes_api import ObjectApi

PINNED = "r.io/app@sha256:" + "0" * 64
MODEL = "r.io/model@sha256:" + "1" * 64
PROXY = {"name": "proxy", "image": "mesh/proxy:1", "imagePullPolicy": "IfNotPresent"}


def container(image=PINNED, policy="IfNotPresent"):
    return {"name": "c", "image": image, "imagePullPolicy": policy}


def volume(reference=MODEL, **source):
    return {"name": "model", "image": {"reference": reference, **source}}


def workload(kind="Deployment", image=PINNED, **pod):
    template = {"metadata": {"annotations": {SPEC_HASH: image}}, "spec": {"containers": [container(image)], **pod}}
    metadata = {"name": "m", "labels": {OWNER: "m"}}
    spec = template["spec"] if kind == "Pod" else {"template": template}
    return {"apiVersion": "v1" if kind == "Pod" else "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def always_pull(item):
    """As the plugin AlwaysPullImages, which sees pods only."""
    if item["kind"] == "Pod":
        for each in item["spec"]["containers"]:
            each["imagePullPolicy"] = "Always"
    return item


def inject(item):
    """As the webhook of a service mesh."""
    if item["kind"] == "Pod":
        item["spec"]["containers"].append(PROXY)
        item["spec"].setdefault("initContainers", []).append(PROXY | {"name": "init", "imagePullPolicy": "Always"})
    return item


def move(item):
    """As a webhook that has images come from a mirror."""
    if item["kind"] == "Pod":
        item["spec"]["containers"][0]["image"] = "mirror/app:1"
    return item


def admitted(admission, item):
    return Planner(ObjectApi(admission=admission), "app", {"m": [item]}, str, {}).run().admitted


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_the_answer_of_the_dry_run_is_compared_with_what_was_sent(kind):
    where = f"{kind}/m"
    assert admitted(lambda item: item, workload(kind)) == ()
    assert admitted(always_pull, workload(kind)) == (AdmittedImage("m", f"{where}/c", PINNED, always=True),)
    assert set(admitted(inject, workload(kind))) == {
        AdmittedImage("m", f"{where}/proxy", "mesh/proxy:1", added=True),
        AdmittedImage("m", f"{where}/init", "mesh/proxy:1", added=True, always=True),
    }
    assert admitted(move, workload(kind)) == (AdmittedImage("m", f"{where}/c", "mirror/app:1", added=True),)


def test_what_the_cluster_pulls_itself_may_be_changed():
    assert admitted(inject, workload(image="r.io/app:1")) == ()


def test_a_pull_policy_that_was_not_sent_is_the_servers_default_and_nothing_of_admission():
    sent, answer = workload(volumes=[volume()]), workload(volumes=[volume(pullPolicy="Always")])
    assert list(changed_images("m", sent, sent, answer)) == []
    sent = workload(volumes=[volume(pullPolicy="IfNotPresent")])
    assert list(changed_images("m", sent, sent, answer)) == [AdmittedImage("m", "Deployment/m/volume model", MODEL, always=True)]


def test_an_image_volume_is_rewritten_like_a_container():
    item = workload(image="r.io/app:1", volumes=[volume("r.io/model:1", pullPolicy="Always"), {"name": "x", "emptyDir": {}}])
    copied, missing = with_images(item, {"r.io/app:1": PINNED, "r.io/model:1": MODEL}.get)
    pod = copied["spec"]["template"]["spec"]
    assert (pod["volumes"], missing) == ([volume(pullPolicy="IfNotPresent"), {"name": "x", "emptyDir": {}}], [])
    assert item["spec"]["template"]["spec"]["volumes"][0]["image"]["pullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("source", "policy", "pinned"),
    [
        ({"pullPolicy": "Always"}, "always", True),
        ({"pullPolicy": "IfNotPresent"}, "missing", True),
        ({}, "missing", True),
        ({"reference": "r.io/model"}, "always", False),
        ({"reference": "r.io/model:1"}, "missing", False),
    ],
)
def test_an_image_volume_is_checked_like_a_container(source, policy, pinned):
    uses = list(image_uses("m", [workload(volumes=[volume(**source)])]))
    image = source.get("reference", MODEL)
    assert uses[1] == ImageUse("m", "Deployment/m/volume model", image, policy, pinned=pinned, host="r.io")


def test_an_image_volume_needs_the_login_of_its_registry():
    assert registries_of(workload(volumes=[volume("other.io/model:1")])) == {"r.io", "other.io"}
