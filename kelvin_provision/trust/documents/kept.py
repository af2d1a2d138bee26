"""The accepted trust documents as files of the state directory. Which of them counts, and its digest, stands in the ledger."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import StateDamaged
from kelvin_provision.files.durable import private_folder, read_regular, write_durably
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.hints import command
from kelvin_provision.trust.documents.model import LARGEST, SignedDocument, TrustDocument
from kelvin_provision.trust.documents.reading import decode

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


def folder(state_dir: Path) -> Path:
    return state_dir / "trust"


def paths(state_dir: Path, number: int) -> tuple[Path, Path]:
    """Of the document and of its signatures."""
    base = folder(state_dir) / f"{number}.json"
    return base, base.with_name(f"{base.name}.sig")


def keep(state_dir: Path, number: int, signed: SignedDocument) -> None:
    """Durable when it returns. Only for documents that follow, or were accepted before."""
    private_folder(folder(state_dir))
    for path, data in zip(paths(state_dir, number), (signed.content, signed.signatures), strict=True):
        if _read(path) != data:
            write_durably(path, [data])


def mend(state_dir: Path, number: int, content: bytes) -> None:
    """The document alone: its digest is known, and what its signatures were is not."""
    private_folder(folder(state_dir))
    path, _ = paths(state_dir, number)
    if _read(path) != content:
        write_durably(path, [content])


def load(state_dir: Path, number: int, digest: str, offered: Sequence[SignedDocument] = ()) -> TrustDocument:
    """The accepted document; where its file is damaged, the same bytes from among `offered`. Raises StateDamaged."""
    path, _ = paths(state_dir, number)
    for data in (_read(path), *(signed.content for signed in offered)):
        if data is not None and digest_of(data) == digest:
            return decode(data)
    hint = command("trust import", "FILE", instruction=f"bring trust document {number} again")
    raise StateDamaged(f"{path} is missing or was changed: nothing that needs a signature is accepted", hint=hint)


def signed_document(state_dir: Path, number: int) -> SignedDocument | None:
    """As it was accepted; None where a file is missing."""
    content, signatures = map(_read, paths(state_dir, number))
    return None if content is None or signatures is None else SignedDocument(content, signatures)


def beyond(state_dir: Path, number: int) -> tuple[Path, ...]:
    """Documents with higher numbers than the newest that was accepted: the ledger was lost, or an acceptance was interrupted."""
    with suppress(OSError):
        numbers = [int(path.stem) for path in folder(state_dir).glob("*.json") if _NUMBER.fullmatch(path.stem)]
        return tuple(paths(state_dir, later)[0] for later in sorted(numbers) if later > number)
    return ()


def _read(path: Path) -> bytes | None:
    with suppress(OSError):
        return read_regular(path, LARGEST + 1, links=False)[0]
    return None
