"""Images that stand in texts: listed in the request, or warned of at deploy."""

import pytest

from kelvin_provision.errors import UsageRefused
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.images import images_of, local_names
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.request.flags import with_images
from kelvin_provision.spec.request.image_texts import in_object, in_payload
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.requests import accepted, body, refused, spec_of

DIGEST = "sha256:" + "a" * 64
POD = """apiVersion: v1
kind: Pod
spec: {containers: [{name: helper, image: busybox}]}
"""


def container(**keys):
    pod = {"containers": [{"name": "c", "image": "r.io/app:1"} | keys]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"selector": {}, "template": {"spec": pod}}}


def arguments(*args):
    return container(args=list(args))


def variable(name, value):
    return container(env=[{"name": name, "value": value}])


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def custom(spec, kind="Widget"):
    return {"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "x", "annotations": {"a": "r.io/a:1"}}, "spec": spec}


@pytest.mark.parametrize(
    ("obj", "texts"),
    [
        (arguments("--sidecar-image=reg.io/x:1"), ["reg.io/x:1"]),
        (arguments("--helper-image", "127.0.0.1:5055/odd/helper:1"), ["127.0.0.1:5055/odd/helper:1"]),
        (arguments("--image=busybox:1.36", "--sidecarImage", "a/b"), ["busybox:1.36", "a/b"]),
        (arguments("--x", f"localhost/a@{DIGEST}", f"localhost:5000/a/b:1@{DIGEST}"), [f"localhost/a@{DIGEST}", f"localhost:5000/a/b:1@{DIGEST}"]),
        (container(command=["sh", "-c", "run reg.io/a:1 && run 'reg.io/b/c:2'."]), ["reg.io/a:1", "reg.io/b/c:2"]),
        (container(command=["sh", "-c", "IMAGE=busybox:1 exec run"]), ["busybox:1"]),
        (variable("HELPER_IMAGE", "busybox:1.36"), ["busybox:1.36"]),
        (variable("RELATED", "quay.io/a/b:v1"), ["quay.io/a/b:v1"]),
        (config_map(**{"pod.yaml": POD}), ["busybox"]),
        (config_map(image="a/b:1", **{"helper-image": "c:2", "x.json": '{"sidecarImage": "d/e:3"}'}), ["a/b:1", "c:2", "d/e:3"]),
        (custom({"image": "busybox", "list": [{"agentImage": "a:1"}]}), ["busybox", "a:1"]),
        (custom({"image": {"registry": "reg.io", "repository": "a/b", "tag": "1", "pullPolicy": "Always"}}), ["reg.io/a/b:1"]),
        (custom({"initImage": {"repository": "a", "tag": "1"}, "image": {"tag": "1"}}), ["a:1"]),
        (custom({"template": {"image": "a:1"}}, kind="Service"), ["a:1"]),
        # nothing of these is an image
        (arguments("https://reg.io/x:1", "//reg.io/x:1", "oci://reg.io/x:1", "a@b.io/x:1", "git@host.io:a/b.git"), []),
        (arguments("--listen=10.0.0.1:8080", "host.io:443", "host.io/path", "/etc/a.conf:ro", "a/b:1", "2026-01-01T00:00:00Z"), []),
        (arguments("--taint=node.example.com/gone:NoExecute", "example.com/a:b:c", "reg.io/a:1/b", "<% secrets.a %>"), []),
        (arguments("--image-pull-policy=Never", "--images=2", "--image", "--other=busybox:1"), []),
        (variable("DISK_IMAGE", "disk.qcow2"), []),
        (variable("IMAGE_COUNT", "a:1"), []),
        (variable("REGISTRY_PASSWORD", "a.b/c:d"), []),
        (container(env=[{"name": "IMAGE", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}, 7, None], args="x", command=[1]), []),
        (config_map(**{"index.html": '<img src="/a.png"> image: see below, backgroundImage: none, image: a.svg', "n": None}), []),
        (custom({"image": "logo.png", "heroImage": "none", "icon": "a/b:1", "image2": 7}), []),
        (custom({"image": "reg.io/a:1"}, kind="SealedSecret"), []),
        ({"apiVersion": "v1", "kind": "Secret", "stringData": {"image": "reg.io/a:1"}}, []),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"externalName": "reg.io/a:1"}}, []),
        ({"apiVersion": "v1", "kind": "ConfigMap", "data": ["reg.io/a:1"]}, ["reg.io/a:1"]),
        ({"kind": None}, []),
    ],
)  # fmt: skip
def test_texts_that_look_like_images(obj, texts):
    assert [text for _, text in in_object(obj)] == texts


def test_the_variables_and_the_configuration_of_an_app_manifest_are_read():
    system = {"environment_vars": [{"name": "HELPER_IMAGE", "value": "a:1"}], "volumes": [{"text": {"data": "reg.io/x:1"}}]}
    modern = {"image": {"uri": "reg.io/app:1"}, "defaults": {"system": system, "configuration": {"worker": {"image": "reg.io/b:1"}}}}
    assert list(in_payload(modern)) == [
        (("defaults", "system", "environment_vars", 0, "value"), "a:1"),
        (("defaults", "configuration", "worker", "image"), "reg.io/b:1"),
    ]
    legacy = {"system": system, "app": {"type": "docker", "docker": {"configuration": {"image": "c:1"}}}}
    assert [text for _, text in in_payload(legacy)] == ["a:1", "c:1"]
    assert list(in_payload({"system": 7, "defaults": None, "app": "x"})) == []


STAGED = {"method": Method.STAGED}


def test_additional_images_are_complete_each_once_and_after_those_of_the_containers():
    spec = spec_of(body(images=["reg.io/x:1", "busybox:1", "docker.io/library/busybox:1", f"reg.io/x@{DIGEST}"]), **STAGED)
    assert spec.images == ("reg.io/x:1", "docker.io/library/busybox:1", f"reg.io/x@{DIGEST}")
    assert images_of(spec) == ("r.example:5000/motor-speed:2.3.0", *spec.images)
    lock = lock_of(random_image([10]), "reg.io/x:1")
    assert local_names(spec, [lock]) == {"reg.io/x:1": lock}


@pytest.mark.parametrize(
    ("images", "finding"),
    [
        (["A B"], "images[0]: not an image reference; expected host[:port]/path[:tag][@sha256:digest]"),
        ([7], "images[0]: not an image reference, got a number; expected host[:port]/path[:tag][@sha256:digest]"),
        ("x:1", "images: expected a list, got text"),
        (["a/b"], "images[0]: 'docker.io/a/b' with no tag is a tag that can move; use a version or a digest, or --allow-latest"),
        ([f"a/b:{number}" for number in range(101)], "images: 101 images; the limit is 100"),
    ],
)
def test_additional_images_are_checked_like_the_others(images, finding):
    assert refused(body(images=images), **STAGED) == [finding]


def test_without_staging_additional_images_have_no_effect_and_that_is_a_warning():
    (warning,) = accepted(body(images=["reg.io/x:1"])).warnings
    assert warning == (
        "a.yaml, document 1, images: has no effect with deployment_type standard: nothing is downloaded before the cluster needs it"
    )


def request(images=(), **keys):
    objects = [
        config_map(**{"pod.yaml": POD}),
        arguments("--helper-image", "127.0.0.1:5055/odd/helper:1", "--again=127.0.0.1:5055/odd/helper:1"),
    ]
    return {"name": "w", "app_version": "1", "manifests": objects, "images": list(images)} | keys


def test_each_image_in_a_text_is_a_warning_with_its_place_and_what_to_type():
    assert accepted(request(), **STAGED).warnings == (
        (
            "a.yaml, document 1, manifests[0].data['pod.yaml']: ConfigMap/x: busybox looks like an image, which is not downloaded; if it is"
            " needed, add `--image busybox --allow-latest` to the command, or `images: [busybox]` to the request"
        ),
        (
            "a.yaml, document 1, manifests[1].spec.template.spec.containers[0].args[1]: Deployment/x: 127.0.0.1:5055/odd/helper:1 looks like"
            " an image, which is not downloaded; if it is needed, add `--image 127.0.0.1:5055/odd/helper:1` to the command, or"
            " `images: [127.0.0.1:5055/odd/helper:1]` to the request"
        ),
    )


def test_what_is_in_a_list_or_not_staged_is_no_warning():
    listed = request(["127.0.0.1:5055/odd/helper:1", "docker.io/library/busybox"])
    assert accepted(listed, allow_latest=True, **STAGED).warnings == ()
    assert accepted(request()).warnings == ()


def test_images_of_the_command_line_are_added_to_the_request_of_a_file():
    document = Document("a.yaml", 1, {"images": ["a:1"]})
    assert with_images((document,), ["b:1"])[0].value == {"images": ["a:1", "b:1"]}
    assert with_images((document, document), []) == (document, document)
    for value in ("text", {"images": 7}):
        assert with_images((Document("a.yaml", 1, value),), ["b:1"])[0].value == value
    with pytest.raises(UsageRefused, match="the files have 2"):
        with_images((document, document), ["b:1"])
