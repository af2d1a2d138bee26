"""The bytes of a bundle, in order: what is known, and which content is to be filled in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import Contents, Extent
from kelvin_provision.bundles.writing import trust_members
from kelvin_provision.bundles.writing.layout import OCI_LAYOUT, request_path, signature_path
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import blob_path, header, padding
from kelvin_provision.trust.documents.model import SignedDocument

_ZEROS = bytes(1 << 20)


def sealed(contents: Contents, hashes: Sequence[bytes]) -> Contents:
    """With the digest of the hashes of its chunks: complete."""
    return replace(contents, chunks=replace(contents.chunks, digest=digest_of(b"".join(hashes))))


def head(contents: Contents, hashes: Sequence[bytes], signatures: bytes = b"", trust: Sequence[SignedDocument] = ()) -> bytes:
    """Everything before the first chunk."""
    table = b"".join(hashes)
    if len(table) != contents.chunks.size or len(signatures) > limits.SIGNATURES:
        raise ValueError(len(table), len(signatures))
    data = encode(contents)
    members = [
        ("oci-layout", OCI_LAYOUT),
        ("kelvin/signatures.json", padded(signatures)),
        ("kelvin/bundle.json", data),
    ]
    joined = b"".join(header(name, len(content)) + content + padding(len(content)) for name, content in members)
    return joined + b"".join(trust_members.pieces(trust)) + header("kelvin/chunks", len(table)) + table


def padded(signatures: bytes) -> bytes:
    """With blanks, so that signers can be added in place."""
    return signatures.ljust(limits.SIGNATURES)


def pieces(contents: Contents) -> Iterator[bytes | Extent]:
    """From the end of the hashes of the chunks to the end of the archive."""
    yield padding(contents.chunks.size)
    end = contents.chunks.end + len(padding(contents.chunks.size))
    for path, extent in members(contents):
        yield header(path, extent.size)
        yield extent
        yield padding(extent.size)
        end = extent.end + len(padding(extent.size))
    while end < contents.total:
        zeros = _ZEROS[: contents.total - end]
        yield zeros
        end += len(zeros)


def members(contents: Contents) -> Iterator[tuple[str, Extent]]:
    """In order."""
    yield from contents.files
    for request in contents.requests:
        yield request_path(request.name), request.content
        if request.signature:
            yield signature_path(request.name), request.signature
    yield from ((blob_path(blob.digest), blob) for blob in contents.blobs)
