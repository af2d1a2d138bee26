"""A small bundle with real digests, of a few blobs, as bytes: what a hostile stick is made from."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import BundledImage, BundledLayer, BundledRequest, Contents, Extent
from kelvin_provision.bundles.opening import CONTENTS_AT, SIGNATURES_AT
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Platform, Reference

PLATFORM = Platform("linux", "arm64", "v8")
REQUEST = b'{"name": "pump"}'
UNSIGNED = b"{}"


def member(name, content):
    """A member of the archive: header, content, padding."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o444
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def laid_out(start, members):
    """The extents of members that follow one another from an offset on, and the offset behind them."""
    extents = []
    for content in members:
        extents.append(Extent(digest_of(content), start + 512, len(content)))
        start += 512 + len(content) + -len(content) % 512
    return extents, start


def small(layers=(b"layer " * 700,), part=0, signatures=UNSIGNED, **changes):
    """The archive and its table of contents."""
    configs = json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(configs)}}).encode()
    blobs = [manifest, configs, *layers]
    size = count = 0
    while True:  # the offsets depend on the length of the table that has them, and on the number of chunks
        start = CONTENTS_AT + size + -size % 512 + 512
        chunks = Extent("sha256:" + "0" * 64, start, 32 * count)
        (request, index, *extents), end = laid_out(start + 32 * count + -(32 * count) % 512, [REQUEST, b"{}", *blobs])
        total = -(-(end + 1024) // 10_240) * 10_240
        needed = -(-total // limits.CHUNK) - chunks.end // limits.CHUNK
        parts = [part] * (total // part) + [total % part] * bool(total % part) if part else [total]
        image = BundledImage(
            Reference.parse(f"registry.example/team/pump:1@{extents[0].digest}"),
            PLATFORM,
            extents[0].digest,
            extents[1].digest,
            tuple(BundledLayer(extent.digest, extent.size, extent.digest, extent.size) for extent in extents[2:]),
        )
        contents = Contents(
            "pump-1", "kelvin-provision 1", (PLATFORM,), (BundledRequest("0001.json", request),), (image,), tuple(extents),
            (("index.json", index),), chunks, total, tuple(parts),
        )  # fmt: skip
        contents = replace(contents, **changes)
        if (len(encode(contents)), needed) == (size, count):
            break
        size, count = len(encode(contents)), needed
    tail = member("kelvin/requests/0001.json", REQUEST) + member("index.json", b"{}")
    tail += b"".join(member(f"blobs/sha256/{digest_of(blob)[7:]}", blob) for blob in blobs)
    tail += bytes(total - chunks.offset - 32 * count - -(32 * count) % 512 - len(tail))
    hashes = hashes_of(tail, chunks.end + -chunks.end % 512, chunks.end, total)
    contents = replace(contents, chunks=replace(contents.chunks, digest=digest_of(hashes)))
    return head(encode(contents), signatures) + member("kelvin/chunks", hashes) + tail, contents


def head(contents, signatures=UNSIGNED):
    """The first members."""
    start = member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    start += member("kelvin/signatures.json", signatures.ljust(limits.SIGNATURES))
    assert len(start) == SIGNATURES_AT + limits.SIGNATURES
    return start + member("kelvin/bundle.json", contents)


def hashes_of(tail, at, start, total):
    """The hashes of the chunks: `tail` are the bytes from `at` on, and those from `start` to `at` are zeros."""
    file = io.BytesIO(bytes(at - start) + tail)
    hashes, position = b"", start
    while position < total:
        size = limits.CHUNK - position % limits.CHUNK
        hashes += hashlib.sha256(file.read(size)).digest()
        position += size
    return hashes


def written(folder, name="pump", part=0, **options):
    """The bundle as files in a folder; returns the files and the table of contents."""
    data, contents = small(part=part, **options)
    if not part:
        files = [folder / f"{name}.kpb"]
        files[0].write_bytes(data)
    else:
        files = [folder / f"{name}.kpb.{number:03}" for number in range(1, len(contents.parts) + 1)]
        for number, file in enumerate(files):
            file.write_bytes(data[number * part : (number + 1) * part])
    return files, contents
