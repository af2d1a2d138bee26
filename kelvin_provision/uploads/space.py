"""Whether an upload fits, before its first byte: beside what other uploads and downloads will still need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kelvin_provision.errors import NoSpace
from kelvin_provision.quantity import Headroom, format_rounded
from kelvin_provision.store import Store
from kelvin_provision.store.space import SpaceRequest, filesystem_of, shortages
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Announced, Upload

_ADVICE = "free some space, or remove uploads that are not needed any more"


def refuse_too_large(uploads: Uploads, store: Store, announced: Announced, headroom: Headroom) -> None:
    """Raises NoSpace with the numbers. The images in it are copied to the store later, and their space is checked then."""
    filesystem = filesystem_of(uploads.root, headroom)
    if filesystem is None:
        return
    request = SpaceRequest("this upload", filesystem.device, announced.size)

    def check(reserved: Sequence[SpaceRequest]) -> None:
        for lacking in shortages([filesystem], [request], [*reserved, *_outstanding(uploads.all(), filesystem.device)]):
            needed, usable = format_rounded(lacking.needed, up=True), format_rounded(lacking.usable)
            apart = [f"{format_rounded(filesystem.headroom)} kept free"] if filesystem.headroom else []
            apart += [f"{format_rounded(lacking.reserved, up=True)} for other uploads and downloads"] if lacking.reserved else []
            without = f" ({', '.join(apart)})" if apart else ""
            raise NoSpace(f"the upload needs {needed}, and {filesystem.mount_point} has {usable} available{without}", hint=_ADVICE)

    with store.reserve([request], check):
        pass


def _outstanding(uploads: Iterable[Upload], device: int) -> list[SpaceRequest]:
    return [SpaceRequest(upload.id, device, upload.announced.size - upload.offset) for upload in uploads if not upload.complete]
