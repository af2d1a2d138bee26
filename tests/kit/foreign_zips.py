"""Zips of other programs, made from images in memory."""

import base64
import io
import json
import tarfile
import zipfile

from tests.kit.images import Image, sha256


def zipped(files: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def layout(images: dict[str, Image], prefix="", leave_out=()) -> dict[str, bytes]:
    """The files of an OCI image layout; images by complete names."""
    rows, files = [], {f"{prefix}oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    for name, image in images.items():
        annotations = {"org.opencontainers.image.ref.name": name}
        rows.append({"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest), "annotations": annotations})
        for digest, data in {image.digest: image.manifest, **image.blobs}.items():
            if digest not in leave_out:
                files[f"{prefix}blobs/{digest.replace(':', '/')}"] = data
    return files | {f"{prefix}index.json": json.dumps({"schemaVersion": 2, "manifests": rows}).encode()}


def saved(images: dict[str, Image], *, old=False) -> bytes:
    """As `docker save` writes it, now or before version 25. Layers must not be compressed."""
    files: dict[str, bytes | str] = {}
    rows = []
    for tag, image in images.items():
        manifest = json.loads(image.manifest)
        config = manifest["config"]["digest"]
        paths = []
        for number, layer in enumerate(manifest["layers"]):
            data = image.blobs[layer["digest"]]
            path = f"{number:064x}/layer.tar" if old else f"blobs/{layer['digest'].replace(':', '/')}"
            same = next((other for other, held in files.items() if held == data), "")
            files[path] = f"../{same}" if old and same and same != path else data
            paths.append(path)
        name = f"{config.partition(':')[2]}.json" if old else f"blobs/{config.replace(':', '/')}"
        files[name] = image.blobs[config]
        rows.append({"Config": name, "RepoTags": [tag], "Layers": paths})
    files["manifest.json"] = json.dumps(rows).encode()
    return tar_with(files)


def tar_with(files: dict[str, bytes | str]) -> bytes:
    """A text is where a link leads to."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def pair(images: list[str], manifests: dict[str, bytes]) -> bytes:
    """What the platform has for its own pods."""
    rows = [{"file_name": name, "content": base64.b64encode(data).decode()} for name, data in manifests.items()]
    return json.dumps({"images": [{"args": "", "path": path} for path in images], "manifests": rows, "revision": 1}).encode()


def digest_of_saved(image: Image) -> str:
    """Of the manifest that is made for an image of `docker save`."""
    manifest = json.loads(image.manifest)
    layer = "application/vnd.oci.image.layer.v1.tar"
    rows = [{"mediaType": layer, "digest": row["digest"], "size": row["size"]} for row in manifest["layers"]]
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": manifest["config"]["digest"],
        "size": manifest["config"]["size"],
    }
    document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": rows}
    return sha256(json.dumps(document, separators=(",", ":")).encode())
