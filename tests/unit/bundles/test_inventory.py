"""An inventory is read strictly: what a stranger wrote is refused with its reason, and nothing else than an inventory comes back."""

import json
import os
import re

import pytest

from kelvin_provision.bundles.inventories.inventory import (
    LAYERS,
    MEDIA_TYPE,
    MOST_BYTES,
    RUNTIME,
    STORE,
    Inventory,
    KnownImage,
    KnownLayer,
    KnownRevision,
    encode,
    file_name,
)
from kelvin_provision.bundles.inventories.reading import decode, read
from kelvin_provision.errors import InventoryInvalid
from kelvin_provision.refs import Platform

A, B = (f"sha256:{letter * 64}" for letter in "ab")
WHOLE = Inventory(
    box="Schleuse 3",
    platform=Platform("linux", "arm64", "v8"),
    made_by="kelvin-provision 1",
    taken="1970-01-01T00:00:00Z",
    layers=(KnownLayer(A, 100, B, STORE), KnownLayer(B, 200, A, RUNTIME)),
    images=(KnownImage("r.io/pump:1", Platform("linux", "arm64"), A, B, in_store=True, in_runtime=None),),
    revisions=(KnownRevision("pump", 3, "1.0.0", "running"),),
    serials=(("anna (3f2a0c1d9b7e)", 7),),
    trust=2,
    free_store=1 << 40,
)


def changed(*path, to):
    document = WHOLE.to_json()
    *way, last = path
    inner = document
    for step in way:
        inner = inner[step]
    if to is None:
        del inner[last]
    else:
        inner[last] = to
    return json.dumps(document).encode()


def test_what_is_written_is_read():
    assert decode(encode(WHOLE.to_json())) == WHOLE


def test_what_a_box_is_called_never_makes_a_path_or_a_document_that_is_refused():
    assert file_name("../../etc/pass\nwd") == "etc-pass-wd.inventory.json"
    assert [file_name(name) for name in ("", "...", "Schleuse 3")] == [
        "box.inventory.json",
        "box.inventory.json",
        "Schleuse-3.inventory.json",
    ]
    odd = Inventory("a\nb" * 2000, Platform("linux", "amd64"), "x", "y", revisions=(KnownRevision("pump", 1, "1\0", "kept"),))
    assert decode(encode(odd.to_json())).box.startswith("a?ba?b")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not an object"),
        (b"[" * 100_000, "nested too deep"),
        ("{}ü".encode(), "not ASCII"),
        (b'{"kind": 1, "kind": 2}', "a key stands twice"),
        (b'{"serial": 1.5}', "not a whole number"),
        (b" " * (MOST_BYTES + 1), "the limit is"),
        (changed("kind", to="application/vnd.kelvin-provision.bundle.v1+json"), f"its kind is not {MEDIA_TYPE}"),
        (changed("schema", to=2), "has schema 2, this program reads 1"),
        (changed("password", to="x"), "other keys"),
        (changed("layers", to=None), "other keys"),
        (changed("box", to=""), "no name"),
        (changed("box", to="a\nb"), "printable"),
        (changed("platform", to="linux"), "platform"),
        (changed("layers", 0, "digest", to="sha256:../x"), "a digest"),
        (changed("layers", 0, "in", to="cloud"), "where a layer is is none of store, runtime"),
        (changed("layers", 0, "size", to=-1), "whole number"),
        (changed("layers", to=[1] * (LAYERS + 1)), "at most"),
        (changed("images", 0, "in_store", to=1), "neither true nor false"),
        (changed("revisions", 0, "slot", to="lost"), "the slot of a revision"),
        (changed("serials", 0, to={"signer": "x", "serial": 1, "more": 1}), "other keys"),
        (changed("trust", to=True), "trust is not a whole number"),
        (changed("free", to={"store": None}), "other keys"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_reason(data, reason):
    with pytest.raises(InventoryInvalid, match=re.escape(reason)):
        decode(data)


def test_its_file_is_a_regular_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(encode(WHOLE.to_json()))
    assert read(path) == WHOLE
    (tmp_path / "link.json").symlink_to(path)
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)
    for name, reason in (("link", "a link"), ("pipe", "not a regular file"), ("large", "the limit is"), ("none", "is not there")):
        with pytest.raises(InventoryInvalid, match=reason):
            read(tmp_path / f"{name}.json")
