"""Trust documents in a bundle: members behind its table of contents, which does not name them, as each is signed itself.

They are read before anything is believed, since they may say whose signature of the table counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kelvin_provision.errors import BundleInvalid
from kelvin_provision.files.tar_members import BLOCK, header, name_and_size, padding, whole
from kelvin_provision.trust.documents.model import LARGEST, MOST, SignedDocument

_FOLDER = b"kelvin/trust/"


def _paths(number: int) -> tuple[str, str]:
    path = f"kelvin/trust/{number:04}.json"
    return path, f"{path}.sig"


def pieces(documents: Sequence[SignedDocument]) -> Iterator[bytes]:
    """The bytes of the members, in order."""
    for number, signed in enumerate(documents, 1):
        for path, data in zip(_paths(number), (signed.content, signed.signatures), strict=True):
            yield header(path, len(data)) + data + padding(len(data))


def size(documents: Sequence[SignedDocument]) -> int:
    """Bytes of the members."""
    return sum(2 * BLOCK + whole(len(signed.content)) + whole(len(signed.signatures)) for signed in documents)


def read(exactly: Callable[[int, int], bytes], at: int, end: int) -> tuple[SignedDocument, ...]:
    """All that begin at this offset. `exactly` reads so many bytes at an offset. Raises BundleInvalid, and what it raises."""
    documents: list[SignedDocument] = []
    while at + BLOCK <= end and name_and_size(exactly(at, BLOCK))[0].startswith(_FOLDER):
        if len(documents) == MOST:
            raise BundleInvalid(f"the bundle has more than {MOST} trust documents")
        members = []
        for path in _paths(len(documents) + 1):
            name, length = name_and_size(exactly(at, BLOCK))
            if name != path.encode() or not 0 <= length <= LARGEST:
                raise BundleInvalid(f"the bundle has no {path} of at most {LARGEST} bytes where it should be")
            members.append(exactly(at + BLOCK, length) if length else b"")
            at += BLOCK + whole(length)
        documents.append(SignedDocument(*members))
    return tuple(documents)
