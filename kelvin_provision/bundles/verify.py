"""Verify: every byte of a bundle that is here, by the hashes of its chunks. Says which part is bad, and where."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.head_check import first_difference
from kelvin_provision.bundles.model import FOREIGN, PACKAGE, Contents, Extent
from kelvin_provision.bundles.part_file import GONE
from kelvin_provision.bundles.parts import Parts
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.bundles.writing import pipeline
from kelvin_provision.bundles.writing.filling import spans
from kelvin_provision.bundles.zips.layout import checksums_of, tail
from kelvin_provision.errors import BundleDamaged, MediumGone
from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import Hasher

TASK = "the bundle"
MOST = 1000
"""Bad places that are named; the others are counted."""
_MIB = 1 << 20
CHANGED, UNREADABLE = "changed", "cannot be read"


@dataclass(frozen=True)
class BadPlace:
    """Bytes that are not what the bundle says. `offset` is that in the file; `members` are what lies there, by digest or name.

    `part` is 1 where one file has the whole bundle.
    """

    part: int
    path: str
    offset: int
    size: int
    reason: str
    members: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        first, last = self.offset // _MIB, (self.offset + max(self.size, 1) - 1) // _MIB
        where = f"MiB {first}" if first == last else f"MiB {first} to {last}"
        return f"{self.path}, {where}: {self.reason}{f', {_named(self.members)}' if self.members else ''}"

    def to_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "path": self.path,
            "offset": self.offset,
            "size": self.size,
            "reason": self.reason,
            "members": list(self.members),
        }


def _named(members: Sequence[str]) -> str:
    more = len(members) - 2
    return " and ".join([*members[:2], *([f"{more} more"] if more > 0 else [])])


@dataclass(frozen=True)
class VerifyResult:
    """Chunks of the bundle, those that were read, and the bytes that were. `missing` are parts that are not here."""

    chunks: int
    verified: int
    bytes: int
    missing: tuple[int, ...]
    bad: tuple[BadPlace, ...]
    bad_chunks: int

    def to_json(self) -> dict[str, Any]:
        return {
            "chunks": {"total": self.chunks, "verified": self.verified, "bad": self.bad_chunks},
            "bytes": self.bytes,
            "missing": list(self.missing),
            "bad": [place.to_json() for place in self.bad],
        }


def verify(bundle: Bundle, head: Head, progress: Progress) -> VerifyResult:
    """In the order of the bytes, once, from the medium and not from memory. Raises MediumGone, also when it goes while it is read."""
    return _each_blob(bundle, progress) if bundle.contents.form == FOREIGN else _Verification(bundle, progress).run(head)


def _each_blob(bundle: Bundle, progress: Progress) -> VerifyResult:
    """Of a zip of another program: it has no hashes of chunks, and each content has its digest."""
    contents = bundle.contents
    extents = [*contents.blobs, *(request.content for request in contents.requests)]
    progress(Started(TASK, "verifying", total := sum(extent.size for extent in extents)))
    bad, done = [], 0
    for extent in extents:
        hasher = Hasher.like(extent.digest)
        try:
            for data in bundle.read(extent.offset, extent.size):
                hasher.update(data)
                done += len(data)
                progress(Advanced(TASK, done, total))
            wrong = hasher.digest != extent.digest
        except BundleDamaged:
            wrong = True
        if wrong:
            bad.append(BadPlace(1, str(bundle.files.paths[1]), extent.offset, extent.size, CHANGED, (extent.digest,)))
    progress(Finished(TASK, "damaged" if bad else "verified"))
    return VerifyResult(len(extents), len(extents), done, (), tuple(bad[:MOST]), len(bad))


class _Verification:
    """One pass. The next chunks are read while one is hashed."""

    def __init__(self, bundle: Bundle, progress: Progress) -> None:
        self._bundle = bundle
        self._contents = bundle.contents
        self._parts = _parts_of(bundle)
        self._progress = progress
        self._members = _Members(bundle.contents)
        self._bad: list[BadPlace] = []
        self._bad_chunks = 0
        self._broken: set[int] = set()
        self._unreadable: set[int] = set()
        self._done = self._total = 0

    def run(self, head: Head) -> VerifyResult:
        self._open_all()
        start = self._contents.chunks.end
        chunks = list(spans(start, self._contents.hashed_end))
        here = [chunk for chunk in chunks if self._is_here(chunk)]
        self._done, self._total = start, start + sum(size for _, size in here)
        self._progress(Started(TASK, "verifying", self._total))
        if hashes := self._hashes(head):
            pipeline.run(here, self._read, lambda offset, view: self._check(offset, view, hashes))
            self._check_tail(head)
        self._progress(Finished(TASK, "damaged" if self._bad else "verified"))
        self._refuse_changed()
        return VerifyResult(len(chunks), len(here) if hashes else 0, self._done, self._bundle.missing, tuple(self._bad), self._bad_chunks)

    def _open_all(self) -> None:
        """A part of another size is bad as a whole, and the others are read all the same."""
        for number in sorted(set(self._bundle.files.paths) & set(range(1, self._parts.count + 1))):
            try:
                self._parts.file(number).drop_cache()
            except BundleDamaged as error:
                self._broken.add(number)
                path = str(self._bundle.files.paths[number])
                self._note(BadPlace(number, path, 0, self._parts.size_of(number), str(error).removeprefix(f"{path} is ")))

    def _is_here(self, chunk: tuple[int, int]) -> bool:
        numbers = {number for number, _, _ in self._parts.pieces(*chunk)}
        return not numbers & self._broken and numbers <= set(self._bundle.files.paths)

    def _hashes(self, head: Head) -> bytes:
        """The hashes of the chunks; empty where they are bad or not here, so that nothing else can be verified."""
        extent = self._contents.chunks
        if not self._is_here((0, extent.end)):
            return b""
        start = b"".join(self._bundle.read(0, extent.end))
        place = first_difference(start, head, extent)
        hashes = start[extent.offset : extent.end]
        if place is not None:
            self._note_range(place, 1, CHANGED, ("the headers",))
        if hashlib.sha256(hashes).digest() != bytes.fromhex(extent.digest.partition(":")[2]):
            self._note_range(extent.offset, extent.size, CHANGED, ("the hashes of the chunks",))
            return b""
        return hashes

    def _read(self, offset: int, view: memoryview) -> None:
        """A place that cannot be read is a bad one, unless the medium is gone."""
        try:
            self._parts.read_into(view, offset)
        except MediumGone as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno in GONE or not self._parts.answers(offset):
                raise
            self._unreadable.add(offset)

    def _check(self, offset: int, view: memoryview, hashes: bytes) -> None:
        number = offset // limits.CHUNK - self._contents.chunks.end // limits.CHUNK
        readable = offset not in self._unreadable
        if not readable or hashlib.sha256(view).digest() != hashes[number * limits.HASH : (number + 1) * limits.HASH]:
            self._bad_chunks += 1
            self._note_range(offset, len(view), CHANGED if readable else UNREADABLE, self._members.of(offset, len(view)))
        self._done += len(view)
        self._progress(Advanced(TASK, self._done, self._total))

    def _check_tail(self, head: Head) -> None:
        """The directory of a package, which no hash covers."""
        contents = self._contents
        if contents.form != PACKAGE:
            return
        start = b"".join(self._bundle.read(0, contents.chunks.end))
        if b"".join(self._bundle.read(contents.hashed_end, contents.tail)) != tail(contents, checksums_of(contents, head.entries), start):
            self._note_range(contents.hashed_end, contents.tail, CHANGED, ("the directory",))
        self._done += contents.tail

    def _note_range(self, offset: int, size: int, reason: str, members: tuple[str, ...]) -> None:
        for number, start, count in self._parts.pieces(offset, size):
            self._note(BadPlace(number, str(self._bundle.files.paths[number]), start, count, reason, members))

    def _note(self, place: BadPlace) -> None:
        last = self._bad[-1] if self._bad else None
        if last and (last.part, last.reason, last.offset + last.size) == (place.part, place.reason, place.offset):
            members = tuple(dict.fromkeys((*last.members, *place.members)))
            self._bad[-1] = replace(last, size=last.size + place.size, members=members)
        elif len(self._bad) < MOST:
            self._bad.append(place)

    def _refuse_changed(self) -> None:
        changed = [file.path for file in self._parts.opened if file.changed]
        if changed:
            raise BundleDamaged(f"{changed[0]} was written to while it was read", hint="wait until the copy is complete, then verify again")


def _parts_of(bundle: Bundle) -> Parts:
    assert isinstance(bundle.parts, Parts)  # noqa: S101  (of every bundle but those of other programs)
    return bundle.parts


class _Members:
    """What lies where."""

    def __init__(self, contents: Contents) -> None:
        named = [(request.content, f"request {request.name}") for request in contents.requests]
        named += [(request.signature, f"the signature of {request.name}") for request in contents.requests if request.signature]
        named += [(extent, name) for name, extent in contents.files]
        named += [(blob, blob.digest) for blob in contents.blobs]
        self._named: list[tuple[Extent, str]] = sorted(named, key=lambda pair: pair[0].offset)
        self._starts = [extent.offset for extent, _ in self._named]

    def of(self, offset: int, size: int) -> tuple[str, ...]:
        first = max(bisect_right(self._starts, offset) - 1, 0)
        last = bisect_right(self._starts, offset + size - 1)
        return tuple(name for extent, name in self._named[first:last] if extent.end > offset)
