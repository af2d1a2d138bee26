"""Null, a wrong scalar, a list and a mapping at every path of every kind: a finding with its path, or objects that everything can read."""

import json

import pytest

from kelvin_provision.applying.target import Target
from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.cluster.kubernetes import scaling
from kelvin_provision.cluster.kubernetes.api.store import Store
from kelvin_provision.cluster.kubernetes.inventory import prunable
from kelvin_provision.cluster.kubernetes.judge import capacity, claims, diff, holds, observation, ports, rollout
from kelvin_provision.cluster.kubernetes.judge.drift import drift
from kelvin_provision.cluster.kubernetes.judge.images import image_uses
from kelvin_provision.cluster.kubernetes.judge.interruptions import interruptions, recreates
from kelvin_provision.cluster.kubernetes.judge.readiness import health
from kelvin_provision.cluster.kubernetes.planning import Planner, pod_of
from kelvin_provision.cluster.kubernetes.render.objects import Context, Key, containers_of, defined_kinds, rank, revision_of, template_of
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.kubernetes.render.waves import waves
from kelvin_provision.cluster.plan import Change, Op, Plan, describe
from kelvin_provision.errors import RequestRefused
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.preview.changes import workload_changes
from kelvin_provision.preview.documents import document
from kelvin_provision.preview.model import Preview
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.kinds import shapes
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.request.accept import Defaults, accept
from kelvin_provision.spec.workload import Spec
from tests.kit.fakes.kubernetes_api import ObjectApi
from tests.kit.objects import samples

SAMPLES = samples()
WRONG = (None, "text", 7, [], ["x"], [{}], {"x": "y"})
D = "sha256:" + "a" * 64
LOCK = ImageLock(
    Reference.parse("reg.example/web:1"),
    Platform("linux", "amd64"),
    Descriptor("application/vnd.oci.image.manifest.v1+json", D, 1),
    Descriptor("application/vnd.oci.image.config.v1+json", D, 1),
    (),
)
CONTEXT = Context(node_name="edge-1", pull_hosts=frozenset({"reg.example"}))
DEFAULTS = Defaults("reg.example", "c", Method.STAGED, lambda _: True, allow_latest=True)
NODE = {
    "kind": "Node",
    "metadata": {"name": "edge-1", "labels": {"disk": "ssd"}},
    "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {"allocatable": {"cpu": "4", "pods": "110"}},
}


def paths(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in pairs:
        yield from paths(item, (*path, step))


def changed(value, path, new):
    """A copy with another value at this path; what is not on the way is shared."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, list):
        return [*value[:step], changed(value[step], rest, new), *value[step + 1 :]]
    return value | {step: changed(value[step], rest, new)}


def read_by_everything(spec):
    """What is done with the objects of a request from acceptance to the end of an apply, as far as it is pure."""
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    images_of(spec)
    try:
        render(spec, (), 1, CONTEXT)
        objects = render(spec, (LOCK,), 1, CONTEXT)
    except RequestRefused:  # an image that is not staged, a namespace
        return
    read_objects(objects)
    previewed(spec, objects)


def read_objects(objects):
    desired = {"w": objects}
    before = [item | {"metadata": item["metadata"] | {"annotations": {}}} for item in objects]
    Planner(ObjectApi(NODE, *before), "app", desired, lambda _: "x", {"w": {describe(item): 3 for item in objects}}).run()
    capacity.resource_demands(desired, [], NODE)
    list(image_uses("w", objects))
    list(holds.hold_folders(objects))
    holds.annotated_hold(objects)
    list(ports.conflicts_in_cluster(desired, objects, [NODE]))
    list(ports.conflicts_on_node(desired, objects, {(80, "tcp")}))
    observation.observations(objects, [], [], "2026-01-01T00:00:00Z")
    rollout.watched_kinds(desired, "app")
    assert sum(len(objects) for wave in waves(desired) for objects in wave.values()) == sum(map(len, desired.values()))
    rollout.Rollout("w", objects, WaitPolicy()).health(Store(), 0.0)
    prunable(objects, objects)
    for item in objects:
        read_object(item)


def read_object(item):
    Key.of(item), rank(item), revision_of(item), list(defined_kinds(item)), describe(item), health(item)
    list(containers_of(template_of(item) or {}))
    list(interruptions("w", item, has_service=True))
    recreates(item), pod_of(item), fill_secrets(item, lambda _: "x")
    diff.change("w", item, changed(item, ("kind",), "Other"))
    if template_of(item) is None:  # it masks and compares whatever there is: once is enough
        list(drift("w", item | {"spec": {}}, item))
    scaling.changed_scale(item, item), list(scaling.remarks("w", item, item))
    if item["kind"] in scaling.SCALABLE:
        scaling.with_replicas(item, 3)
    claims.never_shrunk(item, item), list(claims.remarks("w", item, SAMPLES["v1 PersistentVolumeClaim"]))


def previewed(spec, objects):
    new = Revision("w", 2, "b", "t", spec, Download.READY, (LOCK,), objects)
    old = Revision("w", 1, "b", "t", spec, Download.READY, None, (SAMPLES["v1 ConfigMap"],))
    changes = tuple(Change(Op.UPDATE, "w", describe(item), "x") for item in objects)
    target = Target(Workload("w", "W", True, "t", "t", old, new, None, None), new, objects)
    for change in workload_changes(Preview((target,), Plan(changes))):
        json.dumps(document(change))


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_a_wrong_value_anywhere_is_a_finding_or_harmless(name):
    sample = SAMPLES[name]
    for path in paths(sample):
        for new in WRONG:
            request = {"name": "w", "app_version": "1", "manifests": [changed(sample, path, new)]}
            try:
                accepted = accept([Document("a.yaml", 1, request)], DEFAULTS)
            except RequestRefused as error:
                unplaced = [line for line in error.evidence if not line.startswith("a.yaml, document 1, manifests")]
                if unplaced:
                    raise AssertionError(f"{path} = {new!r}: {unplaced}") from error
                continue
            try:
                read_by_everything(accepted.specs[0])
            except Exception as error:
                raise AssertionError(f"{path} = {new!r}") from error


def test_every_kind_of_the_data_has_a_sample_and_is_right_as_it_is():
    assert set(shapes._data()["kinds"]) <= set(SAMPLES)
    for sample in SAMPLES.values():
        assert (shapes.misshapes(sample), shapes.unknown_keys(sample)) == ([], [])
        read_by_everything(accept([Document("a.yaml", 1, {"name": "w", "app_version": "1", "manifests": [sample]})], DEFAULTS).specs[0])
