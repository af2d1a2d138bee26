"""The agents of a leader and of a member: what is staged on the one is on the other, and what is gone there goes here."""

from dataclasses import replace

import pytest

from kelvin_provision.connections import ClusterChoice
from kelvin_provision.errors import NodeForeign, NodeRoleWrong, NodeUnknown, SettingMissing
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.ledger.nodes.reading import node, node_images
from kelvin_provision.nodes import managing as usecases
from kelvin_provision.nodes.client.joining import Itself, Token, join
from kelvin_provision.nodes.managing import JoinWish
from kelvin_provision.nodes.overview import nodes
from kelvin_provision.settings.model import NodesSettings
from kelvin_provision.usecases.deploy import deploy_accepted
from tests.kit.box import Box
from tests.kit.locks import AMD64
from tests.kit.meanwhile import working
from tests.kit.sites import box_at
from tests.kit.waiting import until


def test_what_is_staged_on_the_leader_is_on_its_member_and_goes_with_it(tmp_path):
    leader, member = box_at(tmp_path / "leader"), box_at(tmp_path / "member")
    with working(leader.work):
        until(lambda: any("serving other nodes" in str(event) for event in leader.said))
        made = usecases.make_token(leader.ctx)
        assert not made.warnings
        join(member.settings.state_dir, made.url, Token.parse(made.text), Itself("node-b", AMD64, "", ""))
        with working(member.work):
            leader.deploy("pump")
            until(lambda: leader.ledger.workload("pump").staged.locks)
            (lock,) = leader.ledger.workload("pump").staged.locks
            until(lambda: [image.state for image in node_images(leader.ledger)] == [NodeImageState.HERE])
            assert all(member.store.has(blob) for blob in lock.blobs())
            assert nodes(leader.ctx).to_json()["nodes"][0]["images"] == {"complete": 1, "failed": 0, "total": 1}
            leader.undeploy("pump")
            until(lambda: node_images(leader.ledger) == ())
            until(lambda: not member.store.path(lock.layers[0]).exists())
    assert nodes(member.ctx).role == "member"
    with pytest.raises(NodeRoleWrong):
        usecases.make_token(member.ctx)
    with pytest.raises(NodeRoleWrong, match="a matter of its leader"):
        deploy_accepted(member.ctx, [])
    leader.close()
    member.close()


def test_a_member_until_idle_ends_when_all_is_here_and_its_leader_knows_it(tmp_path):
    leader, member = box_at(tmp_path / "leader"), box_at(tmp_path / "member")
    with working(leader.work):
        until(lambda: any("serving other nodes" in str(event) for event in leader.said))
        made = usecases.make_token(leader.ctx)
        join(member.settings.state_dir, made.url, Token.parse(made.text), Itself("node-b", AMD64, "", ""))
        member.work(until_idle=True)
        assert node_images(leader.ledger) == ()
        leader.deploy("pump")
        until(lambda: leader.ledger.workload("pump").staged.locks)
        (lock,) = leader.ledger.workload("pump").staged.locks
        member.work(until_idle=True)
        assert [(image.image, image.state) for image in node_images(leader.ledger)] == [(lock.name, NodeImageState.HERE)]
        assert all(member.store.has(blob) for blob in lock.blobs())
        member.work(until_idle=True)  # it knows already what is wanted
        usecases.remove(leader.ctx, "node-b")
        with pytest.raises(NodeForeign, match="no member with this key"):
            member.work(until_idle=True)
    leader.close()
    member.close()


def test_joining_is_for_a_node_without_workloads_that_leads_no_others(tmp_path):
    box = box_at(tmp_path)
    made = usecases.make_token(box.ctx)
    assert made.warnings
    assert made.text not in repr(made)
    with pytest.raises(NodeRoleWrong, match="leads others"):
        usecases.join_leader(box.ctx, JoinWish(made.url, made.text))
    with pytest.raises(NodeRoleWrong, match="no member"):
        usecases.join_leader(box.ctx, JoinWish(made.url, None))
    (tmp_path / "nodes" / "authority.pem").unlink()
    box.deploy("pump")
    with pytest.raises(NodeRoleWrong, match="workloads of its own"):
        usecases.join_leader(box.ctx, JoinWish(made.url, made.text))
    box.settings = replace(box.settings, nodes=NodesSettings())
    box.close()
    with pytest.raises(SettingMissing, match=r"nodes\.listen is not set"):
        usecases.make_token(Box(tmp_path).ctx)


def test_docker_engine_has_no_other_nodes(tmp_path):
    ctx = box_at(tmp_path).ctx
    ctx.connections.__dict__["choice"] = ClusterChoice("docker", "as asked")
    with pytest.raises(NodeRoleWrong, match="Docker Engine is a single node"):
        usecases.make_token(ctx)


def test_a_member_that_is_unknown_is_neither_removed_nor_drained(tmp_path):
    box = Box(tmp_path)
    with pytest.raises(NodeUnknown):
        usecases.remove(box.ctx, "node-b")
    with pytest.raises(NodeUnknown):
        usecases.drain(box.ctx, "node-b")
    assert node(box.ledger, "node-b") is None
    assert nodes(box.ctx).role == "single"
    box.close()
