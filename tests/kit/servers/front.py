"""What stands in front of a registry that is pushed to: passes every method on, and breaks uploads as its fields say."""

import contextlib
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from tests.kit.servers.threaded import Server, serving
from tests.kit.waiting import PATIENCE

SLICE = 1 << 16


@dataclass
class Front:
    """Times count down. `asked` has the method and path of every request, with the length of its body."""

    upstream: str
    most: int | None = None
    """Bodies of more bytes are refused with 413, as nginx does."""
    cut: int = 0
    """After so many bytes of a body the connection ends."""
    cuts: int = 0
    buffered: bool = False
    """What is cut does not reach the registry, as behind nginx, which waits for the whole of a request."""
    lost: dict[str, int] = field(default_factory=dict)
    """By method: how often a request is carried out, and its answer is lost."""
    busy: dict[str, int] = field(default_factory=dict)
    """By method: how often 429 is answered, with Retry-After 1."""
    token: str = ""
    """The only bearer that may write; `scopes` are those of its challenges."""
    realm: str = ""
    relative: bool = False
    """The header Location has no host."""
    no_mount: bool = False
    match: bool = False
    """If-Match is compared with the manifest that is there, as Zot and others do."""
    listed: bool = False
    """PUT of a manifest answers with OCI-Subject, as a registry with a list of referrers."""
    away: bool = False
    """No request is answered."""
    overtaken: Callable[[], object] | None = None
    """Called once, before the next PUT of a tag's manifest."""
    page: int | None = None
    """Lists of tags come in pages of so many."""
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def __post_init__(self):
        self._server = Server(_handler_for(self))
        self._serving = serving(self._server)
        self.host = self._server.host

    def __enter__(self):
        self._serving.__enter__()
        return self

    def __exit__(self, *error):
        self._serving.__exit__(*error)

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.asked]


def _handler_for(front: Front):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *words):
            pass

        def _any(self):
            length = int(self.headers.get("Content-Length", 0))
            front.asked.append((self.command, self.path, length))
            if front.away:
                self.close_connection = True
            elif front.token and self.command not in {"GET", "HEAD"} and self.headers.get("Authorization") != f"Bearer {front.token}":
                self._say(
                    401, {"WWW-Authenticate": f'Bearer realm="{front.realm}",service="t",scope="repository:x:pull,push"'}, close=length > 0
                )
            elif front.busy.get(self.command, 0) > 0:
                front.busy[self.command] -= 1
                self._say(429, {"Retry-After": "1"}, close=length > 0)
            elif front.most is not None and length > front.most:
                self._say(413, {}, close=True)
            elif front.overtaken and self.command == "PUT" and "If-Match" in self.headers:
                other, front.overtaken = front.overtaken, None
                other()
                self._say(412, {}, close=True)
            elif front.match and "If-Match" in self.headers and self.headers["If-Match"] != f'"{self._there()}"':
                self._say(412, {}, close=True)
            else:
                self._relay(length)

        def do_GET(self):
            self._any()

        def do_HEAD(self):
            self._any()

        def do_POST(self):
            self._any()

        def do_PUT(self):
            self._any()

        def do_PATCH(self):
            self._any()

        def do_DELETE(self):
            self._any()

        def _there(self) -> str:
            with contextlib.closing(http.client.HTTPConnection(front.upstream, timeout=PATIENCE)) as upstream:
                upstream.request("HEAD", self.path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
                return upstream.getresponse().headers.get("Docker-Content-Digest", "")

        def _relay(self, length: int) -> None:
            if front.buffered and 0 < front.cut < length and front.cuts > 0:
                self.rfile.read(front.cut)
                front.cuts -= 1
                self.close_connection = True
                return
            with contextlib.closing(http.client.HTTPConnection(front.upstream, timeout=PATIENCE)) as upstream:
                path = self.path.partition("?")[0] if front.no_mount and "mount=" in self.path else self.path
                upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for key, value in self.headers.items():
                    upstream.putheader(key, value)
                upstream.endheaders()
                cut = front.cut if 0 < front.cut < length and front.cuts > 0 else None
                left = length if cut is None else cut
                while left and (data := self.rfile.read(min(SLICE, left))):
                    upstream.send(data)
                    left -= len(data)
                if cut is not None:
                    front.cuts -= 1
                    self.close_connection = True
                    return
                answer = upstream.getresponse()
                body = answer.read()
                if front.lost.get(self.command, 0) > 0:
                    front.lost[self.command] -= 1
                    self.close_connection = True
                    return
                headers = dict(answer.getheaders())
                if front.page and "/tags/list" in self.path and answer.status == 200:
                    body = self._paged(json.loads(body), headers)
                if front.relative and "Location" in headers:
                    headers["Location"] = headers["Location"].partition("://")[2].partition("/")[2].join(("/", ""))
                if front.listed and self.command == "PUT":
                    headers["OCI-Subject"] = "sha256:0"
                self._say(answer.status, headers, body)

        def _paged(self, document: dict, headers: dict[str, str]) -> bytes:
            path, _, query = self.path.partition("?")
            start = int(dict(parse_qsl(query)).get("last", 0))
            if start + front.page < len(document["tags"]):
                headers["Link"] = f'<{path}?n={front.page}&last={start + front.page}>; rel="next"'
            return json.dumps(document | {"tags": sorted(document["tags"])[start : start + front.page]}).encode()

        def _say(self, status: int, headers: dict[str, str], body: bytes = b"", *, close: bool = False) -> None:
            self.send_response(status)
            length = headers.pop("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            for key, value in headers.items():
                if key.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", length)
            if close:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def manifest_of(config: dict, layers: list[dict], **more) -> bytes:
    """An OCI manifest of these descriptors."""
    document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers, **more}
    return json.dumps(document).encode()
