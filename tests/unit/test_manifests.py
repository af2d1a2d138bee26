"""Untrusted documents: what is accepted, what is refused, and with which message."""

import json

import pytest

from kelvin_provision.errors import ImageUnsupported, ManifestInvalid, PlatformMissing
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.registry import manifests
from kelvin_provision.spec.media_types import DOCKER_LIST, DOCKER_MANIFEST, LAYERS, OCI_INDEX, OCI_MANIFEST

D = "sha256:" + "a" * 64
AMD64 = Platform("linux", "amd64")
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": D, "size": 5}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": D, "size": 7}


def choose(index, node, name):
    return next(manifests.candidates(index, node, name))


def entry(platform, letter="a", **more):
    system, architecture, *variant = platform.split("/")
    described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
    return {"mediaType": OCI_MANIFEST, "digest": "sha256:" + letter * 64, "size": 3, "platform": described} | more


# --- documents --------------------------------------------------------------------------------------


def test_a_document_is_a_json_object():
    assert manifests.parse(b'{"a": 1}', "r/a") == {"a": 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"<html>", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b" " * ((4 << 20) + 1), "larger than 4 MiB"),
    ],
)
def test_hostile_bytes_are_refused(data, words):
    with pytest.raises(ManifestInvalid, match=f"^r/a: {words}$"):
        manifests.parse(data, "r/a")


@pytest.mark.parametrize(
    ("found", "header", "kind"),
    [
        ({"mediaType": OCI_MANIFEST}, "", OCI_MANIFEST),
        ({"mediaType": DOCKER_MANIFEST}, "application/json", DOCKER_MANIFEST),
        ({"mediaType": OCI_INDEX, "manifests": []}, OCI_MANIFEST, OCI_INDEX),
        ({}, DOCKER_LIST + "; charset=utf-8", DOCKER_LIST),
        ({"config": {}, "layers": []}, "application/json", OCI_MANIFEST),
        ({"manifests": []}, "text/plain", OCI_INDEX),
        ({"mediaType": 5, "manifests": []}, "", OCI_INDEX),
    ],
)
def test_the_media_type_comes_from_the_document_then_the_registry_then_the_fields(found, header, kind):
    assert manifests.media_type(found, header, "r/a") == kind


@pytest.mark.parametrize(
    ("found", "header", "error", "words"),
    [
        ({}, "", ManifestInvalid, "not an image: no media type"),
        ({"mediaType": "text/x"}, "", ManifestInvalid, "not an image: media type text/x"),
        ({"mediaType": "\x1b[2J\ud800"}, "", ManifestInvalid, r"not an image: media type \?\[2J\?$"),
        ({"mediaType": "x" * 5000}, "", ManifestInvalid, "^r/a: not an image: media type x{100}$"),
        ({"schemaVersion": 1, "fsLayers": []}, "", ImageUnsupported, "manifest schema 1 is no longer supported"),
        ({}, "application/vnd.docker.distribution.manifest.v1+prettyjws", ImageUnsupported, "manifest schema 1 is no longer supported"),
        ({"mediaType": OCI_MANIFEST, "layers": [], "manifests": []}, "", ManifestInvalid, "the document is both an index and a manifest"),
        ({"mediaType": OCI_INDEX, "config": {}, "manifests": []}, "", ManifestInvalid, "the document is both an index and a manifest"),
    ],
)
def test_documents_that_are_no_image_or_ambiguous_are_refused(found, header, error, words):
    with pytest.raises(error, match=words):
        manifests.media_type(found, header, "r/a")


def test_an_index_lists_manifests_and_a_manifest_does_not():
    assert [manifests.is_index(kind) for kind in (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)] == [True, True, False, False]


# --- descriptors ------------------------------------------------------------------------------------


def test_a_descriptor_has_type_digest_and_size():
    assert manifests.descriptor(LAYER, "r/a") == Descriptor(LAYER["mediaType"], D, 7)


@pytest.mark.parametrize(
    "value",
    [
        None, "text", [], {},
        LAYER | {"mediaType": None},
        LAYER | {"digest": "sha256:../../etc/passwd"},
        LAYER | {"digest": "md5:" + "a" * 32},
        LAYER | {"digest": 5},
        LAYER | {"size": -1},
        LAYER | {"size": True},
        LAYER | {"size": 1.5},
        LAYER | {"size": "7"},
        LAYER | {"size": 1 << 50},
    ],
)  # fmt: skip
def test_an_invalid_descriptor_is_refused(value):
    with pytest.raises(ManifestInvalid, match=r"^r/a: "):
        manifests.descriptor(value, "r/a")


# --- choosing a platform ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "there", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64/v1", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64/v1"], 1),
        ("linux/amd64", ["linux/amd64", "linux/amd64"], 0),
        ("linux/arm64", ["linux/arm64/v8", "linux/arm64/v9"], 0),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], 2),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], 1),
        ("linux/arm/v7", ["linux/arm/v6", "linux/arm"], 1),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm", "linux/arm/v5"], 2),
        ("linux/amd64", ["unknown/unknown", "linux/amd64", "linux/unknown"], 1),
    ],
)
def test_the_closest_platform_that_runs_here_is_chosen(node, there, chosen):
    index = {"manifests": [entry(text, "abcdef"[number]) for number, text in enumerate(there)]}
    assert choose(index, Platform(*node.split("/")), "r/a").digest == "sha256:" + "abcdef"[chosen] * 64


@pytest.mark.parametrize(
    ("node", "there", "chosen"),
    [
        ("linux/amd64", ["linux/386", "linux/amd64"], 1),
        ("linux/amd64", ["linux/386", "linux/arm/v7"], 0),
        ("linux/arm64", ["linux/arm/v5", "linux/arm/v7", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], 1),
    ],
)
def test_a_32_bit_image_is_the_last_choice_of_a_node_that_runs_them(node, there, chosen):
    index = {"manifests": [entry(text, "abcdef"[number]) for number, text in enumerate(there)]}
    told = Platform(*node.split("/"), runs_32_bit=True)
    assert choose(index, told, "r/a").digest == "sha256:" + "abcdef"[chosen] * 64


@pytest.mark.parametrize(("there", "helps"), [("linux/386", True), ("linux/arm64", False), ("linux/s390x", False)])
def test_the_setting_that_would_take_an_image_is_the_hint(there, helps):
    with pytest.raises(PlatformMissing) as caught:
        choose({"manifests": [entry(there, "a")]}, Platform("linux", "amd64"), "r/a")
    assert ("runtime.run_32_bit" in str(caught.value.hint)) is helps


def test_index_entries_without_a_platform_come_after_those_that_fit_and_artifacts_not_at_all():
    bare = {key: value for key, value in entry("linux/amd64", "c").items() if key != "platform"}
    artifact = bare | {"artifactType": "application/vnd.dev.sigstore.bundle"}
    index = {"manifests": [artifact, bare, bare | {"mediaType": OCI_INDEX}, entry("linux/arm64"), entry("linux/amd64", "b")]}
    assert [found.digest[7] for found in manifests.candidates(index, AMD64, "r/a")] == ["b", "c"]


def test_strange_index_entries_are_skipped():
    strange = [
        None,
        5,
        {},
        entry("linux/amd64") | {"platform": "x"},
        entry("linux/amd64") | {"platform": {"os": ["x"], "architecture": {}}},
    ]
    index = {"manifests": [*strange, entry("linux/arm64", digest="crc:5"), entry("linux/amd64", "b")]}
    assert choose(index, AMD64, "r/a").digest == "sha256:" + "b" * 64


def test_the_chosen_entry_must_be_valid():
    with pytest.raises(ManifestInvalid):
        choose({"manifests": [entry("linux/amd64", size=-1)]}, AMD64, "r/a")


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (["linux/arm64", "linux/arm/v7", "unknown/unknown"], "no image for platform linux/amd64; available: linux/arm/v7, linux/arm64$"),
        (["unknown/unknown"], "available: none$"),
        ([], "available: none$"),
        (["linux/\x1b]0;title\x07"], r"available: linux/\?\]0;title\?$"),
        ([f"os{number:02}/x" for number in range(25)], "os00/x, .*os19/x and 5 more$"),
    ],
)
def test_a_missing_platform_lists_the_available_ones(there, words):
    with pytest.raises(PlatformMissing, match=words):
        choose({"manifests": [entry(text) for text in there]}, AMD64, "r/a")


@pytest.mark.parametrize("value", [None, {}, "x"])
def test_an_index_without_a_list_is_refused(value):
    with pytest.raises(ManifestInvalid, match="without a list of manifests"):
        choose({"manifests": value}, AMD64, "r/a")


# --- config and layers ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_config_and_layers_are_taken_in_their_order(kind):
    second = LAYER | {"digest": "sha256:" + "b" * 64, "mediaType": kind}
    config, layers = manifests.config_and_layers({"config": CONFIG, "layers": [LAYER, second, LAYER]}, "r/a")
    assert config.size == 5
    assert [layer.digest[7] for layer in layers] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"config": None}, ManifestInvalid, "descriptor"),
        ({"config": CONFIG | {"mediaType": "application/vnd.oci.empty.v1+json"}}, ImageUnsupported, "is not a container image"),
        ({"config": CONFIG | {"size": (4 << 20) + 1}}, ManifestInvalid, "a config of 4194305 bytes, larger than 4 MiB"),
        ({"layers": None}, ManifestInvalid, "no list of layers"),
        ({"layers": {}}, ManifestInvalid, "no list of layers"),
        ({"layers": [LAYER] * 513}, ManifestInvalid, "more than 512"),
        ({"layers": [None]}, ManifestInvalid, "descriptor"),
        ({"layers": [LAYER | {"urls": ["https://elsewhere/x"]}]}, ImageUnsupported, "is stored outside the registry"),
        (
            {"layers": [LAYER | {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}]},
            ImageUnsupported,
            "has media type",
        ),
        ({"layers": [LAYER | {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}]}, ImageUnsupported, "encrypted"),
        ({"layers": [LAYER | {"mediaType": "a\nb"}]}, ImageUnsupported, r"has media type a\?b, which is not supported$"),
    ],
)
def test_unsupported_configs_and_layers_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        manifests.config_and_layers({"config": CONFIG, "layers": [LAYER]} | change, "r/a")


def facts(**change):
    return json.dumps({"os": "linux", "architecture": "arm", "variant": "v7", "rootfs": {"diff_ids": [D]}} | change).encode()


def test_a_config_has_a_platform_and_diff_ids():
    assert manifests.platform_and_diff_ids(facts(), "r/a") == (Platform("linux", "arm", "v7"), (D,))
    assert manifests.platform_and_diff_ids(facts(variant=None), "r/a")[0] == Platform("linux", "arm")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"os": ""}, "without a platform"),
        ({"architecture": None}, "without a platform"),
        ({"variant": 7}, "without a platform"),
        ({"variant": "v7\x1b[2J"}, r"with the invalid platform linux/arm/v7\?\[2J"),
        ({"rootfs": None}, "without diff ids"),
        ({"rootfs": {"diff_ids": "x"}}, "without diff ids"),
        ({"rootfs": {"diff_ids": ["sha256:short"]}}, "without diff ids"),
        ({"rootfs": {"diff_ids": [5]}}, "without diff ids"),
    ],
)
def test_a_config_without_them_is_refused(change, words):
    with pytest.raises(ManifestInvalid, match=words):
        manifests.platform_and_diff_ids(facts(**change), "r/a")
