"""Pushing to Debian's docker-registry, directly and behind what breaks uploads."""

import io
import json
from dataclasses import asdict

import pytest

from kelvin_provision.errors import DigestMismatch, ImageNotFound, RegistryDenied, RegistryRefused, RegistryUnreachable, TagMoved
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.pushing import upload
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from tests.kit.images import sha256
from tests.kit.servers.front import Front, manifest_of
from tests.kit.servers.reserved import free_port
from tests.kit.servers.tokens import Tokens

pytestmark = pytest.mark.xdist_group("registry")

SIZE = 3 << 20
DATA = bytes(range(256)) * (SIZE // 256)
BLOB = Descriptor("application/octet-stream", sha256(DATA), SIZE)
REPOSITORIES = iter(f"push/r{number}" for number in range(1000))


@pytest.fixture
def pusher(tmp_path):
    made = Pusher(Settings(state_dir=tmp_path), backoff=Backoff(first=0.01, cap=0.02, deadline=5), pause=lambda _: None)
    yield made
    made.close()


def place(host, name=None, tag="1"):
    return Reference(host, name or next(REPOSITORIES), tag)


def opened(offset):
    file = io.BytesIO(DATA)
    file.seek(offset)
    return iter(lambda: file.read(100_000), b"")


def there(pusher, reference, blob=BLOB):
    return pusher.repository(reference).small_blob(blob)


def test_a_blob_is_sent_in_one_request_and_only_once(registry, pusher):
    with Front(registry) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert front.methods() == ["HEAD", "POST", "PUT"]
        assert there(pusher, reference) == DATA
        assert not pusher.blob(reference, BLOB, opened)
        assert front.methods()[3:] == ["GET", "HEAD"]


def test_bytes_are_a_blob_too_and_none_are(registry, pusher):
    reference = place(registry)
    for data in (b"{}", b""):
        blob = Descriptor("", sha256(data), len(data))
        assert pusher.blob(reference, blob, data)
        assert there(pusher, reference, blob) == data


def test_a_request_that_breaks_is_made_again(registry, pusher):
    with Front(registry, cut=1 << 20, cuts=2) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert there(pusher, reference) == DATA


@pytest.mark.parametrize("buffered", [True, False])
def test_a_piece_that_breaks_continues_where_the_registry_is(registry, pusher, monkeypatch, buffered):
    monkeypatch.setattr(upload, "PIECE", 1 << 20)
    with Front(registry, cut=600_000, buffered=buffered) as front:
        reference, breaks = place(front.host), iter([1, 1])

        def pieces(offset):
            for number, chunk in enumerate(opened(offset)):
                if number == 15:  # in the second piece
                    front.cuts = next(breaks, 0)
                yield chunk

        assert pusher.blob(reference, BLOB, pieces)
        assert there(pusher, reference) == DATA
        sent = [length for method, _, length in front.asked if method == "PATCH"]
        # docker-registry forgets an upload that broke in the middle of a piece; asked before it has, it takes the next piece in vain.
        assert set(sent) == {1 << 20}
        assert len(sent) == 5 if buffered else 7 <= len(sent) <= 9


def test_a_large_blob_is_read_once_from_its_beginning_to_its_end(registry, pusher, monkeypatch):
    monkeypatch.setattr(upload, "PIECE", 700_000)
    offsets = []

    def counted(offset):
        offsets.append(offset)
        return opened(offset)

    reference = place(registry)
    assert pusher.blob(reference, BLOB, counted)
    assert (there(pusher, reference) == DATA, offsets) == (True, [0])


def test_bytes_that_come_from_elsewhere_may_break_too(registry, pusher, monkeypatch):
    monkeypatch.setattr(upload, "PIECE", 700_000)
    offsets = []

    def breaking(offset):
        offsets.append(offset)
        for number, chunk in enumerate(opened(offset)):
            if number == 10 and len(offsets) < 3:
                raise RegistryUnreachable("the connection to the registry of the source broke")
            yield chunk

    reference = place(registry)
    assert pusher.blob(reference, BLOB, breaking)
    assert (there(pusher, reference) == DATA, offsets) == (True, [0, 700_000, 1_400_000])


def test_a_proxy_that_takes_few_bytes_gets_smaller_pieces(registry, pusher):
    with Front(registry, most=1 << 20) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert there(pusher, reference) == DATA
        assert [length for method, _, length in front.asked if method == "PATCH"][-3:] == [1 << 20] * 3


def test_a_proxy_that_takes_next_to_nothing_is_named(registry, pusher):
    with Front(registry, most=1000) as front, pytest.raises(RegistryRefused, match="413") as caught:
        pusher.blob(place(front.host), BLOB, opened)
    assert "client_max_body_size" in str(caught.value.hint)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "GET", "HEAD"])
def test_an_answer_that_is_lost_or_late_costs_nothing(registry, pusher, method):
    with Front(registry, lost={method: 1}, cut=1 << 20, cuts=1 if method in {"PATCH", "GET"} else 0) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert there(pusher, reference) == DATA


def test_a_busy_registry_is_asked_again_when_it_says(registry, tmp_path):
    pusher = Pusher(Settings(state_dir=tmp_path), backoff=Backoff(first=0.01, cap=0.02, deadline=5))
    with Front(registry, busy={"PUT": 1}) as front:
        reference = place(front.host)
        assert pusher.blob(reference, Descriptor("", sha256(b"x"), 1), b"x")
        assert front.methods() == ["HEAD", "POST", "PUT", "GET", "HEAD", "POST", "PUT"]
    pusher.close()


def test_an_address_without_a_host_is_one_of_the_registry(registry, pusher):
    with Front(registry, relative=True) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert there(pusher, reference) == DATA


def test_a_blob_of_another_repository_is_mounted_and_sent_where_that_is_not_possible(registry, pusher):
    with Front(registry) as front:
        first, second, third = place(front.host), place(front.host), place(front.host)
        pusher.blob(first, BLOB, opened)
        before = len(front.asked)
        assert not pusher.blob(second, BLOB, opened, mount_from=["push/none", first.repository])
        assert front.methods()[before:].count("PUT") == 0
        assert there(pusher, second) == DATA
        front.no_mount = True
        assert pusher.blob(third, BLOB, opened, mount_from=[first.repository])
        assert there(pusher, third) == DATA


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b"", DATA[:-1] + b"x"])
def test_other_bytes_than_the_descriptor_says_are_not_stored(registry, pusher, data):
    reference = place(registry)
    with pytest.raises((DigestMismatch, RegistryRefused)):
        pusher.blob(reference, BLOB, data)
    pusher.blob(reference, BLOB, DATA)
    assert there(pusher, reference) == DATA


def test_a_token_with_the_right_to_push_is_asked_for(registry, pusher):
    with Tokens("right") as tokens, Front(registry, token="right", realm=tokens.realm) as front:
        reference = place(front.host)
        assert pusher.blob(reference, BLOB, opened)
        assert "pull%2Cpush" in tokens.asked[0].query
        tokens.token = "wrong"
        front.token = "newer"
        with pytest.raises(RegistryDenied):
            pusher.blob(reference, Descriptor("", sha256(b"y"), 1), b"y")


def pushed(pusher, reference, tag="1", **more):
    config = Descriptor("application/vnd.oci.empty.v1+json", sha256(b"{}"), 2)
    pusher.blob(reference, config, b"{}")
    row = {"mediaType": config.media_type, "digest": config.digest, "size": config.size}
    data = manifest_of(row, [row], **more)
    return data, pusher.manifest(reference, data, OCI_MANIFEST, tag)


def test_a_manifest_is_there_by_tag_and_by_digest(registry, pusher):
    reference = place(registry)
    data, digest = pushed(pusher, reference, artifactType="application/x.test")
    assert digest == sha256(data)
    assert pusher.repository(reference).manifest("1")[0] == pusher.repository(reference).manifest(digest)[0] == data
    assert pusher.digest_of_tag(reference, "1") == digest
    assert pusher.digest_of_tag(reference, "2") is None
    _, other = pushed(pusher, reference, tag=None, artifactType="application/x.other")
    assert pusher.digest_of_tag(reference, "1") == digest
    assert pusher.repository(reference).manifest(other)


@pytest.mark.parametrize("page", [None, 1, 2])
def test_what_was_pushed_is_read_and_listed(registry, pusher, page):
    with Front(registry, page=page) as front:
        reference = place(front.host)
        with pytest.raises(ImageNotFound):
            list(pusher.tags(reference))
        data, _ = pushed(pusher, reference)
        for tag in ("a", "b"):
            pusher.manifest(reference, data, OCI_MANIFEST, tag)
        assert sorted(pusher.tags(reference)) == ["1", "a", "b"]
        assert pusher.read(reference, "b") == data
        assert pusher.read(reference, "c") is None
        assert pusher.document(reference, Descriptor("", sha256(b"{}"), 2)) == b"{}"
        with pytest.raises(ImageNotFound):
            pusher.document(reference, Descriptor("", sha256(b"[]"), 2))


@pytest.mark.parametrize("matching", [False, True])
def test_a_tag_that_another_writer_has_moved_is_not_replaced(registry, pusher, matching):
    with Front(registry, match=matching) as front:
        reference = place(front.host)
        _, first = pushed(pusher, reference, artifactType="application/x.1")
        data, second = pushed(pusher, reference, artifactType="application/x.2")
        with pytest.raises(TagMoved):
            pusher.manifest(reference, data + b" ", OCI_MANIFEST, "1", replaces=first)
        third = pusher.manifest(reference, data + b" ", OCI_MANIFEST, "1", replaces=second)
        assert pusher.digest_of_tag(reference, "1") == third


def test_what_refers_to_an_image_is_in_the_list_of_its_tag(registry, pusher):
    reference = place(registry)
    image, subject = pushed(pusher, reference)
    described = {"mediaType": OCI_MANIFEST, "digest": subject, "size": len(image)}
    made = [
        pushed(pusher, reference, None, subject=described, artifactType=f"application/x.{number}", annotations={"n": str(number)})[1]
        for number in (1, 2, 1)
    ]
    rows = json.loads(pusher.repository(reference).manifest(subject.replace(":", "-"))[0])["manifests"]
    assert [row["digest"] for row in rows] == made[:2]
    assert (rows[0]["artifactType"], rows[1]["annotations"]) == ("application/x.1", {"n": "2"})


def test_a_registry_with_a_list_of_its_own_gets_no_tag(registry, pusher):
    with Front(registry, listed=True) as front:
        reference = place(front.host)
        image, subject = pushed(pusher, reference)
        pushed(pusher, reference, None, subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": len(image)})
        assert pusher.digest_of_tag(reference, subject.replace(":", "-")) is None


def test_a_tag_of_something_else_is_not_made_a_list(registry, pusher):
    reference = place(registry)
    image, subject = pushed(pusher, reference)
    _, other = pushed(pusher, reference, subject.replace(":", "-"), artifactType="application/x.mine")
    with pytest.raises(RegistryRefused, match="is not a list"):
        pushed(pusher, reference, None, subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": len(image)})
    assert pusher.digest_of_tag(reference, subject.replace(":", "-")) == other


def test_a_registry_that_is_away_is_named(pusher):
    with pytest.raises(RegistryUnreachable, match="does not answer"):
        pusher.blob(place(f"127.0.0.1:{free_port()}"), BLOB, opened)


def test_a_manifest_whose_blobs_are_missing_is_refused(registry, pusher):
    row = asdict(BLOB) | {"mediaType": BLOB.media_type}
    row.pop("media_type")
    with pytest.raises(RegistryRefused, match="does not accept the manifest"):
        pusher.manifest(place(registry), manifest_of(row, [row]), OCI_MANIFEST, "1")
