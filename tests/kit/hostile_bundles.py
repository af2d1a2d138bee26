"""Bundles that each break one limit or rule, with the reason that the error must have."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT
from kelvin_provision.files.tar_members import header
from tests.kit import bundles
from tests.kit.images import make_image

DIGEST = "sha256:" + "ab" * 32
BASE = bundles.make(
    {"r.io/pump:1": make_image([b"layer " * 500, b"other"], compress=False)}, [b'{"name": "pump"}'], name="hostile", part_size=1 << 20
)
"""Nothing is wrong with it."""


@dataclass(frozen=True)
class Hostile:
    """`table` are the bytes of the table of contents; `reason` is a part of the message."""

    name: str
    table: Callable[[], bytes]
    reason: str

    def write(self, folder: Path) -> Path:
        path = folder / "hostile.kpb"
        path.write_bytes(headed(self.table()))
        return path


def headed(table: bytes, signatures: bytes = b"") -> bytes:
    """A file that begins as a bundle with this table does; nothing follows it."""
    start = bundles.signed(BASE.data, signatures)[: CONTENTS_AT - 512]
    return start + header("kelvin/bundle.json", len(table)) + table


def document() -> dict:
    return json.loads(BASE.table)


def changed(*path: str | int, to: object) -> Callable[[], bytes]:
    """The table with one value replaced; a function gets the value that is there."""

    def table() -> bytes:
        whole = document()
        *way, last = path
        inner = whole
        for step in way:
            inner = inner[step]
        inner[last] = to(inner[last]) if callable(to) else to
        return json.dumps(whole).encode()

    return table


def _with(key: str, value: str) -> Callable[[], bytes]:
    """The table with a text in place of a value, which need not be JSON."""
    return lambda: json.dumps(document() | {key: "HERE"}).replace('"HERE"', value).encode()


def _large_table() -> bytes:
    return json.dumps(document() | {"name": "x" * limits.CONTENTS}).encode()


def _extents(count: int) -> list[list[object]]:
    return [[DIGEST, BASE.contents.total, 0]] * count


def _swapped(blobs: list) -> list:
    return [blobs[1], blobs[0], *blobs[2:]]


def _grown(member: str, most: int) -> Callable[[], bytes]:
    """The document is larger than it may be, and everything else fits to that."""

    def table() -> bytes:
        whole = document()
        (row,) = [row for row in whole["blobs"] if row[0] == whole["images"][0][member]]
        more = most + 1 - row[2]
        for other in [*whole["blobs"], *whole["files"], *(request["content"] for request in whole["requests"])]:
            if other[-2] > row[1]:
                other[-2] += more
        row[2] += more
        whole["total"] += more
        whole["parts"] = [whole["total"]]
        hashes = -(-whole["total"] // limits.CHUNK)
        whole["chunks"]["content"][2] = 32 * hashes
        shift = 32 * hashes - 32
        for other in [*whole["blobs"], *whole["files"], *(request["content"] for request in whole["requests"])]:
            other[-2] += shift
        whole["total"] += shift
        whole["parts"] = [whole["total"]]
        return json.dumps(whole).encode()

    return table


def _huge() -> bytes:
    """A bundle of more than 2 TiB, in which nothing else is wrong."""
    whole = document()
    count = limits.HASHES // 32 + 1
    whole["chunks"]["content"][2] = 32 * count
    end = sum(whole["chunks"]["content"][1:])
    for number, extent in enumerate([*(request["content"] for request in whole["requests"]), *whole["files"], *whole["blobs"]]):
        extent[-2] = end + number * 100_000
    whole["total"] = (end // limits.CHUNK + count) * limits.CHUNK
    whole["parts"] = [whole["total"]]
    return json.dumps(whole).encode()


def _signed(signatures: list[list[str]]) -> Callable[[], bytes]:
    return changed("images", 0, to=lambda image: image | {"signatures": signatures})


TABLES = (
    Hostile("a table over its limit", _large_table, "no table of contents of at most"),
    Hostile("nested deep", lambda: b"[" * 8_000, "nested too deep"),
    Hostile("nested deep and large", lambda: b"[" * 1_000_000, "more values than"),
    Hostile("empty values", lambda: b'{"a":[' + b"{}," * 20_000 + b"{}]}", "more values than"),
    Hostile("nested a little", changed("annotations", to={"a": [[[[[[[[[1]]]]]]]]]}), "annotation is not a short printable text"),
    Hostile("a key twice", lambda: BASE.table[:-1] + b',"name":"other"}', "a key stands twice"),
    Hostile("an unknown key", lambda: BASE.table[:-1] + b',"run":"rm"}', "other keys"),
    Hostile("no JSON", lambda: BASE.table[:-1], "not JSON"),
    Hostile("a list", lambda: b"[]", "not an object"),
    Hostile("another schema", changed("schema", to=2), "has schema 2"),
    Hostile("another kind", changed("kind", to="trust"), "other keys than those of a bundle"),
    Hostile("not ASCII", lambda: BASE.table.replace(b"hostile", "höstile".encode()), "is not ASCII"),
    Hostile("a float", _with("serial", "1.0"), "is not a whole number"),
    Hostile("infinity", _with("serial", "Infinity"), "is not a whole number"),
    Hostile("a number of thousands of digits", _with("serial", "9" * 5_000), "thousands of digits"),
    Hostile("a number over 2^53", changed("serial", to=limits.NUMBER), "serial is not a whole number in its range"),
    Hostile("a negative number", changed("blobs", 0, 1, to=-1), "an offset is not a whole number in its range"),
    Hostile("a truth for a number", changed("serial", to=True), "serial is not a whole number"),
    Hostile("a name that is a path", changed("name", to="../../etc/cron.d/x"), "name has another form"),
    Hostile("a long name", changed("name", to="x" * 129), "name has another form"),
    Hostile("the name of a request that is a path", changed("requests", 0, "name", to="a/b"), "the name of a request has another form"),
    Hostile("the name of a file that is a path", changed("files", 0, 0, to="/etc/passwd"), "the name of a file has another form"),
    Hostile("control characters", changed("made_by", to="x\x1b[2J"), "made_by is not a short printable text"),
    Hostile("a long text", changed("made_by", to="x" * 1025), "made_by is not a short printable text"),
    Hostile("requests", changed("requests", to=lambda rows: rows * (limits.REQUESTS + 1)), f"at most {limits.REQUESTS}"),
    Hostile("a large request", changed("requests", 0, "content", 2, to=limits.REQUEST + 1), f"a request over {limits.REQUEST}"),
    Hostile(
        "large requests together",
        changed(
            "requests", to=lambda rows: [rows[0] | {"content": [DIGEST, 0, limits.REQUEST]}] * (limits.ALL_REQUESTS // limits.REQUEST + 1)
        ),
        f"more than {limits.ALL_REQUESTS} bytes together",
    ),
    Hostile(
        "a large signature of a request",
        changed("requests", 0, to=lambda row: row | {"signature": [DIGEST, 1 << 20, limits.SIGNATURES + 1]}),
        "a request over",
    ),
    Hostile("images", changed("images", to=lambda rows: rows * (limits.IMAGES + 1)), f"images is not a list of at most {limits.IMAGES}"),
    Hostile("blobs", changed("blobs", to=_extents(limits.BLOBS + 1)), f"blobs is not a list of at most {limits.BLOBS}"),
    Hostile("needs", changed("needs", to=[DIGEST] * (limits.BLOBS + 1)), f"needs is not a list of at most {limits.BLOBS}"),
    Hostile(
        "layers",
        changed("images", 0, "layers", to=lambda rows: rows[:1] * (limits.LAYERS + 1)),
        f"layers is not a list of at most {limits.LAYERS}",
    ),
    Hostile("signatures of an image", _signed([[DIGEST]] * (limits.IMAGE_SIGNATURES + 1)), f"at most {limits.IMAGE_SIGNATURES}"),
    Hostile("a large number of payloads", _signed([[DIGEST] * (limits.IMAGE_SIGNATURES + 2)]), "a signature is not a list"),
    Hostile("a signature without a manifest", _signed([[]]), "a signature without a manifest"),
    Hostile("a signature that is not there", _signed([[DIGEST]]), "missing or too large"),
    Hostile("a large manifest", _grown("manifest", limits.MANIFEST), "missing or too large"),
    Hostile("a large config", _grown("config", limits.CONFIG), "missing or too large"),
    Hostile("parts", changed("parts", to=[1] * (limits.PARTS + 1)), f"parts is not a list of at most {limits.PARTS}"),
    Hostile("an empty part", changed("parts", to=lambda parts: [*parts, 0]), "a part is not a whole number in its range"),
    Hostile("boxes", changed("boxes", to=["x"] * (limits.BOXES + 1)), f"boxes is not a list of at most {limits.BOXES}"),
    Hostile("platforms", changed("platforms", to=["linux/arm"] * (limits.PLATFORMS + 1)), f"at most {limits.PLATFORMS}"),
    Hostile("no platform", changed("platforms", 0, to="linux"), "a platform has another form"),
    Hostile("files", changed("files", to=lambda rows: rows * 9), "files is not a list of at most 16"),
    Hostile("annotations", changed("annotations", to={str(number): "x" for number in range(17)}), "not a short object"),
    Hostile("hashes", _huge, "or too many"),
    Hostile("chunks of another size", changed("chunks", "size", to=512), "chunks of another size"),
    Hostile("too few hashes", changed("chunks", "content", 2, to=0), "another number of chunks"),
    Hostile("hashes in the table", changed("chunks", "content", 1, to=CONTENTS_AT), "members lie in the table itself"),
    Hostile("hashes in the signatures", changed("chunks", "content", 1, to=SIGNATURES_AT), "members lie in the table itself"),
    Hostile("offsets that descend", changed("blobs", to=_swapped), "not in the order of their offsets"),
    Hostile("blobs that overlap", changed("blobs", 0, 2, to=lambda size: size + 2_000), "members overlap"),
    Hostile("a request over a blob", changed("requests", 0, "content", 1, to=BASE.contents.blobs[0].offset), "members overlap"),
    Hostile("a request before the hashes", changed("requests", 0, "content", 1, to=0), "members overlap, or lie before the hashes"),
    Hostile("a blob behind the end", changed("blobs", -1, 1, to=BASE.contents.total), "behind the end"),
    Hostile("another total", changed("total", to=lambda total: total + 1), "the parts are not the whole"),
    Hostile("parts that are not the whole", changed("parts", to=[1, 2]), "the parts are not the whole"),
    Hostile("md5", changed("blobs", 0, 0, to="md5:" + "ab" * 16), "neither sha256 nor sha512"),
    Hostile("a short digest", changed("images", 0, "config", to="sha256:ab"), "neither sha256 nor sha512"),
    Hostile("a digest that is a path", changed("blobs", 0, 0, to="sha256:../../../etc/passwd"), "neither sha256 nor sha512"),
    Hostile("a blob twice", changed("blobs", 1, 0, to=BASE.contents.blobs[0].digest), "a blob stands twice"),
    Hostile("a blob of no image", changed("images", to=[]), "belongs to no image"),
    Hostile("no manifest", changed("images", 0, "manifest", to=DIGEST), "a reference without the digest of its image"),
    Hostile("no config", changed("images", 0, "config", to=DIGEST), "missing or too large"),
    Hostile("a layer of another size", changed("images", 0, "layers", 0, "size", to=1), "not in the bundle as its image says"),
    Hostile("a layer that is nowhere", changed("images", 0, "layers", 0, "in", to="box"), "not in the bundle as its image says"),
    Hostile("a layer from elsewhere", changed("images", 0, "layers", 0, "in", to="web"), "neither in the bundle nor on the box"),
    Hostile("a reference without a digest", changed("images", 0, "reference", to="r.io/pump:1"), "without the digest"),
    Hostile("a reference that is none", changed("images", 0, "reference", to="r.io/PUMP@x"), "a reference that is not valid"),
    Hostile("a request twice", lambda: _twice("requests"), "a name stands twice"),
)


def _twice(key: str) -> bytes:
    """The same name for two requests; the second has no byte."""
    whole = document()
    row = json.loads(json.dumps(whole[key][0]))
    row["content"][1:] = [whole[key][0]["content"][1] + whole[key][0]["content"][2], 0]
    whole[key].append(row)
    return json.dumps(whole).encode()
