"""Where images must be signed: what is not signed is not downloaded, not ready and not applied, and what is says by whom."""

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.agent.turn import Memory, take
from kelvin_provision.checks import before_apply
from kelvin_provision.errors import ImageUnsigned, RegistryUnreachable
from kelvin_provision.images import prune
from kelvin_provision.registry.protocol import SignatureDocuments
from kelvin_provision.rehearsing.rehearse import RehearseRequest, rehearse
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.staging.signatures.arrived import keep
from kelvin_provision.status import RehearsalOutcome
from kelvin_provision.trust.cosign.manifests import MOST_BYTES
from kelvin_provision.trust.documents.model import Role
from kelvin_provision.trust.public_keys import public_key_of_pem
from kelvin_provision.usecases.bundles.trust.importing import ImportTrustRequest, import_documents
from kelvin_provision.wait_reason import WaitKind
from tests.kit import cosign
from tests.kit.box import Box
from tests.kit.cosign import anna, ben
from tests.kit.signing import in_this_process, key_pair, trusting
from tests.kit.trusting import signed, trust_document, written

__all__ = ["anna", "ben", "in_this_process"]
pytestmark = pytest.mark.usefixtures("in_this_process")
IMAGE = "r.io/a:1.0.0"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def box(tmp_path, anna, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    with closing(Box(tmp_path / "state")) as box:
        trust(box, anna)
        yield box


def trust(box, *keys, require=("image",)):
    """The box in this process, and its commands, trust these keys."""
    settings = cosign.trusting_images(*keys, require=require)
    site = {"trust": {"keys": list(map(str, settings.keys)), "require_signature": list(require)}} if keys else {}
    (box.settings.state_dir.parent / "site.yaml").write_text(json.dumps(site))
    box.settings = replace(box.settings, trust=settings)
    box._connections = None


def sign(box, key, name="a", version="1.0.0"):
    digest = box.source.images[f"r.io/{name}:{version}"].digest
    box.source.signed[digest] = cosign.signed(key, digest)


def staged(box, name="a"):
    return box.ledger.workload(name).staged


def test_an_unsigned_image_is_waited_for_without_a_layer_and_arrives_when_it_is_signed(box, anna):
    box.deploy("a")
    box.turn()
    waiting = staged(box).waiting
    assert (waiting.kind, waiting.detail, staged(box).download) == (WaitKind.IMAGE_UNSIGNED, f"{IMAGE}: not signed", Download.PROCESSING)
    assert box.source.served == []
    assert box.warnings("a") == [f"{IMAGE}: not signed"]
    sign(box, anna)
    box.turn()
    assert staged(box).download is Download.READY
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}


def test_signed_by_a_stranger_or_keyless_is_said_and_does_not_count(box, ben):
    box.deploy("a")
    sign(box, ben)
    box.turn()
    assert staged(box).cause == f"{IMAGE}: signed with keys that this box does not trust"
    digest = box.source.images[IMAGE].digest
    payload = cosign.envelope(ben, cosign.statement(digest), material=cosign.CERTIFICATE)
    box.source.signed[digest] = cosign.documents((cosign.referring(digest, payload), [payload]))
    box.store.keep_signatures(staged(box).locks[0], (), {})
    box.turn()
    assert staged(box).cause == f"{IMAGE}: keyless signatures only, by certificates, which do not count"


def test_a_key_that_is_not_trusted_any_more_takes_ready_back_and_the_apply_refuses(box, anna, ben):
    box.deploy("a")
    sign(box, anna)
    box.turn()
    trust(box, ben)
    with pytest.raises(ImageUnsigned) as refused:
        box.command_apply("a")
    assert refused.value.evidence == (f"a: {IMAGE}: signed with keys that this box does not trust [image-unsigned]",)
    assert [verb for verb, _ in box.cluster.calls if verb in {"put", "remove"}] == []
    box.turn()
    assert (staged(box).download, staged(box).waiting.kind) == (Download.RECEIVED, WaitKind.IMAGE_UNSIGNED)
    trust(box, ben, anna)
    box.turn()
    assert staged(box).download is Download.READY
    box.command_apply("a")


def test_what_does_not_count_any_more_is_not_rehearsed_either(box, anna, ben):
    box.deploy("a")
    sign(box, anna)
    box.turn()
    trust(box, ben)
    ((_, result),) = rehearse(box.ctx, RehearseRequest(("a",)), "workloads rehearse").rehearsals
    assert (result.outcome, result.reason) == (RehearsalOutcome.NOT_POSSIBLE, f"{IMAGE}: signed with keys that this box does not trust")
    assert [verb for verb, *_ in box.cluster.calls if verb == "rehearse"] == []


def test_of_many_sources_no_more_is_kept_than_fits_into_memory(box, anna):
    box.deploy("a")
    box.turn()
    (lock,) = staged(box).locks
    for number in range(40):
        payload = cosign.envelope(anna, cosign.statement(f"sha256:{number:064}")) + b" " * 200_000
        keep(box.store, lock, cosign.documents((cosign.referring(f"sha256:{number:064}", payload), [payload])))
    kept = box.store.signatures(lock)
    assert sum(blob.size for signature in kept for blob in signature.blobs()) <= MOST_BYTES
    assert kept[0].manifest.digest in {blob.digest for blob in kept[0].blobs()}
    sign(box, anna)
    box.turn()
    assert staged(box).download is Download.READY


def others(digest, key, count=32, *, size=0):
    """Signatures of other images, which refer to this one."""
    found = SignatureDocuments()
    for number in range(count):
        payload = cosign.envelope(key, cosign.statement(f"sha256:{number:064}")) + b" " * size
        found |= cosign.documents((cosign.referring(digest, payload), [payload]))
    return found


def test_a_registry_that_lists_others_takes_the_room_of_none_that_is_kept(box, anna, ben):
    """The key comes after them."""
    box.deploy("a")
    sign(box, ben)
    box.turn()
    (lock,) = staged(box).locks
    (good,) = box.store.signatures(lock)
    for size in (0, 100_000):
        box.source.signed[lock.manifest.digest] = others(lock.manifest.digest, anna, size=size)
        box.turn()
        assert good.manifest.digest in {each.manifest.digest for each in box.store.signatures(lock)}
    box.source.signed = {}
    trust(box, anna, ben)
    box.turn()
    assert staged(box).download is Download.READY


def test_what_came_in_a_bundle_has_room_of_its_own(box, anna, ben):
    box.deploy("a")
    box.turn()
    (lock,) = staged(box).locks
    keep(box.store, lock, others(lock.manifest.digest, anna))
    signed_by_ben = cosign.signed(ben, lock.manifest.digest)
    brought = replace(signed_by_ben, files=tuple(replace(each, medium=True) for each in signed_by_ben.files))
    keep(box.store, lock, brought)
    keep(box.store, lock, others(lock.manifest.digest, anna, size=100_000))
    kept = box.store.signatures(lock)
    assert [each.manifest.digest for each in kept if each.medium] == [each.manifest.digest for each in brought.files]
    assert sum(blob.size for each in kept for blob in each.blobs()) <= MOST_BYTES


def test_a_registry_that_gives_a_part_of_a_signature_takes_nothing_of_the_one_that_is_kept(box, anna, ben):
    box.deploy("a")
    box.turn()
    (lock,) = staged(box).locks
    payloads = [cosign.simple(lock.manifest.digest), cosign.simple(f"sha256:{0:064}")]
    manifest = cosign.old(*((payload, ben.sign(payload)) for payload in payloads))
    keep(box.store, lock, cosign.documents((manifest, payloads)))
    keep(box.store, lock, cosign.documents((manifest, payloads[1:])))
    assert len(box.store.signatures(lock)[0].payloads) == 2


def test_a_good_signature_counts_also_where_there_is_no_room_for_it(box, anna, ben):
    trust(box, ben)
    box.deploy("a")
    box.turn()
    (lock,) = staged(box).locks
    keep(box.store, lock, others(lock.manifest.digest, anna, size=100_000))
    sign(box, ben)
    box.turn()
    assert staged(box).download is Download.READY
    (good,) = box.source.signed[lock.manifest.digest].files
    assert good.manifest.digest in {each.manifest.digest for each in box.store.signatures(lock)}


def test_what_is_not_what_it_says_is_not_kept_and_stops_nothing(box, anna):
    """Neither an error, nor a row of the index, nor a blob that is taken for a damaged one."""
    box.deploy("a")
    box.turn()
    (lock,) = staged(box).locks
    good, bad = cosign.signed(anna, lock.manifest.digest), cosign.signed(anna, lock.manifest.digest)
    (files,) = bad.files
    (payload,) = files.payloads
    wrong = [
        replace(bad, documents={}),
        replace(bad, documents={**bad.documents, files.manifest.digest: b"{}"}),
        replace(bad, files=(replace(files, payloads=(replace(payload, size=payload.size + 1),)),)),
        replace(bad, documents={**bad.documents, payload.digest: bytes(payload.size)}),
    ]
    for each in wrong:
        keep(box.store, lock, each)
        assert box.store.signatures(lock) == ()
    box.source.signed[lock.manifest.digest] = wrong[2] | good
    box.turn()
    assert staged(box).download is Download.READY
    assert [blob.digest for blob in box.store.signatures(lock)[0].blobs()] == [blob.digest for blob in good.files[0].blobs()]


def test_why_something_was_not_taken_as_a_signature_is_said_as_long_as_it_is_so(box, anna):
    box.deploy("a")
    digest = box.source.images[IMAGE].digest
    box.source.signed[digest] = SignatureDocuments(remarks=("sha256-1....sig: a manifest of more than 1 MiB",))
    box.turn()
    assert staged(box).cause == f"{IMAGE}: not signed (sha256-1....sig: a manifest of more than 1 MiB)"
    box.source.signed = {}
    box.turn()
    assert staged(box).cause == f"{IMAGE}: not signed"


def test_a_new_key_is_tried_on_what_is_kept_without_a_network(box, anna, ben):
    box.deploy("a")
    sign(box, ben)
    box.turn()
    assert staged(box).waiting.kind is WaitKind.IMAGE_UNSIGNED
    trust(box, anna, ben)
    box.source.signed = {}
    box.turn()
    assert staged(box).download is Download.READY


def test_what_waits_is_judged_at_once_when_a_key_or_a_signature_comes(box, anna, ben):
    """Not at the end of the pause after an attempt in vain."""
    box.deploy("a")
    sign(box, ben)
    memory = Memory.of(box.agent())
    take(box.agent(), memory)
    take(box.agent(), memory)
    assert staged(box).waiting.kind is WaitKind.IMAGE_UNSIGNED
    (lock,) = staged(box).locks
    keep(box.store, lock, cosign.signed(anna, lock.manifest.digest))
    take(box.agent(), memory)
    assert staged(box).download is Download.READY
    trust(box, ben)
    take(box.agent(), memory)
    assert staged(box).download is Download.READY


def test_what_ran_before_needs_no_signature_to_come_back(box, anna):
    trust(box, anna, require=())
    box.up("1.0.0", "a")
    trust(box, anna)
    box.deploy("a", version="2.0.0")
    sign(box, anna, version="2.0.0")
    box.turn()
    box.command_apply("a")
    box.rollback("a")
    assert box.ledger.workload("a").running.spec.app_version == "1.0.0"


def test_what_the_cluster_pulls_itself_cannot_be_checked_and_is_refused(box):
    box.deploy("a", method=Method.STANDARD)
    with pytest.raises(ImageUnsigned) as refused:
        box.command_apply("a")
    assert "deploy it staged" in refused.value.evidence[0]


def test_a_registry_that_does_not_answer_is_waited_for_and_one_that_came_on_a_medium_is_not_asked_in_vain(box):
    box.deploy("a")

    def silent(reference, digest):
        raise RegistryUnreachable("no route to host")

    box.source.signatures = silent
    box.turn()
    assert staged(box).waiting.kind is WaitKind.REGISTRY_UNREACHABLE


def test_without_being_required_one_look_reports_and_its_trouble_keeps_nothing(box, anna):
    trust(box, anna, require=())
    box.deploy("a", "b")
    sign(box, anna)
    box.turn()
    shown = json.loads(box.run("workloads", "show", "a", "--json").stdout)["images"][0]["signatures"]
    assert (shown["state"], shown["signers"]) == ("signed", [{"name": "anna", "key": anna.key_id}])
    assert "not signed" in box.run("workloads", "show", "b").stdout
    assert staged(box, "b").download is Download.READY

    def broken(reference, digest):
        raise RegistryUnreachable("no route to host")

    box.source.signatures = broken
    box.deploy("c")
    box.turn()
    assert staged(box, "c").download is Download.READY
    assert "its signatures were not looked for" in box.run("workloads", "show", "c").stdout


def test_a_box_without_keys_asks_nothing_and_says_nothing(box):
    trust(box, require=())
    box.source.signatures = None
    box.deploy("a")
    box.turn()
    assert json.loads(box.run("workloads", "show", "a", "--json").stdout)["images"][0]["signatures"] is None


def test_signatures_stay_as_long_as_their_image_and_go_with_it(box, anna):
    box.deploy("a")
    sign(box, anna)
    box.turn()
    (lock,) = staged(box).locks
    (files,) = box.store.signatures(lock)
    box.store.collect_garbage(box.ledger.kept_locks())
    assert all(box.store.has(blob) for blob in files.blobs())
    assert box.ledger.verdict(lock).signers
    box.undeploy("a", staged=True)
    prune.carry_out(prune.PrunePlan(), box.ledger, box.store, lambda: box.runtime, keep=2)
    assert (box.store.signatures(lock), box.ledger.verdict(lock)) == ((), None)
    assert not any(box.store.has(blob) for blob in files.blobs())
    assert list(box.store.layout.signatures.iterdir()) == []


def test_a_signature_whose_files_are_lost_is_fetched_again(box, anna, ben):
    box.deploy("a")
    sign(box, ben)
    box.turn()
    (lock,) = staged(box).locks
    for blob in box.store.signatures(lock)[0].blobs():
        box.store.path(blob).write_bytes(b"changed by the disk")
    trust(box, ben)
    box.turn()
    assert staged(box).download is Download.READY


def test_the_check_before_an_apply_says_by_whom(box, anna):
    box.deploy("a", "b")
    sign(box, anna)
    box.turn()
    results = before_apply.run(box.ctx, box.ledger.workloads(["a", "b"]))
    texts = {(result.status.value, result.text.partition(" (")[0]) for result in results if result.id == "signatures"}
    assert texts == {("ok", f"{IMAGE}: signed by anna"), ("error", "r.io/b:1.0.0: not signed")}


def test_a_trust_document_says_which_keys_and_how_many(box, tmp_path, anna, ben):
    """Its role `images` counts in place of the site file, on images that were judged before it came."""
    root = key_pair(name="root")
    site = trusting(tmp_path, root, require=("image",))
    box.settings = replace(box.settings, trust=replace(site, keys=(*site.keys, anna.public)))
    box._connections = None
    box.deploy("a")
    sign(box, anna)
    box.turn()
    assert staged(box).download is Download.READY
    images = Role(tuple(public_key_of_pem(key.public.read_bytes(), key.name) for key in (anna, ben)), 2)
    path = written(tmp_path / "trust-1.json", signed(trust_document(1, root, images=images), root))
    import_documents(box.ctx, ImportTrustRequest((path,)))
    box.turn()
    assert (staged(box).waiting.kind, "2 keys must sign" in staged(box).cause) == (WaitKind.IMAGE_UNSIGNED, True)
    digest = box.source.images[IMAGE].digest
    box.source.signed[digest] |= cosign.signed(ben, digest)
    box.turn()
    assert staged(box).download is Download.READY
    without = written(tmp_path / "trust-2.json", signed(trust_document(2, root), root))
    import_documents(box.ctx, ImportTrustRequest((without,)))
    box.turn()
    assert staged(box).waiting.kind is WaitKind.IMAGE_UNSIGNED


def test_answers_of_a_source_are_joined_by_manifest(anna):
    first, second = cosign.signed(anna, "sha256:" + "1" * 64), cosign.signed(anna, "sha256:" + "2" * 64)
    assert len((first | second | first).files) == 2
    assert (SignatureDocuments() | first) == first


def test_the_process_that_judges_never_has_cryptography(anna, tmp_path):
    """Agent and API stay small: the library comes and goes with the child."""
    payload = cosign.envelope(anna, cosign.statement("sha256:" + "1" * 64))
    manifest = cosign.referring("sha256:" + "1" * 64, payload)
    (tmp_path / "payload").write_bytes(payload)
    (tmp_path / "manifest").write_bytes(manifest)
    script = f"""
import sys
from pathlib import Path
from kelvin_provision.agent import loop
from kelvin_provision.applying import facts
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.trust.cosign.judging import Signed, judged
from kelvin_provision.trust.public_keys import public_key_of_pem
payload, manifest = Path("payload").read_bytes(), Path("manifest").read_bytes()
key = public_key_of_pem(Path({str(anna.public)!r}).read_bytes(), "anna")
verdict = judged([Signed(digest_of(manifest), manifest, {{digest_of(payload): payload}})], {{"sha256:" + "1" * 64: b""}}, [key])
assert [signer.name for signer in verdict.signers] == ["anna"], verdict
assert not {{"cryptography", "pydantic"}} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, timeout=120)
