"""Staging by deltas: only the delta is downloaded, what it makes is the layer that the image names, and what fails costs itself only."""

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.images.inventory import take_inventory
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.enums import Download
from kelvin_provision.staging import space, stage
from kelvin_provision.staging.deltas import planning
from kelvin_provision.staging.deltas.layers import LayerDeltas
from kelvin_provision.store.space import Filesystem
from kelvin_provision.wait_reason import WaitKind
from tests.kit.delta_box import LAYER, LOCK, NEW, OLD, OLD_LOCK, Box
from tests.kit.image_deltas import delta_between, described, two_versions
from tests.kit.images import make_image, tar_of
from tests.kit.ledgers import migrated
from tests.kit.locks import lock_of


@pytest.fixture(scope="module")
def delta():
    return delta_between(OLD, NEW)


@pytest.fixture
def box(tmp_path):
    known = dict(NEW.blobs)
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        box = Box(tmp_path, ledger)
        box.accept("1")
        assert box.stage()[0]
        box.accept("2")
        box.source.asked_for_deltas.clear()
        yield box
    NEW.blobs.clear()
    NEW.blobs.update(known)


def test_only_the_delta_is_downloaded_and_the_image_is_the_original(box, delta):
    box.offer(delta)
    done, revision = box.stage()
    assert (done, revision.download, box.served) == (True, Download.READY, {delta.layer.blob.digest})
    assert len(delta.bytes) < LAYER.size / 50
    assert (revision.locks, box.runtime.has(LOCK), box.store.has(LAYER)) == ((LOCK,), True, True)
    assert (box.used.bytes, box.used.instead_of, box.used.layers, box.used.reasons) == (len(delta.bytes), LAYER.size, 1, ())
    assert traffic.savings(box.ledger) == traffic.Savings(1, len(delta.bytes), LAYER.size)
    here, total = box.store.progress([LOCK])
    assert (here, total) == (total, LOCK.size - LAYER.size + len(delta.bytes))
    assert not box.store.path(delta.layer.blob).exists()
    (image,) = (each for each in take_inventory(box.ledger, box.store, lambda: box.runtime).images if each.lock == LOCK)
    assert image.stored == image.size, "all of it is here, whatever was downloaded for it"


def test_a_box_without_another_version_asks_for_none(tmp_path, delta):
    with Ledger(migrated(tmp_path / "other.db")) as ledger:
        box = Box(tmp_path / "other", ledger)
        box.accept("2")
        assert box.stage()[0]
        assert (box.source.asked_for_deltas, LAYER.digest in box.served) == ([], True)


def test_where_deltas_are_off_none_is_asked_for(box, delta):
    box.offer(delta)
    box.mode = DeltaMode.OFF
    box.expect_whole("")
    assert box.source.asked_for_deltas == []


def test_without_a_delta_the_whole_layer_comes_and_nobody_has_to_know(box):
    box.expect_whole("")
    assert (box.source.asked_for_deltas, bool(box.used)) == (["r.io/a:2"], False)


def test_a_delta_from_a_version_that_is_not_here_is_named(box, delta):
    other = two_versions(seed=9)[0]
    box.offer(described(NEW, delta.bytes, needs=(lock_of(other, "r.io/a:1").diff_ids[-1],)))
    box.expect_whole("need versions that this box does not have")


def hostile(delta):
    wrong = two_versions(seed=3)
    return {
        "no delta": described(NEW, b"KPDELTA1 and then nothing", needs=delta.layer.needs),
        "truncated": described(NEW, delta.bytes[: len(delta.bytes) // 2], needs=delta.layer.needs, memory=delta.layer.memory),
        "of another image": described(NEW, delta_between(*wrong).bytes, needs=delta.layer.needs, memory=delta.layer.memory),
        "of another size": described(NEW, delta.bytes, needs=delta.layer.needs, memory=delta.layer.memory, size=delta.layer.size + 512),
    }


@pytest.mark.parametrize("kind", ["no delta", "truncated", "of another image", "of another size"])
def test_a_delta_that_does_not_make_the_layer_costs_itself_only(box, delta, kind):
    bad = hostile(delta)[kind]
    box.offer(bad)
    done, revision = box.stage()
    assert (done, revision.download, box.served) == (True, Download.READY, {bad.layer.blob.digest, LAYER.digest})
    (reason,) = box.used.reasons
    assert any(reason in note and "is not rebuilt" in note for note in box.notes)
    assert traffic.savings(box.ledger).layers == 0
    assert not box.store.path(bad.layer.blob).exists()


def test_of_two_deltas_the_one_that_works_is_used_in_the_end(box, delta):
    box.offer(described(NEW, b"KPDELTA1 small", needs=delta.layer.needs), delta)
    assert box.stage()[0]
    assert (LAYER.digest in box.served, box.used.bytes) == (False, len(delta.bytes))


def test_only_deltas_then_a_version_without_one_waits_and_says_why(box, delta):
    box.mode = DeltaMode.ONLY
    done, revision = box.stage()
    assert (done, revision.waiting.kind, box.served) == (False, WaitKind.DELTA_MISSING, set())
    assert "there is none for this version" in revision.cause
    box.offer(delta)
    assert box.stage()[0]
    assert box.served == {delta.layer.blob.digest}


def test_only_deltas_then_one_that_cannot_be_used_is_named_and_nothing_whole_comes(box, delta):
    box.mode = DeltaMode.ONLY
    box.offer(hostile(delta)["truncated"])
    done, revision = box.stage()
    assert (done, revision.waiting.kind, LAYER.digest in box.served) == (False, WaitKind.DELTA_MISSING, False)
    box.stage()
    assert box.served == set()  # it is not downloaded again


def test_small_layers_come_whole_in_any_case(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        box = Box(tmp_path, ledger)
        box.mode = DeltaMode.ONLY
        box.source.images |= {f"r.io/a:{version}": make_image([tar_of({"a": version.encode()})]) for version in ("1", "2")}
        for version in ("1", "2"):
            box.accept(version)
            assert box.stage()[0]
        assert box.source.asked_for_deltas == []


def test_a_registry_that_does_not_answer_is_waited_for_and_not_asked_for_the_whole_layer(box, delta):
    box.offer(delta)
    box.source.trouble_with_deltas = RegistryUnreachable("no route to host")
    done, revision = box.stage()
    assert (done, revision.waiting.kind, box.served) == (False, WaitKind.REGISTRY_UNREACHABLE, set())
    box.source.trouble_with_deltas = None
    assert box.stage()[0]
    assert box.served == {delta.layer.blob.digest}


def test_a_delta_that_breaks_off_is_resumed_at_its_byte(box, delta):
    box.offer(delta)
    box.source.chunk, box.source.cut, box.source.cuts = 100, 500, 2
    assert box.stage()[0]
    assert [start for digest, start, _ in box.source.served if digest == delta.layer.blob.digest] == [0, 500, 1000]


def stopped(box):
    with pytest.raises(stage.TransferStopped):
        box.stage()


def test_stopped_while_it_is_rebuilt_the_delta_stays_and_a_dead_registry_is_not_missed(box, delta, monkeypatch):
    box.offer(delta)
    rebuilding = threading.Event()
    drop = LayerDeltas.rebuild

    def rebuild(self):
        rebuilding.set()
        return drop(self)

    monkeypatch.setattr(LayerDeltas, "rebuild", rebuild)
    box.stop = rebuilding.is_set
    stopped(box)
    assert (box.store.has(LAYER), box.store.path(delta.layer.blob).exists()) == (False, True)
    box.store.collect_garbage(box.ledger.kept_locks())  # what is needed for it is not garbage
    box.stop, box.source.down = lambda: False, RegistryUnreachable("dead")
    assert box.stage()[0]
    assert (box.served, box.runtime.has(LOCK), box.used.layers) == (set(), True, 1)


def test_a_base_that_is_collected_in_the_middle_costs_the_delta_only(box, delta, monkeypatch):
    box.offer(delta)
    rebuild = LayerDeltas.rebuild

    def collected(self):
        box.store.path(OLD_LOCK.layers[-1]).unlink(missing_ok=True)
        box.runtime.blobs.pop(OLD_LOCK.layers[-1].digest, None)
        return rebuild(self)

    monkeypatch.setattr(LayerDeltas, "rebuild", collected)
    done, revision = box.stage()
    assert (done, revision.download, LAYER.digest in box.served) == (True, Download.READY, True)
    assert box.used.reasons


def test_a_base_that_only_the_runtime_has_serves_too(box, delta):
    box.offer(delta)
    box.store.path(OLD_LOCK.layers[-1]).unlink()
    assert box.stage()[0]
    assert box.served == {delta.layer.blob.digest}


def test_a_base_that_was_rebuilt_itself_serves_too(box, delta):
    box.offer(delta)
    assert box.stage()[0]
    third = make_image([tar_of({"etc/base": b"the same"}), tar_of({"app/0.bin": b"3" * 200_000})])
    back = delta_between(NEW, OLD)
    box.source.images["r.io/a:3"] = OLD
    box.source.deltas_of[OLD.digest] = back.offers
    for path in (box.store.path(OLD_LOCK.layers[-1]), box.store.path(OLD_LOCK.manifest)):
        path.unlink()
    box.runtime.blobs.pop(OLD_LOCK.layers[-1].digest)
    OLD.blobs[back.layer.blob.digest] = back.bytes
    try:
        box.accept("3")
        assert box.stage()[0]
    finally:
        del OLD.blobs[back.layer.blob.digest]
    assert (box.served, third.digest != OLD.digest) == ({back.layer.blob.digest}, True)


def test_where_there_is_no_space_to_rebuild_the_whole_layer_comes(box, delta, monkeypatch):
    box.offer(delta)
    enough = LOCK.size + 10_000
    plain = delta.layer.size
    assert enough < plain + len(delta.bytes) + LOCK.size - LAYER.size
    monkeypatch.setattr(space, "filesystem_of", lambda path, headroom: Filesystem(1, path, enough))
    box.expect_whole("not enough space to rebuild")


def test_the_space_for_the_rebuilt_layer_is_exact(box, delta, monkeypatch):
    box.offer(delta)
    needed = len(delta.bytes) + delta.layer.size
    monkeypatch.setattr(space, "filesystem_of", lambda path, headroom: Filesystem(1, path, needed))
    assert box.stage()[0]
    assert box.used.layers == 1


def test_a_damaged_record_is_looked_for_again(box, delta):
    box.offer(delta)
    assert box.stage()[0]
    (path,) = (box.store.root / "deltas").iterdir()
    path.write_text(json.dumps({"plan": {"layer": 1}}))
    assert (box.used.layers, box.store.has(LAYER), box.store.progress([LOCK])) == (0, True, (LOCK.size, LOCK.size))
    assert SimpleNamespace(mode=path.stat().st_mode & 0o777).mode == 0o600


def test_a_layer_that_was_begun_before_there_was_a_delta_takes_no_space_afterwards(box, delta):
    with box.store.partial(LAYER) as partial:
        partial.write(NEW.blobs[LAYER.digest][:1000])
    box.offer(delta)
    assert box.stage()[0]
    assert box.served == {delta.layer.blob.digest}
    assert list(box.store.layout.partials.iterdir()) == []


def test_nearly_all_of_a_layer_is_here_then_the_rest_comes(box, delta):
    with box.store.partial(LAYER) as partial:
        partial.write(NEW.blobs[LAYER.digest][: LAYER.size - len(delta.bytes)])
    box.offer(delta)
    box.expect_whole("its delta would save little")
    assert [(start, end) for digest, start, end in box.source.served if digest == LAYER.digest] == [
        (LAYER.size - len(delta.bytes), LAYER.size)
    ]


def forged(delta, **changes):
    """As somebody else writes it at the registry."""
    return replace(delta, artifact=replace(delta.artifact, layers=(replace(delta.layer, **changes),)))


def test_a_delta_that_says_it_makes_an_empty_layer_costs_itself_only(box, delta):
    box.offer(forged(described(NEW, b"KPDELTA1 small", needs=delta.layer.needs), size=0))
    box.expect_whole("")


@pytest.mark.parametrize("given", [True, False])
def test_a_registry_that_offers_bad_deltas_without_end_is_believed_a_few_times(box, delta, monkeypatch, given):
    """Each is another one, also each time that it is asked: the layer comes whole, in the same turn."""
    made = []

    def offers(*_):
        made.append(b"KPDELTA1 %d" % len(made))
        bad = described(NEW, made[-1], needs=delta.layer.needs)
        if given:
            NEW.blobs[bad.layer.blob.digest] = made[-1]
        return bad.offers

    monkeypatch.setattr(box.source, "deltas", offers)
    box.expect_whole("it is not one, or is cut off" if given else "its delta does not come")
    assert len(box.served - {LAYER.digest}) <= planning.MOST_IN_VAIN
    assert len(made) <= planning.MOST_IN_VAIN + 1


def test_what_else_does_not_come_is_not_taken_for_the_delta(box, delta):
    box.offer(delta)
    other = NEW.blobs[LOCK.layers[0].digest] = bytes(LOCK.layers[0].size)
    for lock in (LOCK, OLD_LOCK):
        box.store.path(lock.layers[0]).unlink(missing_ok=True)
    box.runtime.blobs.pop(LOCK.layers[0].digest)
    OLD.blobs[LOCK.layers[0].digest], kept = other, OLD.blobs[LOCK.layers[0].digest]
    try:
        done, revision = box.stage()
    finally:
        OLD.blobs[LOCK.layers[0].digest] = kept
    assert (done, revision.blocked, LAYER.digest in box.served, box.used.layers) == (False, True, False, 1)


NEEDED = {"a layer": OLD_LOCK.layers[0], "a config": OLD_LOCK.config, "a manifest": OLD_LOCK.manifest}


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("kind", NEEDED)
def test_a_delta_with_the_name_of_what_another_version_needs_takes_nothing_from_it(box, delta, kind, wrong):
    """Whoever writes to the registry gives that name: what the running version needs is neither removed nor put into quarantine."""
    blob = NEEDED[kind]
    bad = forged(delta, blob=replace(blob, media_type=delta.layer.blob.media_type, size=blob.size + wrong))
    box.offer(replace(bad, blobs={blob.digest: OLD.blobs.get(blob.digest, OLD.manifest)}))
    box.expect_whole("delta")
    assert box.store.lacking(OLD_LOCK) == ()
    assert list(box.store.layout.quarantine.iterdir()) == []


@pytest.mark.parametrize("kind", ["gone", "other bytes"])
def test_a_delta_that_the_registry_lists_and_does_not_give_costs_itself_only(box, delta, kind):
    box.offer(delta)
    del NEW.blobs[delta.layer.blob.digest]
    if kind == "other bytes":
        NEW.blobs[delta.layer.blob.digest] = bytes(delta.layer.blob.size)
    box.expect_whole("its delta does not come: ")


def test_only_deltas_then_one_that_is_not_given_is_waited_for(box, delta):
    box.mode = DeltaMode.ONLY
    box.offer(delta)
    del NEW.blobs[delta.layer.blob.digest]
    done, revision = box.stage()
    assert (done, revision.waiting.kind, LAYER.digest in box.served) == (False, WaitKind.DELTA_MISSING, False)
    assert "its delta does not come" in revision.cause
    NEW.blobs[delta.layer.blob.digest] = delta.bytes
    assert box.stage()[0]


def test_a_layer_that_another_process_has_downloaded_meanwhile_stays(box, delta, monkeypatch):
    box.offer(delta)
    rebuild = LayerDeltas.rebuild

    def downloaded(self):
        has = box.store.has

        def once(blob):
            """The first look is before the other process is done."""
            monkeypatch.setattr(box.store, "has", has)
            there = has(blob)
            box.store.put(LAYER, NEW.blobs[LAYER.digest])
            return there

        monkeypatch.setattr(box.store, "has", once)
        return rebuild(self)

    monkeypatch.setattr(LayerDeltas, "rebuild", downloaded)
    assert box.stage()[0]
    assert box.store.lacking(LOCK) == ()
