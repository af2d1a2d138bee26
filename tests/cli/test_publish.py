"""`publish` at a desk, with Debian's docker-registry and real keys."""

import json
import shutil

import pytest

from kelvin_provision.fleet.current import current
from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.trust import computing
from kelvin_provision.trust.key_files import public_key
from tests.kit import cosign
from tests.kit.cli import run
from tests.kit.images import push, push_index, random_image, sha256
from tests.kit.requests import stored_request
from tests.kit.servers.front import Front
from tests.kit.servers.registry import docker_registry
from tests.kit.signing import computed_here

pytestmark = pytest.mark.xdist_group("registry")
REPOSITORIES = iter(f"fleet/r{number}" for number in range(1000))


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for key in ("anna", "eve"):
        run("key", "generate", str(folder / key)).check(stderr="")
    return folder


@pytest.fixture
def desk(tmp_path, monkeypatch, keys):
    """A folder with a key and requests, and no settings at all."""
    monkeypatch.setattr(computing, "computed", computed_here)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "state"))
    for path in keys.iterdir():
        shutil.copy(path, tmp_path)
    for name in ("pump", "fan"):
        for version in ("1", "2"):
            (tmp_path / f"{name}{version}.json").write_bytes(stored_request(name, f"{version}.0.0"))
    return tmp_path


@pytest.fixture
def pusher(tmp_path):
    made = Pusher(Settings(state_dir=tmp_path))
    yield made
    made.close()


@pytest.fixture
def tag(registry):
    return f"{registry}/{next(REPOSITORIES)}:stable"


def publish(*words, exit_code=0, key="anna.key"):
    result = run("publish", *words, *(["--sign", key] if key else []), "--json")
    assert result.exit_code == exit_code, result.stderr or result.stdout
    document = json.loads(result.stdout)
    return document["error"] if exit_code not in {0, 3} else document["publication"]


def outcomes(document):
    return {row["name"]: row["outcome"] for row in document["workloads"]}


def there(pusher, tag, desk, key="anna"):
    return current(pusher, Reference.parse(tag), (public_key(desk / f"{key}.pub"),))


def test_requests_are_there_byte_for_byte_and_signed(desk, tag, pusher):
    first = publish("-f", "pump1.json", "-f", "fan1.json", tag)
    assert (first["serial"], first["published"], outcomes(first)) == (1, True, {"pump": "added", "fan": "added"})
    at = Reference.parse(tag)
    found = there(pusher, tag, desk)
    assert (found.digest, [signer.name for signer in found.verified.signers]) == (first["digest"], ["anna"])
    contents = [pusher.document(at, Descriptor("", each.digest, each.size)) for each in found.publication.requests]
    assert contents == [(desk / name).read_bytes() for name in ("pump1.json", "fan1.json")]
    manifest = json.loads(pusher.read(at, "stable"))
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        PAYLOAD_TYPE, artifact.SIGNATURES_TYPE, artifact.REQUEST_TYPE, artifact.REQUEST_TYPE,
    ]  # fmt: skip
    assert pusher.read(at, "stable.1") == pusher.read(at, "stable")
    assert not (desk / "state").exists()  # a desk keeps nothing


def test_the_next_one_counts_up_keeps_the_rest_and_names_the_one_before(desk, tag, pusher):
    first = publish("-f", "pump1.json", "-f", "fan1.json", tag)
    words = ["-f", "pump2.json", "--rollout", "10%", "--for", "box=north-*", "--for", "label.site=a", "--for", "label.site=b"]
    words += ["--for", "cluster=docker", "--for", "platform=linux/arm64"]
    second = publish(*words, tag)
    found = there(pusher, tag, desk).publication
    assert (second["serial"], found.previous) == (2, first["digest"])
    assert [(row.name, row.rollout) for row in found.requests] == [("pump", 10), ("pump", 100), ("fan", 100)]
    selector = found.requests[0].selector
    assert (selector.boxes, selector.labels, selector.clusters) == (("north-*",), (("site", ("a", "b")),), ("docker",))
    assert selector.platforms == (Platform("linux", "arm64"),)
    shown = run("publish", *words, tag, "--sign", "anna.key").check(stderr="").stdout
    assert "unchanged" in shown
    assert there(pusher, tag, desk).digest == second["digest"]


def test_a_diff_publishes_nothing(desk, tag, pusher):
    assert outcomes(publish("-f", "pump1.json", tag, "--diff", "--exit-code", exit_code=3)) == {"pump": "added"}
    assert there(pusher, tag, desk) is None
    publish("-f", "pump1.json", tag)
    assert not publish("-f", "pump1.json", tag, "--diff", "--exit-code")["published"]
    changed = publish("-f", "pump2.json", tag, "--diff")
    assert changed["workloads"][0]["fields"][:2] == ["app_version", "payload.version"]
    shown = run("publish", "-f", "pump2.json", tag, "--diff", "--sign", "anna.key").stdout
    assert "1.0.0 -> 2.0.0 (app_version, payload.version" in shown
    assert there(pusher, tag, desk).publication.serial == 1


def test_a_workload_is_withdrawn_by_its_name_or_because_the_rest_is_only(desk, tag, pusher):
    publish("-f", "pump1.json", "-f", "fan1.json", tag)
    assert outcomes(publish("--withdraw", "fan", tag)) == {"pump": "unchanged", "fan": "withdrawn"}
    assert there(pusher, tag, desk).publication.withdrawn == ("fan",)
    assert publish("-f", "fan2.json", "--only", tag)["withdrawn"] == ["pump"]
    assert publish("--withdraw", "punp", tag, exit_code=2)["code"] == "usage"


def test_rolling_back_publishes_what_was_before_with_a_higher_number(desk, tag, pusher):
    publish("-f", "pump1.json", tag)
    publish("-f", "pump2.json", "-f", "fan1.json", tag)
    publish("-f", "fan2.json", tag)
    back = publish("--rollback", tag)
    assert (back["serial"], outcomes(back)) == (4, {"pump": "unchanged", "fan": "changed"})
    further = publish("--rollback", "--to", "1", tag)
    assert (further["serial"], outcomes(further), further["withdrawn"]) == (5, {"pump": "changed", "fan": "withdrawn"}, ["fan"])
    assert there(pusher, tag, desk).publication.requests[0].digest == sha256((desk / "pump1.json").read_bytes())
    assert publish("--rollback", "--to", "9", tag, exit_code=2)["code"] == "usage"
    assert publish("--rollback", tag + "x", exit_code=2)["code"] == "usage"


def test_what_another_key_has_published_is_not_built_upon(desk, tag, pusher):
    publish("-f", "pump1.json", tag, key="eve.key")
    refused = publish("-f", "fan1.json", tag, exit_code=65)
    assert refused["code"] == "signer-unknown"
    assert "--replace --serial NUMBER" in refused["hint"]
    assert publish("-f", "fan1.json", tag, "--replace", exit_code=2)["code"] == "usage"
    again = publish("-f", "fan1.json", tag, "--replace", "--serial", "70")
    assert (again["serial"], outcomes(again)) == (70, {"fan": "added"})


def test_two_keys_sign_and_each_may_go_on(desk, tag, pusher):
    publish("-f", "pump1.json", tag, "--sign", "eve.key")
    assert there(pusher, tag, desk, "eve").publication == there(pusher, tag, desk).publication
    assert publish("-f", "pump2.json", tag, key="eve.key")["serial"] == 2


def test_a_key_that_this_desk_trusts_for_requests_is_believed(desk, tag):
    publish("-f", "pump1.json", tag, key="eve.key")
    (desk / "site.yaml").write_text(f"trust: {{keys: [{desk / 'eve.pub'}]}}\n")
    assert publish("-f", "pump2.json", tag)["serial"] == 2


def test_a_pipeline_without_the_private_key_sees_what_would_change(desk, tag):
    publish("-f", "pump1.json", tag)
    assert publish("-f", "pump2.json", tag, "--diff", key=None, exit_code=65)["code"] == "signer-unknown"
    (desk / "site.yaml").write_text(f"trust: {{keys: [{desk / 'anna.pub'}]}}\n")
    assert outcomes(publish("-f", "pump2.json", tag, "--diff", key=None)) == {"pump": "changed"}


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        ([], "usage", 2),
        (["-f", "pump1.json", "--for", "north"], "usage", 2),
        (["-f", "pump1.json", "--for", "cluster=nomad"], "usage", 2),
        (["-f", "pump1.json", "--rollout", "0"], "usage", 2),
        (["-f", "pump1.json", "--rollout", "101%"], "usage", 2),
        (["-f", "pump1.json", "--to", "1"], "usage", 2),
        (["-f", "pump1.json", "--rollback"], "usage", 2),
        (["-f", "pump1.json", "--exit-code"], "usage", 2),
        (["-f", "nameless.json"], "request-refused", 65),
        (["-f", "wrong.json"], "request-refused", 65),
        (["-f", "none.json"], "file-unreadable", 66),
    ],
)
def test_what_cannot_be_published_is_said_before_anything_is_pushed(desk, tag, pusher, words, code, exit_code):
    (desk / "nameless.json").write_bytes(stored_request("pump").replace(b'"name": "pump", "title"', b'"title"', 1))
    (desk / "wrong.json").write_text("{}")
    assert publish(*words, tag, exit_code=exit_code)["code"] == code
    assert pusher.read(Reference.parse(tag), "stable") is None


def test_without_a_key_nothing_is_published(desk, tag):
    assert "--sign KEY" in publish("-f", "pump1.json", tag, key=None, exit_code=2)["hint"]


def test_a_file_with_several_requests_is_published_as_each_of_them(desk, tag, pusher):
    (desk / "both.yaml").write_bytes((desk / "pump1.json").read_bytes() + b"\n---\n" + (desk / "fan1.json").read_bytes())
    publish("-f", "both.yaml", tag)
    found = there(pusher, tag, desk).publication
    assert [request.name for request in found.requests] == ["pump", "fan"]
    body = json.loads(pusher.document(Reference.parse(tag), Descriptor("", found.requests[1].digest, found.requests[1].size)))
    assert body == json.loads((desk / "fan1.json").read_bytes())


def test_the_tag_of_an_image_is_not_replaced(desk, registry):
    name = push(registry, next(REPOSITORIES), "1", random_image([100]))
    assert publish("-f", "pump1.json", name, exit_code=65)["code"] == "publication-invalid"


def test_a_desk_that_was_faster_is_not_overwritten(desk, registry, pusher):
    with Front(registry, match=True) as front:
        tag = f"{front.host}/{next(REPOSITORIES)}:stable"
        publish("-f", "pump1.json", tag)
        at = Reference.parse(tag.replace(front.host, registry))
        other = pusher.read(at, "stable") + b" "
        front.overtaken = lambda: pusher.manifest(at, other, OCI_MANIFEST, "stable")
        assert publish("-f", "fan1.json", tag, exit_code=75)["code"] == "tag-moved"
        again = publish("-f", "fan1.json", tag)
        assert (again["previous"], outcomes(again)) == (sha256(other), {"pump": "unchanged", "fan": "added"})


def test_images_are_copied_whole(desk, registry, pusher, tmp_path):
    images = {"linux/amd64": random_image([3000]), "linux/arm64": random_image([2000], architecture="arm64")}
    with docker_registry(tmp_path / "other") as other:
        digest = push_index(other, "team/pump", "1.0.0", images)
        fan = random_image([100])
        single = push(other, "team/fan", "1.0.0", fan)
        signature = b'{"a": "sigstore bundle"}'
        cosign.push_bundles(other, "team/pump", digest, signature)
        cosign.push_old(other, "team/fan", fan.digest, (b"payload", b"signature"))
        body = json.loads(stored_request("pump"))
        body["payload"]["image"] = {"mode": "manual", "uri": f"{other}/team/pump:1.0.0"}
        (desk / "pump.json").write_text(json.dumps(body | {"images": [single]}))
        tag = f"{registry}/{next(REPOSITORIES)}:stable"
        document = publish("-f", "pump.json", tag, "--copy-images")
        assert document["images"] == [f"{registry}/team/pump:1.0.0", f"{registry}/team/fan:1.0.0"]
    at = Reference(registry, "team/pump", "1.0.0")
    (row,) = json.loads(pusher.read(at, cosign.tag(digest)))["manifests"]
    assert (row["digest"], row["artifactType"]) == (sha256(cosign.referring(digest, signature)), cosign.SIGSTORE)
    assert pusher.read(at, row["digest"])
    assert pusher.read(Reference(registry, "team/fan"), f"{cosign.tag(fan.digest)}.sig") == cosign.old((b"payload", b"signature"))
    assert sha256(pusher.read(at, "1.0.0")) == digest
    for image in images.values():
        assert pusher.read(at, image.digest) == image.manifest
        assert all(pusher.document(at, Descriptor("", name, len(data))) == data for name, data in image.blobs.items())
