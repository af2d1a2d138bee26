"""Zips that were changed at random: each is read as it says, or refused with its reason. `python -m tests.fuzz.zips --seconds 60`.

Changed are bytes of the zip, most often of its headers and its directory, or what is in an entry of a zip that is right otherwise.
"""

import json
import random
import zipfile
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.bundles.inspection import BundlePlace, inspect
from kelvin_provision.bundles.model import FOREIGN
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.fuzz.archives import Fuzzer
from tests.fuzz.bundles import changed_bytes, changed_values
from tests.kit import foreign_zips, packages
from tests.kit.images import make_image

_IMAGE = make_image([b"layer " * 500, b"other"], compress=False)
_NAMES = {"r.io/pump:1": _IMAGE, "r.io/side:2": make_image([b"side" * 90])}
_FILES = (
    foreign_zips.layout(_NAMES, "images/") | {"workload.json": b'{"app_name": "pump"}'},
    {"a.tar": foreign_zips.saved({"r.io/pump:1": _IMAGE}), "b.tar": foreign_zips.saved({"r.io/pump:2": _IMAGE}, old=True)},
    {"a.tar": foreign_zips.saved({"r.io/pump:1": _IMAGE}), "all.json": foreign_zips.pair(["a.tar"], {"w.json": b'{"app_name": "pump"}'})},
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_WHOLE = (packages.package(_NAMES)[1], *[foreign_zips.zipped(files, method) for files in _FILES for method in _METHODS])


def mutated(source: random.Random) -> bytes:
    """A zip."""
    if source.random() < 0.4:
        return _with_other_content(source)
    whole = source.choice(_WHOLE)
    kind = source.random()
    if kind < 0.4:
        return _at_records(source, whole)
    return changed_bytes(source, whole, 2000 if kind < 0.6 else None)


def _with_other_content(source: random.Random) -> bytes:
    files = dict(source.choice(_FILES))
    for _ in range(source.choice((1, 1, 2))):
        name = source.choice(sorted(files))
        data = files[name]
        try:
            files[name] = json.dumps(changed_values(source, json.loads(data))).encode()
        except (ValueError, IndexError):  # no document, or one of which nothing is left
            files[name] = changed_bytes(source, data, source.choice((600, None)))
    return foreign_zips.zipped(files, source.choice(_METHODS))


def _at_records(source: random.Random, whole: bytes) -> bytes:
    """Numbers of headers and of the directory."""
    changed = bytearray(whole)
    places = [at for at in range(len(whole) - 4) if whole[at : at + 2] == b"PK" and whole[at + 2] in (1, 3, 5, 7)]
    for _ in range(source.choice((1, 1, 2, 4))):
        at = source.choice(places) + source.randrange(4, 50)
        size = source.choice((1, 2, 4))
        value = source.choice((0, 1, 2, 8, 0x7F, 0xFF, 0xFFFF, 0xFFFFFFFF, source.randrange(len(whole)), source.randrange(1 << 32)))
        if at + size <= len(changed):
            changed[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return bytes(changed)


def _read_all(path: Path) -> None:
    files = find(path)
    head = read_head(files, named=True)
    contents = inspect(BundlePlace((path,)), Trust(TrustSettings())).contents
    most = limits.RATIO * path.stat().st_size + limits.UNCHECKED_RATIO * len(head.contents)
    assert contents.total <= most if contents.form == FOREIGN else contents.total == path.stat().st_size
    with open_bundle(files, head, contents) as bundle:
        for extent in contents.blobs:
            assert sum(map(len, bundle.blob(extent.digest))) == extent.size
            assert sum(map(len, bundle.blob(extent.digest, extent.size // 2))) == extent.size - extent.size // 2
        for image in contents.images:
            assert len(bundle.document(image.config)) <= limits.CONFIG


def _word(accepted: Accepted, bad: bool, _: bytes) -> str:
    return f"{'damaged' if bad else 'whole'} {accepted.contents.form}"


FUZZER = Fuzzer(".zip", mutated, _read_all, _word)

if __name__ == "__main__":
    FUZZER.main(__doc__)
