"""The lead moves between real agents over real TLS: the member follows the box that was set up from the copy, and not the old leader."""

import pytest

from kelvin_provision.cluster.nodes import ClusterNode
from kelvin_provision.errors import LeadElsewhere
from kelvin_provision.leading.copy import making, restoring
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.ledger.nodes.reading import node_images, nodes
from kelvin_provision.nodes import managing
from kelvin_provision.nodes.managing import JoinWish
from kelvin_provision.nodes.member import kept
from tests.kit.locks import AMD64
from tests.kit.meanwhile import working
from tests.kit.sites import box_at
from tests.kit.waiting import until

pytestmark = pytest.mark.slow


def url_of(box):
    return f"https://{box.settings.nodes.listen[0]}"


def here(leader, name):
    return {(image.node, image.state) for image in node_images(leader.ledger) if name in image.image}


def joined(leader, member, name):
    made = managing.make_token(leader.ctx)
    managing.join_leader(member.ctx, JoinWish(url_of(leader), made.text, name, name))


def test_members_follow_the_box_that_took_the_lead_and_the_old_one_changes_nothing(tmp_path):
    old, member, new = box_at(tmp_path / "old"), box_at(tmp_path / "member"), box_at(tmp_path / "new")
    new.source, new.cluster = old.source, old.cluster
    old.cluster.site += tuple(ClusterNode(name, AMD64, {}, name) for name in ("node-b", "node-c"))
    with working(old.work):
        until(lambda: any("serving other nodes" in str(event) for event in old.said))
        joined(old, member, "node-b")
        joined(old, new, "node-c")
        with working(member.work), working(new.work):
            old.deploy("pump")
            until(lambda: {node for node, state in here(old, "pump") if state is NodeImageState.HERE} == {"node-b", "node-c"})
        with making.made(old.settings.state_dir, lambda: old.ledger, wait=60.0) as copy:
            (tmp_path / "copy").write_bytes(b"".join(copy.chunks()))
    new.close()
    restoring.restore(tmp_path / "copy", new.settings.state_dir, new.store, actor="anna")
    new._connections = None
    assert [node.name for node in nodes(new.ledger)] == ["node-b"]
    assert restoring.take_lead(new.settings.state_dir, lambda: new.cluster) == ""
    with working(new.work):
        until(lambda: any("serving other nodes" in str(event) for event in new.said))
        managing.join_leader(member.ctx, JoinWish(url_of(new), None))
        with working(member.work):
            new.deploy("fan")
            until(lambda: ("node-b", NodeImageState.HERE) in here(new, "fan"))
            assert ("node-b", NodeImageState.HERE) in here(new, "pump")
    with working(old.work):  # it is back, and its address leads to it again
        until(lambda: sum("serving other nodes" in str(event) for event in old.said) == 2)
        managing.join_leader(member.ctx, JoinWish(url_of(old), None))
        with working(member.work):
            until(lambda: any("the lead has moved to another node" in str(event) for event in member.said))
            assert {image.lock.reference.repository for image in kept.read(member.settings.state_dir).document.images} == {"fan", "pump"}
    with pytest.raises(LeadElsewhere):
        old.command_apply("pump")
    for box in (old, member, new):
        box.close()
