"""Small bundles, written from images in memory."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import IN_BOX, IN_BUNDLE, BundledImage, BundledLayer, Contents, Extent
from kelvin_provision.bundles.writing import documents
from kelvin_provision.bundles.writing.layout import SIGNATURES_AT, UNKNOWN, Draft, RequestDraft, place
from kelvin_provision.bundles.writing.output import Place
from kelvin_provision.bundles.writing.stream import head, pieces, sealed
from kelvin_provision.bundles.writing.writer import Job
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor, Platform, Reference
from tests.kit.images import Image, index_of, sha256

AMD64 = Platform("linux", "amd64")


@dataclass(frozen=True)
class Bundle:
    """In memory. `digest` is its name: that of its table of contents."""

    contents: Contents
    data: bytes
    blobs: Mapping[str, bytes]

    @property
    def table(self) -> bytes:
        return encode(self.contents)

    @property
    def digest(self) -> str:
        return digest_of(self.table)

    def write(self, folder: Path, signatures: bytes = b"") -> list[Path]:
        """As files in this folder; returns the parts in order."""
        folder.mkdir(parents=True, exist_ok=True)
        data = self.data if not signatures else signed(self.data, signatures)
        many = len(self.contents.parts) > 1
        paths, start = [], 0
        for number, size in enumerate(self.contents.parts, 1):
            path = folder / (f"{self.contents.name}.kpb" + (f".{number:03}" if many else ""))
            path.write_bytes(data[start : start + size])
            paths.append(path)
            start += size
        return paths


def signed(data: bytes, signatures: bytes) -> bytes:
    """The same archive with these signatures."""
    return data[:SIGNATURES_AT] + signatures.ljust(limits.SIGNATURES) + data[SIGNATURES_AT + limits.SIGNATURES :]


def bundled(
    reference: str, image: Image | Mapping[str, Image], absent: Sequence[str] = ()
) -> list[tuple[BundledImage, Descriptor, dict[str, bytes]]]:
    """An image, or one for each platform with an index, as a bundle has it; its root; and its blobs. `absent` layers are on the box."""
    if isinstance(image, Image):
        root = Descriptor(image.media_type, image.digest, len(image.manifest))
        return [_bundled(reference, image, root, None, absent)]
    index = index_of(dict(image))
    root = Descriptor("application/vnd.oci.image.index.v1+json", sha256(index), len(index))
    return [_bundled(reference, one, root, index, absent) for one in image.values()]


def _bundled(reference, image, root, index, absent):
    manifest = json.loads(image.manifest)
    config = json.loads(image.blobs[manifest["config"]["digest"]])
    layers = [
        BundledLayer(layer["digest"], layer["size"], diff_id, 4 * layer["size"], IN_BOX if layer["digest"] in absent else IN_BUNDLE)
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    ]
    platform = Platform(config["os"], config["architecture"], config.get("variant", ""))
    named = Reference.parse(f"{reference}@{root.digest}")
    blobs = {image.digest: image.manifest, **image.blobs} | ({root.digest: index} if index else {})
    value = BundledImage(named, platform, image.digest, manifest["config"]["digest"], tuple(layers), root.digest if index else None)
    return value, root, {digest: data for digest, data in blobs.items() if digest not in absent}


def make(
    images: Mapping[str, Image | Mapping[str, Image]] | None = None,
    requests: Sequence[bytes] = (),
    *,
    name: str = "bundle",
    part_size: int = 0,
    absent: Sequence[str] = (),
    request_signatures: Sequence[bytes | None] = (),
    leave_out: Sequence[str] = (),
    **values,
) -> Bundle:
    """A bundle of these images by reference, and of these requests. Platforms to `leave_out` are in indexes only. More values of a `Draft` by name."""
    parts = [part for reference, image in (images or {}).items() for part in bundled(reference, image, absent)]
    parts = [part for part in parts if str(part[0].platform) not in leave_out]
    blobs = {digest: data for _, _, held in parts for digest, data in held.items()}
    values = {
        "platforms": tuple(dict.fromkeys(image.platform for image, _, _ in parts)) or (AMD64,),
        "made_by": "kelvin-provision",
        **values,
    }
    signatures = [*request_signatures, *[None] * len(requests)]
    files = (
        ("index.json", documents.index_json([(image, root) for image, root, _ in parts])),
        ("manifest.json", documents.manifest_json([image for image, _, _ in parts])),
    )
    draft = Draft(
        name=name,
        requests=tuple(RequestDraft(f"{number:04}.json", data, signatures[number - 1]) for number, data in enumerate(requests, 1)),
        images=tuple(image for image, _, _ in parts),
        sizes={digest: len(data) for digest, data in blobs.items()},
        files=files,
        part_size=part_size,
        needs=tuple(absent),
        **values,
    )
    contents = place(draft)
    held = [data for _, data in files] + [
        data for request in draft.requests for data in (request.content, request.signature) if data is not None
    ]
    by_digest = blobs | {digest_of(data): data for data in held}
    body = b"".join(by_digest[piece.digest] if isinstance(piece, Extent) else piece for piece in pieces(contents))
    hashes = hashes_of(body, contents.chunks.end)
    contents = sealed(contents, hashes)
    return Bundle(contents, head(contents, hashes, b"", draft.trust) + body, by_digest)


def hashes_of(body: bytes, start: int) -> list[bytes]:
    """Of the chunks of what begins at this offset."""
    cuts = [0, *range(-start % limits.CHUNK or limits.CHUNK, len(body), limits.CHUNK), len(body)]
    return [bytes.fromhex(sha256(body[begin:end]).partition(":")[2]) for begin, end in pairwise(cuts)]


def write(
    folder: Path, images: Mapping[str, Image | Mapping[str, Image]] | None = None, requests: Sequence[bytes] = (), **values
) -> Bundle:
    """Make one and write it there."""
    bundle = make(images, requests, **values)
    bundle.write(folder)
    return bundle


def job(bundle: Bundle, folder: Path, **changes) -> Job:
    """What writes the bundle there, as `bundle create` does."""
    folder.mkdir(exist_ok=True)
    contents = replace(bundle.contents, chunks=replace(bundle.contents.chunks, digest=UNKNOWN))
    place_of = Place(folder, bundle.contents.name)
    value = Job(
        contents, lambda extent: io.BytesIO(bundle.blobs[extent.digest]), place_of, lambda _, there: there, lambda *_: None, lambda: False
    )
    return replace(value, **changes)
