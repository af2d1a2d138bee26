"""Which images a workload needs, and putting others in their place."""

import copy

import pytest

from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.images import images_of, with_images
from kelvin_provision.spec.workload import Spec

POD = {
    "initContainers": [{"name": "i", "image": "init:1"}],
    "containers": [{"name": "c", "image": "main:1"}, {"name": "d", "image": "init:1"}],
}
TEMPLATE = {"template": {"spec": POD}}


def spec(*manifests, image=""):
    return Spec("w", "W", "a", "1", "c", Method.STAGED, image=image, manifests=manifests)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Pod", POD),
        ("Deployment", TEMPLATE),
        ("StatefulSet", TEMPLATE),
        ("DaemonSet", TEMPLATE),
        ("ReplicaSet", TEMPLATE),
        ("ReplicationController", TEMPLATE),
        ("Job", TEMPLATE),
        ("CronJob", {"jobTemplate": {"spec": TEMPLATE}}),
    ],
)
def test_every_kind_with_a_pod_template_gives_its_images_once_and_in_order(kind, body):
    obj = {"kind": kind, "spec": body}
    before = copy.deepcopy(obj)
    assert images_of(spec(obj)) == ("init:1", "main:1")
    changed = with_images(obj, lambda image: f"r.example/{image}")
    assert images_of(spec(changed)) == ("r.example/init:1", "r.example/main:1")
    assert obj == before


def test_an_app_has_its_one_image():
    assert images_of(spec(image="r.example/a:1")) == ("r.example/a:1",)


def test_an_image_volume_is_an_image_too():
    obj = {
        "kind": "Pod",
        "spec": {
            "containers": [{"image": "a:1"}],
            "volumes": [{"name": "v", "image": {"reference": "b:1"}}, {"name": "w", "emptyDir": {}}],
        },
    }
    assert images_of(spec(obj)) == ("a:1", "b:1")
    assert with_images(obj, str.upper)["spec"]["volumes"][0] == {"name": "v", "image": {"reference": "B:1"}}


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "ConfigMap", "data": {"image": "x"}},
        {"kind": "Deployment"},
        {"kind": "Deployment", "spec": None},
        {"kind": "Deployment", "spec": {"template": []}},
        {"kind": ["Deployment"], "spec": TEMPLATE},
        {"kind": "Pod", "spec": {"containers": {"image": "x"}}},
        {"kind": "Pod", "spec": {"containers": ["x", {"image": 5}, {}]}},
    ],
)
def test_odd_objects_have_no_images_and_stay_as_they_are(obj):
    assert images_of(spec(obj)) == ()
    assert with_images(obj, str.upper) == obj


def test_one_container_behind_two_aliases_is_replaced_once_in_each_place():
    container = {"name": "c", "image": "a:1"}
    obj = {"kind": "Pod", "spec": {"initContainers": [container], "containers": [container]}}
    assert images_of(spec(with_images(obj, {"a:1": "b:2"}.__getitem__))) == ("b:2",)
