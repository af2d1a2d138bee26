"""What the leader remembers of its members: tokens serve once, silence and states are written when they change."""

from dataclasses import replace

import pytest

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes import membership, reports, tokens
from kelvin_provision.ledger.nodes.membership import JoinRefusal
from kelvin_provision.ledger.nodes.model import Node, NodeImage, NodeImageState, NodeToken
from kelvin_provision.ledger.nodes.reading import node, node_images, node_tokens, node_with_key, nodes
from kelvin_provision.ledger.nodes.reports import STEP, Said
from kelvin_provision.refs import Platform

ARM = Platform.parse("linux/arm64")
IMAGE = "r.io/pump@sha256:" + "1" * 64


class Clock:
    def __init__(self):
        self.minute = 0

    def __call__(self):
        return f"2026-11-28T12:{self.minute:02}:00Z"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger(tmp_path / "ledger.db", clock=clock) as opened:
        yield opened


def member(name="node-b", key="b", joined="2026-11-28T12:00:00Z"):
    return Node(name, key * 64, None, "10.0.0.2:30500", ARM, name, "1.0", joined, joined)


def token(letter="t", until=15):
    return NodeToken(letter * 64, "2026-11-28T12:00:00Z", f"2026-11-28T12:{until:02}:00Z", "anna")


def joined(ledger, *names):
    for number, name in enumerate(names):
        secret = chr(ord("k") + number)
        tokens.add(ledger, token(secret))
        assert membership.join(ledger, member(name, format(number, "x")), secret * 64, ledger.clock()) is None


def said(*images, **others):
    values = {"address": "10.0.0.2:30500", "platform": "linux/arm64", "version": "1.0", "free": 5 << 30}
    return Said(**{**values, "problems": (), **others}, images=images)


def image(state=NodeImageState.DOWNLOADING, why="", size=0):
    return NodeImage("node-b", IMAGE, state, why, "", size)


def writes(ledger):
    with ledger.reading() as db:
        return db.execute("PRAGMA data_version").fetchone()[0], db.total_changes


def test_a_token_admits_one_node_once(ledger):
    tokens.add(ledger, token())
    assert membership.join(ledger, member(), "t" * 64, "2026-11-28T12:05:00Z") is None
    assert nodes(ledger) == (member(),)
    assert membership.join(ledger, member("node-c", "c"), "t" * 64, "2026-11-28T12:06:00Z") is JoinRefusal.USED
    assert [row.node for row in node_tokens(ledger)] == ["node-b"]
    assert [entry.action for entry in history.history(ledger)] == ["node token", "node join"]


def test_a_node_that_did_not_get_the_answer_asks_again_with_the_same_key(ledger):
    tokens.add(ledger, token())
    for _ in range(2):
        assert membership.join(ledger, member(), "t" * 64, "2026-11-28T12:05:00Z") is None
    assert len(history.history(ledger)) == 2


@pytest.mark.parametrize(
    ("secret", "now", "refusal"),
    [
        ("x", "2026-11-28T12:05:00Z", JoinRefusal.UNKNOWN),
        ("t", "2026-11-28T12:15:00Z", JoinRefusal.EXPIRED),
        ("t", "2026-11-28T11:59:59Z", JoinRefusal.EXPIRED),
    ],
)
def test_a_token_that_is_unknown_or_of_another_time_admits_none(ledger, secret, now, refusal):
    tokens.add(ledger, token())
    assert membership.join(ledger, member(), secret * 64, now) is refusal
    assert nodes(ledger) == ()
    assert node_tokens(ledger)[0].used is None


def test_names_and_keys_belong_to_one_member(ledger):
    joined(ledger, "node-b")
    tokens.add(ledger, token())
    assert membership.join(ledger, member("node-b", "7"), "t" * 64, ledger.clock()) is JoinRefusal.NAME
    assert membership.join(ledger, member("node-c", "0"), "t" * 64, ledger.clock()) is JoinRefusal.KEY
    twice = replace(member("node-c", "7"), cluster_node="node-b")
    assert membership.join(ledger, twice, "t" * 64, ledger.clock()) is JoinRefusal.CLUSTER_NODE
    assert membership.join(ledger, replace(twice, cluster_node=""), "t" * 64, ledger.clock()) is None


def test_a_member_that_is_away_is_replaced_by_one_of_its_name_with_a_new_token(ledger):
    joined(ledger, "node-b")
    reports.record(ledger, "node-b", said(image()))
    reports.silent(ledger, ["node-b"], "2026-11-28T12:00:00Z")
    tokens.add(ledger, token())
    assert membership.join(ledger, member("node-b", "7"), "t" * 64, ledger.clock()) is None
    assert node(ledger, "node-b").key == "7" * 64
    assert node_images(ledger) == ()


def test_an_earlier_key_serves_until_the_next_one_was_used(ledger):
    joined(ledger, "node-b", "node-c")
    assert membership.offer_key(ledger, "node-b", "9" * 64)
    assert not membership.offer_key(ledger, "node-c", "9" * 64)
    assert node_with_key(ledger, "0" * 64).name == node_with_key(ledger, "9" * 64).name == "node-b"
    membership.take_key(ledger, "node-b", "9" * 64)
    assert node_with_key(ledger, "0" * 64) is None
    assert node_with_key(ledger, "9" * 64).next_key is None


def test_a_removed_member_is_foreign_and_its_images_are_forgotten(ledger):
    joined(ledger, "node-b")
    reports.record(ledger, "node-b", said(image()))
    assert membership.remove(ledger, "node-b", actor="anna").name == "node-b"
    assert membership.remove(ledger, "node-b", actor="anna") is None
    assert node_with_key(ledger, "0" * 64) is None
    assert node_images(ledger) == ()
    assert not reports.record(ledger, "node-b", said(image()))


def test_a_drained_member_is_marked_until_that_is_taken_back(ledger):
    joined(ledger, "node-b")
    for draining in (True, False):
        membership.drain(ledger, "node-b", draining=draining, actor="anna")
        assert node(ledger, "node-b").draining is draining
    assert [entry.action for entry in history.history(ledger)][-2:] == ["node drain", "node undrain"]


def test_a_state_keeps_its_time_while_it_is_the_same_and_small_steps_are_not_written(ledger, clock):
    joined(ledger, "node-b")
    reports.record(ledger, "node-b", said(image()))
    clock.minute = 1
    reports.record(ledger, "node-b", said(image(size=STEP)))
    (known,) = node_images(ledger, node="node-b", images=[IMAGE])
    assert (known.since, known.bytes) == ("2026-11-28T12:00:00Z", STEP)
    before = writes(ledger)
    reports.record(ledger, "node-b", said(image(size=STEP + 1), free=(5 << 30) + 1))
    assert writes(ledger) == before
    clock.minute = 2
    reports.record(ledger, "node-b", said(image(NodeImageState.HERE, size=STEP + 1)))
    (known,) = node_images(ledger)
    assert (known.state, known.since) == (NodeImageState.HERE, "2026-11-28T12:02:00Z")
    reports.record(ledger, "node-b", said())
    assert node_images(ledger) == ()


def test_a_silent_member_is_away_since_it_was_heard_last_until_it_speaks(ledger, clock):
    joined(ledger, "node-b")
    reports.silent(ledger, ["node-b"], "2026-11-28T12:02:00Z")
    reports.silent(ledger, ["node-b"], "2026-11-28T12:03:00Z")
    assert node(ledger, "node-b").away == "2026-11-28T12:02:00Z"
    clock.minute = 9
    reports.record(ledger, "node-b", said())
    assert (node(ledger, "node-b").away, node(ledger, "node-b").seen) == (None, "2026-11-28T12:09:00Z")
