"""Small packages, made from images in memory."""

import io
import json
from pathlib import Path

from kelvin_provision.bundles.writing import documents
from kelvin_provision.bundles.writing.layout import OCI_LAYOUT, Draft, RequestDraft
from kelvin_provision.bundles.zips import layout
from kelvin_provision.bundles.zips.making import Package, make
from kelvin_provision.files.hashing import digest_of
from tests.kit.bundles import AMD64, bundled


def package(images, request=b'{"name": "pump"}', name="pump-1.0.0", **values) -> tuple[Package, bytes]:
    """A package of these images by reference, and its bytes."""
    parts = [part for reference, image in images.items() for part in bundled(reference, image)]
    blobs = {digest: data for _, _, held in parts for digest, data in held.items()}
    files = (
        ("manifest.yaml", b"{}\n"),
        ("oci-layout", OCI_LAYOUT),
        ("index.json", documents.index_json([(image, root) for image, root, _ in parts])),
    )
    draft = Draft(
        name=name,
        made_by="kelvin-provision",
        platforms=tuple(dict.fromkeys(image.platform for image, _, _ in parts)) or (AMD64,),
        requests=(RequestDraft("workload.json", request),),
        images=tuple(image for image, _, _ in parts),
        sizes={digest: len(data) for digest, data in blobs.items()},
        files=files,
        **values,
    )
    known = blobs | {digest_of(data): data for data in (request, *[data for _, data in files])}
    return written(layout.place(draft), lambda extent: io.BytesIO(known[extent.digest]))


def written(contents, content) -> tuple[Package, bytes]:
    whole = bytearray(contents.total)

    def put(offset, view):
        whole[offset : offset + len(view)] = view

    return make(contents, content, lambda done: None, put), bytes(whole)


def write(path: Path, images, request=b'{"name": "pump"}', **values) -> Package:
    made, data = package(images, request, **values)
    path.write_bytes(data)
    return made


def document(path: Path) -> dict:
    """Its request."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("workload.json"))
