"""Staging from a stick: it has precedence over the link, completes what the link began and the other way round, and is waited for."""

import time
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.errors import RegistryUnreachable, TransferStopped
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.ledger.requests import Brought
from kelvin_provision.media import kept
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.queries.transfers import describe_origin, transfers_of
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Download
from kelvin_provision.staging.media import LOOK, NoMedia, copy_from_media
from tests.kit import bundles
from tests.kit.bundle_box import offline
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.specs import spec

REFERENCE = "r.io/pump:1.0.0"


@pytest.fixture
def box(tmp_path):
    with closing(offline(tmp_path / "state")) as box:
        yield box


@pytest.fixture
def stick(tmp_path):
    return tmp_path / "stick" / "bundle.kpb"


def brought(box, stick, image, *, locks=True, **values):
    """The request for `pump`, which came with the bundle that is written there."""
    bundle = bundles.write(stick.parent, {REFERENCE: image}, **values)
    box.source.images[REFERENCE] = image
    kept.keep(box.settings.state_dir, bundle.digest, bundle.table)
    place = next(stick.parent.glob("*.kpb*"))
    known = ImportedBundle(bundle.digest, "bundle", 0, (), "2026-11-28T09:00:00Z", "anna", (Mounts().medium_of(place),))
    lock = lock_of(image, REFERENCE)
    asked = replace(spec("pump"), image=REFERENCE)
    requests.import_bundle(box.ledger, Brought(known, (asked,), {"pump": (lock,)} if locks else {}), "batch", actor="anna")
    return bundle


def staged(box):
    return box.ledger.workload("pump").staged


def counted(box):
    """How each image of `pump` came here."""
    return [describe_origin(transfer) for transfer in transfers_of(box.ctx, staged(box), {})]


@pytest.mark.parametrize("locks", [True, False], ids=["locked", "to be resolved"])
def test_nothing_but_the_stick_is_needed(box, stick, locks):
    brought(box, stick, random_image([5000, 70_000]), locks=locks)
    box.turn()
    assert (staged(box).download, staged(box).cause) == (Download.READY, None)
    assert counted(box) == ["from a bundle"]
    assert box.source.served == []


def test_limits_of_the_link_do_not_hold_for_a_stick(box, stick):
    box.settings = replace(box.settings, download=DownloadSettings(window=Window.parse("00:00-00:01"), rate=1, budget=1))
    brought(box, stick, random_image([70_000]))
    box.turn()
    assert staged(box).download is Download.READY


def test_a_pulled_stick_is_waited_for_by_its_name(box, stick):
    brought(box, stick, random_image([70_000]))
    stick.rename(stick.with_name("away"))
    box.turn()
    assert staged(box).cause == "waits for the stick bundle"
    assert box.warnings("pump") == ["waits for the stick bundle"]
    stick.with_name("away").rename(stick)
    box.turn()
    assert (staged(box).download, staged(box).cause) == (Download.READY, None)


def test_without_the_stick_the_registry_is_asked(box, stick):
    brought(box, stick, random_image([70_000]))
    stick.unlink()
    box.source.down = None
    box.turn()
    assert staged(box).download is Download.READY
    assert counted(box) == ["downloaded"]


def test_a_download_that_was_cut_off_is_completed_by_the_stick(box, stick):
    image = random_image([70_000])
    brought(box, stick, image)
    away = stick.rename(stick.with_name("away"))
    box.source.down, box.source.cut, box.source.cuts = None, 30_000, 1
    box.turn()
    assert staged(box).cause == "waits for the stick bundle"
    away.rename(stick)
    box.source.down = RegistryUnreachable("r.io: no route to host")
    box.turn()
    assert staged(box).download is Download.READY
    assert counted(box)[0].endswith("downloaded")
    assert "from a bundle" in counted(box)[0]


def test_what_the_first_part_has_is_kept_and_the_registry_completes_it(box, stick):
    image = random_image([70_000])
    brought(box, stick, image, part_size=65_536)
    for path in stick.parent.glob("*.00[2-9]"):
        path.unlink()
    box.turn()
    assert staged(box).cause == "waits for the stick bundle, part 2"
    layer = lock_of(image, REFERENCE).layers[0]
    begun = box.store.bytes_present(layer)
    assert 0 < begun < layer.size
    box.source.down = None
    box.turn()
    assert staged(box).download is Download.READY
    assert (layer.digest, begun, layer.size) in box.source.served


def spoil(stick, bundle, digest):
    with stick.open("r+b") as file:
        file.seek(bundle.contents.by_digest[digest].offset + 100)
        file.write(b"!!!!")


@pytest.mark.parametrize("registry", [True, False], ids=["registry", "no registry"])
def test_damaged_content_is_left_to_the_registry_or_said(box, stick, registry):
    image = random_image([70_000])
    bundle = brought(box, stick, image)
    spoil(stick, bundle, lock_of(image, REFERENCE).layers[0].digest)
    box.source.down = None if registry else box.source.down
    box.turn()
    assert staged(box).download is (Download.READY if registry else Download.FAILED)
    assert registry or f"{REFERENCE}: what the medium has is not {lock_of(image, REFERENCE).layers[0].digest}" in staged(box).cause


def test_a_request_of_this_box_is_resolved_by_a_bundle_where_no_registry_answers(box, stick):
    brought(box, stick, random_image([3000]))
    box.ledger.accept([replace(spec("other"), image=REFERENCE)], "another")
    box.turn()
    assert box.ledger.workload("other").staged.download is Download.READY


def test_a_copy_can_be_stopped_before_each_blob(box):
    lock = lock_of(random_image([3000, 4000]), REFERENCE)
    asked = iter([False, True])
    with pytest.raises(TransferStopped):
        copy_from_media(NoMedia(), box.store, [lock], progress=lambda _: None, stop=lambda: next(asked))


@pytest.mark.slow
def test_a_stick_that_comes_during_a_download_completes_it(box, stick):
    image = random_image([70_000])
    brought(box, stick, image)
    away = stick.rename(stick.with_name("away"))
    box.source.down = None
    layer = lock_of(image, REFERENCE).layers[0]
    whole = box.source._chunks

    def slowly(digest, data, start):
        for chunk in whole(digest, data, start):
            yield chunk
            if away.exists():
                away.rename(stick)
            time.sleep(LOOK / 20)

    box.source._chunks = slowly
    box.turn()
    assert (staged(box).download, staged(box).cause) == (Download.READY, None)
    assert all(end < layer.size for digest, _, end in box.source.served if digest == layer.digest)
    assert "from a bundle" in counted(box)[0]
    assert "downloaded" in counted(box)[0]
