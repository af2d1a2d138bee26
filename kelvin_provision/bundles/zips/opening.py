"""The head of a zip: of a package, its table of contents as it is; of another one, the table that is made of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import PACKAGE
from kelvin_provision.bundles.part_file import PartFile
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.zips import foreign
from kelvin_provision.bundles.zips.directory import entries_of, is_zip, wrong
from kelvin_provision.bundles.zips.layout import CONTENTS, CONTENTS_AT, SIGNATURES, SIGNATURES_AT
from kelvin_provision.bundles.zips.records import LOCAL, LOCAL_MAGIC, STORED, Entry
from kelvin_provision.errors import BundleInvalid, ProvisionError, SignatureMissing
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.hints import command

_NAMED = command("bundle import", "FILE.zip", instruction="name the file where it is imported")
_SIGNED = "make a package or a bundle of it where it is trusted, and sign that"


def head_of_zip(files: BundleFiles, *, named: bool) -> Head | None:
    """None for a file that is no zip. Of a zip of another program nothing is read unless a person `named` it.

    Raises BundleInvalid, MediumGone.
    """
    with closing(PartFile(files.paths[1])) as file:
        if not is_zip(file):
            return None
        if not named and not _begins_as_package(file):
            raise BundleInvalid(f"{files.name} is a zip of another program, which is read only where it is named", hint=_NAMED)
        entries = entries_of(file)
        by_name = {entry.name: entry for entry in entries}
        if CONTENTS not in by_name:
            if not named:
                raise wrong("it has no table of contents")
            return foreign.head_of(files)
        signatures, contents = by_name.get(SIGNATURES), by_name[CONTENTS]
        if signatures is None or signatures.size != limits.SIGNATURES or not 0 < contents.size <= limits.CONTENTS:
            raise wrong("its table of contents or its signatures have another size")
        table = _stored(file, contents)
        return Head(_stored(file, signatures), table, digest_of(table), PACKAGE, entries)


def is_package(path: Path) -> bool:
    """By its first bytes, which no other zip has."""
    try:
        with closing(PartFile(path)) as file:
            return _begins_as_package(file)
    except ProvisionError:
        return False


def _begins_as_package(file: PartFile) -> bool:
    start = file.read(0, SIGNATURES_AT) if file.size > CONTENTS_AT else b""
    return start.startswith(LOCAL_MAGIC) and start[LOCAL.size : SIGNATURES_AT] == SIGNATURES.encode()


def refuse_foreign(files: BundleFiles) -> None:
    """Of a zip that is no package nothing is signed. Raises SignatureMissing; and BundleInvalid, MediumGone."""
    if not files.whole:
        return
    with closing(PartFile(files.paths[1])) as file:
        if is_zip(file) and all(entry.name != CONTENTS for entry in entries_of(file)):
            raise SignatureMissing(f"{files.name} is a zip of another program, which cannot be signed", hint=_SIGNED)


def _stored(file: PartFile, entry: Entry) -> bytes:
    if entry.method != STORED:
        raise wrong(f"{entry.name} is compressed")
    return file.read(entry.data, entry.size)
