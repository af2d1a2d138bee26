"""A token service: gives out whatever `token` is now, and remembers who asked how."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.servers.proxy import Asked


class Tokens:
    """`asked` holds every request; a POST's form stands in `query`. `status` other than 200 refuses."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.status = 200
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.realm = f"http://{self.host}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="tokens")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def form(asked: Asked) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(asked.query).items()}


def _handler_for(tokens: Tokens):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words):
            pass

        def do_GET(self):
            path, _, query = self.path.partition("?")
            self._answer(path, query)

        def do_POST(self):
            self._answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, path: str, query: str) -> None:
            tokens.asked.append(Asked(self.command, path, {key.title(): value for key, value in self.headers.items()}, query))
            body = json.dumps({"token": tokens.token}).encode()
            self.send_response(tokens.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
