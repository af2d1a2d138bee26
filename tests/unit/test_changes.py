"""A forecast told field by field, on values alone."""

import base64
from dataclasses import replace

from kelvin_provision.applying.target import Target
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.cluster.plan import Change, Drift, Finding, Interruption, Op, Plan
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.preview.changes import workload_changes
from kelvin_provision.preview.documents import document
from kelvin_provision.preview.model import Preview
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.diff.fields import ABSENT, Field
from kelvin_provision.spec.enums import Download, Method, VolumeKind
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec, System, Volume

LAYERS = {name: Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", f"sha256:{name * 64}", size) for name, size in zip("abc", (100, 20, 3), strict=True)}  # fmt: skip


def lock(image, own, *layers):
    manifest, config = (
        Descriptor("application/vnd.oci.image.manifest.v1+json", f"sha256:{mark * 32}", 1) for mark in (f"{own}0", f"{own}1")
    )
    return ImageLock(Reference.parse(image), Platform("linux", "amd64"), manifest, config, tuple(LAYERS[name] for name in layers))


def revision(number, *locks, objects=None, image="r.io/pump:1", method=Method.STAGED, **spec):
    spec = Spec("pump", "Pump", "pump", f"{number}.0.0", "c", method, image="" if spec.get("manifests") else image, **spec)
    return Revision("pump", number, "b", "t", spec, Download.READY, locks or None, objects)


def thing(name, number=1, kind="Deployment", **body):
    metadata = {"name": name, "labels": {OWNER: "pump"}, "annotations": {REVISION: str(number), SPEC_HASH: str(number)}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body}


def tell(old, new, objects, changes=(), *, enabled=True, **more):
    workload = Workload("pump", "Pump", enabled, "t", "t", old, new, None, None)
    plan = Plan(tuple(changes), more.pop("findings", ()), interruptions=more.pop("breaks", ()))
    (found,) = workload_changes(Preview((Target(workload, new, tuple(objects)),), plan, **more))
    return found


def update(name):
    return Change(Op.UPDATE, "pump", name, "spec.x")


def test_fields_are_those_of_our_own_objects_without_our_stamps():
    old, new = thing("pump", 1, spec={"replicas": 1, "image": "a"}), thing("pump", 2, spec={"replicas": 1, "image": "b"})
    found = tell(revision(1, objects=(old,)), revision(2), [new], [update("Deployment/pump")])
    assert [item.fields for item in found.objects] == [(Field("spec.image", "a", "b"),)]


def test_a_new_object_is_told_whole():
    found = tell(None, revision(1), [thing("pump", spec={"a": 1})], [Change(Op.CREATE, "pump", "Deployment/pump", "not on the cluster")])
    assert found.objects[0].fields == (Field("", ABSENT, {"spec": {"a": 1}}),)


def test_an_object_that_takes_the_place_of_another_is_compared_with_it():
    old, new = (
        thing("pump-files-0123456789", kind="ConfigMap", data={"a": "1"}),
        thing("pump-files-abcdef0123", kind="ConfigMap", data={"a": "2"}),
    )
    changes = [
        Change(Op.CREATE, "pump", "ConfigMap/pump-files-abcdef0123", "not on the cluster"),
        Change(Op.DELETE, "pump", "ConfigMap/pump-files-0123456789", "no longer in the workload"),
    ]
    came, went = tell(revision(1, objects=(old,)), revision(2), [new], changes).objects
    assert (came.replaces, came.fields) == ("ConfigMap/pump-files-0123456789", (Field("data.a", "1", "2"),))
    assert (went.replaced_by, went.fields) == ("ConfigMap/pump-files-abcdef0123", ())


def test_objects_of_one_name_in_two_groups_keep_their_own_fields():
    old, new = (
        [thing("x", number, "Thing", spec={"g": group, "n": number}) | {"apiVersion": f"{group}/v1"} for group in "ab"] for number in (1, 2)
    )
    found = tell(revision(1, objects=tuple(old)), revision(2), new, [update("Thing.a/x"), update("Thing.b/x")])
    assert [item.fields for item in found.objects] == [(Field("spec.n", 1, 2),)] * 2
    assert [item.object for item in found.objects] == ["Thing.a/x", "Thing.b/x"]


def test_what_is_forbidden_is_told_with_its_fields_too():
    old, new = (thing("pump", number, spec={"selector": number}) for number in (1, 2))
    finding = Finding("immutable-field", "pump", "Deployment/pump", "field is immutable")
    found = tell(revision(1, objects=(old,)), revision(2), [new], findings=(finding,))
    (item,) = found.objects
    assert (item.op, item.forbidden, item.why, item.fields) == (Op.UPDATE, True, "field is immutable", (Field("spec.selector", 1, 2),))
    assert found.findings == (finding,)


def test_files_of_a_container_are_read_and_its_secrets_are_not():
    def container(number, text, secret):
        files = [{"path": "/f", "mode": "0644", "base64": base64.b64encode(text).decode()}, {"path": "/s", "mode": "0400", "text": secret}]
        return thing("pump", number, kind="Container", spec={"files": files})

    volumes = System(volumes=(Volume("s", VolumeKind.SECRET, "/s", secret="x"),))
    old, new = container(1, b"a\nb\n", "one"), container(2, b"a\nc\n", "two")
    found = tell(revision(1, objects=(old,)), revision(2, system=volumes), [new], [update("container/pump")])
    fields = document(found)["objects"][0]["fields"]
    assert fields == [
        {"path": "spec.files[/f].text", "lines": ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]},
        {"path": "spec.files[/s].text", "old": "***", "new": "***", "hidden": True},
    ]


def test_bytes_that_are_no_text_are_told_by_number_and_hash():
    old, new = (
        thing("f", number, kind="ConfigMap", binaryData={"a": base64.b64encode(bytes([255, number])).decode()}) for number in (1, 2)
    )
    found = tell(revision(1, objects=(old,)), revision(2), [new], [update("ConfigMap/f")])
    assert found.objects[0].fields == (Field("binaryData.a", "2 bytes, sha256:437cb43a3022", "2 bytes, sha256:1cfcb0bd0464"),)


def test_images_are_beside_those_of_their_repository_with_the_bytes_that_are_new():
    old = revision(1, lock("r.io/pump:1", "1", "a", "b"), lock("r.io/gone:1", "2", "c"))
    new = revision(2, lock("r.io/pump:2", "3", "a", "c"), lock("r.io/came:1", "4", "b"))
    told_images = [
        (change.old and change.old.reference, change.new and change.new.reference, change.new_bytes, change.shared_bytes)
        for change in tell(old, new, []).images
    ]
    assert told_images == [
        ("r.io/pump:1", "r.io/pump:2", 2, 103),
        (None, "r.io/came:1", 2, 20),
        ("r.io/gone:1", None, None, None),
    ]


def test_the_same_digest_under_another_tag_is_the_same_image():
    same = lock("r.io/pump:1", "1", "a")
    (found,) = tell(revision(1, same), revision(2, replace(same, reference=Reference.parse("r.io/pump:2"))), []).images
    assert (found.same, found.new_bytes) == (True, 0)


def test_images_that_the_cluster_pulls_have_no_size():
    (found,) = tell(None, revision(1, method=Method.STANDARD), []).images
    assert (found.new.reference, found.new.digest, found.new_bytes) == ("r.io/pump:1", "", None)


def test_what_the_rewriting_did_is_what_differs_from_the_request():
    pod = {"containers": [{"name": "c", "image": "r.io/pump:2", "imagePullPolicy": "Always"}]}
    given = thing("d", spec={"template": {"spec": pod}})
    pinned = {
        "containers": [{"name": "c", "image": "r.io/pump:2@sha256:x", "imagePullPolicy": "IfNotPresent"}],
        "nodeSelector": {"host": "n"},
    }
    made = thing("d", 2, spec={"replicas": 1, "template": {"spec": pinned}})
    found = tell(None, revision(2, lock("r.io/pump:2", "1", "a"), manifests=(given,)), [made]).rewritten
    assert [(one.object, one.field.path, one.field.old, one.field.new) for one in found] == [
        ("Deployment/d", "spec.template.spec.containers[c].image", "r.io/pump:2", "r.io/pump:2@sha256:x"),
        ("Deployment/d", "spec.template.spec.containers[c].imagePullPolicy", "Always", "IfNotPresent"),
        ("Deployment/d", "spec.template.spec.nodeSelector.host", ABSENT, "n"),
    ]


def test_a_request_that_says_an_image_has_only_that_rewritten():
    staged = lock("r.io/pump:2", "1", "a")
    made = thing("pump", 2, kind="Container", spec={"image": staged.config.digest, "pull": "never"})
    (one,) = tell(None, revision(2, staged, image="r.io/pump:2"), [made]).rewritten
    assert (one.object, one.field) == ("Container/pump", Field("spec.image", "r.io/pump:2", staged.config.digest))
    assert tell(None, revision(2, image="r.io/pump:2", method=Method.STANDARD), [made]).rewritten == ()


def test_what_becomes_of_a_change_that_somebody_made():
    old, new = thing("pump", 1, spec={"a": 1, "b": 1}), thing("pump", 2, spec={"a": 1, "b": 2})
    changed = [
        Drift("pump", "Deployment/pump", path, applied, live, "kubectl-edit")
        for path, applied, live in (("spec.a", 1, 5), ("spec.b", 1, 5), ("spec.c", ABSENT, 5))
    ]
    drifted = tell(revision(1, objects=(old,)), revision(2), [new], [update("Deployment/pump")], drift=tuple(changed)).drift
    assert [(one.drift.path, one.after, one.stays) for one in drifted] == [
        ("spec.a", 1, False),
        ("spec.b", 2, False),
        ("spec.c", ABSENT, True),
    ]


def test_downtime_is_short_possible_or_none():
    for breaks, word in (((), "none"), ((False,), "possible"), ((False, True), "short")):
        found = tell(None, revision(1), [], breaks=tuple(Interruption("pump", "why", certain=certain) for certain in breaks))
        assert document(found)["downtime"] == {"expected": word, "why": ["why"] * len(breaks)}
