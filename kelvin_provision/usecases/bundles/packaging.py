"""A workload as a package: what brings it to a box without a network. Reads the ledger and the store.

It changes neither, but for layers that were rebuilt from deltas: those are downloaded as they were published.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from kelvin_provision.bundles.model import Contents, Extent
from kelvin_provision.bundles.writing import documents
from kelvin_provision.bundles.writing.filling import Content
from kelvin_provision.bundles.writing.from_locks import bundled
from kelvin_provision.bundles.writing.layout import OCI_LAYOUT, Draft, RequestDraft
from kelvin_provision.bundles.zips import layout
from kelvin_provision.context import Context
from kelvin_provision.desk.gathering import signatures_in
from kelvin_provision.desk.published import bring_published, rebuilt_layers
from kelvin_provision.errors import PackageImpossible, ProvisionError, TransferStopped
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.archive import FileSlice
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases.bundles.drafting import MADE_BY, Signatures, checked, default_name, sizes_of
from kelvin_provision.usecases.bundles.packable import PackageRequest, packable, refuse_lacking

REQUEST, MANIFEST = "workload.json", "manifest.yaml"


@dataclass(frozen=True)
class Packed:
    """What a package is to have. `contents` is without the hashes of its chunks."""

    revision: Revision
    contents: Contents
    content: Content

    def to_json(self) -> dict[str, Any]:
        spec = self.revision.spec
        return {
            "workload": spec.name,
            "revision": self.revision.number,
            "app_name": spec.app_name,
            "app_version": spec.app_version,
            "name": self.contents.name,
            "bytes": self.contents.total,
            "images": [str(image.reference) for image in self.contents.images],
        }


@contextmanager
def packed(ctx: Context, request: PackageRequest) -> Iterator[Packed]:
    """For the block no blob of it is removed from the store. Raises WorkloadUnknown, NothingApplied, PackageImpossible."""
    revision, locks = packable(ctx, request)
    with ctx.store.lease(locks):
        refuse_lacking(ctx, revision, locks, ctx.store.lacking)
        _publish(ctx, revision, locks)
        draft = _drafted(revision, locks, signatures_in(ctx.store, locks))
        held = [data for _, data in draft.files] + [request.content for request in draft.requests]
        known: Mapping[str, bytes] = {digest_of(data): data for data in held}

        def content(extent: Extent) -> BinaryIO:
            data = known.get(extent.digest)
            return _stored(ctx, extent) if data is None else io.BytesIO(data)

        yield Packed(revision, checked(layout.place(draft)), content)


def _publish(ctx: Context, revision: Revision, locks: tuple[ImageLock, ...]) -> None:
    """Download the layers that were rebuilt here. Raises PackageImpossible where the registry does not give them."""
    rebuilt = [lock for lock in locks if ctx.store.plain_layers(lock)]
    if not rebuilt:
        return
    try:
        bring_published(ctx, rebuilt)
    except TransferStopped:
        raise
    except ProvisionError as error:
        count = sum(len(ctx.store.plain_layers(lock)) for lock in rebuilt)
        text = f"{revision.workload} {revision.spec.app_version}: {rebuilt_layers(count)}"
        raise PackageImpossible(
            f"{text}: {error}", hint=error.hint or "try again when the registry can be reached", evidence=error.evidence
        ) from error


def _stored(ctx: Context, extent: Extent) -> BinaryIO:
    return FileSlice(ctx.store.path(extent.digest), Descriptor("", extent.digest, extent.size)).open()


# --- what is in it --------------------------------------------------------------------------------------


def _drafted(revision: Revision, locks: tuple[ImageLock, ...], signatures: Signatures) -> Draft:
    images = [(bundled(lock, signatures=signatures[lock]), lock.source) for lock in locks]
    return Draft(
        name=default_name([revision.spec]),
        made_by=MADE_BY,
        platforms=tuple(dict.fromkeys(lock.platform for lock in locks)),
        requests=(RequestDraft(REQUEST, _encoded(body_of(revision.spec))),),
        images=tuple(image for image, _ in images),
        sizes=sizes_of(locks, signatures),
        files=((MANIFEST, _manifest(revision.spec)), ("oci-layout", OCI_LAYOUT), ("index.json", documents.index_json(images))),
    )


def body_of(spec: Spec) -> dict[str, Any]:
    """The body of a deploy that makes this version. It names no cluster: it is for any box."""
    body: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "app_name": spec.app_name,
        "app_version": spec.app_version,
        "deployment_type": spec.method.value,
    }
    more = {
        "node_name": spec.node_name,
        "source": spec.source,
        "payload": None if spec.manifests else spec.payload,
        "manifests": list(spec.manifests),
        "images": list(spec.images),
    }
    return body | {key: value for key, value in more.items() if value}


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _manifest(spec: Spec) -> bytes:
    """The app manifest, or the objects, to be read by people."""
    import yaml

    documents = list(spec.manifests) or [spec.payload]
    return str(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)).encode()
