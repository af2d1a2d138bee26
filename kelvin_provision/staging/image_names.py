"""By which digests what is revoked may mean an image: an index is its manifests, too, and a document has a digest of each algorithm.

What is not on this box cannot be looked into: then only the digests count that are said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property

from kelvin_provision.bundles.limits import MANIFEST
from kelvin_provision.errors import ManifestInvalid
from kelvin_provision.files.hashing import digest_of, has_digest
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.refs import is_digest
from kelvin_provision.store import Store
from kelvin_provision.trust.believed import Trust

Read = Callable[[str], bytes | None]
"""The index or manifest with this digest, verified; None where it is not here."""
_ALGORITHMS = ("sha256", "sha512")
_MOST = 1024
"""Documents that one revoked index may lead to."""


class ImageNames:
    """For one look at any number of images: what was read is remembered. `resolved` knows of an index that is not here."""

    def __init__(
        self, revoked: Iterable[str] = (), read: Read = lambda _: None, resolved: Callable[[str], Iterable[str]] = lambda _: ()
    ) -> None:
        self._revoked = tuple(revoked)
        self._read = read
        self._resolved = resolved
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, *digests: str | None) -> tuple[str, ...]:
        """These digests, the others of the same documents, and those of revoked indexes that have one of them."""
        given = [digest for digest in digests if digest]
        if not self._revoked:
            return tuple(dict.fromkeys(given))
        own = dict.fromkeys(name for digest in given for name in self._names(digest))
        return (*own, *(index for index, members in self._members.items() if index not in own and not members.isdisjoint(own)))

    @cached_property
    def _members(self) -> dict[str, frozenset[str]]:
        """Of each revoked index all that it leads to."""
        return {index: frozenset(self._below(index)) for index in self._revoked}

    def _below(self, index: str) -> Iterator[str]:
        waiting, seen = [index], {index}
        while waiting and len(seen) <= _MOST:
            digest = waiting.pop()
            data = self._read(digest)
            for member in self._resolved(index) if digest == index and data is None else _manifests(data):
                if member not in seen:
                    seen.add(member)
                    waiting.append(member)
                    yield from self._names(member)

    def _names(self, digest: str) -> tuple[str, ...]:
        if digest not in self._known:
            data = self._read(digest)
            others = [digest_of(data, algorithm) for algorithm in _ALGORITHMS] if data is not None else []
            self._known[digest] = tuple(dict.fromkeys((digest, *others)))
        return self._known[digest]


AS_SAID = ImageNames()
"""Where nothing of the box is looked at."""


def names_here(trust: Trust, store: Callable[[], Store], ledger: Ledger, read: Read | None = None) -> ImageNames:
    """By the documents of this box. `read` has others, of a bundle that is not imported yet. Nothing is read where no image is revoked."""

    def document(digest: str) -> bytes | None:
        data = read(digest) if read else None
        return data if data is not None else _stored(store(), digest)

    return ImageNames(trust.revoked.images, document, ledger.manifests_of)


def _stored(store: Store, digest: str) -> bytes | None:
    with suppress(OSError, ManifestInvalid):
        path = store.path(digest)
        if path.stat().st_size <= MANIFEST:
            data = path.read_bytes()
            return data if has_digest(data, digest) else None
    return None


def _manifests(data: bytes | None) -> Iterator[str]:
    """Of an index; none of anything else. It is verified, and may be hostile all the same."""
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        for entry in json.loads(data or b"{}").get("manifests", ()):
            if is_digest(entry["digest"]):
                yield entry["digest"]
