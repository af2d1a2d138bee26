"""Further parts of a bundle that was imported: on another medium, without a signature of their own, and told by their content.

The hashes of the chunks are kept on the box, because they lie in the first part. They have the digest that the table of contents says.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from pathlib import Path

from kelvin_provision.bundles.limits import CHUNK, HASH
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.part_file import size_of
from kelvin_provision.bundles.parts import BundleFiles, Parts
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.bundles.writing.filling import spans
from kelvin_provision.errors import BundleDamaged, MediumGone
from kelvin_provision.files.hashing import Hasher
from kelvin_provision.ledger.reading.bundles import BundleReads, ImportedBundle
from kelvin_provision.media import kept
from kelvin_provision.media.finding import Finder
from kelvin_provision.media.mounts import Mounts


def bundle_of(ledger: BundleReads, state_dir: Path, files: BundleFiles) -> tuple[ImportedBundle, Contents] | None:
    """The imported bundle that these files are parts of; None for files that have the name and the sizes of none.

    Of each the first and the last chunk are read; the rest is hashed when it is copied. Raises BundleDamaged for another content,
    MediumGone where the hashes are not here.
    """
    strange: Path | None = None
    for known in ledger.bundles():
        contents = kept.load(state_dir, known.digest) if files.name in known.file_names else None
        if contents is None or not _have_its_sizes(files, contents):
            continue
        strange = _strange_part(files, contents, state_dir, known)
        if strange is None:
            return known, contents
    if strange is not None:
        raise BundleDamaged(f"{strange} is not that part of the bundle {files.name}: its content is another")
    return None


def _have_its_sizes(files: BundleFiles, contents: Contents) -> bool:
    return all(number <= len(contents.parts) and size_of(path) == contents.parts[number - 1] for number, path in files.paths.items())


def _strange_part(files: BundleFiles, contents: Contents, state_dir: Path, known: ImportedBundle) -> Path | None:
    """The first with a chunk that does not fit. Raises MediumGone."""
    hashes = kept.hashes(state_dir, known.digest, contents) or _from_medium(known, contents)
    with Parts(files, contents.parts) as parts:
        for number in sorted(files.paths):
            for offset, size in _ends(contents, number):
                hasher = Hasher()
                for data in parts.read(offset, size):
                    hasher.update(data)
                at = (offset // CHUNK - contents.chunks.end // CHUNK) * HASH
                if bytes.fromhex(hasher.hex) != hashes[at : at + HASH]:
                    return files.paths[number]
    return None


def _ends(contents: Contents, number: int) -> Iterator[tuple[int, int]]:
    """The first and the last chunk that lie in this part as a whole. Of parts that this program cuts, every chunk does."""
    end = list(accumulate(contents.parts))[number - 1]
    start = end - contents.parts[number - 1]
    begin = contents.chunks.end if start <= contents.chunks.end else -(-start // CHUNK) * CHUNK
    whole = list(takewhile(lambda span: sum(span) <= end, spans(begin, contents.hashed_end)))
    yield from dict.fromkeys((*whole[:1], *whole[-1:]))


def _from_medium(known: ImportedBundle, contents: Contents) -> bytes:
    """For a bundle of which they were not read when it was imported. Raises MediumGone."""
    try:
        with Bundle(Finder(Mounts()).files(known, contents), known.digest, contents) as bundle:
            return bundle.content(contents.chunks)
    except (MediumGone, BundleDamaged) as error:
        hint = "insert the medium with part 1 as well, or import both together"
        raise MediumGone(f"the hashes of the bundle {known.name}, which are in its first part, are not here", hint=hint) from error
