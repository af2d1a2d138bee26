"""A registry with one image of one layer, which stops in the middle of the layer until it is told to go on: `python -m` it with its folder.

In a process of its own, so that it can be in the network namespace of a chroot. It writes each range that it was asked for into `asked`.
"""

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SIZE, PAUSE = 4 << 20, 1 << 20
PORT = 5000


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


LAYER = bytes(range(256)) * (SIZE // 256)
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(LAYER)]}}).encode()
_OCI = "application/vnd.oci.image"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": {"mediaType": f"{_OCI}.config.v1+json", "digest": digest(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": f"{_OCI}.layer.v1.tar", "digest": digest(LAYER), "size": SIZE}],
    }
).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if "/manifests/" in self.path:
            return self._answer(MANIFEST, f"{_OCI}.manifest.v1+json")
        if name == digest(CONFIG):
            return self._answer(CONFIG, "application/octet-stream")
        return self._layer() if name == digest(LAYER) else self._answer(b"{}", "application/json")

    def _answer(self, data, kind):
        self.send_response(200)
        for key, value in (("Content-Type", kind), ("Content-Length", str(len(data))), ("Docker-Content-Digest", digest(data))):
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def _layer(self):
        begin, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        first, last = int(begin), min(int(end or SIZE - 1), SIZE - 1)
        with (self.folder / "asked").open("a") as file:
            file.write(f"{first}\n")
        self.send_response(206 if "Range" in self.headers else 200)
        for key, value in (("Content-Range", f"bytes {first}-{last}/{SIZE}"), ("Content-Length", str(last + 1 - first))):
            self.send_header(key, value)
        self.end_headers()
        for place in range(first, last + 1, 1 << 16):
            while place >= PAUSE and not (self.folder / "go").exists():
                time.sleep(0.05)
            try:
                self.wfile.write(LAYER[place : min(place + (1 << 16), last + 1)])
            except OSError:  # who asked is gone
                return

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Handler.folder = Path(sys.argv[1])
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
