"""A leader and members in this process, each with a store and keys of its own, over real TLS on loopback."""

import http.client
import socket

from kelvin_provision.ledger.nodes import tokens
from kelvin_provision.ledger.nodes.model import NodeImageState, NodeToken
from kelvin_provision.nodes.client.joining import Itself, Token, join
from kelvin_provision.nodes.client.links import RemoteLinks
from kelvin_provision.nodes.keys import making
from kelvin_provision.nodes.keys.contexts import client_context
from kelvin_provision.nodes.keys.files import LEADER_HOST, own_chain
from kelvin_provision.nodes.protocol import ImageReport, Report
from kelvin_provision.nodes.serving.blobs import CHECK, BlobServer
from kelvin_provision.nodes.serving.leader import LeaderRoutes
from kelvin_provision.nodes.serving.server import MemberHandler, leader_server, listeners, member_server
from kelvin_provision.settings.model import ApplySettings, NodesSettings, Settings
from kelvin_provision.store import Store
from tests.kit.box import Box
from tests.kit.locks import AMD64
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import PATIENCE

LOOPBACK = NodesSettings(listen=("127.0.0.1:0",))


def box_at(path, **more):
    """A whole box whose agent listens for other nodes."""
    return Box(path, nodes=NodesSettings(listen=(f"127.0.0.1:{free_port()}",)), apply=ApplySettings(settle=0.0), **more)


class Leader:
    """`locks` are what every member shall have; `keep` stores an image and adds its lock."""

    def __init__(self, path, *, limits=None, nodes=LOOPBACK, starting=2.0, stalled=PATIENCE, check=CHECK):
        self.box = Box(path, nodes=nodes)
        self.ctx = self.box.ctx
        self.locks = []
        self.authority = making.lead(path, self.ctx.now)
        self.store = Store(path)
        self.blobs = BlobServer(self.store, nodes.rate, starting=starting, stalled=stalled, check=check)
        self.routes = LeaderRoutes(self.ctx, self.authority, self)
        self.server = leader_server(self.box.settings, listeners(self.box.settings), self.routes, self.blobs, limits or {})
        self.server.start()
        self.url = self.server.urls[0]
        self.port = int(self.url.rpartition(":")[2])

    def images(self, ledger, node, kept):
        return list(self.locks)

    def basis(self, ledger):
        return tuple(self.locks)

    def keep(self, image, lock):
        for blob in lock.blobs():
            self.store.put(blob, image.manifest if blob.digest == image.digest else image.blobs[blob.digest])
        self.want(lock)

    def want(self, *locks):
        self.locks += locks
        self.ctx.ledger.remember("wanted by the test", str(len(self.locks)))

    def token(self, *, made=None, expires="2099-01-01T00:00:00Z"):
        token = Token.of(making.certificate_of(self.authority))
        tokens.add(self.ctx.ledger, NodeToken(token.hash, made or self.ctx.ledger.clock(), expires, "anna"))
        return token

    def close(self):
        self.server.close()
        self.routes.close()
        self.box.close()


class Member:
    """Joined, with a server of its own for its peers."""

    def __init__(self, leader, path, name, *, starting=2.0, stalled=PATIENCE):
        self.name = name
        self.settings = Settings(state_dir=path, nodes=LOOPBACK)
        opened = listeners(self.settings)
        self.address = opened[0].url.removeprefix("https://")
        self.membership = join(path, leader.url, leader.token(), Itself(name, AMD64, name, self.address))
        self.store = Store(path)
        self.blobs = BlobServer(self.store, starting=starting, stalled=stalled)
        self.handler = MemberHandler(self.blobs)
        self.server = member_server(self.settings, opened, self.handler)
        self.server.start()
        self.links = RemoteLinks(self.settings, self.membership)

    def document(self):
        document = self.links.leader.wanted_after("", 0)
        self.handler.use(document)
        return document

    def report(self, *images, state=NodeImageState.HERE):
        reported = tuple(ImageReport(lock.name, state, "", lock.size) for lock in images)
        self.links.leader.report(Report("", reported, AMD64, self.name, "1.0", self.address))

    def fetch(self, document):
        """All blobs, in the order of the sources; returns how many bytes came."""
        source, count = self.links.blobs(document), 0
        for image in document.images:
            for blob in image.lock.blobs():
                with self.store.partial(blob) as partial:
                    with source.blob(image.lock.reference, blob, partial.offset) as stream:
                        for chunk in stream.chunks:
                            partial.write(chunk)
                            count += len(chunk)
                    partial.commit()
        return count

    def context(self):
        return client_context(own_chain(self.settings.state_dir), leader=True)

    def close(self):
        self.server.close()
        self.links.close()


def ask(port, context, method, path, *, body=None, headers=None, timeout=PATIENCE):
    """One request as any program may make it: status and body."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=timeout)
    connection.connect = lambda: _connect(connection, context, timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _connect(connection, context, timeout):
    plain = socket.create_connection((connection.host, connection.port), timeout)
    connection.sock = context.wrap_socket(plain, server_hostname=LEADER_HOST)
