"""What a node of several says of itself: `agent status` and `doctor` on a member, with and without its leader, and on a box that lost the lead."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from kelvin_provision.agent.lifecycle.process import lock_path
from kelvin_provision.checks import doctor, leading
from kelvin_provision.checks.configuration import tolerant
from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.files.lock import exclusive
from kelvin_provision.leading import identity
from kelvin_provision.nodes.member import now
from kelvin_provision.nodes.member.now import MemberNow
from kelvin_provision.nodes.member.service import Member
from kelvin_provision.nodes.protocol import WantedImage
from tests.kit.box import Box
from tests.kit.fakes.links import FakeLeader, FakeLinks
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.waiting import until

pytestmark = pytest.mark.slow
LEADER = "https://node-a:30500"


@pytest.fixture
def box(tmp_path):
    """A member, without an agent."""
    box = Box(tmp_path / "state")
    for leftover in box.settings.state_dir.glob("ledger.db*"):
        leftover.unlink()
    path = now.membership_path(box.settings.state_dir)
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps({"name": "node-b", "leader": LEADER, "cluster_node": "node-b"}))
    yield box
    box.close()


@contextmanager
def at_work(box, leader):
    """A member of this box, under the lock of an agent."""
    over = threading.Event()
    member = Member.of(replace(box.ctx, stop=over.is_set), lambda: FakeLinks(leader, box.source))
    thread = threading.Thread(target=replace(member, report_every=0.05).run)
    with exclusive(lock_path(box.settings.state_dir), command="agent run"):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)


def said(box):
    return now.read(box.settings.state_dir) or MemberNow("", "", "", "", 0, 0)


def results(box):
    """By check, what it says and how it ended."""
    configuration = tolerant(config=None, state_dir=box.settings.state_dir, environ={}, is_root=True)
    found = {}
    for result in doctor.run(box.ctx, configuration):
        found.setdefault(result.id, []).append(result)
    return found


def texts(found):
    return " ".join(result.text for result in found)


def worst(found):
    return {result.status.value for result in found}


def test_a_member_says_that_its_leader_is_gone_and_that_it_keeps_its_images(box):
    leader = FakeLeader()
    box.source.images["r.io/one:1"] = image = random_image([3000])
    leader.want([WantedImage(lock_of(image, "r.io/one:1"))])
    with at_work(box, leader):
        until(lambda: said(box).here == 1)
        status = json.loads(box.ended("agent", "status", "--json").stdout)
        assert (status["member"]["leader"], status["member"]["here"], status["member"]["trouble"]) == (LEADER, 1, "")
        assert worst(results(box)["leader"]) == {"ok"}
        leader.leave()
        until(lambda: said(box).trouble)
        text = box.ended("agent", "status").stdout
        assert LEADER in text
        assert "does not answer since" in text
        assert "1 of 1 here" in text
        told = results(box)
        assert set(told) == leading.OF_MEMBER | {"leader"}
        assert "the leader does not answer; 1 of 1 images are here and kept" in texts(told["leader"])
        assert "nothing can be staged or applied" in texts(told["leader"])
    assert not (box.settings.state_dir / now.FILE).exists()
    assert not (box.settings.state_dir / "ledger.db").exists()


def test_without_an_agent_a_member_says_so(box):
    status = box.ended("agent", "status").stdout
    assert f"Leader:  {LEADER}" in status
    assert "not running; start it: kelvin-provision agent start" in status
    assert box.ended("workloads", "list").stderr == f"This node is a member of {LEADER}, which has the workloads.\n"
    told = results(box)
    assert "the agent does not run" in texts(told["leader"])
    assert "without supervision" in texts(told["agent"])


def test_what_is_missing_is_named_with_its_reason(box):
    leader = FakeLeader()
    lock = lock_of(random_image([3000]), "r.io/none:1")
    box.source.down = RegistryUnreachable("no route to node-a")
    leader.want([WantedImage(lock)])
    with at_work(box, leader):
        until(lambda: said(box).missing == ((lock.name, "no route to node-a"),))
        assert "no route to node-a" in box.ended("agent", "status").stdout
        assert lock.name in texts(results(box)["leader"])


def test_a_box_of_one_node_has_none_of_these_checks(tmp_path):
    box = Box(tmp_path / "state")
    assert not leading.IDS & set(results(box))
    assert "lead" not in json.loads(box.ended("agent", "status", "--json").stdout)
    box.close()


def test_a_box_that_lost_the_lead_says_who_leads(tmp_path):
    box = Box(tmp_path / "state")
    own = identity.ensure(box.settings.state_dir)
    assert "from its next change on" in texts(results(box)["lead"])
    box.up("1.0.0", "a")
    assert "this box leads, term 1" in texts(results(box)["lead"])
    box.cluster.take_lease("node-b_0123456789abcdef", over=own.holder)
    found = results(box)["lead"]
    assert "node-b does" in texts(found)
    assert worst(found) == {"error"}
    box.close()


def test_what_is_no_report_is_none(box):
    path = box.settings.state_dir / now.FILE
    for data in (b"", b"{", b"[]", b"{}", b'{"missing": 3}', b'{"missing": [], "reached": ""}', b"[" * 100_000):
        path.write_bytes(data)
        assert now.read(box.settings.state_dir) is None
