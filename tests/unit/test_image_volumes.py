"""What an image declares as VOLUME and no pod mounts: lost with its container, so the plan says it."""

import json
from types import SimpleNamespace

import pytest

from kelvin_provision.applying.assess import Facts, assess, assessed
from kelvin_provision.applying.image_volumes import LostVolume, lost_volumes
from kelvin_provision.store.store import Store
from tests.kit.images import make_image, tar_of
from tests.kit.locks import lock_of


def locked(tmp_path, **config):
    image = make_image([tar_of({"a": b"a"})], **config)
    lock = lock_of(image, "r.io/db:1")
    store = Store(tmp_path / "images")
    store.put(lock.config, image.blobs[lock.config.digest])
    return store, lock


def pod(image, *mounts, kind="Deployment", group="containers"):
    containers = [{"name": "c", "image": image, "volumeMounts": [{"name": "v", "mountPath": path} for path in mounts]}]
    return {"kind": kind, "metadata": {"name": "db"}, "spec": {"template": {"spec": {group: containers}}}}


def lost(store, lock, *objects):
    target = SimpleNamespace(name="db", revision=SimpleNamespace(locks=(lock,)), objects=objects)
    return [found.path for found in lost_volumes(store, [target])]


@pytest.mark.parametrize(
    ("mounts", "paths"),
    [((), ["/data", "/log"]), (("/data",), ["/log"]), (("/data/", "log"), []), (("/",), ["/data", "/log"])],
)
def test_each_path_that_nothing_is_mounted_at_is_named(tmp_path, mounts, paths):
    store, lock = locked(tmp_path, Volumes={"/data": {}, "/log/": {}})
    assert lost(store, lock, pod(lock.pinned_reference, *mounts)) == paths


def test_what_runs_once_begins_empty_or_is_another_image_loses_nothing(tmp_path):
    store, lock = locked(tmp_path, Volumes={"/data": {}})
    image = lock.pinned_reference
    others = [
        pod(image, kind="Job"),
        pod(image, group="initContainers"),
        pod("r.io/other:1"),
        {"kind": "Container", "spec": {"image": image}},
    ]
    assert lost(store, lock, *others) == []
    assert lost(store, lock, pod(image), pod(image, kind="StatefulSet")) == ["/data"]


@pytest.mark.parametrize("config", [None, [], {"config": None}, {"config": {"Volumes": None}}, {"config": {"Volumes": ["/data"]}}])
def test_a_config_that_is_not_there_or_not_right_has_no_volumes(tmp_path, config):
    store, lock = locked(tmp_path, Volumes={"/data": {}})
    path = store.path(lock.config)
    path.chmod(0o600)
    path.unlink() if config is None else path.write_text(json.dumps(config))
    assert lost(store, lock, pod(lock.pinned_reference)) == []


def test_the_plan_says_it_and_it_forbids_nothing():
    facts = Facts(lost_volumes=(LostVolume("db", "/data", "r.io/db:1"),))
    assert assess(facts) == ()
    assert assessed(facts).notes == (
        "db: /data is a VOLUME of r.io/db:1, and data written there is lost with the container; mount a persistent volume there",
    )
