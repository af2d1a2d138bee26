"""Signatures of images at Debian's docker-registry, which lists no referrers: the tags of cosign, present and old, made with openssl."""

import json
from contextlib import closing

import pytest

from kelvin_provision.refs import Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.referring.referrers import PAGES
from kelvin_provision.settings.model import RegistrySettings, Settings
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.trust.cosign.manifests import MOST
from kelvin_provision.usecases import deploy
from kelvin_provision.wait_reason import WaitKind
from tests.kit import cosign
from tests.kit.box import Box
from tests.kit.cosign import anna, ben
from tests.kit.images import push, push_index, random_image, sha256
from tests.kit.servers.proxy import Faults, Proxy

__all__ = ["anna", "ben"]
pytestmark = pytest.mark.registry


@pytest.fixture
def box(tmp_path, anna, ben, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    trust = cosign.trusting_images(anna, ben)
    (tmp_path / "site.yaml").write_text(json.dumps({"trust": {"keys": list(map(str, trust.keys)), "require_signature": ["image"]}}))
    with closing(Box(tmp_path / "state", trust=trust)) as box, closing(Registry(box.settings)) as source:
        box.source = source
        yield box


def staged(box, reference):
    """A workload of this image, after a turn of the agent."""
    spec = Spec(name="a", title="a", app_name="a", app_version="1", cluster_name="c", method=Method.STAGED, image=reference)
    deploy.store(box.ctx, [spec])
    box.turn()
    return box.ledger.workload("a").staged


def shown(box):
    return json.loads(box.run("workloads", "show", "a", "--json").stdout)["images"][0]["signatures"]


def test_an_index_signed_in_the_present_form_is_ready(box, registry, anna):
    images = {"linux/amd64": random_image([2000]), "linux/arm64": random_image([10], architecture="arm64")}
    index = push_index(registry, "signed/index", "1", images)
    sbom = cosign.envelope(anna, cosign.statement(index, predicate="https://cyclonedx.org/bom"))
    cosign.push_bundles(registry, "signed/index", index, sbom, cosign.envelope(anna, cosign.statement(index)))
    assert staged(box, f"{registry}/signed/index:1").download is Download.READY
    assert [signer["name"] for signer in shown(box)["signers"]] == ["anna"]
    box.command_apply("a")


def test_a_manifest_signed_in_the_old_form_is_ready(box, registry, ben):
    image = random_image([2000])
    reference = push(registry, "signed/old", "1", image)
    payload = cosign.simple(image.digest)
    cosign.push_old(registry, "signed/old", image.digest, (payload, ben.sign(payload)))
    assert staged(box, reference).download is Download.READY
    assert [signer["key"] for signer in shown(box)["signers"]] == [ben.key_id]


def test_the_manifest_in_an_index_may_be_what_is_signed(box, registry, anna):
    image = random_image([2000])
    push_index(registry, "signed/inner", "1", {"linux/amd64": image})
    cosign.push_bundles(registry, "signed/inner", image.digest, cosign.envelope(anna, cosign.statement(image.digest)))
    assert staged(box, f"{registry}/signed/inner:1").download is Download.READY


def test_the_signature_of_another_image_or_of_a_foreign_index_is_none(box, registry, anna):
    image, other = random_image([2000]), random_image([2001])
    reference = push(registry, "signed/other", "1", image)
    foreign = push_index(registry, "signed/other", "both", {"linux/amd64": image, "linux/arm64": other})
    payloads = [cosign.envelope(anna, cosign.statement(digest)) for digest in (foreign, other.digest)]
    cosign.push_bundles(registry, "signed/other", image.digest, *payloads)
    waiting = staged(box, reference).waiting
    assert (waiting.kind, "of another image" in waiting.detail) == (WaitKind.IMAGE_UNSIGNED, True)


def test_ten_thousand_signatures_cost_few_requests_and_little_room(box, registry, anna):
    image = random_image([2000])
    push(registry, "signed/many", "1", image)
    cosign.push_bundles(registry, "signed/many", image.digest, cosign.envelope(anna, cosign.statement(image.digest)))
    payload = cosign.simple(image.digest)
    cosign.push_old(registry, "signed/many", image.digest, *[(payload, b"x" * 70)] * 10_000)
    listed = cosign.listed(*[{"digest": sha256(str(number).encode()), "size": 900} for number in range(10_000)])
    with Proxy(registry, Faults(path="/referrers/", status=200, body=listed)) as proxy:
        waiting = staged(box, f"{proxy.host}/signed/many:1").waiting
        why = f"{cosign.tag(image.digest)[:19]}....sig: a manifest of more than 1 MiB; at most 1048576 bytes are read"
        assert (waiting.kind, waiting.detail) == (WaitKind.IMAGE_UNSIGNED, f"{proxy.host}/signed/many:1: not signed ({why})")
        assert len([asked for asked in proxy.asked if "/manifests/" in asked.path or "/referrers/" in asked.path]) <= MOST + 8
    assert box.ledger.workload("a").staged.locks is not None


def test_a_list_of_referrers_is_asked_for_one_type_and_spares_the_tag(box, registry, anna):
    image = random_image([2000])
    push(registry, "signed/listed", "1", image)
    payload = cosign.envelope(anna, cosign.statement(image.digest))
    cosign.push_bundles(registry, "signed/listed", image.digest, payload)
    manifest = cosign.referring(image.digest, payload)
    listed = cosign.listed({"digest": sha256(manifest), "size": len(manifest)})
    with Proxy(registry, Faults(path="/referrers/", status=200, body=listed)) as proxy:
        assert staged(box, f"{proxy.host}/signed/listed:1").download is Download.READY
        (asked,) = [asked for asked in proxy.asked if "/referrers/" in asked.path]
        assert asked.query == "artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson"
        assert [path for path in (asked.path for asked in proxy.asked) if path.endswith(cosign.tag(image.digest))] == []


def test_the_next_pages_of_a_list_are_asked_for_a_few_times_and_of_this_registry_only(box, registry, anna):
    image = random_image([2000])
    push(registry, "signed/pages", "1", image)
    payload = cosign.envelope(anna, cosign.statement(image.digest))
    cosign.push_bundles(registry, "signed/pages", image.digest, payload)
    link = {"Link": '<https://evil.example/v2/?n=1&last=x>; rel="next"'}
    with Proxy(registry, Faults(path="/referrers/", status=200, body=cosign.listed(), answer=link)) as proxy:
        assert staged(box, f"{proxy.host}/signed/pages:1").download is Download.READY
        queries = [asked.query for asked in proxy.asked if "/referrers/" in asked.path]
        assert queries == ["artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson", *["n=1&last=x"] * (PAGES - 1)]


@pytest.mark.parametrize(
    "faults",
    [
        {"status": 200, "body": b"<html>Welcome</html>", "answer": {"Content-Type": "text/html"}},
        {"status": 200, "body": b"<html>Welcome</html>"},
        {"status": 200, "body": b"{}"},
        {"status": 400},
        {"status": 403},
        {"status": 405},
    ],
    ids=["page", "page of no type", "nothing", "400", "403", "405"],
)
def test_a_registry_that_answers_anything_else_for_its_referrers_has_tags(box, registry, anna, faults):
    image = random_image([2000])
    push(registry, "signed/page", "1", image)
    cosign.push_bundles(registry, "signed/page", image.digest, cosign.envelope(anna, cosign.statement(image.digest)))
    with Proxy(registry, Faults(path="/referrers/", **faults)) as proxy:
        assert staged(box, f"{proxy.host}/signed/page:1").download is Download.READY


@pytest.mark.parametrize(("status", "kind"), [(503, WaitKind.REGISTRY_BUSY), (200, WaitKind.REGISTRY_UNREACHABLE)])
def test_a_registry_in_trouble_is_waited_for_as_with_any_download(box, registry, status, kind):
    """Also where a login page has taken the place of everything: that nothing is signed is not known then."""
    image = random_image([2000])
    push(registry, "signed/trouble", "1", image)
    faults = {"body": b"<html>", "answer": {"Content-Type": "text/html"}}
    with Proxy(registry, Faults(path="/referrers/|sha256-", status=status, **faults)) as proxy:
        assert staged(box, f"{proxy.host}/signed/trouble:1").waiting.kind is kind


def test_a_mirror_without_the_signatures_does_not_hide_them(tmp_path, registry, anna):
    image = random_image([2000])
    for repository in ("mirror/signed/app", "signed/app"):
        push(registry, repository, "1", image)
    cosign.push_bundles(registry, "signed/app", image.digest, cosign.envelope(anna, cosign.statement(image.digest)))
    settings = Settings(tmp_path, registries={registry: RegistrySettings(mirrors=(f"{registry}/mirror",))})
    with closing(Registry(settings)) as source:
        answer = source.signatures(Reference.parse(f"{registry}/signed/app:1"), image.digest)
    assert len(answer.files) == 1
