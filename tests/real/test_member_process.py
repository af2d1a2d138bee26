"""A member as a process of its own, on a real containerd, over real TLS: killed in the middle of a transfer."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.ledger.nodes.reading import node_images
from kelvin_provision.nodes import managing
from kelvin_provision.nodes.client.joining import Itself, Token, join
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.settings.model import ApplySettings, NodesSettings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.store import Store
from kelvin_provision.usecases import deploy
from tests.contract.runtime_contract import HERE
from tests.kit.box import Box
from tests.kit.ctr import Outside
from tests.kit.images import random_image
from tests.kit.meanwhile import working
from tests.kit.servers.line import Line
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import until

pytestmark = [pytest.mark.containerd, pytest.mark.slow]
LAYERS, RATE = [3_000_000] * 3, 6_000_000
KILLS = 2
OTHER = 64_000
"""Bytes of handshakes, documents and answers to reports."""


@contextmanager
def serving(box):
    with working(box.work):
        until(lambda: any("serving other nodes" in str(event) for event in box.said))
        yield


class MemberProcess:
    """`agent run` of a member; its leader is at the other end of a line."""

    def __init__(self, folder, address):
        self.state, self.config, self.log = folder / "member", folder / "member.yaml", folder / "member.log"
        self.namespace = f"process-{os.getpid()}"
        settings = {"runtime": {"type": "containerd", "address": address, "namespace": self.namespace}, "state_dir": str(self.state)}
        self.config.write_text(json.dumps(settings))
        self.runtime = ContainerdRuntime(address, self.namespace)
        self.outside = Outside(address)
        self.outside._command[-1] = self.namespace

    @contextmanager
    def alive(self):
        """Killed in the end, whatever it does then."""
        words = [sys.executable, "-m", "kelvin_provision", "agent", "run", "--config", str(self.config), "--state-dir", str(self.state)]
        with self.log.open("ab") as log:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: process.alive(self.state), why=self.log.read_text)
            yield
        finally:
            child.kill()
            child.wait()

    def clear(self):
        names = self.outside.ctr("images", "ls", "-q").split()
        if names:
            self.outside.ctr("images", "rm", "--sync", *names)


@pytest.fixture
def member(tmp_path, containerd):
    member = MemberProcess(tmp_path, containerd)
    yield member
    member.clear()


def test_a_member_that_was_killed_goes_on_at_the_last_byte(tmp_path, member, record_property):
    nodes = NodesSettings(listen=(f"127.0.0.1:{free_port()}",), rate=RATE)
    leader = Box(tmp_path / "leader", nodes=nodes, apply=ApplySettings(settle=0.0))
    with serving(leader), Line(int(nodes.listen[0].rpartition(":")[2])) as line:
        made = managing.make_token(leader.ctx)
        join(member.state, f"https://127.0.0.1:{line.port}", Token.parse(made.text), Itself("node-b", HERE, "", ""))
        leader.source.images["r.io/big:1.0.0"] = random_image(LAYERS, architecture=HERE.architecture)
        shape = {"name": "big", "title": "big", "app_name": "big", "app_version": "1.0.0", "cluster_name": "c", "method": Method.STAGED}
        deploy.store(leader.ctx, [Spec(image="r.io/big:1.0.0", **shape)])
        until(lambda: leader.ledger.workload("big").staged.locks)
        (lock,) = leader.ledger.workload("big").staged.locks
        until(lambda: all(leader.store.has(blob) for blob in lock.blobs()))
        store, kept = Store(member.state), [0]
        for kill in range(1, KILLS + 1):
            with member.alive():
                until(lambda kill=kill: store.progress([lock])[0] >= lock.size * kill // (KILLS + 1), pause=0.002)
            kept.append(store.progress([lock])[0])
        assert kept == sorted(kept)
        until(lambda: not line.connections)
        before = line.carried
        with member.alive():
            until(lambda: [image.state for image in node_images(leader.ledger)] == [NodeImageState.HERE], why=member.log.read_text)
        carried, missing = line.carried - before, lock.size - kept[-1]
    record_property("bytes that were missing and bytes that came", [missing, carried])
    assert missing <= carried < missing * 1.02 + OTHER, "it goes on at the last byte"
    assert all(store.verify(blob) for blob in lock.blobs())
    assert member.runtime.has(lock)
    assert member.runtime.owned() == {lock.name}
    leader.close()
