"""An HTTP proxy of the kind that offices have: absolute URLs are fetched, CONNECT makes a tunnel. All names lead to one place."""

import contextlib
import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler

from tests.kit.servers.threaded import Server, serving
from tests.kit.waiting import PATIENCE


@contextlib.contextmanager
def forwarding(upstream: str, *, login: str = ""):
    """Yields `127.0.0.1:PORT` and the list of what it was asked for. Without `login` in Proxy-Authorization it answers 407."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def _may(self) -> bool:
            asked.append(f"{self.command} {self.path}")
            if login and self.headers.get("Proxy-Authorization") != login:
                self.send_response(407, "no password, no way")
                self.send_header("Proxy-Authenticate", 'Basic realm="office"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return False
            return True

        def do_GET(self):
            if not self._may():
                return
            path = "/" + self.path.split("/", 3)[3]
            connection = http.client.HTTPConnection(upstream, timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", path, headers={key: self.headers[key] for key in ("Accept", "Range") if key in self.headers})
                answer = connection.getresponse()
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(answer.read())

        def do_CONNECT(self):
            if not self._may():
                return
            host, _, port = upstream.partition(":")
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as other:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=pour, args=(other, self.connection))
                back.start()
                pour(self.connection, other)
                back.join()
            self.close_connection = True

    with serving(Server(Handler)) as server:
        yield server.host, asked


def pour(source: socket.socket, sink: socket.socket) -> None:
    """All that comes from one to the other, and its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
