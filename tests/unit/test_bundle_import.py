"""Import: what a bundle brings is shown first, then stored in one commit, and staged without any registry."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.bundles.inspection import BundlePlace, inspect
from kelvin_provision.errors import (
    BundleDamaged,
    BundleInvalid,
    BundleOlder,
    BundleUnsuitable,
    ExpectedOther,
    MediumGone,
    NoSpace,
    RequestRefused,
    RuntimeUnreachable,
    SignatureInvalid,
    SignatureMissing,
    SignerUnknown,
)
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.media import kept
from kelvin_provision.quantity import Headroom
from kelvin_provision.refs import Platform
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.trust.dsse import BUNDLE, document, entries_of
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from tests.kit import bundles
from tests.kit.bundle_box import offline
from tests.kit.images import make_image, random_image, tar_of
from tests.kit.locks import lock_of
from tests.kit.requests import stored_request as body
from tests.kit.signing import key_pair, signatures, trusting

REGISTRY = "registry.example:5000"
IMAGES = {f"{REGISTRY}/{name}:1.0.0": random_image([4000, 20_000]) for name in ("pump", "fan")}


@pytest.fixture
def box(tmp_path):
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        yield box


@pytest.fixture
def stick(tmp_path):
    return tmp_path / "stick"


def move(paths, folder):
    """Parts to another medium."""
    folder.mkdir()
    for path in paths:
        path.rename(folder / path.name)


def planned(box, stick, **more):
    return plan(box.ctx, ImportRequest((stick,), **more))


def imported(box, stick, **more):
    return carry_out(box.ctx, planned(box, stick, **more))


def stored(box):
    """Everything that an import stores: rows, history, documents, tables of contents."""
    blobs = list(box.store.layout.blobs.rglob("*")) if box.store.layout.blobs.exists() else []
    folder = kept.folder(box.settings.state_dir)
    tables = list(folder.iterdir()) if folder.exists() else []
    return [box.ledger.bundles(), box.ledger.names(), history(box.ledger), [path for path in blobs if path.is_file()], tables]


NOTHING = [(), [], (), [], []]


def test_a_bundle_named_by_its_digest_is_exactly_that_one_and_not_trusted_for_that(box, stick):
    shown = bundles.write(stick, IMAGES, [body("pump")], name="north")
    named = planned(box, stick, digest=shown.digest)
    assert (named.accepted.expected, "is not signed" in named.warnings[0]) == (False, True)
    other = bundles.write(stick, IMAGES, [body("fan")], name="north")
    for look in (planned, lambda *_, digest: inspect(BundlePlace((stick,), digest=digest), box.ctx.trust)):
        with pytest.raises(ExpectedOther, match=other.digest):
            look(box, stick, digest=shown.digest)
    assert stored(box) == NOTHING


def test_what_is_shown_beside_a_plan_is_of_the_same_table_of_contents(box, stick):
    """A medium may answer otherwise when it is read again."""
    before = bundles.write(stick, IMAGES, [body("pump")], name="north")
    shown = inspect(BundlePlace((stick,)), box.ctx.trust)
    assert plan(box.ctx, ImportRequest((stick,)), shown).digest == before.digest
    bundles.write(stick, IMAGES, [body("fan", title="Ventilator")], name="north")
    with pytest.raises(BundleDamaged):
        plan(box.ctx, ImportRequest((stick,)), shown)


def test_a_plan_says_what_comes_and_stores_nothing(box, stick):
    bundle = bundles.write(stick, IMAGES, [body("pump"), body("fan")], name="north", serial=3)
    before = stored(box)
    found = planned(box, stick)
    assert [(one.name, one.version, one.running, one.staged, one.method) for one in found.workloads] == [
        ("pump", "1.0.0", None, None, Method.STAGED),
        ("fan", "1.0.0", None, None, Method.STAGED),
    ]
    size = sum(blob.size for reference, image in IMAGES.items() for blob in lock_of(image, reference).blobs())
    assert (found.new_bytes, sum(image.new for image in found.images), found.missing) == (size, size, ())
    assert found.warnings == (f"the bundle is not signed; compare its digest with the desk where it was made: {bundle.digest[7:]}",)
    assert json.dumps(found.to_json())
    assert stored(box) == before == NOTHING


def test_everything_is_staged_without_a_registry(box, stick):
    bundles.write(stick, IMAGES, [body("pump"), body("fan")])
    result = imported(box, stick)
    assert [revision.workload for revision in result.revisions] == ["pump", "fan"]
    assert box.ledger.workload("pump").staged.locks == (lock_of(IMAGES[f"{REGISTRY}/pump:1.0.0"], f"{REGISTRY}/pump:1.0.0"),)
    box.turn()
    assert [box.ledger.workload(name).staged.download for name in ("pump", "fan")] == [Download.READY] * 2
    box.command_apply("pump", "fan")
    assert box.states() == {"fan": ("running", None), "pump": ("running", None)}
    assert box.source.served == []
    assert len({revision.batch for revision in result.revisions}) == 1


def test_versions_on_the_box_are_named_beside_the_new_ones(box, stick):
    bundles.write(stick, IMAGES, [body("pump")])
    box.source.down = None
    box.up("0.9.0", "pump")
    box.deploy("pump", version="0.9.5")
    (workload,) = planned(box, stick).workloads
    assert (workload.running, workload.staged, workload.version) == ("0.9.0", "0.9.5", "1.0.0")


def test_what_the_store_has_is_not_new(box, stick):
    bundles.write(stick, IMAGES, [body("pump")])
    imported(box, stick)
    box.turn()
    assert planned(box, stick).new_bytes == 0


@pytest.mark.parametrize(
    ("given", "method"),
    [({}, Method.STAGED), ({"instantly_apply": True}, Method.INSTANT), ({"staged": False, "instantly_apply": True}, Method.INSTANT)],
)
def test_requests_say_how_they_are_deployed_and_what_the_cluster_would_pull_is_staged(box, stick, given, method):
    bundles.write(stick, IMAGES, [body("pump", **given)])
    (workload,) = planned(box, stick).workloads
    assert workload.method is method


def test_a_box_without_a_registry_takes_that_of_the_bundle(box, stick):
    box.settings = replace(box.settings, registry=None)
    bundles.write(stick, IMAGES, [body("pump")])
    assert planned(box, stick).workloads[0].images == (f"{REGISTRY}/pump:1.0.0",)
    box.settings = replace(box.settings, registry="elsewhere:5000")
    assert planned(box, stick).workloads[0].images == (f"{REGISTRY}/pump:1.0.0",)


def test_an_image_that_is_not_in_the_bundle_comes_from_its_registry(box, stick):
    bundles.write(stick, {}, [body("pump")])
    found = planned(box, stick)
    assert found.workloads[0].elsewhere == (f"{REGISTRY}/pump:1.0.0",)
    assert f"{REGISTRY}/pump:1.0.0 is not in the bundle, and comes from its registry" in found.warnings
    imported(box, stick)
    box.source.down, box.source.images = None, IMAGES
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_history_names_bundle_signer_and_medium_of_each_revision(box, stick, tmp_path):
    desk = key_pair(name="desk")
    box.settings = replace(box.settings, trust=trusting(tmp_path, desk))
    bundle = bundles.make(IMAGES, [body("pump")], name="north")
    bundle.write(stick, signatures(desk, bundle.table, BUNDLE))
    result = imported(box, stick)
    assert result.warnings == ()
    (line,) = history(box.ledger)
    signer = result.plan.accepted.signers[0].text
    assert line.detail == f"pump 1.0.0, staged-only, from bundle north {bundle.digest}, signed by {signer}, on {stick / 'north.kpb'}"
    assert (line.action, line.who) == ("bundle import", "anna")


def numbered(folder, serial, *pairs, name="north"):
    """A bundle with this serial, signed by these."""
    bundle = bundles.make(IMAGES, [body("pump")], name=name, serial=serial)
    entries = [entry for pair in pairs for entry in entries_of(signatures(pair, bundle.table, BUNDLE))]
    bundle.write(folder, document(entries) if entries else b"")
    return folder


def forget(box):
    """The workload, its revisions, and with them the bundles."""
    for name in box.ledger.names():
        requests.drop_staged(box.ledger, name, actor="anna")
    box.ledger.forget_bundles()
    assert box.ledger.bundles() == ()


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_older_bundle_of_the_same_signer_is_named_and_refused_also_when_the_newer_one_is_forgotten(box, stick, tmp_path, forgotten):
    desk, other = key_pair(name="desk"), key_pair(name="other")
    box.settings = replace(box.settings, trust=trusting(tmp_path, desk, other))
    for serial, name in ((7, "new"), (8, "newer")):
        assert planned(box, numbered(stick / name, serial, desk, name=name)).older is None
        imported(box, stick / name)
    if forgotten:
        forget(box)
    before = stored(box)
    old = numbered(stick / "old", 3, other, desk, name="old")  # the other one never counted
    text = "bundle newer with serial 8 of the same signer was imported before, and this one has serial 3"
    assert planned(box, old).warnings == (text,)
    assert planned(box, old).to_json()["older"] == {"name": "newer", "serial": 8}
    with pytest.raises(BundleOlder, match=f"bundle old is not the newest: {text}"):
        imported(box, old)
    assert stored(box) == before
    assert imported(box, old, allow_older=True).warnings == (text,)
    assert history(box.ledger)[-1].detail.endswith(", older than serial 8")
    with pytest.raises(BundleOlder):  # what was allowed once lowers nothing
        imported(box, old)
    assert imported(box, numbered(stick / "again", 8, desk)).plan.older is None
    assert imported(box, numbered(stick / "theirs", 4, other)).plan.older is None


def test_what_has_no_serial_is_older_and_without_a_signature_the_name_counts(box, stick):
    imported(box, numbered(stick / "one", 2))
    assert planned(box, numbered(stick / "other", 1, name="south")).older is None
    nothing = numbered(stick / "two", 0)
    assert planned(box, nothing).older.text == "bundle north with serial 2 was imported before, and this one has none"
    with pytest.raises(BundleOlder):
        imported(box, nothing)
    assert imported(box, nothing, allow_older=True).revisions


def test_a_newer_one_that_came_after_the_plan_counts(box, stick):
    old = planned(box, numbered(stick / "one", 1))
    imported(box, numbered(stick / "two", 2))
    before = stored(box)
    with pytest.raises(BundleOlder):
        carry_out(box.ctx, old)
    assert box.ledger.bundles() == before[0]


def test_serials_of_the_bundles_that_an_older_ledger_has_count(tmp_path, stick):
    desk = key_pair(name="my desk (old)")
    signer = f"my desk (old) ({desk[1].key_id[:12]})"
    migrated(
        tmp_path / "state",
        ("a", "high", 9, json.dumps([signer])),
        ("b", "low", 4, json.dumps([signer])),
        ("c", "north", 5, "[]"),
        ("d", "odd", 6, json.dumps(["no key"])),
        ("e", "damaged", 7, "["),
    )
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        assert planned(box, numbered(stick / "one", 4)).older.newest_serial == 5
    with closing(offline(tmp_path / "state", registry=REGISTRY, trust=trusting(tmp_path, desk))) as box:
        behind = planned(box, numbered(stick / "two", 8, desk)).older
        assert (behind.newest, behind.newest_serial) == ("high", 9)
        imported(box, numbered(stick / "three", 10, desk))
        assert planned(box, numbered(stick / "four", 9, desk)).older.newest_serial == 10


def migrated(folder, *rows):
    """A state directory of the schema before serials were kept."""
    folder.mkdir(mode=0o700)
    raw = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    for statement in ";\n".join(schema.MIGRATIONS[:11]).split(";\n"):
        raw.execute(statement)
    raw.execute("PRAGMA user_version = 11")
    for row in rows:
        raw.execute(
            "INSERT INTO bundles (digest, name, serial, signers, imported, actor) VALUES (?, ?, ?, ?, '2026-01-01T00:00:00Z', 'anna')", row
        )
    raw.close()


def test_unsigned_is_refused_where_the_site_wants_signatures_and_nothing_is_stored(box, stick, tmp_path):
    box.settings = replace(box.settings, trust=trusting(tmp_path, key_pair()))
    bundles.write(stick, IMAGES, [body("pump")])
    with pytest.raises(SignatureMissing):
        planned(box, stick)
    assert stored(box) == NOTHING


def test_another_digest_than_the_expected_one_is_refused(box, stick):
    bundle = bundles.write(stick, IMAGES, [body("pump")])
    with pytest.raises(ExpectedOther):
        planned(box, stick, expect="sha256:" + 64 * "0")
    assert planned(box, stick, expect=bundle.digest).warnings == ()


@pytest.mark.parametrize("boxes", [("line-2", "line-3"), ("edge",)])
def test_a_bundle_for_other_boxes_is_refused(box, stick, boxes):
    box.settings = replace(box.settings, cluster=replace(box.settings.cluster, name="edge"))
    bundles.write(stick, IMAGES, [body("pump")], boxes=boxes)
    if "edge" in boxes:
        assert planned(box, stick).workloads
        return
    with pytest.raises(BundleUnsuitable, match="the bundle bundle is for line-2, line-3, and this box is edge"):
        planned(box, stick)


def test_images_for_another_platform_are_refused(box, stick):
    reference = f"{REGISTRY}/pump:1.0.0"
    bundles.write(stick, {reference: make_image([tar_of({"a": b"x"})], architecture="s390x")}, [body("pump")])
    with pytest.raises(BundleUnsuitable, match="has images for linux/s390x, and this box is linux/amd64"):
        planned(box, stick)
    assert box.runtime.info().platform == Platform("linux", "amd64")


def test_what_the_bundle_counts_on_must_be_on_the_box(box, stick):
    reference = f"{REGISTRY}/pump:1.0.0"
    layer = lock_of(IMAGES[reference], reference).layers[0]
    bundles.write(stick, {reference: IMAGES[reference]}, [body("pump")], absent=(layer.digest,))
    with pytest.raises(BundleUnsuitable, match="needs 1 layer that this box does not have") as caught:
        planned(box, stick)
    assert caught.value.evidence == (f"{layer.digest} of {reference}",)
    box.store.layout.create()
    box.store.put(layer, IMAGES[reference].blobs[layer.digest])
    imported(box, stick)
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_what_does_not_fit_is_refused_before_anything_is_stored(box, stick):
    box.settings = replace(box.settings, download=DownloadSettings(keep_free=Headroom(bytes=1 << 62)))
    bundles.write(stick, IMAGES, [body("pump")])
    with pytest.raises(NoSpace, match="not enough disk space for the bundle bundle"):
        planned(box, stick)
    assert stored(box) == NOTHING


def test_a_request_that_this_box_refuses_is_refused_with_all_others(box, stick):
    bundles.write(stick, IMAGES, [body("pump"), body("fan", app_version="")])
    with pytest.raises(RequestRefused):
        planned(box, stick)


def test_a_table_of_contents_that_describes_another_image_is_refused(box, stick):
    reference = f"{REGISTRY}/pump:1.0.0"
    bundle = bundles.make({reference: IMAGES[reference]}, [body("pump")])
    image = bundle.contents.images[0]
    layers = (image.layers[1], image.layers[0])
    lying = replace(bundle, contents=replace(bundle.contents, images=(replace(image, layers=layers),)))
    path = lying.write(stick)[0]
    data = bytearray(path.read_bytes())
    at = data.index(bundle.table)
    data[at : at + len(lying.table)] = lying.table
    path.write_bytes(data)
    with pytest.raises(BundleInvalid, match="describes another image than its manifest"):
        planned(box, stick)


def test_a_runtime_that_does_not_answer_leaves_the_images_to_the_agent(box, stick):
    bundles.write(stick, IMAGES, [body("pump")])
    runtime, box.runtime = box.runtime, RuntimeUnreachable("no answer")
    result = imported(box, stick)
    assert "the container runtime does not answer: the agent checks the images when it does" in result.warnings
    assert box.ledger.workload("pump").staged.locks is None
    box.runtime = runtime
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_parts_may_come_one_after_the_other_and_only_the_first_one_is_needed_at_once(box, stick, tmp_path):
    bundle = bundles.make(IMAGES, [body("pump")], part_size=32_768)
    paths, other = bundle.write(stick), tmp_path / "other"
    move(paths[1:], other)
    with pytest.raises(MediumGone, match="part 1 of the bundle bundle"):
        planned(box, other)
    found = planned(box, stick)
    assert found.missing
    assert any("not here" in warning for warning in found.warnings)
    carry_out(box.ctx, found)
    box.turn()
    assert box.ledger.workload("pump").staged.cause == f"waits for the stick bundle, part {found.missing[0]}"
    further = imported(box, other)
    assert (further.revisions, further.plan.workloads) == ((), ())
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY
    assert len(box.ledger.bundles()[0].media) == len(paths)


def test_a_further_part_that_cannot_be_looked_at_is_an_error_of_ours(box, stick, tmp_path):
    bundle = bundles.make(IMAGES, [body("pump")], part_size=40_960)
    paths = bundle.write(stick)
    for path in paths[1:]:
        path.unlink()
    imported(box, stick)
    second = tmp_path / "second" / paths[1].name
    second.parent.mkdir()
    second.symlink_to(tmp_path / "nowhere")
    with pytest.raises(MediumGone, match=f"{second} is not there"):
        planned(box, second.parent)


def test_parts_at_several_places_are_one_bundle_in_any_order(box, stick, tmp_path):
    bundle = bundles.make(IMAGES, [body("pump")], part_size=32_768)
    paths, other = bundle.write(stick), tmp_path / "other"
    move(paths[1:], other)
    carry_out(box.ctx, plan(box.ctx, ImportRequest((other, stick))))
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_images_alone_are_kept_until_they_are_pruned_and_serve_a_later_request(box, stick):
    bundles.write(stick, IMAGES, [body("pump")])
    result = imported(box, stick, images_only=True)
    assert (result.revisions, len(result.images)) == ((), 2)
    for path in Path(stick).iterdir():
        path.unlink()
    with box.operation():
        pass  # collects garbage
    assert all(box.store.has(blob) for lock in result.images for blob in lock.blobs())
    box.deploy("other", version="1.0.0")
    with box.ledger.writing() as db:
        spec = json.loads(db.execute("SELECT spec FROM revisions").fetchone()[0]) | {"image": f"{REGISTRY}/fan:1.0.0"}
        db.execute("UPDATE revisions SET spec = ?", (json.dumps(spec),))
    box.turn()
    assert box.ledger.workload("other").staged.download is Download.READY
    box.ended("images", "prune", "--yes")
    needed = {blob.digest for blob in box.ledger.workload("other").staged.locks[0].blobs()}
    assert all(box.store.has(blob) is (blob.digest in needed) for lock in result.images for blob in lock.blobs())
    assert box.ledger.bundles() == ()
    assert list(kept.folder(box.settings.state_dir).iterdir()) == []


def test_images_alone_of_a_stick_that_was_pulled_are_completed_by_the_same_import(box, stick):
    bundle = bundles.make(IMAGES, part_size=32_768)
    last = bundle.write(stick)[-1]
    away = last.rename(last.with_name("away"))
    with pytest.raises(MediumGone, match="the stick bundle, part"):
        imported(box, stick, images_only=True)
    assert planned(box, stick, images_only=True).new_bytes < sum(image.size for image in planned(box, stick, images_only=True).images)
    away.rename(last)
    result = imported(box, stick, images_only=True)
    assert all(box.store.has(blob) for lock in result.images for blob in lock.blobs())


def test_a_request_is_what_was_hashed_even_if_the_stick_answers_otherwise_later(box, stick):
    bundle = bundles.write(stick, IMAGES, [body("pump")])
    found = planned(box, stick)
    extent = bundle.contents.requests[0].content
    with (stick / "bundle.kpb").open("r+b") as file:
        file.seek(extent.offset)
        file.write(b"x" * extent.size)
    (revision,) = carry_out(box.ctx, found).revisions
    assert revision.spec.app_name == "pump"


def test_a_bundle_goes_with_the_last_revision_that_it_brought(box, stick):
    bundles.write(stick, IMAGES, [body("pump")])
    imported(box, stick)
    box.ended("workloads", "undeploy", "pump", "--staged", "--yes")
    assert stored(box)[0] == ()
    assert stored(box)[4] == []


def test_where_requests_must_be_signed_those_of_a_bundle_must_be_too(box, stick, tmp_path):
    """Also in a bundle that is signed itself, and nothing of one is stored without the other; images alone need no request."""
    desk, content = key_pair(name="desk"), body("pump")
    box.settings = replace(box.settings, trust=trusting(tmp_path, desk, require=("request",)))
    signed, other = signatures(desk, content), signatures(key_pair(name="mallory"), content)
    for number, (own, error) in enumerate(
        [(None, SignatureMissing), (b"[]", SignatureMissing), (other, SignerUnknown), (signatures(desk, content, BUNDLE), SignatureInvalid)]
    ):
        folder = stick / str(number)
        bundle = bundles.make(IMAGES, [content], request_signatures=[own])
        bundle.write(folder, signatures(desk, bundle.table, BUNDLE))
        with pytest.raises(error):
            planned(box, folder)
        assert stored(box) == NOTHING
    assert planned(box, stick / "0", images_only=True).workloads == ()
    bundles.make(IMAGES, [content], request_signatures=[signed]).write(stick / "good")
    imported(box, stick / "good")
    assert f"signed by desk ({desk[1].key_id[:12]}), sha256:" in history(box.ledger)[-1].detail


PUMP, FAN = IMAGES
OTHER = {reference: random_image([3000]) for reference in IMAGES}
"""What other bundles, and by now the registry, have under the same tags."""


def without_runtime(box, stick):
    """Nothing is locked at such an import."""
    runtime, box.runtime = box.runtime, RuntimeUnreachable("no answer")
    imported(box, stick)
    box.runtime = runtime


@pytest.mark.parametrize("medium", [True, False], ids=["medium", "medium gone"])
def test_a_request_gets_what_its_own_bundle_names_and_nothing_else_under_this_tag(box, stick, tmp_path, medium):
    bundle = bundles.write(stick, IMAGES, [body("pump")])
    without_runtime(box, stick)
    bundles.write(tmp_path / "other", OTHER, [body("fan")], name="other")
    imported(box, tmp_path / "other")
    box.source.down, box.source.images = None, OTHER | {f"{REGISTRY}/pump:before": IMAGES[PUMP]}
    if not medium:
        (stick / "bundle.kpb").unlink()
    box.turn()
    staged = box.ledger.workload("pump").staged
    assert (staged.download, staged.bundle) == (Download.READY, bundle.digest)
    assert staged.locks == (lock_of(IMAGES[PUMP], PUMP),)
    assert box.ledger.workload("fan").staged.locks == (lock_of(OTHER[FAN], FAN),)


@pytest.mark.parametrize("table", [True, False], ids=["table of contents", "no table of contents"])
def test_what_only_its_bundle_has_is_waited_for(box, stick, table):
    bundle = bundles.write(stick, IMAGES, [body("pump")])
    without_runtime(box, stick)
    (stick / "bundle.kpb").rename(stick / "away")
    if not table:
        kept.path(box.settings.state_dir, bundle.digest).unlink()
    box.source.down, box.source.images = None, OTHER
    box.turn()
    staged = box.ledger.workload("pump").staged
    assert (staged.locks, staged.cause) == (None, "waits for the stick bundle")
    (stick / "away").rename(stick / "bundle.kpb")
    box.turn()
    assert box.ledger.workload("pump").staged.locks == (lock_of(IMAGES[PUMP], PUMP),)


def test_one_image_that_is_not_in_the_bundle_leaves_the_others_to_it(box, stick, tmp_path):
    bundles.write(stick, {PUMP: IMAGES[PUMP]}, [body("pump", images=[PUMP, FAN])])
    imported(box, stick)
    assert box.ledger.workload("pump").staged.locks is None
    bundles.write(tmp_path / "other", OTHER, [body("fan")], name="other")
    imported(box, tmp_path / "other")
    box.source.down, box.source.images = None, OTHER
    box.turn()
    locks = {lock_of(IMAGES[PUMP], PUMP), lock_of(OTHER[FAN], FAN)}
    assert set(box.ledger.workload("pump").staged.locks) == locks
