"""One repository at one host: its manifests and blobs. Documents are verified; blobs are streams, which the store verifies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from kelvin_provision.errors import DigestMismatch, ManifestInvalid, ProvisionError, RegistryRefused, RegistryUnreachable
from kelvin_provision.files.hashing import digest_of, has_digest
from kelvin_provision.refs import Descriptor, is_digest, is_tag
from kelvin_provision.registry import manifests
from kelvin_provision.registry.protocol import Stream
from kelvin_provision.registry.response import Response
from kelvin_provision.registry.transport import Transport
from kelvin_provision.spec.media_types import DOCUMENTS, OCI_INDEX

_LONGEST_LINK = 4096
_TAGS, _PAGES = 1000, 5000
"""Of one page; and pages, of which some registries give only short ones."""
_NEXT = re.compile(r"""<[^<>?#]*\?([A-Za-z0-9._~!$&'()*+,;=:@/?%-]+)>[^,<>]*;\s*rel="?next\b""", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class RangeUnsupported(RegistryUnreachable):
    """The host can only send the blob from its first byte. Never shown: another host is tried, or the blob is restarted."""

    code = ""


class Repository:
    """The mirror or registry is `transport`'s host; `name` may have a prefix there."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.host = transport.host
        self._transport = transport
        self._name = name
        self._scope = f"repository:{name}:pull"
        self._registry = f"the registry {transport.host}"

    def manifest(self, reference: str, expected: Descriptor | None = None) -> tuple[bytes, str]:
        """A manifest or index by tag or digest, and its `Content-Type`. Verified against a digest, else against `Docker-Content-Digest`."""
        path = f"/v2/{self._name}/manifests/{reference}"
        with self._transport.get(path, self._scope, {"Accept": ", ".join(DOCUMENTS)}) as response:
            data = response.read(manifests.LIMIT)
            content_type, announced = response.headers.get("Content-Type", ""), response.headers.get("Docker-Content-Digest", "")
        if digest := reference if is_digest(reference) else announced if is_digest(announced) else "":
            self._verify(data, digest, expected.size if expected else None)
        return data, content_type

    def digest(self, tag: str, known: str = "") -> str:
        """Of the manifest that a tag names; `known` where the host says that nothing has changed. A host that does not say is read."""
        headers = {"Accept": ", ".join(DOCUMENTS)} | ({"If-None-Match": f'"{known}"'} if known else {})
        with self._transport.get(f"/v2/{self._name}/manifests/{tag}", self._scope, headers, method="HEAD") as response:
            if response.status == 304:
                return known
            announced = response.headers.get("Docker-Content-Digest", "") or response.headers.get("ETag", "").strip('"')
        return announced if is_digest(announced) else digest_of(self.manifest(tag)[0])

    def small_blob(self, blob: Descriptor) -> bytes:
        """A config, verified."""
        with self._transport.get(f"/v2/{self._name}/blobs/{blob.digest}", self._scope) as response:
            data = response.read(manifests.LIMIT)
        self._verify(data, blob.digest, blob.size)
        return data

    def referrers(self, digest: str, kind: str) -> Iterator[bytes]:
        """The pages of the list of what refers to a manifest, of one artifact type (distribution-spec 1.1). Not verified.

        A registry may never end. Of the address of the next page only the query counts: no other host is asked. Raises as `manifest`.
        """
        query: str | None = urlencode({"artifactType": kind})
        while query:
            with self._transport.get(f"/v2/{self._name}/referrers/{digest}?{query}", self._scope, {"Accept": OCI_INDEX}) as response:
                data, query = response.read(manifests.LIMIT), _next_query(response.headers.get("Link", ""))
            yield data

    def tags(self) -> Iterator[str]:
        """Page by page; a registry may have any number. Not verified, but valid as tags. Raises as `manifest`."""
        query: str | None = urlencode({"n": _TAGS})
        seen = set[str]()
        while query and query not in seen:
            if len(seen) >= _PAGES:
                raise RegistryRefused(f"{self._registry} lists the tags of {self._name} on more than {_PAGES} pages")
            seen.add(query)
            with self._transport.get(f"/v2/{self._name}/tags/list?{query}", self._scope) as response:
                data, query = response.read(manifests.LIMIT), _next_query(response.headers.get("Link", ""))
            names = manifests.parse(data, self._name).get("tags")
            yield from (name for name in (names if isinstance(names, list) else ()) if isinstance(name, str) and is_tag(name))

    @contextmanager
    def stream(self, blob: Descriptor, offset: int, *, restart: bool = True) -> Iterator[Stream]:
        """A blob from `offset` on, or with `restart` from 0 where the host does not support that; else raises RangeUnsupported.

        Only a 206 that starts at the offset counts as support.
        """
        kind = "manifests" if blob.media_type in DOCUMENTS else "blobs"
        path, accept = f"/v2/{self._name}/{kind}/{blob.digest}", {"Accept": blob.media_type} if kind == "manifests" else {}
        if offset:
            try:
                with self._transport.get(path, self._scope, accept | {"Range": f"bytes={offset}-{blob.size - 1}"}) as response:
                    start = _start_of(response, blob.size)
                    if response.status != 206:
                        self._check_whole(response, path, accept, blob)
                    if start == offset or (start == 0 and restart):
                        yield Stream(start, response.chunks())
                        return
            except RegistryRefused:
                pass  # 416, or another refusal of ranges
            if not restart:
                raise RangeUnsupported(f"{self._registry} does not support range requests for blob {blob.digest} of {self._name}")
        with self._transport.get(path, self._scope, accept) as response:
            self._check_whole(response, path, accept, blob)
            yield Stream(0, response.chunks())

    def _check_whole(self, response: Response, path: str, accept: dict[str, str], blob: Descriptor) -> None:
        """Refuse a response of another length before the partial download is truncated for it: a login page must not cost what is there."""
        if response.status != 200:
            raise RegistryUnreachable(
                f"{self._registry} returned status {response.status} to a request for the whole blob {blob.digest} of {self._name}"
            )
        length = response.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit() and int(length) != blob.size:
            error = RegistryUnreachable(
                f"{self._registry} sends blob {blob.digest} of {self._name} with a Content-Length of {length}, expected {blob.size}"
            )
            error.confirmed_size = int(length) if self._confirms(path, accept, blob, length) else None
            raise error

    def _confirms(self, path: str, accept: dict[str, str], blob: Descriptor, length: str) -> bool:
        """Whether the host says this length to HEAD, too: a cache, a compressing proxy and a login page do not speak for a registry."""
        try:
            with self._transport.get(path, self._scope, accept, method="HEAD") as head:
                digest = head.headers.get("Docker-Content-Digest", blob.digest)
                encoded = "Content-Encoding" in head.headers
                return head.status == 200 and head.headers.get("Content-Length") == length and digest == blob.digest and not encoded
        except ProvisionError:
            return False

    def _verify(self, data: bytes, digest: str, size: int | None) -> None:
        if len(data) > manifests.LIMIT:
            raise ManifestInvalid(f"{self._registry}: {digest} of {self._name} is larger than {manifests.LIMIT >> 20} MiB")
        if size is not None and len(data) != size:
            raise DigestMismatch(f"{self._registry}: {digest} of {self._name} has {len(data)} bytes, expected {size}")
        if not has_digest(data, digest):
            raise DigestMismatch(f"{self._registry}: the content of {self._name} does not match {digest}")


def _next_query(link: str) -> str | None:
    """Of a header `Link` to a next page (RFC 8288), its query."""
    match = _NEXT.search(link[:_LONGEST_LINK])
    return match[1] if match else None


def _start_of(response: Response, size: int) -> int | None:
    """Where the body starts: by Content-Range for a 206, 0 for a whole response; None for a range that is invalid or of another size."""
    if response.status != 206:
        return 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match and match[3] in {"*", str(size)} else None
