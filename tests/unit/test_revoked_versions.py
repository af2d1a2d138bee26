"""What a trust document revokes is refused at every step, also what is staged already; what runs goes on running."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.applying.facts import render_staged
from kelvin_provision.errors import ApplyFailed, BundleRevoked, Locked, ProvisionError, SignerRevoked, VersionRevoked
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.ledger.model.workloads import Signers
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.ledger.sqlite.migrations import doors
from kelvin_provision.ledger.staging_state import Received
from kelvin_provision.preview.preview import preview
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.image_names import ImageNames
from kelvin_provision.status import Trouble
from kelvin_provision.support import state
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.model import Revoked
from kelvin_provision.trust.dsse import BUNDLE
from kelvin_provision.trust.requests import RequestFile, SignedRequest
from kelvin_provision.usecases import deploy
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.bundles.trust import showing
from tests.kit import bundles
from tests.kit.box import Box
from tests.kit.bundle_box import offline
from tests.kit.images import random_image
from tests.kit.requests import stored_request as body
from tests.kit.signing import in_this_process, key_pair, signatures, trusting
from tests.kit.trusting import signed, trust_document

__all__ = ["in_this_process"]
pytestmark = pytest.mark.usefixtures("in_this_process")
REGISTRY = "registry.example:5000"
IMAGES = {f"{REGISTRY}/{name}:1.0.0": {"linux/amd64": random_image([3000])} for name in ("pump", "fan")}
PUMP = f"{REGISTRY}/pump:1.0.0"
MANIFEST = IMAGES[PUMP]["linux/amd64"].digest
ROOT, DESK, OTHER = (key_pair(name=name) for name in ("root", "desk", "other"))


@pytest.fixture
def box(tmp_path):
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        box.settings = replace(box.settings, trust=trusting(tmp_path, ROOT, DESK, OTHER))
        yield box


@pytest.fixture
def stick(tmp_path):
    return tmp_path / "stick"


def bundle_of(stick, *names, by=(DESK,), request_by=None, **values):
    requests = [body(name) for name in names]
    given = [signatures(request_by, request) if request_by else None for request in requests]
    images = {reference: image for reference, image in IMAGES.items() if reference.split("/")[1].split(":")[0] in names}
    bundle = bundles.make(images, requests, request_signatures=given, name="north", **values)
    bundle.write(stick, signatures(by[0], bundle.table, BUNDLE))
    return bundle


def imported(box, stick):
    return carry_out(box.ctx, plan(box.ctx, ImportRequest((stick,))))


def staged(box, stick, *names, **more):
    """They came by a stick, and are ready."""
    bundle = bundle_of(stick, *names, **more)
    imported(box, stick)
    box.turn()
    assert {box.ledger.workload(name).staged.download for name in names} == {Download.READY}
    return bundle


def revocation(number=1, keys=(), **revoked):
    """What a stick with nothing else has: the document, signed by a root key that the site trusted first."""
    left = tuple(pair for pair in (DESK, OTHER) if pair not in keys)
    value = Revoked(tuple(public.key_id for _, public in keys), **{kind: tuple(digests) for kind, digests in revoked.items()})
    return signed(replace(trust_document(number, ROOT, bundles=left or (ROOT,)), revoked=value), ROOT)


def revoke(box, folder, document):
    """By a stick with a document only, without a signature of its own."""
    bundles.make(name="trust", trust=(document,)).write(folder)
    return imported(box, folder)


KINDS = ["request key", "bundle key", "bundle", "index", "manifest"]


def document_for(kind, bundle):
    image = bundle.contents.images[0]
    return {
        "request key": {"keys": (OTHER,)},
        "bundle key": {"keys": (DESK,)},
        "bundle": {"bundles": [bundle.digest]},
        "index": {"images": [image.index]},
        "manifest": {"images": [image.manifest]},
    }[kind]


REASONS = {
    "request key": f"its request is signed with key {OTHER[1].key_id[:12]}, which is revoked",
    "bundle key": f"its bundle is signed with key {DESK[1].key_id[:12]}, which is revoked",
    "bundle": "it came in bundle sha256:",
    "index": "is revoked (sha256:",
    "manifest": "is revoked (sha256:",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_staged_is_not_applied_after_a_stick_has_revoked_it(box, stick, tmp_path, kind):
    bundle = staged(box, stick, "pump", request_by=OTHER)
    revoke(box, tmp_path / "second", revocation(**document_for(kind, bundle)))
    assert box.states() == {"pump": ("staged", "failed")}
    (warning,) = box.warnings("pump")
    assert "this version is revoked" in warning
    assert REASONS[kind] in warning
    assert box.ledger.workload("pump").staged.slot.trouble is Trouble.REVOKED
    for names in (("pump",), ()):
        with pytest.raises(VersionRevoked, match="nothing was changed"):
            box.command_apply(*names)
    error = json.loads(box.run("workloads", "apply", "pump", "--json").stdout)["error"]
    assert (error["code"], error["hint"]) == ("version-revoked", "deploy another version, signed with keys that are not revoked")
    box.turn()
    assert "pump" not in box.cluster.observe()
    with pytest.raises(ProvisionError) as refused:  # neither is it brought in again
        imported(box, stick)
    assert refused.value.code in {"version-revoked", "bundle-revoked", "signer-revoked"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_assessment_refuses_it_by_the_document_itself(box, stick, tmp_path, kind):
    """Whatever the ledger has noted: diff, every dry run, `check` and the apply ask the same."""
    bundle = staged(box, stick, "pump", request_by=OTHER)
    revoke(box, tmp_path / "second", revocation(**document_for(kind, bundle)))
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET waiting = NULL, blocked = 0")
    with pytest.raises(VersionRevoked) as refused:
        box.command_apply("pump")
    assert REASONS[kind] in refused.value.evidence[0]
    shown = preview(box.ctx, render_staged(box.ctx, box.ledger.workloads(["pump"])))
    assert [finding.code for finding in shown.plan.findings] == ["version-revoked"]
    check = json.loads(box.run("workloads", "check", "pump", "--json").stdout)
    (line,) = [each for each in check["checks"] if each["id"] == "revoked"]
    assert (line["status"], REASONS[kind] in line["found"]) == ("error", True)


def test_what_runs_goes_on_running_and_says_so_and_is_not_rolled_back_to(box, stick, tmp_path):
    bundle = staged(box, stick, "pump")
    box.command_apply("pump")
    revoke(box, tmp_path / "second", revocation(**document_for("manifest", bundle)))
    assert box.states() == {"pump": ("running", None)}
    (warning,) = box.warnings("pump")
    assert warning.startswith("the version that runs is revoked: image ")
    assert "pump" in box.run("workloads", "show", "pump").stdout
    assert box.stop("pump")
    assert box.start("pump"), "what runs already may be stopped and started"
    box.source.down = None
    box.up("2.0.0", "pump")
    assert box.warnings("pump") == []
    with pytest.raises(VersionRevoked, match="1 finding, nothing was changed"):
        box.rollback("pump")
    with pytest.raises(VersionRevoked):
        box.rollback("pump", to=1)
    assert box.ledger.workload("pump").running.spec.app_version == "2.0.0"


def test_a_failed_apply_is_undone_to_what_ran_although_that_is_revoked(box, stick, tmp_path):
    bundle = staged(box, stick, "pump")
    box.command_apply("pump")
    revoke(box, tmp_path / "second", revocation(**document_for("bundle", bundle)))
    box.source.down = None
    box.deploy("pump", version="2.0.0")
    box.turn()
    (lock,) = box.ledger.workload("pump").staged.locks
    box.cluster.broken[lock.pinned_reference] = "exit code 1"
    with pytest.raises(ApplyFailed):
        box.command_apply("pump")
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"
    assert box.states()["pump"][0] == "running"


def test_a_scheduled_apply_fails_at_its_time_with_the_reason(box, stick, tmp_path):
    bundle = staged(box, stick, "pump")
    placed = orders.place(box.ledger, orders.apply_of(box.ledger.workloads(["pump"]), actor="anna", at="2026-01-01T02:00:00Z"))
    revoke(box, tmp_path / "second", revocation(**document_for("bundle", bundle)))
    box.clock = lambda: "2026-01-01T02:00:30Z"
    box.turn()
    ended = orders.find(box.ledger, placed.order.id)
    assert (ended.outcome, "is revoked" in ended.note) == (Outcome.FAILED, True)
    assert box.states()["pump"][0] == "staged"


def test_the_agent_leaves_what_is_revoked_alone(box, stick, tmp_path):
    bundle = bundle_of(stick, "pump", "fan")
    imported(box, stick)
    revoke(box, tmp_path / "second", revocation(images=[MANIFEST]))
    box.turn()
    pump, fan = box.ledger.workloads(["pump", "fan"])
    assert (pump.staged.download, fan.staged.download, bundle.digest) == (Download.PENDING, Download.READY, fan.staged.bundle)
    assert pump.staged.revoked
    box.ledger.advance(pump.staged, Received())
    assert box.ledger.workload("pump").staged.revoked, "nothing but another document ends it"


def test_of_an_apply_of_everything_it_is_left_out(box, stick, tmp_path):
    staged(box, stick, "pump", "fan")
    revoke(box, tmp_path / "second", revocation(images=[MANIFEST]))
    result = box.command_apply()
    assert [each.name for each in result.applied] == ["fan"]
    assert "left out: pump: this version is revoked: image" in result.warnings[0]


def test_a_later_document_may_revoke_an_image_no_more(box, stick, tmp_path):
    bundle = staged(box, stick, "pump")
    revoke(box, tmp_path / "second", revocation(**document_for("manifest", bundle)))
    revoke(box, tmp_path / "third", revocation(2))
    assert box.states() == {"pump": ("staged", "ready")}
    box.command_apply("pump")
    assert [line.outcome for line in history(box.ledger) if line.action == "trust"] == ["revoked", "not revoked any more"]


def test_an_image_that_a_registry_gives_is_looked_at_before_its_first_layer(box, tmp_path):
    image = random_image([5000])
    box.source.down, box.source.images = None, {"r.io/pump:1.0.0": image}
    revoke(box, tmp_path / "stick", revocation(images=[image.digest]))
    box.deploy("pump")
    box.turn()
    assert box.ledger.workload("pump").staged.slot.trouble is Trouble.REVOKED
    assert f"image r.io/pump:1.0.0 is revoked ({image.digest})" in box.warnings("pump")[0]
    assert all("blob" not in served for served in map(str, box.source.served))
    with pytest.raises(VersionRevoked):
        box.command_apply("pump")


def test_a_digest_in_a_request_is_looked_at_when_it_is_deployed(box, tmp_path):
    revoke(box, tmp_path / "stick", revocation(images=["sha256:" + "a" * 64]))
    for method in Method:
        spec = Spec(
            name="pump", title="", app_name="pump", app_version="1", cluster_name="c", method=method, image=f"r.io/p:1@sha256:{'a' * 64}"
        )
        with pytest.raises(VersionRevoked, match="pump: version 1 is revoked: image r"):
            deploy.store(box.ctx, [spec])
    assert box.ledger.names() == []


def test_a_request_of_a_revoked_key_is_refused_also_when_it_was_read_before(box, tmp_path):
    request = body("pump")
    files = [RequestFile("pump.json", request, signatures(OTHER, request))]
    documents, by = deploy.read_signed(box.ctx.trust, files)
    assert by["pump.json"].keys == (OTHER[1].key_id,)
    revoke(box, tmp_path / "stick", revocation(keys=(OTHER,)))
    with pytest.raises(SignerRevoked):
        deploy.read_signed(box.ctx.trust, files)
    with pytest.raises(VersionRevoked):
        deploy.deploy(box.ctx, deploy.DeployRequest(documents, signed=by))
    assert box.ledger.names() == []


def test_a_trust_document_that_came_after_a_signature_was_verified_is_not_passed_over(box, tmp_path):
    """Also one that revokes nothing: other keys may count by it, or more of them."""
    request = body("pump")
    documents, by = deploy.read_signed(box.ctx.trust, [RequestFile("pump.json", request, signatures(OTHER, request))])
    revoke(box, tmp_path / "stick", signed(trust_document(1, ROOT, bundles=(DESK,)), ROOT))
    with pytest.raises(Locked, match="the trusted keys of this box changed meanwhile"):
        deploy.deploy(box.ctx, deploy.DeployRequest(documents, signed=by))
    assert box.ledger.names() == []


def other(digest, data):
    """The same document by its other algorithm."""
    return digest_of(data, "sha512" if digest.startswith("sha256") else "sha256")


def spec_of(reference):
    return Spec(name="fan", title="", app_name="p", app_version="1", cluster_name="c", method=Method.STAGED, image=reference)


@pytest.mark.parametrize("kind", ["index", "index by sha512", "manifest by sha512"])
def test_a_revoked_index_ends_its_manifests_and_one_digest_of_a_document_the_other(box, stick, tmp_path, kind):
    image = staged(box, stick, "pump").contents.images[0]
    deploy.store(box.ctx, [spec_of(f"{REGISTRY}/pump:1.0.0@{image.manifest}")])
    box.turn()
    revoked = image.manifest if kind.startswith("manifest") else image.index
    if kind.endswith("sha512"):
        revoked = other(revoked, box.store.path(revoked).read_bytes())
    revoke(box, tmp_path / "second", revocation(images=[revoked]))
    assert box.ledger.workload("pump").staged.revoked
    if kind == "index by sha512":
        return  # nothing on the box has it under this name, so that nobody knows what it leads to
    assert f"({revoked})" in box.ledger.workload("fan").staged.revoked
    with pytest.raises(VersionRevoked):
        box.command_apply("fan")
    with pytest.raises(VersionRevoked):
        deploy.store(box.ctx, [spec_of(f"{REGISTRY}/pump:1.0.0@{image.manifest}")])
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET waiting = NULL, blocked = 0")
    with pytest.raises(VersionRevoked):
        box.command_apply("fan")


def test_a_revoked_index_that_is_only_named_by_a_lock_ends_its_manifest(box, stick, tmp_path):
    image = staged(box, stick, "pump").contents.images[0]
    deploy.store(box.ctx, [spec_of(f"{REGISTRY}/pump:1.0.0@{image.manifest}")])
    box.turn()
    box.store.path(image.index).unlink()
    revoke(box, tmp_path / "second", revocation(images=[image.index]))
    assert box.ledger.workload("fan").staged.revoked


def test_what_a_bundle_brings_is_known_by_every_digest_of_its_documents(box, stick, tmp_path):
    bundle = bundle_of(stick, "pump")
    for number, digest in enumerate((bundle.contents.images[0].index, bundle.contents.images[0].manifest), 1):
        revoke(box, tmp_path / str(number), revocation(number, images=[other(digest, bundle.blobs[digest])]))
        with pytest.raises(VersionRevoked):
            plan(box.ctx, ImportRequest((stick,)))
        with pytest.raises(BundleRevoked, match="the bundle north: image"):
            plan(box.ctx, ImportRequest((stick,), images_only=True))


def test_a_hostile_index_leads_to_so_many_documents_and_no_further():
    loop, other_one = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    documents = {
        loop: json.dumps({"manifests": [{"digest": other_one}, {"digest": 7}, {"digest": "sha256:" + "c" * 64}]}).encode(),
        other_one: json.dumps({"manifests": [{"digest": loop}]}).encode(),
    }
    assert ImageNames([loop], documents.get).of(other_one)[-1] == loop
    for data in (b"", b"[]", b'{"manifests": 7}', b"[" * 100_000, b"\xff", json.dumps({"manifests": [{"digest": other_one}] * 3}).encode()):
        assert ImageNames([loop], {loop: data}.get).of("sha256:" + "d" * 64) == ("sha256:" + "d" * 64,)


def test_of_several_signers_enough_others_must_be_left(box, tmp_path):
    """As when it was verified."""
    spec = Spec(name="pump", title="", app_name="pump", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/p:1")
    both = SignedRequest("signed by both", (DESK[1].key_id, OTHER[1].key_id), 0)
    ((revision,), _) = deploy.store(box.ctx, [spec], {"pump": both})
    assert revision.signers == Signers(both.keys)
    revoke(box, tmp_path / "one", revocation(keys=(OTHER,)))
    assert not box.ledger.workload("pump").staged.revoked
    revoke(box, tmp_path / "two", revocation(2, keys=(OTHER, DESK)))
    assert box.ledger.workload("pump").staged.revoked


def test_images_alone_and_further_parts_of_what_is_revoked_are_refused(box, stick, tmp_path):
    bundle = bundle_of(stick, "pump")
    revoke(box, tmp_path / "second", revocation(**document_for("manifest", bundle)))
    with pytest.raises(BundleRevoked, match="the bundle north: image"):
        plan(box.ctx, ImportRequest((stick,), images_only=True))
    revoke(box, tmp_path / "third", revocation(2, images=[bundle.contents.images[0].manifest], bundles=[bundle.digest]))
    with pytest.raises(BundleRevoked, match="revoked by trust document 2"):
        plan(box.ctx, ImportRequest((stick,), images_only=True))
    shown = json.loads(box.run("bundle", "inspect", str(stick), "--json").stdout)
    assert (shown["error"]["code"], shown["error"]["hint"]) == ("bundle-revoked", "ask the desk for the bundle that replaces it")


def test_no_tag_is_looked_up_in_a_revoked_bundle(box, stick, tmp_path):
    bundle = staged(box, stick, "pump")
    revoke(box, tmp_path / "second", revocation(**document_for("bundle", bundle)))
    box.ledger.drop_staged("pump")
    spec = Spec(
        name="pump", title="", app_name="p", app_version="1", cluster_name="c", method=Method.STAGED, image=f"{REGISTRY}/pump:1.0.0"
    )
    deploy.store(box.ctx, [spec])
    box.turn()
    assert box.ledger.workload("pump").staged.locks is None


def test_signers_of_the_revisions_that_an_older_ledger_has_are_known(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    raw = sqlite3.connect(tmp_path / "state" / "ledger.db", isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    before = schema.MIGRATIONS.index(doors.SIXTEENTH)
    for statement in ";\n".join(schema.MIGRATIONS[:before]).split(";\n"):
        raw.execute(statement)
    raw.execute(f"PRAGMA user_version = {before}")
    desk, anna = "3f2a0c1d9b7e", "0123456789ab"
    when = "2026-01-01T00:00:00Z"
    raw.execute(
        "INSERT INTO bundles (digest, name, serial, signers, imported, actor) VALUES ('d', 'n', 0, ?, ?, 'a')",
        (json.dumps([f"my desk ({desk})"]), when),
    )
    notes = {
        "both": f"x, from bundle n d, signed by my desk ({desk}), on /s, signed by anna ({anna}), sha256:{'a' * 64}",
        "bundled": "x",
        "plain": "x",
    }
    for name, detail in notes.items():
        spec = json.dumps(
            Spec(name=name, title="", app_name="p", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/p:1").to_json()
        )
        raw.execute(
            "INSERT INTO revisions (workload, number, batch, created, spec, download, bundle) VALUES (?, 1, 'b', ?, ?, 'ready', ?)",
            (name, when, spec, None if name == "plain" else "d"),
        )
        raw.execute("INSERT INTO workloads (name, title, created, updated, latest, staged) VALUES (?, '', ?, ?, 1, 1)", (name, when, when))
        raw.execute(
            "INSERT INTO history (time, who, action, workload, revision, outcome, detail, hash) VALUES (?, 'a', 'deploy', ?, 1, 'accepted', ?, '')",
            (when, name, detail),
        )
    raw.close()
    with closing(Box(tmp_path / "state")) as box:
        signers = {workload.name: workload.staged.signers for workload in box.ledger.workloads()}
    assert signers == {"both": Signers((anna,), (desk,)), "bundled": Signers((), (desk,)), "plain": Signers()}


def test_doctor_knows_the_document_and_what_is_revoked_and_the_support_bundle_the_chain(box, stick, tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text(f"trust: {{keys: [{', '.join(map(str, box.settings.trust.keys))}]}}\n")
    staged(box, stick, "pump", "fan")
    box.command_apply("fan")
    fan = IMAGES[f"{REGISTRY}/fan:1.0.0"]["linux/amd64"].digest
    revoke(box, tmp_path / "second", revocation(keys=(OTHER,), images=[MANIFEST, fan], bundles=["sha256:" + "c" * 64]))
    checks = json.loads(box.run("doctor", "--json", "--config", str(site)).stdout)["checks"]
    trust = [(line["status"], line["found"]) for line in checks if line["id"] == "trust"]
    desk, root = (f"{pair[1].name} ({pair[1].key_id[:12]})" for pair in (DESK, ROOT))
    roles, path = f"root: {root}; bundles: {desk}; requests: {desk}; images: none", tmp_path / "other.pub"
    assert trust == [
        ("warning", f"trusted key {path} is revoked by trust document 1"),
        (
            "ok",
            f"trust document 1; {roles}; must be signed: bundles; revoked: 1 key, 1 bundle, 2 images",
        ),
    ]
    found = [(line["status"], line["found"].split(": image ")[0]) for line in checks if line["id"] == "revoked"]
    assert found == [
        ("warning", "fan: the version that runs is revoked"),
        ("warning", "pump: the version that is staged is revoked"),
    ]
    document = state.trust(box.settings.trust, lambda: box.ctx.trust.document, lambda: showing.accepted(box.ctx))
    assert (document["document"]["number"], [each["number"] for each in document["history"]]) == (1, [1])
    assert ROOT[1].pem.decode().splitlines()[1] not in json.dumps(document), "ids, no keys"


def test_doctor_names_a_damaged_document_and_staged_versions_are_judged_by_the_ledger(box, stick, tmp_path):
    staged(box, stick, "pump", "fan")
    revoke(box, tmp_path / "second", revocation(images=[MANIFEST]))
    path, _ = kept.paths(box.settings.state_dir, 1)
    path.write_bytes(b"x")
    checks = json.loads(box.run("doctor", "--json").stdout)["checks"]
    (line,) = [line for line in checks if line["id"] == "trust"]
    assert (line["status"], f"{path} is missing or was changed" in line["found"]) == ("error", True)
    assert [each.name for each in box.command_apply("fan").applied] == ["fan"]
    with pytest.raises(VersionRevoked):
        box.command_apply("pump")
