"""What refers to a manifest: by the referrers API of the registry, or else by the referrers tag (distribution-spec 1.1).

Registries without such a list answer many things, most of them 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice

from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ImageUnsupported,
    ManifestInvalid,
    RegistryBusy,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
)
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Documents
from kelvin_provision.spec.referrers import Kind, referring

NONE = (ImageNotFound, ImageUnsupported, ManifestInvalid, DigestMismatch, RegistryRefused, RegistryDenied)
"""How a registry answers for a document that it does not have, does not give, or has with other content."""
TROUBLE = (RegistryUnreachable, RegistryBusy)
PAGES = 4
"""Of a list of referrers."""

Referrers = Callable[[str, str], Iterable[bytes]]
"""Of a digest, the pages of those of one type."""
OnTrouble = Callable[[RegistryUnreachable | RegistryBusy], None]


def tag(digest: str) -> str:
    """Under which what refers to an image is, where the registry lists nothing itself."""
    return digest.replace(":", "-", 1)


def listed(documents: Documents, referrers: Referrers | None, subject: str, kind: Kind, on_trouble: OnTrouble) -> tuple[Descriptor, ...]:
    """What may be of this kind: what the registry lists, else what the tag does. Neither is believed before it is fetched.

    `on_trouble` gets trouble that passes with a list of which a part is here. Raises it where nothing is.
    """
    entries = pages(referrers(subject, kind.artifact_type), subject, kind, on_trouble) if referrers is not None else ()
    return entries or by_tag(documents, subject, kind)


def pages(pages_of_list: Iterable[bytes], subject: str, kind: Kind, on_trouble: OnTrouble) -> tuple[Descriptor, ...]:
    """Of the registry's own list. As `listed`."""
    entries: dict[str, Descriptor] = {}
    try:
        for page in islice(pages_of_list, PAGES):
            answer = referring(page, subject, kind)
            entries |= {entry.digest: entry for entry in answer or ()}
            if answer is None or len(entries) >= kind.most:
                break
    except NONE:
        pass
    except TROUBLE as error:
        if not (isinstance(error, RegistryUnreachable) and error.by_page):
            if not entries:
                raise
            on_trouble(error)
    return tuple(entries.values())[: kind.most]


def by_tag(documents: Documents, subject: str, kind: Kind) -> tuple[Descriptor, ...]:
    """Of the tag's list. A registry may answer it with the image itself. Raises trouble that passes."""
    with suppress(*NONE):
        return referring(documents.manifest(tag(subject))[0], subject, kind) or ()
    return ()
