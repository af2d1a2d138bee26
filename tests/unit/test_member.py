"""A member: what its leader wants is here, verified, in the runtime and pinned; what it does not want any more is not."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from kelvin_provision.errors import RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.member import kept
from kelvin_provision.nodes.member.service import Member
from kelvin_provision.nodes.protocol import WantedImage
from kelvin_provision.quantity import Headroom
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.store.blobs.verification_log import fingerprint
from tests.kit.box import Box
from tests.kit.fakes.links import FakeLeader, FakeLinks
from tests.kit.images import random_image, sha256
from tests.kit.locks import lock_of
from tests.kit.waiting import until

HERE, WANTED, DOWNLOADING = NodeImageState.HERE, NodeImageState.WANTED, NodeImageState.DOWNLOADING


class Site:
    """A leader with images, and one member of it with a runtime in memory."""

    def __init__(self, path, **settings):
        self.box = Box(path, **settings)
        self.leader = FakeLeader()
        self.links = FakeLinks(self.leader, self.box.source)

    def image(self, name, *sizes, **more):
        reference = f"r.io/{name}"
        self.box.source.images[reference] = image = random_image(list(sizes) or [4000])
        return WantedImage(lock_of(image, reference), **more)

    def member(self, **changes):
        return Member.of(replace(self.box.ctx, **changes), lambda: self.links, address=":7946")

    @contextmanager
    def at_work(self, *, until_idle=False, **changes):
        """Until the block ends, or until it ends by itself."""
        over = threading.Event()
        member = replace(self.member(stop=over.is_set), report_every=0.05, **changes)
        thread = threading.Thread(target=member.run, kwargs={"until_idle": until_idle})
        thread.start()
        try:
            yield member
            if until_idle:
                thread.join(60)
                assert not thread.is_alive()
        finally:
            over.set()
            thread.join(60)
        assert not thread.is_alive()

    def turn(self, *images, thorough=False, **more):
        """One turn towards these images; returns the states and reasons that a report would tell."""
        member = self.member()
        member.state.offer(self.leader.want(images, **more))
        member._turn(self.links, self.leader.document, thorough=thorough)
        return {image.image: (image.state, image.why) for image in member.report().images}

    def has(self, *images):
        return all(self.box.runtime.has(image.lock) and all(self.box.store.has(blob) for blob in image.lock.blobs()) for image in images)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "state")
    yield site
    site.box.close()


def test_what_is_wanted_is_fetched_put_into_the_runtime_pinned_and_reported(site):
    one, two = site.image("one:1", 3000, 5000), site.image("two:1")
    assert site.turn(one, two) == {one.lock.name: (HERE, ""), two.lock.name: (HERE, "")}
    assert site.has(one, two)
    assert site.box.runtime.owned() == {one.lock.name, two.lock.name}
    assert not (site.box.settings.state_dir / "ledger.db").stat().st_size or site.box.ledger.is_empty()


def test_a_second_turn_fetches_and_imports_nothing(site):
    one = site.image("one:1")
    site.turn(one)
    served, loaded = list(site.box.source.served), list(site.box.runtime.loaded)
    assert site.turn(one, thorough=True) == {one.lock.name: (HERE, "")}
    assert (site.box.source.served, site.box.runtime.loaded) == (served, loaded)


def test_what_is_not_wanted_any_more_leaves_store_and_runtime_unless_a_container_uses_it(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.turn(one, two)
    site.box.runtime.in_use.add(two.lock.name)
    site.turn()
    assert site.box.runtime.owned() == {two.lock.name}
    assert not any(site.box.store.path(blob).exists() for blob in (*one.lock.blobs(), *two.lock.blobs()))
    site.box.runtime.in_use.clear()
    site.turn()
    assert site.box.runtime.owned() == frozenset()


def test_nothing_is_removed_while_the_leader_cannot_read_all_that_it_keeps(site):
    one, two = site.image("one:1", local_names=("r.io/one:1",)), site.image("two:1")
    site.turn(one)
    site.turn(two, keep=True, thorough=True)
    assert site.has(one, two)
    assert kept.read(site.box.settings.state_dir).names == {"r.io/one:1": one.lock}
    site.turn(two)
    assert not site.box.runtime.has(one.lock)


def test_what_is_not_wanted_for_a_moment_stays_and_is_not_fetched_again(site):
    site.box.timings = replace(site.box.timings, member_grace=3600.0)
    one, two = site.image("one:1", local_names=("r.io/side:1",)), site.image("two:1")
    with site.at_work():
        for wanted in ((one, two), (two,), (one, two)):
            document = site.leader.want(wanted)
            until(lambda document=document: site.leader.reports and site.leader.reports[-1].wanted_version == document.version)
            until(lambda: {image.state for image in site.leader.reports[-1].images} == {HERE})
        assert site.has(one, two)
    digests = [digest for digest, _, _ in site.box.source.served]
    assert len(digests) == len(set(digests))


def test_what_is_not_wanted_goes_when_its_time_is_over_without_another_word_of_the_leader(site):
    site.box.timings = replace(site.box.timings, member_grace=0.3, reconcile_images=0.05)
    one, two = site.image("one:1"), site.image("two:1")
    with site.at_work():
        site.leader.want([one, two])
        until(lambda: site.has(one, two))
        site.leader.want([two])
        until(lambda: site.box.runtime.owned() == {two.lock.name})
        until(lambda: not any(site.box.store.path(blob).exists() for blob in one.lock.layers))
    assert site.has(two)


def test_what_is_not_wanted_makes_room_for_what_is(tmp_path):
    site = Site(tmp_path / "state")
    one, two = site.image("one:1"), site.image("two:1")
    site.turn(one)
    site.box.close()
    full = Site(tmp_path / "state", download=DownloadSettings(keep_free=Headroom(percent=100)))
    full.box.runtime, full.box.source.images = site.box.runtime, site.box.source.images
    member = full.member()
    member.state.offer(full.leader.want([two]))
    assert member._turn(full.links, full.leader.document, thorough=False, spares=True) is False
    assert full.box.runtime.owned() == frozenset()
    assert not any(full.box.store.path(blob).exists() for blob in one.lock.blobs())
    assert "not enough disk space" in member.report().images[0].why
    full.box.close()


def test_before_the_leader_has_said_anything_nothing_is_removed(site):
    one = site.image("one:1")
    site.turn(one)
    kept_file = site.box.settings.state_dir / kept.FILE
    kept_file.write_bytes(b"{")
    assert site.member().state.document is None
    assert site.has(one)


def test_a_transfer_that_is_cut_off_goes_on_at_its_last_byte(site):
    one = site.image("one:1", 50_000)
    layer = one.lock.layers[0]
    site.box.source.cut, site.box.source.cuts = 10_000, 3
    assert site.turn(one)[one.lock.name][0] is HERE
    parts = [(start, end) for digest, start, end in site.box.source.served if digest == layer.digest]
    assert parts[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert parts[-1][1] == layer.size


def test_without_any_source_it_waits_with_the_reason_and_keeps_what_is_there(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.turn(one)
    site.box.source.down = RegistryUnreachable("no route to node-a")
    states = site.turn(one, two)
    assert states[one.lock.name] == (HERE, "")
    assert states[two.lock.name] == (WANTED, "no route to node-a")
    site.box.source.down = None
    assert site.turn(one, two)[two.lock.name] == (HERE, "")


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(bytes(path.stat().st_size)), lambda path: path.unlink()])
def test_a_wrong_or_missing_blob_of_the_store_is_found_and_fetched_again(site, spoil):
    one = site.image("one:1", 9000)
    site.turn(one)
    layer = one.lock.layers[0]
    path = site.box.store.path(layer)
    path.chmod(0o600)
    spoil(path)
    site.box.runtime.blobs.clear()  # it keeps its layers unpacked only
    site.box.source.served.clear()
    site.turn(one)
    assert [digest for digest, _, _ in site.box.source.served] == [layer.digest]
    assert site.box.store.verify(layer)


def test_what_the_disk_has_lost_without_a_trace_is_found_by_hashing_and_fetched_again(site):
    one = site.image("one:1", 9000)
    site.turn(one)
    layer = one.lock.layers[0]
    path = site.box.store.path(layer)
    path.chmod(0o600)
    path.write_bytes(bytes(layer.size))
    site.box.store._log.add(layer.digest, fingerprint(path.stat()))  # as if nothing had touched the file
    site.box.runtime.blobs.clear()
    site.turn(one)
    assert path.read_bytes() == bytes(layer.size)
    site.box.timings = replace(site.box.timings, member_verify=0.0)
    with site.at_work():
        until(lambda: path.exists() and sha256(path.read_bytes()) == layer.digest)


def test_what_the_runtime_has_is_not_fetched(site):
    one = site.image("one:1", 9000)
    site.turn(one)
    layer = one.lock.layers[0]
    site.box.store.path(layer).unlink()
    site.box.source.down = RegistryUnreachable("no route to node-a")
    assert site.turn(one) == {one.lock.name: (HERE, "")}
    assert site.box.store.verify(layer)


def test_an_image_that_was_removed_from_the_runtime_is_put_back_without_leader_and_peers(site):
    one = site.image("one:1")
    site.turn(one)
    site.leader.leave()
    site.box.source.down = RegistryUnreachable("no route to node-a")
    site.box.runtime.garbage_collect(one.lock)
    with site.at_work() as member:
        until(lambda: member.state.link.trouble)
        until(lambda: {image.state for image in member.report().images} == {HERE})
        assert site.has(one)
        assert member.state.link.reached == ""


def test_an_image_that_is_incomplete_in_the_runtime_is_found_by_a_thorough_turn(site):
    one = site.image("one:1")
    site.turn(one)
    del site.box.runtime.blobs[one.lock.layers[0].digest]
    site.turn(one)
    assert not site.has(one)
    site.turn(one, thorough=True)
    assert site.has(one)


def test_on_a_full_disk_nothing_is_fetched_and_the_reason_has_the_numbers(tmp_path):
    site = Site(tmp_path / "state", download=DownloadSettings(keep_free=Headroom(percent=100)))
    one = site.image("one:1")
    state, why = site.turn(one)[one.lock.name]
    assert state is WANTED
    assert "not enough disk space for r.io/one:1" in why
    assert site.box.source.served == []
    site.box.settings = replace(site.box.settings, download=DownloadSettings())
    site.box.close()
    again = Site(tmp_path / "state")
    again.box.source.images = site.box.source.images
    assert again.turn(one) == {one.lock.name: (HERE, "")}
    again.box.close()


def test_one_that_fails_keeps_no_other_from_coming(site):
    bad, good = site.image("bad:1"), site.image("good:1")
    site.box.source.wrong.add(bad.lock.layers[0].digest)
    states = site.turn(bad, good)
    assert states[good.lock.name] == (HERE, "")
    assert states[bad.lock.name][0] is not HERE
    assert states[bad.lock.name][1]


def test_a_runtime_that_does_not_answer_is_a_problem_of_the_node_and_passes(site):
    one = site.image("one:1")
    site.box.runtime.error = RuntimeUnreachable("containerd does not answer")
    member = site.member()
    member.state.offer(site.leader.want([one]))
    assert member._turn(site.links, site.leader.document, thorough=False) is False
    assert member.report().problems == ("containerd does not answer",)
    site.box.runtime.error = None
    assert member._turn(site.links, site.leader.document, thorough=False) is True
    assert member.report().problems == ()


def test_a_drained_node_gets_nothing_new_and_keeps_what_it_has(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.turn(one)
    site.box.runtime.garbage_collect(one.lock)
    states = site.turn(one, two, draining=True)
    assert states[two.lock.name][0] is WANTED
    assert "drained" in states[two.lock.name][1]
    assert site.has(one)


def test_an_image_that_is_not_pinned_is_in_the_store_only(site):
    one = site.image("one:1", pinned=False)
    assert site.turn(one) == {one.lock.name: (HERE, "")}
    assert site.box.runtime.owned() == frozenset()
    site.box.source.down = RegistryUnreachable("no route to node-a")
    assert site.turn(replace(one, pinned=True)) == {one.lock.name: (HERE, "")}
    assert site.has(one)


def test_local_names_are_set_moved_and_cleared_as_the_leader_says(site):
    one, two = site.image("one:1", local_names=("r.io/side:1",)), site.image("two:1", local_names=("r.io/side:1",))
    names = site.box.runtime.names
    site.turn(one)
    assert names["r.io/side:1"] == one.lock.root.digest
    site.turn(two)
    assert names["r.io/side:1"] == two.lock.root.digest
    site.turn(replace(two, local_names=()))
    assert "r.io/side:1" not in names
    assert kept.read(site.box.settings.state_dir).names == {}


def test_a_local_name_is_cleared_after_a_crash_before_it_was_set_or_forgotten(site):
    one = site.image("one:1", local_names=("r.io/side:1",))
    site.turn(one)
    before = kept.read(site.box.settings.state_dir)
    site.turn(replace(one, local_names=()))
    kept.write(site.box.settings.state_dir, before)  # as if the power was cut
    site.box.runtime.set_name("r.io/side:1", one.lock)
    site.turn(replace(one, local_names=()))
    assert "r.io/side:1" not in site.box.runtime.names


def test_a_member_at_work_follows_each_change_and_reports_it(site):
    one, two = site.image("one:1"), site.image("two:1")
    with site.at_work():
        site.leader.want([one])
        until(lambda: any(image.state is HERE for report in site.leader.reports for image in report.images))
        second = site.leader.want([two])
        until(lambda: site.leader.reports[-1].wanted_version == second.version and site.leader.reports[-1].images[0].state is HERE)
    assert site.has(two)
    assert site.box.runtime.owned() == {two.lock.name}
    assert site.leader.reports[-1].address == ":7946"


def test_until_idle_it_ends_with_the_report_that_all_is_here_and_not_before(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.leader.want([one])
    site.member().run(until_idle=True)
    assert [(image.image, image.state) for image in site.leader.reports[-1].images] == [(one.lock.name, HERE)]
    site.leader.leave()
    with site.at_work(until_idle=True) as member:
        until(lambda: member.state.link.trouble)
        until(lambda: [image.state for image in member.report().images] == [HERE])
        site.box.source.down = RegistryUnreachable("no route to node-a")
        site.leader.want([one, two])
        site.leader.come_back()
        until(lambda: any("no route" in image.why for report in site.leader.reports for image in report.images))
        site.box.source.down = None
    assert site.has(one, two)
    assert {image.state for image in site.leader.reports[-1].images} == {HERE}


def test_until_idle_a_drained_member_ends_without_what_is_not_sent_to_it(site):
    one = site.image("one:1")
    site.leader.want([one], draining=True)
    site.member().run(until_idle=True)
    assert [image.state for image in site.leader.reports[-1].images] == [WANTED]


def test_a_document_that_does_not_want_an_image_any_more_ends_its_transfer(site):
    one, two = site.image("one:1", 200_000), site.image("two:1")
    begun, go_on = threading.Event(), threading.Event()
    chunks = site.box.source._chunks

    def slow(digest, data, start):
        for chunk in chunks(digest, data, start):
            yield chunk
            if digest == one.lock.layers[0].digest:
                begun.set()
                assert go_on.wait(60)

    site.box.source._chunks = slow
    with site.at_work() as member:
        site.leader.want([one])
        assert begun.wait(60)
        site.leader.want([two])
        until(lambda: member.state.document.names == {two.lock.name})
        go_on.set()
        until(lambda: site.has(two))
    assert not site.box.store.path(one.lock.layers[0]).exists()


def test_a_leader_that_goes_and_comes_back_is_said_once_each(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.leader.want([one])
    with site.at_work() as member:
        until(lambda: site.has(one))
        site.leader.leave()
        until(lambda: member.state.link.trouble)
        since = member.state.link.since
        site.leader.want([one, two])
        site.leader.come_back()
        until(lambda: site.has(two))
        until(lambda: not member.state.link.trouble)
    assert since
    texts = [event.text for event in site.box.said if type(event).__name__ == "Note"]
    assert sum("the leader does not answer" in text for text in texts) == 1
    assert texts.count("the leader answers") == 2


def test_an_earlier_leader_that_is_back_is_not_followed(site):
    one, two = site.image("one:1"), site.image("two:1")
    site.leader.want([one], term=2)
    used = []  # by the server of its peers: whom an earlier leader names may read nothing here
    with site.at_work(use=used.append) as member:
        until(lambda: site.has(one))
        site.leader.want([two], term=1)
        until(lambda: "the lead has moved" in member.state.link.trouble)
        assert member.state.document.names == {one.lock.name}
        assert {document.term for document in used} == {2}
        site.leader.want([one, two], term=2)
        until(lambda: site.has(one, two))


def test_what_it_remembers_reads_back_and_a_foreign_file_is_as_none(site):
    one = site.image("one:1", local_names=("r.io/side:1",))
    site.turn(one)
    state_dir = site.box.settings.state_dir
    read = kept.read(state_dir)
    assert (read.document, dict(read.names)) == (site.leader.document, {"r.io/side:1": one.lock})
    assert (state_dir / kept.FILE).stat().st_mode & 0o777 == 0o600
    for damage in (b"", b"[]", b'{"schema": 2}', b'{"schema": 1, "wanted": {"version": 3}, "names": {}}', b"\xff", b"[" * 100_000):
        (state_dir / kept.FILE).write_bytes(damage)
        assert kept.read(state_dir) == kept.Kept()
