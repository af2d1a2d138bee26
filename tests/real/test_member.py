"""A member on a real containerd, killed at each step that lasts: the next turn makes the same of it as if nothing had happened."""

import os
import signal
import subprocess
from dataclasses import replace

import pytest

from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.member.service import Member
from kelvin_provision.nodes.protocol import WantedImage
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from tests.contract.runtime_contract import HERE
from tests.kit.box import Box
from tests.kit.crash import killed
from tests.kit.ctr import Outside
from tests.kit.fakes.links import FakeLeader, FakeLinks
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.locks import lock_of

pytestmark = [pytest.mark.containerd, pytest.mark.slow]
KILLS = 10
NAME = "provision.test/side:1"


class Node:
    """A member with a namespace of containerd of its own. `old` is here; `new` is wanted in its place, under the same local name."""

    def __init__(self, path, address):
        self.path, self.source, self.leader = path, FakeSource(), FakeLeader()
        self.namespace = f"member-{os.getpid()}-{path.name}"
        self.address = address
        self.runtime = ContainerdRuntime(address, self.namespace)
        self.old, self.new, self.both = self.image("old:1"), self.image("new:1"), self.image("both:1")

    def image(self, name):
        reference = f"provision.test/{name}"
        self.source.images[reference] = made = random_image([60_000, 200_000], architecture=HERE.architecture)
        self.source.chunk = 20_000
        return WantedImage(lock_of(made, reference, HERE), local_names=() if name == "both:1" else (NAME,))

    def turn(self, *images):
        box = Box(self.path)
        box.runtime = self.runtime
        member = Member.of(box.ctx, lambda: FakeLinks(self.leader, self.source))
        member.state.offer(self.leader.want(images))
        try:
            member._turn(member.connect(), self.leader.document, thorough=True)
            assert [(image.state, image.why) for image in member.report().images] == [(NodeImageState.HERE, "")] * len(images)
        finally:
            box.close()

    def check(self, *images):
        box = Box(self.path)
        assert self.runtime.owned() == {image.lock.name for image in images}
        assert all(self.runtime.has(image.lock) and all(box.store.verify(blob) for blob in image.lock.blobs()) for image in images)
        (named,) = [image for image in images if image.local_names]
        assert self.runtime.targets([NAME]) == {NAME: named.lock.root.digest}
        stored = {path.name for path in (self.path / "images" / "blobs" / "sha256").iterdir()}
        assert stored == {blob.digest.partition(":")[2] for image in images for blob in image.lock.blobs()}
        box.close()

    def clear(self):
        outside = Outside(self.address)
        outside._command[-1] = self.namespace
        names = outside.ctr("images", "ls", "-q").split()
        if names:
            outside.ctr("images", "rm", "--sync", *names)


@pytest.fixture
def node(tmp_path, containerd):
    node = Node(tmp_path / "state", containerd)
    node.turn(node.old, node.both)
    yield node
    node.clear()


def steps_of(node):
    """How many steps the change from `old` to `new` has, in a process of its own, whose result is undone."""
    reading, writing = os.pipe()

    def work():
        count = dying(-1)
        node.turn(node.new, node.both)
        os.write(writing, str(count[0]).encode())

    assert not killed(work)
    node.turn(node.old, node.both)
    return int(os.read(reading, 20))


def dying(step):
    """From now on this process counts what lasts, a program that is started and a file that is synced, and dies before this one."""
    count = [0]

    def before(call):
        def counted(*words, **more):
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            return call(*words, **more)

        return counted

    os.fsync = before(os.fsync)
    subprocess.Popen.__init__ = before(subprocess.Popen.__init__)
    return count


def test_killed_at_any_step_it_ends_as_if_it_had_not_been(node):
    steps = steps_of(node)
    assert steps > KILLS
    for step in sorted({number * (steps - 1) // (KILLS - 1) for number in range(KILLS)}):

        def work(step=step):
            dying(step)
            node.turn(node.new, node.both)

        assert killed(work), step
        node.turn(node.new, node.both)
        node.check(node.new, node.both)
        node.turn(node.old, node.both)
        node.check(node.old, node.both)


def test_what_another_program_removes_from_the_runtime_is_put_back_without_any_source(node):
    outside = Outside(node.address)
    outside._command[-1] = node.namespace
    outside.ctr("images", "rm", "--sync", node.old.lock.name)
    node.source.images.clear()
    node.turn(node.old, node.both)
    node.check(node.old, node.both)


def test_an_image_without_a_pin_leaves_the_runtime_and_comes_back_from_the_store(node):
    node.source.images.clear()
    node.turn(node.old, replace(node.both, pinned=False))
    assert node.runtime.owned() == {node.old.lock.name}
    node.turn(node.old, node.both)
    node.check(node.old, node.both)
