"""Bundles that were changed at random: each is read as it says, or refused with its reason. `python -m tests.fuzz.bundles --seconds 60`.

Changed are bytes of the archive (most often of its first members), and values of the table of contents, which then stays JSON.
"""

import json
import random
from pathlib import Path
from typing import Any

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.bundles.inspection import BundlePlace, inspect
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.bundles.writing.layout import CONTENTS_AT
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.fuzz.archives import Fuzzer
from tests.kit import bundles
from tests.kit.hostile_bundles import BASE, DIGEST, document, headed
from tests.kit.images import make_image
from tests.kit.signing import key_pair
from tests.kit.trusting import signed, trust_document

VALUES = (
    None, True, 0, -1, 1, 511, 512, (1 << 53) - 1, 1 << 53, 1 << 64, 1.5, "", "x", "..", "a/b", "\x1b", "\ud800", DIGEST, "sha512:00", [], {}, [[]], [1],
    {"a": 1}, "x" * 2000, [DIGEST, 0, 1], "linux/amd64", "r.io/x:1", f"r.io/x@{DIGEST}",
)  # fmt: skip


_ANNA = key_pair()
TRUSTING = bundles.make(
    {"r.io/pump:1": make_image([b"layer"])}, trust=tuple(signed(trust_document(number, _ANNA), _ANNA) for number in (1, 2)), name="trusting"
)
"""With trust documents, which no hash of the bundle covers."""


def mutated(source: random.Random) -> bytes:
    """An archive."""
    kind = source.random()
    if kind < 0.05:
        return changed_bytes(source, TRUSTING.data, TRUSTING.contents.chunks.offset)
    if kind < 0.5:
        return _with_table(json.dumps(changed_values(source, document())).encode())
    if kind < 0.6:
        return _with_table(changed_bytes(source, BASE.table))
    return changed_bytes(source, BASE.data, CONTENTS_AT + len(BASE.table) if kind < 0.9 else None)


def _with_table(table: bytes) -> bytes:
    """Its other members stay where they were, if the table is no longer."""
    start = headed(table)
    return start + BASE.data[len(start) :]


def changed_values(source: random.Random, whole: Any) -> Any:
    """Of an object or a list."""
    for _ in range(source.choice((1, 1, 1, 2, 5))):
        places = list(_places(whole))
        if not places:
            break
        container, key = source.choice(places)
        value = container[key]
        match source.randrange(6):
            case 0 if isinstance(container, dict):
                del container[key]
            case 1 if isinstance(container, list):
                container.insert(key, json.loads(json.dumps(value)))
            case 2 if isinstance(container, list):
                del container[key]
            case 3 if isinstance(value, int):
                container[key] = value + source.choice((-512, -1, 1, 512, 1 << 20, 1 << 40, -value))
            case 4:
                other, place = source.choice(places)
                container[key] = json.loads(json.dumps(other[place]))
            case _:
                container[key] = json.loads(json.dumps(source.choice(VALUES)))
    return whole


def _places(value: object) -> list:
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(value, key), *_places(inner)]
    return found


def changed_bytes(source: random.Random, data: bytes, end: int | None = None) -> bytes:
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 8))):
        at = source.randrange(min(end or len(changed), len(changed)) or 1)
        match source.randrange(5):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 1] = source.randbytes(1)
            case 2:
                changed[at:at] = source.randbytes(source.randrange(1, 600))
            case 3:
                size = source.choice((1, 16, 512))
                changed[at : at + size] = bytes(size)
            case _:
                del changed[at : at + source.randrange(1, 600)]
        if not changed:
            break
    return bytes(changed)


def _read_all(path: Path) -> None:
    """What is accepted is read to its end, and each document has its digest or is damaged."""
    files = find(path)
    head = read_head(files)
    contents = inspect(BundlePlace((path,)), Trust(TrustSettings())).contents
    with open_bundle(files, head, contents) as bundle:
        for extent in contents.blobs:
            assert contents.chunks.end <= extent.offset <= extent.end <= contents.total
            assert sum(map(len, bundle.blob(extent.digest))) == extent.size
        for image in contents.images:
            assert len(bundle.document(image.config)) <= limits.CONFIG


def _word(accepted: Accepted, bad: bool, data: bytes) -> str:
    assert accepted.contents.total == len(data)
    return "damaged" if bad else "whole"


FUZZER = Fuzzer(".kpb", mutated, _read_all, _word)

if __name__ == "__main__":
    FUZZER.main(__doc__)
