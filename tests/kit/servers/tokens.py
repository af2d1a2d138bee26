"""A token service: gives out whatever `token` is now, and remembers who asked how."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from tests.kit.servers.proxy import Asked
from tests.kit.servers.threaded import Server, serving


class Tokens:
    """`asked` holds every request; a POST's form stands in `query`. `status` other than 200 refuses."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.status = 200
        self.asked: list[Asked] = []
        self._server = Server(_handler_for(self))
        self._serving = serving(self._server)
        self.realm = f"{self._server.url}/token"

    def __enter__(self):
        self._serving.__enter__()
        return self

    def __exit__(self, *error):
        self._serving.__exit__(*error)


def form(asked: Asked) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(asked.query).items()}


def _handler_for(tokens: Tokens):
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

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
