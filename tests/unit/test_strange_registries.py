"""Registries that answer what nobody asked for, over real HTTP: no answer is taken for a document, and none is endless."""

import json
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from itertools import count, islice

import pytest

from kelvin_provision.errors import RegistryRefused
from kelvin_provision.refs import Reference
from kelvin_provision.registry import repository
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.settings.model import Settings
from tests.kit.images import sha256
from tests.kit.servers.threaded import Server, serving

KNOWN = sha256(b"known")


class Strange(BaseHTTPRequestHandler):
    """304 to everything; lists of tags that never end, without a tag."""

    protocol_version = "HTTP/1.1"
    pages = count(1)

    def do_GET(self):
        listed = "/tags/" in self.path
        body = json.dumps({"tags": []}).encode() if listed else b""
        self.send_response(200 if listed else 304)
        if listed:
            self.send_header("Link", f'</v2/a/tags/list?last={next(self.pages)}>; rel="next"')
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def reference():
    with serving(Server(Strange)) as server:
        yield Reference(server.host, "a", "stable")


def test_not_modified_is_no_answer_to_who_knows_nothing(reference, tmp_path):
    with closing(Registry(Settings(state_dir=tmp_path))) as source:
        assert source.digest(reference, KNOWN) == KNOWN
        with pytest.raises(RegistryRefused):
            source.digest(reference)
        with pytest.raises(RegistryRefused):
            source.manifest(reference)


def test_a_list_of_tags_ends(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(repository, "_PAGES", 20)
    with closing(Pusher(Settings(state_dir=tmp_path))) as pusher, pytest.raises(RegistryRefused, match="on more than 20 pages"):
        list(islice(pusher.tags(reference), 1))
