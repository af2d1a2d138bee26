"""Publications that were changed at random, as a box reads them. `python -m tests.fuzz.publications --seconds 60`.

Changed are the manifest, the signatures and the document, which the registry alone can do: nothing of that is taken in. And the document
and the requests before they are signed: what a hostile publisher sends is taken in as it says, or refused with its reason.
"""

import base64
import json
import random
import shutil
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from kelvin_provision.following.taking import take
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed
from kelvin_provision.ledger.rows.inspection import damage
from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, Selector, decode, encode
from kelvin_provision.settings.model import FollowSettings
from kelvin_provision.trust import computing
from tests.fuzz.archives import SECONDS, Campaign
from tests.fuzz.bundles import changed_bytes, changed_values
from tests.kit.box import Box
from tests.kit.images import sha256
from tests.kit.publishing import CREATED, request, whole_publication
from tests.kit.publishing import made as publication
from tests.kit.signing import computed_here, key_pair, signatures, trusting

REFERENCE = "r.io/fleet/site:stable"
ANNA = key_pair()
NAMES = ("pump", "fan", "valve")
CONTENTS = (request("pump", "2.0.0"), request("fan"), request("valve", "3.0.0", title="x" * 60_000))
SELECTORS = (Selector(), Selector(), whole_publication().requests[0].selector)
HAD = 5
"""The serial that the box has had, with this manifest and these blobs."""
_BEFORE = publication(ANNA, HAD, request("pump"))
BEFORE = _BEFORE[0].manifest, _BEFORE[1]
REFUSED = {
    "publication-invalid", "publication-older", "publication-differs", "signature-missing", "signature-invalid", "signer-unknown",
    "digest-mismatch", "request-refused", "secret-missing",
}  # fmt: skip
LONGEST = 2000
"""Characters of a reason."""


@dataclass
class Made:
    """`document` is what the publisher has signed. `blobs` by digest."""

    manifest: bytes
    document: bytes
    blobs: dict[str, bytes]

    def to_bytes(self) -> bytes:
        return b"\n".join(base64.b64encode(data) for data in (self.manifest, self.document, *self.blobs.values()))

    @classmethod
    def of(cls, data: bytes) -> "Made":
        manifest, document, *blobs = map(base64.b64decode, data.split(b"\n"))
        return cls(manifest, document, {sha256(blob): blob for blob in blobs})


def mutated(source: random.Random) -> bytes:
    kind, contents = source.random(), list(CONTENTS)
    if kind < 0.3:
        at = source.randrange(len(contents))
        contents[at] = _changed(source, contents[at])
    document = _document(source, contents)
    if 0.3 <= kind < 0.6:
        document = _changed(source, document)
    signed = signatures(ANNA, document, PAYLOAD_TYPE)
    if 0.6 <= kind < 0.7:
        signed = _changed(source, signed)
    sent = _changed(source, document) if 0.7 <= kind < 0.8 else document
    one = artifact.make(PAYLOAD_TYPE, sent, signed, map(artifact.request_descriptor, contents))
    manifest = _changed(source, one.manifest) if kind >= 0.8 else one.manifest
    return Made(manifest, document, {sha256(data): data for data in (*contents, *(data for _, data in one.blobs))}).to_bytes()


def _document(source: random.Random, contents: list[bytes]) -> bytes:
    """Of these requests, whatever they are; with a serial that the box has had now and then."""
    entries = tuple(
        PublishedRequest(name, sha256(content), max(len(content), 1), source.choice(SELECTORS), source.choice((1, 50, 100, 100)))
        for name, content in zip(NAMES, contents, strict=True)
    )
    return encode(Publication(HAD + source.choice((-1, 0, 1, 1, 1, 1)), CREATED, entries, ("old",)))


def _changed(source: random.Random, data: bytes) -> bytes:
    """Bytes, or values of what then stays JSON."""
    if source.random() < 0.3:
        return changed_bytes(source, data)
    return json.dumps(changed_values(source, json.loads(data))).encode()


def _serve(box: Box, manifest: bytes, blobs: dict[str, bytes]) -> None:
    box.source.artifacts = blobs | {sha256(manifest): manifest}
    box.source.tags = {REFERENCE: sha256(manifest)}


def _box(place: Path) -> Box:
    return Box(place, trust=trusting(place.parent, ANNA), follow=FollowSettings((REFERENCE,)))


def _that_has_had_one(folder: Path) -> Path:
    """A state directory to copy."""
    place = folder / "template"
    if not place.exists():
        with closing(_box(place)) as box:
            _serve(box, *BEFORE)
            assert take(box.ctx, REFERENCE).error is None
    return place


class _Publications(Campaign):
    def outcome(self, folder: Path, data: bytes) -> str:
        made, place = Made.of(data), folder / "box"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(_that_has_had_one(folder), place)
        with closing(_box(place)) as box:
            before = box.ledger.names(), _followed(box)
            _serve(box, made.manifest, made.blobs)
            began = time.process_time()
            taken = take(box.ctx, REFERENCE)
            assert time.process_time() - began < SECONDS
            assert not damage(box.ledger)
            after = _followed(box)
            if taken.error is None:
                signed = decode(made.document)
                assert (after.document, after.serial, signed.serial) == (sha256(made.document), taken.serial, taken.serial)
                assert taken.serial > HAD
                assert {each.workload for each in taken.staged} <= {each.name for each in signed.requests}
                return "staged" if taken.staged else "unchanged"
            code, text = taken.error.code, str(taken.error)
            assert code in REFUSED, (code, text)
            assert 0 < len(" ".join([text, *taken.error.evidence]).encode()) < LONGEST, (code, text)
            assert before == (box.ledger.names(), replace(after, trouble=None))
            assert after.trouble is not None
            assert after.trouble.code == code
            return code

    def run(self, folder: Path, seed: int, *, count: int = sys.maxsize, seconds: float = 1e9) -> Counter[str]:
        with mock.patch.object(computing, "computed", computed_here):
            return super().run(folder, seed, count=count, seconds=seconds)


def _followed(box: Box) -> Followed:
    with box.ledger.reading() as db:
        return following.publications(db)[REFERENCE]


FUZZER = _Publications(".publication", mutated)

if __name__ == "__main__":
    FUZZER.main(__doc__)
