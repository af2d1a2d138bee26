"""The parts of a bundle as one readable range. Parts may be missing: they are on another medium."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Self

from kelvin_provision.bundles.part_file import BLOCK, PartFile
from kelvin_provision.errors import BundleDamaged, MediumGone
from kelvin_provision.fast_dataclass import dataclass


@dataclass(frozen=True)
class BundleFiles:
    """The files of a bundle by the number of the part, from 1 on. `whole`: one file with all of it, which has number 1.

    `name` is that of the files, without `.kpb`; the bundle itself may be called otherwise.
    """

    name: str
    paths: Mapping[int, Path]
    whole: bool = False


class Parts:
    """Absolute offsets over files that are opened when they are first read, by any thread.

    `sizes` are those of all parts, as the table of contents has them. Each file must have its size: another one is cut off, or of another
    bundle. Close it when the reading pauses: an open file prevents that the medium is unmounted.
    """

    def __init__(self, files: BundleFiles, sizes: Sequence[int]) -> None:
        self.files = files
        self._sizes = [sum(sizes)] if files.whole else list(sizes)
        self._starts = [0, *accumulate(self._sizes)]
        self._open: dict[int, PartFile] = {}
        self._lock = Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._open.clear()
            self._stack.close()

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return self._starts[-1]

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that are not here."""
        return tuple(number for number in range(1, self.count + 1) if number not in self.files.paths)

    @property
    def opened(self) -> tuple[PartFile, ...]:
        return tuple(self._open.values())

    @property
    def count(self) -> int:
        """Of the files, if all were here."""
        return len(self._sizes)

    def size_of(self, number: int) -> int:
        """That the table of contents says."""
        return self._sizes[number - 1]

    def file(self, number: int) -> PartFile:
        """Raises MediumGone for a part that is not here, BundleDamaged for one of another size."""
        with self._lock:
            if number not in self._open:
                self._open[number] = self._opened(number)
            return self._open[number]

    def _opened(self, number: int) -> PartFile:
        if number not in self.files.paths:
            raise MediumGone(f"part {number} of the bundle {self.files.name} is not here")
        file = PartFile(self.files.paths[number])
        self._stack.callback(file.close)
        expected = self._sizes[number - 1]
        if file.size != expected:
            what = "cut off" if file.size < expected else "of another bundle"
            raise BundleDamaged(f"{file.path} is {what}: it has {file.size} bytes, and the bundle says {expected}")
        return file

    def answers(self, offset: int) -> bool:
        """Whether the file that has this byte can be read elsewhere."""
        return all(self.file(number).answers for number, _, _ in self.pieces(offset, 1))

    def pieces(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """The number of the part, the offset in it and the bytes in it, for each part that has some of the range."""
        end = offset + size
        if offset < 0 or size < 0 or end > self._starts[-1]:
            raise BundleDamaged(f"the bundle {self.files.name} has {self._starts[-1]} bytes, and {end} are needed")
        number = bisect_right(self._starts, offset)
        while offset < end:
            stop = min(self._starts[number], end)
            if stop > offset:
                yield number, offset - self._starts[number - 1], stop - offset
            offset, number = stop, number + 1

    def read(self, offset: int, size: int) -> Iterator[bytes]:
        """The range in blocks of at most `BLOCK` bytes."""
        for number, start, count in self.pieces(offset, size):
            file = self.file(number)
            for position in range(0, count, BLOCK):
                yield file.read(start + position, min(BLOCK, count - position))

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fills the view with the bytes from the offset on."""
        done = 0
        for number, start, count in self.pieces(offset, len(view)):
            self.file(number).read_into(view[done : done + count], start)
            done += count
