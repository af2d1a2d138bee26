"""A bundle onto its medium: chunk by chunk, the table of contents last, then read back, and only then under its name.

What the medium has already and right is kept: an interrupted writing goes on, and a damaged bundle is repaired, in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from kelvin_provision.bundles.contents import decode, encode
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.opening import read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.writing import pipeline
from kelvin_provision.bundles.writing.filling import Content, Filler, spans
from kelvin_provision.bundles.writing.output import Output, Place, publish
from kelvin_provision.bundles.writing.reading_back import read_back
from kelvin_provision.bundles.writing.space import refuse_without_space
from kelvin_provision.bundles.writing.stream import head, pieces, sealed
from kelvin_provision.errors import BundleDiffers, Interrupted, ProvisionError
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.trust.documents.model import SignedDocument

Sign = Callable[[bytes, bytes], bytes]
"""From a table of contents, and the signatures that the same bundle has there already, to its signatures."""
Report = Callable[[str, int], None]
"""`hashing`, `writing` or `reading back`, and how many bytes are done."""


@dataclass(frozen=True)
class Job:
    """`contents` may be without the digest of the hashes of its chunks. `read`: read back what was written."""

    contents: Contents
    content: Content
    place: Place
    sign: Sign
    report: Report
    stop: Callable[[], bool]
    read: bool = True
    repair: bool = False
    """Write only where this bundle is already."""
    trust: tuple[SignedDocument, ...] = ()


@dataclass(frozen=True)
class Written:
    """`kept` bytes were on the medium already, `written` were not."""

    contents: Contents
    table: bytes
    signatures: bytes
    paths: tuple[Path, ...]
    kept: int
    written: int


def write(job: Job) -> Written:
    """Raises DigestMismatch for content that is not what it should be, NoSpace, CannotWrite, PermissionRefused, BundleDamaged for a medium
    that does not keep what is written, Interrupted.
    """
    contents, place = job.contents, job.place
    count = len(contents.parts)
    finals = [place.final(number, count) for number in range(1, count + 1)]
    paths, before = _paths(job, finals)
    refuse_without_space(contents, place, paths)
    with closing(Output(paths, contents.parts)) as output:
        output.lock()
        hashes = _each_chunk(job, "writing", output.put)
        contents = sealed(contents, hashes)
        table = encode(contents)
        signatures = job.sign(table, before.signatures.rstrip(b" ") if before else b"")
        first = head(contents, hashes, signatures, job.trust)
        output.put(0, memoryview(first))
        output.finish()
        if job.read:
            read_back(contents, hashes, first, output, lambda done: _report(job, "reading back", done))
        kept, written = output.kept, output.written
    renames = [(path, final) for path, final in zip(paths, finals, strict=True) if path != final]
    publish(renames, place.others(count), place.folder)
    return Written(contents, table, signatures, tuple(finals), kept, written)


def hashes_of(job: Job) -> list[bytes]:
    """Of the chunks; nothing is written."""
    return _each_chunk(job, "hashing", lambda _offset, _view: None)


def head_there(finals: Sequence[Path], contents: Contents) -> Head | None:
    """The head of this bundle, where it is there by its table of contents without the hash of the chunks: its bytes may be damaged.

    None where another bundle is, or none.
    """
    try:
        head = read_head(BundleFiles("", dict(enumerate(finals, 1)), whole=len(finals) == 1))
        known = decode(head.contents)
    except ProvisionError:
        return None
    same = replace(known, chunks=contents.chunks) == contents and known.chunks.offset == contents.chunks.offset
    return head if same else None


def _paths(job: Job, finals: Sequence[Path]) -> tuple[list[Path], Head | None]:
    """Where each part is written: in its place if it is of this bundle, else beside it. And the head of what is there."""
    contents, count = job.contents, len(finals)
    unfinished = [job.place.unfinished(number, count) for number in range(1, count + 1)]
    there = [final.is_file() and not path.exists() for final, path in zip(finals, unfinished, strict=True)]
    before = head_there(finals, contents) if there[0] else None
    if before is not None:
        return [final if is_there else path for final, path, is_there in zip(finals, unfinished, there, strict=True)], before
    if job.repair:
        text = f"{finals[0]} is not the bundle that these requests, images and options make" if there[0] else f"{finals[0]} is not there"
        raise BundleDiffers(text)
    if there[0] or not any(there):
        return unfinished, None
    hashes = hashes_of(job)
    right = [is_there and _is_right(contents, hashes, finals, number) for number, is_there in enumerate(there)]
    return [final if is_right else path for final, path, is_right in zip(finals, unfinished, right, strict=True)], None


def _is_right(contents: Contents, hashes: Sequence[bytes], finals: Sequence[Path], number: int) -> bool:
    """Whether a part that got its name before the first one did is of this bundle: the power failed between two names."""
    start = sum(contents.parts[:number])
    if start < contents.chunks.end or finals[number].stat().st_size != contents.parts[number]:
        return False
    end = start + contents.parts[number]
    with closing(Output(finals, contents.parts)) as output:
        for (offset, size), expected in zip(spans(contents.chunks.end, contents.total), hashes, strict=True):
            if offset < end and offset + size > start:
                first, last = max(offset, start), min(offset + size, end)
                if (first, last) != (offset, offset + size):
                    continue  # a chunk that another part has the rest of
                buffer = bytearray(size)
                output.read_into(offset, memoryview(buffer))
                if hashlib.sha256(buffer).digest() != expected:
                    return False
    return True


def _each_chunk(job: Job, verb: str, put: Callable[[int, memoryview], None]) -> list[bytes]:
    hashes: list[bytes] = []
    start = job.contents.chunks.end
    with closing(Filler(pieces(job.contents), job.content)) as filler:

        def take(offset: int, view: memoryview) -> None:
            hashes.append(hashlib.sha256(view).digest())
            put(offset, view)
            _report(job, verb, offset + len(view))

        pipeline.run(spans(start, job.contents.total), lambda _, view: filler.fill(view), take)
    return hashes


def _report(job: Job, verb: str, done: int) -> None:
    if job.stop():
        raise Interrupted("stopped; what is on the medium is kept", hint="the same command continues where it stopped")
    job.report(verb, done)
