"""Small OCI images made from bytes, and pushing them to a registry over its own API."""

import functools
import gzip
import hashlib
import io
import json
import os
import tarfile
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kelvin_provision.spec.media_types import COMPRESSIONS, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.kit.waiting import PATIENCE

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

TALK = ["one", "two \N{REPLACEMENT CHARACTER}", "", "three \x1b[31m"]
TALKING = r"""trap 'exit 0' TERM; echo one; sleep 0.3; printf 'two \377\n\n' >&2; sleep 0.3; printf 'three \033[31m\n'; while :; do sleep 0.2; done"""
"""A shell script that writes TALK, on both streams and with a byte that is no UTF-8, and goes when told to."""


UNIQUE = f"{os.getpid()}-{os.urandom(4).hex()}"
"""In every image that runs: processes that share an engine would otherwise take each other's, which have the same digest."""


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files: dict[str, bytes], mode: int = 0o755) -> bytes:
    """A reproducible tar; parent folders are made, a value that starts with b'->' is a symlink."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        made = set()
        for path, data in files.items():
            parts = path.strip("/").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in made:
                    made.add(folder)
                    info = tarfile.TarInfo(folder)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            info = tarfile.TarInfo("/".join(parts))
            info.mode = mode
            if data.startswith(b"->") and data.isascii():  # of random bytes, one file in 65,536 begins like a link
                info.type, info.linkname = tarfile.SYMTYPE, data[2:].decode()
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def stored_zstd(data: bytes) -> bytes:
    """A zstd frame (RFC 8878) of blocks that are not compressed, for which no program is needed."""
    blocks = [data[start : start + (1 << 16)] for start in range(0, len(data), 1 << 16)]
    headers = [(len(block) << 3 | (number == len(blocks) - 1)).to_bytes(3, "little") for number, block in enumerate(blocks)]
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    return frame + b"".join(header + block for header, block in zip(headers, blocks, strict=True))


@dataclass
class Image:
    """An image in memory: `manifest` bytes and every blob by digest."""

    manifest: bytes
    blobs: dict[str, bytes] = field(default_factory=dict)
    media_type: str = OCI_MANIFEST

    @property
    def digest(self) -> str:
        return sha256(self.manifest)


def make_image(layers: list[bytes], *, cmd=("/bin/true",), architecture="amd64", compress=True, level=1, **config) -> Image:
    """An OCI image of uncompressed layer tars; gzip without a time stamp, so the same input is the same digest."""
    blobs, descriptors = {}, []
    for layer in layers:
        data = gzip.compress(layer, level, mtime=0) if compress else layer
        blobs[sha256(data)] = data
        kind = OCI_LAYER if compress else OCI_LAYER.removesuffix("+gzip")
        descriptors.append({"mediaType": kind, "digest": sha256(data), "size": len(data)})
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": list(cmd), "Env": ["PATH=/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
    }
    encoded = json.dumps(document).encode()
    blobs[sha256(encoded)] = encoded
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(encoded), "size": len(encoded)},
        "layers": descriptors,
    }
    return Image(json.dumps(manifest).encode(), blobs)


def image_of_type(layers: list[bytes], media_type: str, **config) -> Image:
    """An image whose layers are of this media type, and the rest of it of the same family."""
    compression = COMPRESSIONS[media_type]
    pack = {"": bytes, "gzip": functools.partial(gzip.compress, mtime=0), "zstd": stored_zstd}[compression]
    plain = make_image(layers, compress=False, **config)
    manifest = json.loads(plain.manifest)
    packed = {sha256(data): data for data in map(pack, layers)}
    manifest["layers"] = [{"mediaType": media_type, "digest": digest, "size": len(data)} for digest, data in packed.items()]
    if "docker" in media_type:
        manifest["mediaType"], manifest["config"]["mediaType"] = DOCKER_MANIFEST, DOCKER_CONFIG
    blobs = {manifest["config"]["digest"]: plain.blobs[manifest["config"]["digest"]]} | packed
    return Image(json.dumps(manifest).encode(), blobs, manifest["mediaType"])


def random_image(sizes: list[int], **kwargs) -> Image:
    """Layers of random bytes: nothing that compresses, nothing that runs."""
    return make_image([tar_of({f"data/{number}": os.urandom(size)}) for number, size in enumerate(sizes)], **kwargs)


SERVE = "busybox httpd -p 8080 -h /www; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
"""As the first process of a container a plain httpd would not hear SIGTERM, and every stop would take its ten seconds."""


@functools.cache
def web_image(text: str) -> Image:
    """busybox httpd that answers `text` on port 8080 and goes at once when told to. Needs busybox-static."""
    return program(SERVE, {"www/index.html": text.encode() + b"\n"})


@functools.cache
def busybox(*names: str) -> bytes:
    """A layer with busybox under these names."""
    return tar_of({"bin/busybox": Path("/bin/busybox").read_bytes(), **{f"bin/{name}": b"->busybox" for name in names}})


def program(script: str, files: dict[str, bytes] | None = None) -> Image:
    """A shell script on busybox."""
    layer = tar_of({"etc/unique": UNIQUE.encode(), **(files or {})}, mode=0o644)
    return make_image([busybox("sh", "sleep", "cat", "httpd"), layer], cmd=("/bin/sh", "-c", script))


def index_of(images: dict[str, Image]) -> bytes:
    """An OCI index: `{"linux/amd64": image, ...}`."""
    entries = []
    for platform, image in images.items():
        system, architecture, *variant = platform.split("/")
        described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        entries.append({"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest), "platform": described})
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def oci_layout(folder: Path, images: dict[str, Image], name: str) -> Path:
    """As `skopeo copy --all ... oci:FOLDER:NAME` writes it."""
    blobs = {image.digest: image.manifest for image in images.values()}
    blobs |= {digest: data for image in images.values() for digest, data in image.blobs.items()}
    index = index_of(images)
    blobs[sha256(index)] = index
    (folder / "blobs/sha256").mkdir(parents=True)
    for digest, data in blobs.items():
        (folder / "blobs/sha256" / digest.removeprefix("sha256:")).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    entry = {"mediaType": OCI_INDEX, "digest": sha256(index), "size": len(index)}
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return folder


def _send(method: str, url: str, data: bytes | None = None, headers: dict[str, str] | None = None):
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    return urllib.request.urlopen(request, timeout=PATIENCE)


def push_blob(host: str, repository: str, data: bytes, headers: dict[str, str] | None = None) -> None:
    base = f"http://{host}"
    with _send("POST", f"{base}/v2/{repository}/blobs/uploads/", b"", headers) as answer:
        place = answer.headers["Location"]
    place = place if place.startswith("http") else base + place
    mark = "&" if "?" in place else "?"
    octets = {"Content-Type": "application/octet-stream", **(headers or {})}
    _send("PUT", f"{place}{mark}digest={sha256(data)}", data, octets).close()


def push(host: str, repository: str, tag: str, image: Image, headers: dict[str, str] | None = None) -> str:
    """Push an image; returns `host/repository:tag`."""
    for data in image.blobs.values():
        push_blob(host, repository, data, headers)
    put_manifest(host, repository, tag, image.manifest, image.media_type, headers)
    return f"{host}/{repository}:{tag}"


def push_each(host: str, repository: str, tag: str, layers: Iterable[bytes]) -> int:
    """Push an image of these layers, holding one at a time; returns the bytes of all its blobs. Not compressed, but said to be gzip."""
    descriptors, diff_ids = [], []
    for layer in layers:
        data = gzip.compress(layer, 0, mtime=0)
        push_blob(host, repository, data)
        descriptors.append({"mediaType": OCI_LAYER, "digest": sha256(data), "size": len(data)})
        diff_ids.append(sha256(layer))
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    push_blob(host, repository, config)
    described = {"mediaType": OCI_CONFIG, "digest": sha256(config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": descriptors}
    put_manifest(host, repository, tag, json.dumps(manifest).encode(), OCI_MANIFEST)
    return len(config) + sum(found["size"] for found in descriptors)


def put_manifest(host: str, repository: str, tag: str, data: bytes, media_type: str, headers: dict[str, str] | None = None) -> None:
    _send("PUT", f"http://{host}/v2/{repository}/manifests/{tag}", data, {"Content-Type": media_type, **(headers or {})}).close()


def push_index(host: str, repository: str, tag: str, images: dict[str, Image]) -> str:
    """Push a multi-platform index; returns its digest."""
    for image in images.values():
        push(host, repository, image.digest, image)
    data = index_of(images)
    put_manifest(host, repository, tag, data, OCI_INDEX)
    return sha256(data)
