"""The ledger of one box into a file, and another box that leads from it: everything is there, or nothing was changed."""

import json
import os
import shutil
import signal
from contextlib import suppress

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from kelvin_provision.errors import CopyInvalid, FileUnreadable, LeadElsewhere, ProvisionError, StateTooNew, UsageRefused
from kelvin_provision.leading import identity
from kelvin_provision.leading.copy import contents, making, reading, restoring
from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.ledger.nodes import membership, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeToken
from kelvin_provision.ledger.nodes.reading import nodes
from kelvin_provision.usecases import api_users
from tests.kit.box import Box
from tests.kit.crash import killed
from tests.kit.locks import AMD64

pytestmark = pytest.mark.slow


def state_of(box):
    return box.settings.state_dir


def copy_of(box, path):
    with making.made(state_of(box), lambda: box.ledger, wait=0.0) as copy:
        path.write_bytes(b"".join(copy.chunks()))
    return path


def leading(path):
    """It leads other nodes, has one workload that runs and one that is staged, a user, keys of nodes and the table of a bundle."""
    box = Box(path)
    identity.ensure(state_of(box))
    box.up("1.0.0", "a")
    box.deploy("b")
    box.turn()
    api_users.add(box.ctx, "anna", "Secret123", Level.ADMIN)
    now = box.ledger.clock()
    tokens.add(box.ledger, NodeToken("t", now, "2099-01-01T00:00:00Z", "anna"))
    assert membership.join(box.ledger, Node("node-b", "b", None, "", AMD64, "node-b", "1.0", now, now), "t", now) is None
    (state_of(box) / "nodes").mkdir()
    (state_of(box) / "nodes" / "authority.pem").write_bytes(b"key and certificate")
    (state_of(box) / "nodes" / "node.pem").write_bytes(b"of this node alone")
    (state_of(box) / "nodes" / "authority.pem").chmod(0o600)
    (state_of(box) / "bundles").mkdir(exist_ok=True)
    (state_of(box) / "bundles" / f"{'0' * 64}.json").write_bytes(b"{}")
    return box


@pytest.fixture
def leader(tmp_path):
    box = leading(tmp_path / "first")
    yield box
    box.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a copy."""
    folder = tmp_path_factory.mktemp("whole")
    box = leading(folder / "first")
    yield copy_of(box, folder / "copy").read_bytes()
    box.close()


@pytest.fixture
def other(leader, tmp_path):
    """Another box on the same cluster, which was a member and has the images."""
    box = Box(tmp_path / "second", like=leader)
    shutil.copytree(state_of(leader) / "images", state_of(box) / "images")
    (state_of(box) / "nodes").mkdir()
    (state_of(box) / "nodes" / "membership.json").write_text("{}")
    yield box
    box.close()


def restore(path, box):
    box.close()
    try:
        restoring.restore(path, state_of(box), box.store, actor="anna")
    finally:
        box._connections = None


def test_a_copy_has_what_belongs_to_the_ledger_and_nothing_of_the_box_alone(leader, tmp_path):
    found = reading.verified(copy_of(leader, tmp_path / "copy"))
    own = identity.read(state_of(leader))
    assert (found.holder, found.term, found.workloads, found.nodes) == (own.holder, 1, 2, 1)
    assert [file.name for file in found.files] == [
        "ledger.db", "api-users.json", f"bundles/{'0' * 64}.json", "nodes/authority.pem",
    ]  # fmt: skip
    assert not list(state_of(leader).glob(".copy*"))


def test_another_box_leads_from_it_with_the_same_workloads_history_and_keys(leader, other, tmp_path):
    path, lines = copy_of(leader, tmp_path / "copy"), len(history.history(leader.ledger))
    restore(path, other)
    assert other.states() == leader.states()
    assert history.broken_link(other.ledger) is None
    newest = history.history(other.ledger)
    assert len(newest) == lines + 1
    assert (newest[-1].action, newest[-1].who) == ("lead taken", "anna")
    assert [user.name for user in Users(state_of(other), utc_now).all()] == ["anna"]
    assert (state_of(other) / "nodes" / "authority.pem").read_bytes() == b"key and certificate"
    assert not (state_of(other) / "nodes" / "membership.json").exists()
    assert not (state_of(other) / "nodes" / "node.pem").exists()
    assert not list(state_of(other).glob(".copy*"))
    modes = {path.stat().st_mode & 0o077 for path in state_of(other).rglob("*") if path.is_file()}
    assert modes == {0}


def test_the_new_leader_takes_the_lease_and_the_old_one_refuses_every_change(leader, other, tmp_path):
    restore(copy_of(leader, tmp_path / "copy"), other)
    assert restoring.take_lead(state_of(other), lambda: other.cluster) == ""
    assert (identity.read(state_of(other)).term, identity.read(state_of(other)).over) == (2, "")
    with pytest.raises(LeadElsewhere):
        leader.command_apply("b")
    other.command_apply("b")
    assert set(other.cluster.live) == {"a", "b"}


def test_without_the_cluster_the_first_change_takes_the_lease(leader, other, tmp_path):
    restore(copy_of(leader, tmp_path / "copy"), other)
    other.cluster.unreachable = True
    assert "does not answer" in restoring.take_lead(state_of(other), lambda: other.cluster)
    other.cluster.unreachable = False
    other.command_apply("b")
    assert other.cluster.leases[0].holder == identity.read(state_of(other)).holder


def test_a_change_of_the_old_leader_after_the_copy_is_found_as_any_difference(leader, other, tmp_path):
    """The old one was not dead yet: what it did since is on the cluster and not in the ledger, so the next apply puts it right."""
    path = copy_of(leader, tmp_path / "copy")
    leader.up("2.0.0", "a")
    restore(path, other)
    other.up("3.0.0", "a")
    assert "a:3.0.0" in str(other.cluster.live["a"]) or "3.0.0" in str(other.cluster.live["a"])


def test_two_boxes_from_one_copy_do_not_both_lead(leader, other, tmp_path):
    path, third = copy_of(leader, tmp_path / "copy"), Box(tmp_path / "third", like=leader)
    shutil.copytree(state_of(leader) / "images", state_of(third) / "images")
    restore(path, other)
    restore(path, third)
    assert restoring.take_lead(state_of(other), lambda: other.cluster) == ""
    with pytest.raises(LeadElsewhere):
        restoring.take_lead(state_of(third), lambda: third.cluster)
    with pytest.raises(LeadElsewhere):
        third.command_apply("b")
    third.close()


def test_a_staged_version_whose_images_are_not_here_is_staged_again(leader, other, tmp_path):
    shutil.rmtree(state_of(other) / "images", ignore_errors=True)
    restore(copy_of(leader, tmp_path / "copy"), other)
    assert other.states()["b"][0] == "received" or other.states()["b"][1] == "received"
    other.turn()
    assert "ready" in other.states()["b"]


def test_a_box_with_workloads_is_not_replaced(leader, other, tmp_path):
    path = copy_of(leader, tmp_path / "copy")
    other.deploy("mine")
    with pytest.raises(UsageRefused, match="workloads of its own"):
        restore(path, other)
    assert set(other.states()) == {"mine"}


def test_of_a_box_of_one_node_there_is_a_copy_too(tmp_path):
    box = Box(tmp_path / "one")
    with pytest.raises(FileUnreadable, match="nothing was ever deployed"), making.made(tmp_path / "none", lambda: box.ledger, wait=0.0):
        pass
    box.up("1.0.0", "a")
    box.deploy("a", version="3.0.0")
    box.turn()
    path, other = copy_of(box, tmp_path / "copy"), Box(tmp_path / "two", like=box)
    restore(path, other)
    other.up("2.0.0", "a")
    with pytest.raises(LeadElsewhere):
        box.command_apply("a")
    box.close()
    other.close()


def test_while_a_change_is_under_way_no_copy_is_made(leader, tmp_path):
    with leader.operation(), pytest.raises(ProvisionError, match="anything"):
        copy_of(leader, tmp_path / "copy")


def test_a_copy_that_was_changed_anywhere_is_refused_before_anything_is_written(whole, tmp_path):
    other = Box(tmp_path / "second")
    before = sorted(path.name for path in state_of(other).iterdir())
    line = whole.index(b"\n") + 1
    places = [0, 5, line - 2, line, line + 100, (line + len(whole)) // 2, len(whole) - 1]
    for place in places:
        bad = bytearray(whole)
        bad[place] ^= 1
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises((CopyInvalid, StateTooNew)):
            restore(tmp_path / "bad", other)
    for cut in (0, 10, line, line + 1, len(whole) - 1):
        (tmp_path / "bad").write_bytes(whole[:cut])
        with pytest.raises(CopyInvalid):
            restore(tmp_path / "bad", other)
    (tmp_path / "bad").write_bytes(whole + b"x")
    with pytest.raises(CopyInvalid):
        restore(tmp_path / "bad", other)
    assert sorted(path.name for path in state_of(other).iterdir()) == before


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "lead.json",
        "api.key",
        "ledger.db-wal",
        "trust/../lead.json",
        "history/1.jsonl",
        "",
        "nodes/node.pem",
    ],
)
def test_no_other_name_is_taken_from_a_copy(whole, tmp_path, name):
    line, _, rest = whole.partition(b"\n")
    document = json.loads(line)
    document["files"][1][0] = name
    (tmp_path / "bad").write_bytes(json.dumps(document).encode() + b"\n" + rest)
    with pytest.raises(CopyInvalid):
        reading.verified(tmp_path / "bad")


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [["ledger.db", -1, "0" * 64]]},
        {"files": [["ledger.db", True, "0" * 64]]},
        {"files": [["ledger.db", 1, "x"]]},
        {"files": [["ledger.db", 0, "0" * 64]] * 2},
        {"files": 7},
        {"holder": "not a holder"},
        {"term": 1 << 40},
        {"term": None},
        {"box": "\x1b[31m"},
        {"made": ["x"]},
        {"kind": "another"},
        {"workloads": 1.5},
    ],
)
def test_a_table_that_is_none_is_refused(whole, tmp_path, change):
    line, _, rest = whole.partition(b"\n")
    (tmp_path / "bad").write_bytes(json.dumps(json.loads(line) | change).encode() + b"\n" + rest)
    with pytest.raises(CopyInvalid):
        reading.verified(tmp_path / "bad")
    (tmp_path / "bad").write_bytes(json.dumps(json.loads(line) | {"schema": 2}).encode() + b"\n" + rest)
    with pytest.raises(StateTooNew):
        reading.verified(tmp_path / "bad")


def test_what_is_no_copy_is_refused_within_bounds(tmp_path):
    path = tmp_path / "x"
    for data in (b"", b"\n", b"[" * 200_000, b"{}" * 100, b"\xff\xfe", b"x" * (contents.LONGEST_LINE + 10)):
        path.write_bytes(data)
        with pytest.raises(CopyInvalid):
            reading.verified(path)
    with pytest.raises(FileUnreadable):
        reading.verified(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileUnreadable):
        reading.verified(tmp_path / "pipe")


@pytest.mark.parametrize("step", range(9))
def test_a_crash_at_any_step_leaves_a_box_that_the_same_command_finishes(whole, tmp_path, step):
    path, other = tmp_path / "copy", Box(tmp_path / "second")
    path.write_bytes(whole)
    (state_of(other) / "nodes").mkdir()
    (state_of(other) / "nodes" / "membership.json").write_text('{"name": "node-b"}')
    assert killed(lambda: _dying(path, other, step))
    assert not (state_of(other) / "ledger.db").exists() or not other.states()
    other.close()
    with suppress(UsageRefused):  # after the last step it leads already
        restore(path, other)
    assert set(other.states()) == {"a", "b"}
    assert identity.read(state_of(other)).term == 2
    assert restoring.take_lead(state_of(other), lambda: other.cluster) == ""
    assert {path.name for path in (state_of(other) / "nodes").iterdir()} == {"authority.pem"}
    assert nodes(other.ledger) == (), "it is no member of itself"
    other.close()


def _dying(path, box, step):
    """Killed before the so-manieth step that is to last."""
    steps = iter(range(step))

    def counted(call):
        def one(*words, **more):
            if next(steps, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*words, **more)

        return one

    for name in ("write_durably", "rename_durably", "sync_folder"):
        setattr(restoring, name, counted(getattr(restoring, name)))
    identity.write_durably = counted(identity.write_durably)
    restoring.restore(path, state_of(box), box.store, actor="anna")
