"""What doctor says of the nodes of a site."""

from dataclasses import replace

import pytest

from kelvin_provision.checks.node import site
from kelvin_provision.ledger.nodes.model import Node
from kelvin_provision.nodes.overview import NodeItem, NodesAnswer, SiteState
from kelvin_provision.refs import Platform

TIME = "2026-11-28T12:00:00Z"
HERE = NodeItem(Node("node-b", "b" * 64, None, "10.0.0.2:1", Platform("linux", "arm64"), "node-b", "1", TIME, TIME), 3, 0, 3)
AWAY = NodeItem(replace(HERE.node, name="node-c", away=TIME), 3, 0, 3)
LACKING = NodeItem(replace(HERE.node, name="node-d"), 2, 1, 3, "no space left")


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (SiteState(NodesAnswer("single", None, ()), (), None), ["this box has one node"]),
        (SiteState(NodesAnswer("member", "https://a:1", ()), (), 300.0), ["member of https://a:1"]),
        (
            SiteState(NodesAnswer("member", "https://a:1", ()), (), 3.0),
            ["the certificate of this node has 3 days left", "member of https://a:1"],
        ),
        (SiteState(NodesAnswer("leader", None, (HERE,)), ("0.0.0.0:1",), 300.0), ["1 of 1 members are there"]),
        (SiteState(NodesAnswer("leader", None, (HERE,)), (), 300.0), ["there are members, and this leader does not", "1 of 1 members"]),
        (
            SiteState(NodesAnswer("leader", None, (HERE, AWAY, LACKING)), ("0.0.0.0:1",), 300.0),
            ["node node-c is away since", "node node-d lacks 1 of 3 images: no space left", "2 of 3 members are there"],
        ),
    ],
)
def test_what_is_said_of_the_nodes(state, lines):
    found = list(site(state))
    assert len(found) == len(lines)
    assert all(finding.text.startswith(line) for finding, line in zip(found, lines, strict=True))
