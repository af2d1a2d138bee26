"""The API in a thread of this process, on a real socket, with a box of the kit behind it; and a client that shows everything of an answer."""

import asyncio
import contextlib
import http.client
import json
import ssl
import threading
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode

from kelvin_provision.access.levels import Level
from kelvin_provision.access.passwords import Cost
from kelvin_provision.access.users import Users
from kelvin_provision.api import server
from kelvin_provision.api.work import child, deploying
from kelvin_provision.errors import ProvisionError
from kelvin_provision.errors.documents import to_document
from kelvin_provision.serving.addresses import listening
from kelvin_provision.usecases.api_certificate import authority_pem
from tests.kit.certificates import give_certificate
from tests.kit.confirmation import CONFIRMED
from tests.kit.waiting import PATIENCE

PASSWORD = "Secret123"
CHEAP = Cost(n=2, r=1, p=1)
TOKEN = "/auth/realms/kelvin/protocol/openid-connect/token"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The one error of an answer, which has the form of every error."""
        (error,) = self.json["errors"]
        assert set(error) == {"name", "title", "description", "solution", "payload"}
        assert all(error[key] for key in ("name", "title", "description", "solution")), error
        return error


class Client:
    """One connection for each request, unless `keep` has one."""

    def __init__(self, port, trusts=None):
        """`trusts`: the PEM of an authority, for TLS."""
        self.port = port
        self.tokens = {}
        self.tls = ssl.create_default_context(cadata=trusts) if trusts else None

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def connection(self):
        place = "127.0.0.1", self.port
        return (
            http.client.HTTPSConnection(*place, timeout=PATIENCE, context=self.tls)
            if self.tls
            else http.client.HTTPConnection(*place, timeout=PATIENCE)
        )

    def ask(self, method, path, *, token=None, body=None, headers=(), host=None, connection=None):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        sent = {"Host": host or f"127.0.0.1:{self.port}", **({"Authorization": f"Bearer {token}"} if token else {}), **dict(headers)}
        with contextlib.closing(self.connection()) as own:
            use = connection or own
            use.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                use.putheader(name, value)
            if data is not None:
                use.putheader("Content-Length", str(len(data)))
            use.endheaders(data)
            response = use.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def login(self, name, password=PASSWORD, **more):
        return self.ask("POST", TOKEN, body=urlencode({"grant_type": "password", "username": name, "password": password} | more).encode())

    def as_level(self, level):
        """The token of the user who has this level."""
        if level not in self.tokens:
            self.tokens[level] = self.login(str(level)).json["access_token"]
        return self.tokens[level]

    def get(self, path, level=Level.READ, **more):
        return self.ask("GET", path, token=self.as_level(level) if level else None, **more)

    def post(self, path, body=None, level=Level.ADMIN, **more):
        return self.ask("POST", path, token=self.as_level(level) if level else None, body=body, **more)


def cheap_users(state_dir, clock):
    """A user for each level, named after it, with hashes that take no time."""
    users = Users(state_dir, clock, CHEAP)
    for level in Level:
        if users.find(str(level)) is None:
            users.add(str(level), PASSWORD, level, CONFIRMED)
    return users


@contextlib.contextmanager
def serving(box, *, secure=False, trusts=None, **limits):
    """The API of this box; yields a client. `secure`: with TLS, as at an address that others can reach.

    `trusts`: the file that the client trusts in place of the authority of the box.
    """
    listeners = [replace(listener, secure=secure) for listener in listening(["127.0.0.1:0"])]
    ready, state = threading.Event(), {}

    def started(credentials):
        state["credentials"] = credentials
        ready.set()

    async def deploy(head, body):
        """As the child process does it, with the parts of this box; what crosses the pipe is the same document."""
        return deploying.parsed(json.dumps(await asyncio.to_thread(_child, box, head, body)).encode())

    def run():
        with server.services(box.settings, box.wiring, deploy, users) as services:
            state["server"], state["services"] = server.server(services, **limits), services
            server.run(state["server"], listeners, started, services)

    users = cheap_users(box.settings.state_dir, box.clock)
    if secure and not trusts:
        give_certificate(box.settings.state_dir)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        pem = trusts.read_text() if trusts else authority_pem(box.settings).decode() if secure else None
        client = Client(listeners[0].socket.getsockname()[1], pem)
        client.services, client.server, client.credentials = state["services"], state["server"], state["credentials"]
        yield client
    finally:
        if "server" in state:
            state["server"].stop()
        thread.join(PATIENCE)
        for listener in listeners:
            listener.socket.close()
    assert not thread.is_alive()


def _child(box, head, body):
    with contextlib.closing(type(box)(box.settings.state_dir, like=box)) as own:
        own.settings = box.settings
        try:
            return {"result": child.done(replace(own.ctx, actor=head.actor), asdict(head), body)}
        except ProvisionError as error:
            return {"error": to_document(error)}
