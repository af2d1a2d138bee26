"""A publication is read as it was written, and what breaks a rule or a limit is refused whole."""

import json

import pytest

from kelvin_provision.errors import PublicationInvalid
from kelvin_provision.publications import artifact, limits
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, decode, encode
from kelvin_provision.refs import Descriptor
from tests.kit.documents import with_value
from tests.kit.publishing import digest, made_artifact, whole_publication


def test_what_is_written_is_read_as_it_was():
    assert decode(encode(whole_publication())) == whole_publication()
    assert encode(decode(encode(whole_publication()))) == encode(whole_publication())
    first = Publication(1, "2026-11-28T10:00:00Z", ())
    assert decode(encode(first)) == first


ENTRY = {
    "name": "pump",
    "digest": digest(1),
    "size": 1,
    "for": {"boxes": [], "labels": {}, "clusters": [], "platforms": []},
    "rollout": 100,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("kind",), "bundle"),
        (("more",), 1),
        (("serial",), 0),
        (("serial",), True),
        (("serial",), 1 << 53),
        (("serial",), 1.0),
        (("created",), "2026-99-28T10:00:00Z"),
        (("created",), "yesterday"),
        (("created",), "2026-11-28T10:00:00+01:00"),
        (("previous",), "latest"),
        (("withdrawn",), ["pump"]),
        (("withdrawn",), ["old", "old"]),
        (("withdrawn",), ["../etc"]),
        (("withdrawn",), [f"w{n}" for n in range(limits.WITHDRAWN + 1)]),
        (("requests",), {}),
        (("requests",), [ENTRY, ENTRY]),
        (("requests",), [ENTRY | {"name": f"w{n}"} for n in range(limits.REQUESTS + 1)]),
        (("requests",), [ENTRY | {"name": f"w{n}", "digest": digest(n), "size": limits.REQUEST} for n in range(9)]),
        (("requests", 0, "name"), "Pump"),
        (("requests", 0, "name"), "p" * 33),
        (("requests", 0, "digest"), "md5:00"),
        (("requests", 0, "size"), 0),
        (("requests", 0, "size"), limits.REQUEST + 1),
        (("requests", 0, "rollout"), 0),
        (("requests", 0, "rollout"), 101),
        (("requests", 0, "for", "boxes"), ["*****"]),
        (("requests", 0, "for", "boxes"), ["a b"]),
        (("requests", 0, "for", "boxes"), ["x" * 254]),
        (("requests", 0, "for", "boxes"), ["x"] * (limits.BOXES + 1)),
        (("requests", 0, "for", "labels"), {"site": []}),
        (("requests", 0, "for", "labels"), {"": ["a"]}),
        (("requests", 0, "for", "labels"), {"site": ["a b"]}),
        (("requests", 0, "for", "labels"), [["site", ["a"]]]),
        (("requests", 0, "for", "clusters"), ["nomad"]),
        (("requests", 0, "for", "clusters"), [{}]),
        (("requests", 0, "for", "platforms"), ["linux"]),
        (("requests", 0, "for", "more"), []),
    ],
)
def test_what_breaks_a_rule_is_refused(path, value):
    with pytest.raises(PublicationInvalid):
        decode(with_value(encode(whole_publication()), path, value))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"schema": 1, "schema": 1}', b"\xff", b"[" * 100_000, b'{"schema":' + b"9" * 10_000 + b"}", b"[]," * 100_000, b" " * (limits.DOCUMENT + 1)],
)  # fmt: skip
def test_what_is_no_document_is_refused(data):
    with pytest.raises(PublicationInvalid):
        decode(data)
    with pytest.raises(PublicationInvalid):
        artifact.read(data, PAYLOAD_TYPE)


def test_one_request_with_two_sizes_is_refused():
    twice = (PublishedRequest("pump", digest(1), 300), PublishedRequest("fan", digest(1), 301))
    with pytest.raises(PublicationInvalid, match="two sizes"):
        decode(encode(Publication(1, "2026-11-28T10:00:00Z", twice)))


def test_a_small_document_is_embedded_and_a_large_one_is_a_blob():
    request = artifact.request_descriptor(b"name: pump\n")
    small, large = made_artifact(requests=[request, request]), made_artifact(b" " * (limits.EMBEDDED + 1))
    assert artifact.read(small.manifest, PAYLOAD_TYPE).document.data == b"{}"
    assert artifact.read(small.manifest, PAYLOAD_TYPE).signatures.data == b"[]\n"
    assert [layer["digest"] for layer in json.loads(small.manifest)["layers"]][2:] == [request.digest]
    read = artifact.read(large.manifest, PAYLOAD_TYPE)
    assert (read.document.data, read.document.descriptor, read.signatures.data) == (None, large.blobs[1][0], None)
    assert len(large.manifest) < 2048


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("artifactType",), "application/vnd.oci.image.config.v1+json"),
        (("artifactType",), None),
        (("layers",), []),
        (("layers",), {}),
        (("layers", 0), 1),
        (("layers", 0, "mediaType"), artifact.SIGNATURES_TYPE),
        (("layers", 0, "digest"), "sha256:1"),
        (("layers", 0, "size"), limits.DOCUMENT + 1),
        (("layers", 0, "size"), "2"),
        (("layers", 0, "data"), "e30"),
        (("layers", 0, "data"), "W10="),
        (("layers", 0, "data"), None),
        (("layers", 1, "size"), limits.SIGNATURES + 1),
        (("layers", 1, "data"), "é"),
    ],
)
def test_a_manifest_of_something_else_is_refused(path, value):
    document = json.loads(made_artifact().manifest)
    *way, last = path
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(PublicationInvalid):
        artifact.read(json.dumps(document).encode(), PAYLOAD_TYPE)


def test_a_report_is_not_read_as_a_whole_publication():
    with pytest.raises(PublicationInvalid, match="artifactType"):
        artifact.read(artifact.make("application/vnd.kelvin-provision.report.v1+json", b"{}", b"[]").manifest, PAYLOAD_TYPE)


def test_descriptors_are_those_of_the_bytes():
    assert artifact.request_descriptor(b"{}") == Descriptor(artifact.REQUEST_TYPE, made_artifact().blobs[0][0].digest, 2)
