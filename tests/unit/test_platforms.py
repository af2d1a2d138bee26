"""A site with nodes of several platforms: each gets its own variant, all under one name, and the leader downloads each once."""

import json
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.applying.selection import appliable
from kelvin_provision.cluster.nodes import Place
from kelvin_provision.errors import ClusterUnreachable, PlatformMissing, RegistryUnreachable
from kelvin_provision.images import verify
from kelvin_provision.ledger.nodes import reading
from kelvin_provision.ledger.nodes.model import NodeImageState, PlaceRow
from kelvin_provision.ledger.nodes.reading import node_images
from kelvin_provision.nodes import managing
from kelvin_provision.nodes.client.joining import Itself, Token, join
from kelvin_provision.nodes.client.links import RemoteLinks
from kelvin_provision.nodes.member.service import Member
from kelvin_provision.nodes.protocol import LEADER
from kelvin_provision.nodes.wanting import site, wanted_by
from kelvin_provision.nodes.where.needs import needs
from kelvin_provision.nodes.where.placement import Placed, best_variants
from kelvin_provision.nodes.where.standing import NodeView, judge
from kelvin_provision.queries.images import images
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import Resolved
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.staging import space
from kelvin_provision.staging.revocation import provenance_of
from kelvin_provision.staging.variants import with_variants
from kelvin_provision.store.space import Filesystem
from kelvin_provision.trust import computing
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.bundles.packable import PackageRequest
from kelvin_provision.usecases.bundles.packaging import packed
from kelvin_provision.wait_reason import WaitKind
from tests.kit import bundles, cosign
from tests.kit.box import Box
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.images import index_of, random_image
from tests.kit.leader import AMD64, ARM64, Leader, cluster_node
from tests.kit.locks import lock_of
from tests.kit.meanwhile import working
from tests.kit.requests import stored_request
from tests.kit.signing import computed_here
from tests.kit.sites import box_at
from tests.kit.waiting import until

BOTH = {"linux/amd64": random_image([3000]), "linux/arm64": random_image([5000, 100], architecture="arm64")}
INDEX = index_of(BOTH)
NAME = "r.io/pump:1.0.0"


def resolved_of(text, reference=NAME):
    lock = lock_of(BOTH[text], reference, Platform.parse(text), index=INDEX)
    return Resolved(lock, {lock.manifest.digest: BOTH[text].manifest})


@pytest.fixture
def both():
    """The image for both, as it is locked."""
    return with_variants(resolved_of("linux/amd64"), [ARM64], lambda reference, platform: resolved_of(str(platform), str(reference))).lock


# --- pure -----------------------------------------------------------------------------------------


def test_variants_have_one_name_and_one_reference_by_the_digest_of_the_index(both):
    (arm,) = both.variants
    assert (both.platform, arm.platform) == (AMD64, ARM64)
    assert both.name == arm.name == f"r.io/pump@{both.index.digest}"
    assert both.pinned_reference == arm.pinned_reference == f"{NAME}@{both.index.digest}"
    assert both.manifest != arm.manifest
    assert both.reference == arm.reference == Reference.parse(NAME)
    assert {blob.digest for blob in both.blobs_of_all()} == {blob.digest for lock in every_variant([both]) for blob in lock.blobs()}


def test_a_lock_with_variants_comes_back_from_the_ledger_and_one_without_is_as_it_was(both):
    assert ImageLock.from_json(json.loads(json.dumps(both.to_json()))) == both
    alone = resolved_of("linux/amd64").lock
    assert {"variants", "by_index"}.isdisjoint(alone.to_json())
    with pytest.raises(ValueError, match="variants of a variant"):
        ImageLock.from_json(both.to_json() | {"variants": [both.to_json()]})
    with pytest.raises(TypeError):
        ImageLock.from_json(both.to_json() | {"by_index": 1})


def test_an_image_for_one_platform_stays_as_it_is(both):
    def missing(_reference, _platform):
        raise PlatformMissing("none")

    def never(_reference, _platform):
        raise AssertionError

    alone, indexed = Resolved(lock_of(BOTH["linux/amd64"], NAME), {}), resolved_of("linux/amd64")
    assert with_variants(alone, [ARM64], never) is alone, "nothing is asked: a manifest is for one platform"
    assert with_variants(indexed, [ARM64], missing) is indexed
    assert with_variants(indexed, [], never) is indexed
    assert with_variants(indexed, [ARM64], lambda *_: indexed) is indexed, "that platform runs the same one"
    assert both.by_index


def test_each_node_needs_the_image_whatever_its_platform():
    side = lock_of(random_image([100]), "r.io/side:1")
    lock = resolved_of("linux/amd64").lock
    found = [Place("w", "DaemonSet/w", (lock.pinned_reference,), ("a", "b"), "m-1")]
    assert needs([lock, side], found, {"a", "b"}) == {
        PlaceRow("a", lock.name, "m-1"), PlaceRow("b", lock.name, "m-1"), PlaceRow("a", side.name), PlaceRow("b", side.name),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("has", "policy", "ready", "detail"),
    [
        ("x", "all", True, "1/2, b: no image for linux/arm64"),
        ("x", "available", True, "1/2, b: no image for linux/arm64"),
        ("x", 2, True, "1/2, b: no image for linux/arm64"),
        ("", "all", False, "0/2, a is downloading; b: no image for linux/arm64"),
    ],
)
def test_a_node_without_a_variant_is_named_and_not_waited_for(has, policy, ready, detail):
    views = {"a": NodeView("a", frozenset(has), platform=AMD64), "b": NodeView("b", platform=ARM64)}
    standing = judge([PlaceRow("a", "x"), PlaceRow("b", "x")], views, policy, {"x": [AMD64]})
    assert (standing.ready, standing.reason.detail) == (ready, detail)
    waiting = judge([PlaceRow("a", "x"), PlaceRow("b", "x")], views, policy, {"x": [AMD64, ARM64]})
    assert not waiting.ready
    assert waiting.reason.detail.endswith("b is downloading")


def test_of_each_name_a_node_gets_the_variant_that_its_runtime_takes(both):
    old, new = (replace(both.variants[0], platform=Platform("linux", "arm", variant)) for variant in ("v6", "v7"))
    locks = [replace(both, variants=(old, new)), alone := resolved_of("linux/amd64").lock]
    assert best_variants(locks, Platform("linux", "arm", "v7")) == (new,)
    assert best_variants(locks, Platform("linux", "arm", "v6")) == (old,)
    assert best_variants(locks, ARM64) == ()
    assert best_variants(locks, AMD64) == (replace(both, variants=()), alone), "two names"


def test_the_store_needs_room_for_all_of_them_and_the_runtime_for_its_own(both):
    disk = Filesystem(1, Path("/"), 1 << 40)
    stored = space.space_requests([both], space.Filesystems(disk), present=lambda _: 0)
    assert sum(request.bytes for request in stored) == sum(blob.size for blob in both.blobs_of_all())
    compressed = space.space_requests([both], space.Filesystems(None, compressed=disk), present=lambda _: 0)
    assert sum(request.bytes for request in compressed) == both.size


# --- a leader -------------------------------------------------------------------------------------


@pytest.fixture
def leader(tmp_path):
    made = Leader(tmp_path / "state")
    made.source.indexes[NAME] = BOTH
    yield made
    made.close()


def staged(leader, *, member=ARM64):
    leader.join("node-b", platform=str(member))
    leader.deploy("pump")
    leader.turn()
    (lock,) = leader.staged("pump").locks
    return lock


def test_all_variants_are_in_the_store_and_only_its_own_in_the_runtime(leader):
    lock = staged(leader)
    assert [each.platform for each in every_variant([lock])] == [AMD64, ARM64]
    assert leader.source.resolved == [(NAME, "linux/amd64"), (f"{NAME}@{lock.index.digest}", "linux/arm64")]
    assert all(leader.store.has(blob) for blob in lock.blobs_of_all())
    assert leader.runtime.owned() == {lock.name}
    assert lock.variants[0].manifest.digest not in leader.runtime.blobs
    served = [digest for digest, _, _ in leader.source.served]
    assert len(served) == len(set(served)), "each blob comes once over the internet"
    assert leader.staged("pump").cause == "ready 1/2, node-b is downloading"
    leader.report("node-b", lock.name, platform="linux/arm64")
    leader.turn()
    assert (appliable(leader.staged("pump")), leader.staged("pump").cause) == (True, None)
    assert leader.cluster.marks == {name: {leader.mark("pump")} for name in ("fake-node", "node-b")}
    apply(leader.ctx, ApplyRequest(("pump",)))
    assert leader.cluster.live["pump"]["Thing/pump"]["spec"]["image"] == lock.pinned_reference


def test_each_member_shall_have_the_variant_for_its_platform_and_gets_it_from_those_that_have_that(leader):
    leader.join("node-c", platform="linux/arm64")
    leader.join("node-d")
    lock = staged(leader)
    for name, platform in (("node-b", "linux/arm64"), ("node-d", "linux/amd64")):
        leader.report(name, lock.name, platform=platform)
    members = {member.name: member for member in reading.nodes(leader.ledger)}
    at = site(leader.ledger)
    wanted = {name: wanted_by(leader.ledger, member, at, leader.settings.nodes, Placed()).images for name, member in members.items()}
    assert {name: [image.lock for image in some] for name, some in wanted.items()} == {
        "node-b": [lock.variants[0]], "node-c": [lock.variants[0]], "node-d": [replace(lock, variants=())],
    }  # fmt: skip
    assert wanted["node-c"][0].sources == ("node-b", LEADER)


def test_a_site_of_one_platform_resolves_and_locks_as_a_box_of_one_node(leader, tmp_path):
    lock = staged(leader, member=AMD64)
    alone = Box(tmp_path / "alone")
    alone.source.indexes[NAME] = BOTH
    alone.deploy("pump")
    alone.turn()
    assert alone.ledger.workload("pump").staged.locks == (lock,)
    assert leader.source.resolved == alone.source.resolved == [(NAME, "linux/amd64")]
    assert lock.name.endswith(lock.manifest.digest)
    alone.close()


def test_a_platform_of_nodes_that_may_not_run_it_is_not_downloaded(leader):
    leader.cluster.placing["pump"] = ("fake-node",)
    assert staged(leader).variants == ()
    assert appliable(leader.staged("pump"))


def test_where_the_cluster_does_not_say_who_may_run_it_all_platforms_come(leader):
    def silent(verb, _workload):
        if verb == "places":
            raise ClusterUnreachable("no answer")

    leader.cluster.before = silent
    assert [variant.platform for variant in staged(leader).variants] == [ARM64]


def test_an_image_for_one_platform_runs_on_its_nodes_and_says_why_not_on_the_others(leader):
    del leader.source.indexes[NAME]
    lock = staged(leader)
    assert lock.variants == ()
    assert appliable(leader.staged("pump"))
    assert leader.staged("pump").cause == "ready 1/2, node-b: no image for linux/arm64"
    assert set(leader.cluster.marks) == {"fake-node"}
    assert list(Placed().images(leader.ledger, reading.node(leader.ledger, "node-b"), leader.ledger.kept_locks())) == []


def test_what_was_staged_before_the_first_node_of_another_platform_says_so_and_comes_with_the_next_deploy(leader):
    leader.join("node-c")
    leader.deploy("pump")
    leader.turn()
    leader.report("node-c", *leader.images("pump"))
    leader.turn()
    leader.join("node-b", platform="linux/arm64")
    leader.turn()
    assert leader.staged("pump").cause == "ready 2/3, node-b: no image for linux/arm64"
    leader.deploy("pump")
    leader.turn()
    assert leader.staged("pump").locks[0].variants


def test_garbage_collection_keeps_and_frees_variants_with_their_version(leader):
    lock = staged(leader)
    leader.store.collect_garbage(leader.ledger.kept_locks(), quarantined=True)
    assert all(leader.store.has(blob) for blob in lock.blobs_of_all())
    leader.undeploy("pump")
    leader.turn()
    assert not any(leader.store.path(blob).exists() for blob in lock.blobs_of_all())


def test_a_variant_that_the_disk_has_lost_is_found_named_and_downloaded_again(leader):
    lock = staged(leader)
    leader.report("node-b", lock.name, platform="linux/arm64")
    leader.turn()
    layer = lock.variants[0].layers[0]
    leader.store.path(layer).chmod(0o600)
    leader.store.path(layer).write_bytes(bytes(layer.size))
    (corrupt,) = verify.run(leader.ledger, leader.store, lambda: leader.runtime, lambda _: None).corrupt
    assert (corrupt.digest, corrupt.images, corrupt.redownloaded, corrupt.loaded) == (layer.digest, (NAME,), True, False)
    leader.turn()
    assert leader.store.has(layer)
    assert leader.staged("pump").download is Download.READY


def test_images_and_progress_count_every_variant(leader):
    lock = staged(leader)
    size = sum(blob.size for blob in lock.blobs_of_all())
    (listed,) = images(leader.ctx).to_json()["images"]
    assert (listed["platform"], listed["size"], listed["stored"], listed["in_store"]) == ("linux/amd64", size, size, True)
    assert [(each["platform"], each["manifest"]) for each in listed["variants"]] == [("linux/arm64", lock.variants[0].manifest.digest)]
    assert leader.store.progress([lock]) == (size, size)
    assert "linux/amd64, linux/arm64" in leader.ended("images", "list", "-o", "wide").stdout
    assert json.loads(leader.ended("workloads", "show", "pump", "--json").stdout)["images"][0]["size"] == size


def test_who_revokes_a_variant_or_asks_for_its_index_is_heard(leader):
    lock = staged(leader)
    revision = leader.staged("pump")
    digests = {digest for _, known in provenance_of(revision.spec, revision.signers, "", revision.locks).images for digest in known}
    assert lock.variants[0].manifest.digest in digests
    assert set(leader.ledger.manifests_of(lock.index.digest)) == {each.manifest.digest for each in every_variant([lock])}


def test_each_variant_must_be_signed_or_their_index(leader, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    key = cosign.OpensslKey(tmp_path, "ben", "ed25519")
    leader.settings = replace(leader.settings, trust=cosign.trusting_images(key))
    own = BOTH["linux/amd64"].digest
    leader.source.signed[own] = cosign.signed(key, own)
    lock = staged(leader)
    assert leader.staged("pump").waiting.kind is WaitKind.IMAGE_UNSIGNED
    assert not leader.store.path(lock.layers[0]).exists()
    other = lock.variants[0].manifest.digest
    leader.source.signed[other] = cosign.signed(key, other)
    leader.turn()
    assert leader.staged("pump").cause == "ready 1/2, node-b is downloading"
    leader.ledger.forget_verdicts()
    assert leader.ledger.verdict(lock.variants[0]) is not None


# --- bundles --------------------------------------------------------------------------------------


def test_a_bundle_brings_the_variants_that_the_site_has_nodes_for(leader, tmp_path):
    leader.join("node-b", platform="linux/arm64")
    leader.source.down = RegistryUnreachable("no route to host")
    leader.settings = replace(leader.settings, registry="r.io")
    bundles.write(tmp_path / "stick", {NAME: BOTH}, [stored_request("pump")])
    carry_out(leader.ctx, plan(leader.ctx, ImportRequest((tmp_path / "stick",))))
    leader.turn()
    (lock,) = leader.staged("pump").locks
    assert [variant.platform for variant in lock.variants] == [ARM64]
    assert all(leader.store.has(blob) for blob in lock.blobs_of_all())


def test_a_package_has_the_image_for_each_platform(leader):
    lock = staged(leader)
    with packed(leader.ctx, PackageRequest("pump")) as package:
        assert [(image.platform, image.manifest) for image in package.contents.images] == [
            (each.platform, each.manifest.digest) for each in every_variant([lock])
        ]
        assert package.contents.platforms == (AMD64, ARM64)


# --- a member of another platform -----------------------------------------------------------------


def test_a_member_of_another_platform_fetches_its_variant_from_the_leader(tmp_path):
    leader, member = (box_at(tmp_path / name) for name in ("leader", "member"))
    leader.source.indexes[NAME], member.runtime = BOTH, FakeRuntime(ARM64)
    leader.cluster.site = (*leader.cluster.site, cluster_node("node-b"))
    with working(leader.work):
        until(lambda: any("serving other nodes" in str(event) for event in leader.said))
        made = managing.make_token(leader.ctx)
        joined = join(member.settings.state_dir, made.url, Token.parse(made.text), Itself("node-b", ARM64, "node-b", ""))

        def work(stop):
            with ExitStack() as stack:

                def connect():
                    return stack.enter_context(closing(RemoteLinks(member.settings, joined)))

                replace(Member.of(replace(member.ctx, stop=stop), connect, node="node-b"), platform=ARM64, report_every=0.05).run()

        with working(work):
            leader.deploy("pump")
            until(lambda: [image.state for image in node_images(leader.ledger)] == [NodeImageState.HERE])
            until(lambda: leader.ledger.workload("pump").staged.download is Download.READY)
    (lock,) = leader.ledger.workload("pump").staged.locks
    (arm,) = lock.variants
    assert all(member.store.has(blob) for blob in arm.blobs())
    assert not member.store.path(lock.layers[0]).exists()
    assert (member.runtime.owned(), member.runtime.has(arm)) == ({lock.name}, True)
    assert leader.runtime.has(lock)
    leader.close()
    member.close()
