"""References as people write them, platforms as images name them."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Platform, Reference, is_digest

D = "sha256:" + "a" * 64
LONG = "sha512:" + "b" * 128


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("web", "docker.io/library/web"),
        ("web:1", "docker.io/library/web:1"),
        ("kelvin/web:1", "docker.io/kelvin/web:1"),
        ("docker.io/web", "docker.io/library/web"),
        ("index.docker.io/web", "docker.io/library/web"),
        ("registry-1.docker.io/a/b", "docker.io/a/b"),
        ("localhost/web:1", "localhost/web:1"),
        ("localhost:5000/web", "localhost:5000/web"),
        ("r.example/a/b/c:1.0.0-rc.1", "r.example/a/b/c:1.0.0-rc.1"),
        ("r.example:5000/a", "r.example:5000/a"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1"),
        (f"r.example/a@{D}", f"r.example/a@{D}"),
        (f"r.example/a:1@{D}", f"r.example/a:1@{D}"),
        (f"r.example/a:1@{LONG}", f"r.example/a:1@{LONG}"),
        ("a__b.c-d", "docker.io/library/a__b.c-d"),
    ],
)
def test_a_reference_is_filled_in_to_its_full_form(text, normal):
    found = Reference.parse(text)
    assert str(found) == normal
    assert Reference.parse(normal) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid image reference"),
        ("A/b", "invalid image reference"),
        ("r.example/Upper", "invalid image reference"),
        ("r.example/", "invalid image reference"),
        ("r.example//a", "invalid image reference"),
        ("r.example/../a", "invalid image reference"),
        ("r.example/a b", "invalid image reference"),
        ("r.example/a\n", "invalid image reference"),
        ("-r.example/a", "invalid image reference"),
        ("user:pass@r.example/a", "invalid digest"),
        ("https://r.example/a", "invalid image reference"),
        ("r.example/" + "a" * 256, "invalid image reference"),
        ("r.example/a:", "invalid tag ''"),
        ("r.example/a:-x", "invalid tag '-x'"),
        ("r.example/a:" + "x" * 129, "invalid tag"),
        ("r.example/a@", "invalid digest ''"),
        ("r.example/a@sha256:abc", "invalid digest 'sha256:abc'"),
        ("r.example/a@md5:" + "a" * 32, "invalid digest"),
        (f"r.example/a@{D.upper()}", "invalid digest"),
    ],
)
def test_what_is_no_reference_is_refused_with_its_place(text, words):
    with pytest.raises(ReferenceInvalid, match=words):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "mutable"), [("a", True), ("a:latest", True), ("a:1", False), (f"a@{D}", False), (f"a:latest@{D}", False)]
)
def test_only_latest_or_no_tag_may_move(text, mutable):
    assert Reference.parse(text).mutable is mutable


def test_digests_are_canonical_and_of_an_algorithm_that_we_verify():
    assert is_digest(D)
    assert is_digest(LONG)
    assert not is_digest(D + "\n")
    assert not is_digest("sha1:" + "a" * 40)


def platform(text):
    return Platform(*text.split("/"))


@pytest.mark.parametrize(
    ("node", "image", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64/v3", "linux/amd64/v3", True),
        ("linux/amd64", "windows/amd64", False),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm64", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64", "linux/arm64/v9", False),
        ("linux/arm64", "linux/arm/v7", False),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v7", "linux/arm/v8", False),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v10", False),
        ("linux/arm/v7", "linux/arm/v6\x1b[2J", False),
        ("linux/arm/v7", "linux/arm/armhf", False),
    ],
)
def test_an_image_runs_on_its_own_platform_and_on_a_newer_variant(node, image, runs):
    assert platform(node).accepts(platform(image)) is runs


@pytest.mark.parametrize(
    ("node", "image", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/386", True),
        ("linux/amd64", "linux/arm/v7", False),
        ("linux/amd64", "windows/386", False),
        ("linux/arm64", "linux/arm/v7", True),
        ("linux/arm64", "linux/arm/v8", True),
        ("linux/arm64", "linux/arm/v9", False),
        ("linux/arm64", "linux/arm/armhf", False),
        ("linux/arm64", "linux/386", False),
        ("linux/arm/v7", "linux/arm/v8", False),
        ("linux/386", "linux/amd64", False),
        ("linux/riscv64", "linux/386", False),
    ],
)
def test_a_node_that_is_told_to_takes_32_bit_images_of_its_kind(node, image, runs):
    assert replace(platform(node), runs_32_bit=True).accepts(platform(image)) is runs
    assert platform(node).would_accept(platform(image)) is runs
    if platform(node).architecture != platform(image).architecture:
        assert not platform(node).accepts(platform(image))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("riscv64", "linux/riscv64"),
    ],
)
def test_the_kernel_says_what_this_host_is(machine, expected, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    assert str(Platform.of_this_host()) == expected
