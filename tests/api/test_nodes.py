"""The nodes of a site over /edge/v1/nodes and on the page of the box: the same answers and refusals as at the terminal."""

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.ledger.nodes import membership, reports, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeToken
from kelvin_provision.ledger.nodes.reading import node
from kelvin_provision.nodes.client.joining import Token
from kelvin_provision.settings.model import NodesSettings
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.browser import as_level, plain
from tests.kit.locks import AMD64

pytestmark = pytest.mark.slow

NODES = "/edge/v1/nodes"


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path)
    now = opened.ledger.clock()
    tokens.add(opened.ledger, NodeToken("t" * 64, now, "2099-01-01T00:00:00Z", "anna"))
    member = Node("node-b", "b" * 64, None, "10.0.0.2:30500", AMD64, "node-b", "1.0", now, now)
    assert membership.join(opened.ledger, member, "t" * 64, now) is None
    yield opened
    opened.close()


def test_members_are_listed_drained_and_removed(box):
    with serving(box) as client:
        (listed,) = client.get(NODES, Level.READ).json["nodes"]
        assert (listed["name"], listed["state"]) == ("node-b", "here")
        assert client.post(f"{NODES}/node-b/drain", {"draining": True}, level=Level.OPERATE).status == 204
        assert node(box.ledger, "node-b").draining
        assert client.post(f"{NODES}/node-b/drain", {"draining": "x"}, level=Level.OPERATE).status == 400
        assert client.post(f"{NODES}/node-x/drain", {"draining": True}, level=Level.OPERATE).status == 404
        assert client.ask("DELETE", f"{NODES}/node-b", token=client.as_level(Level.OPERATE)).status == 403
        for status in (204, 404):
            assert client.ask("DELETE", f"{NODES}/node-b", token=client.as_level(Level.ADMIN)).status == status
    assert node(box.ledger, "node-b") is None


def test_a_token_needs_a_leader_that_listens(box):
    with serving(box) as client:
        assert client.post(f"{NODES}/tokens", {}, level=Level.ADMIN).status == 409


def test_a_token_is_in_its_answer_alone(tmp_path):
    box = Box(tmp_path, nodes=NodesSettings(listen=("127.0.0.1:1",)))
    with serving(box) as client:
        made = client.post(f"{NODES}/tokens", {}, level=Level.ADMIN)
        assert made.status == 201
        assert made.json["leader"] == "https://127.0.0.1:1"
        assert Token.parse(made.json["token"]).secret not in client.get(NODES, Level.READ).body.decode()
    box.close()


def test_the_page_of_the_box_shows_who_is_there_and_who_is_away(box):
    with serving(box) as client:
        browser = as_level(client, Level.READ)
        assert "node-b there 0 of 0 images" in " ".join(plain(browser.get("/ui/box").body.decode()).split())
        reports.silent(box.ledger, ["node-b"], "2026-11-28T12:00:00Z")
        assert "node-b away since" in " ".join(plain(browser.get("/ui/box").body.decode()).split())
