"""What is read of a bundle before anything is believed, and whether its table of contents fits what was found."""

from __future__ import annotations

from kelvin_provision.bundles.model import ARCHIVE, PACKAGE, Contents
from kelvin_provision.bundles.rules import wrong
from kelvin_provision.bundles.writing import trust_members
from kelvin_provision.bundles.writing.layout import CONTENTS_AT
from kelvin_provision.bundles.zips import layout
from kelvin_provision.bundles.zips.records import Entry
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.tar_members import whole
from kelvin_provision.trust.documents.model import SignedDocument


@dataclass(frozen=True)
class Head:
    """`digest` is that of the exact bytes of the table of contents, which are not parsed. `entries` are those of a zip."""

    signatures: bytes
    contents: bytes
    digest: str
    form: str = ARCHIVE
    entries: tuple[Entry, ...] = ()
    trust: tuple[SignedDocument, ...] = ()
    """Trust documents, which are signed themselves."""

    @property
    def end(self) -> int:
        """Of an archive: where the member after the trust documents begins."""
        return CONTENTS_AT + whole(len(self.contents)) + trust_members.size(self.trust)


def refuse_contradiction(head: Head, contents: Contents) -> None:
    """Raises BundleInvalid for a table of contents that lies about where it ends itself, or about the zip that it is in."""
    if contents.form != head.form:
        raise wrong(f"that of a {contents.form} in a {head.form}")
    if head.form == ARCHIVE and contents.chunks.offset < head.end:
        raise wrong("members lie in the table itself")
    if head.form == PACKAGE and not layout.has_entries(contents, len(head.contents), head.entries):
        raise wrong("it has other members than the directory of the zip")
