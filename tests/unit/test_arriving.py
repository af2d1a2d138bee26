"""A medium arrives: what is signed is imported, each once and in the order of names; nothing else is, and a pulled stick is waited for."""

import json
import os
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.bundles.model import PAYLOAD_TYPE
from kelvin_provision.errors import MediumGone, RuntimeUnreachable, SettingsInvalid, UsageRefused
from kelvin_provision.events import Advanced
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.requests import PLACES
from kelvin_provision.media import devices, kept
from kelvin_provision.media.arrivals import Arrival, ArrivedBundle, fact_of, offers, present
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.settings.load import load
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.enums import Download
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.bundles.media.arriving import ArrivalRequest, arrived
from tests.kit import bundles, foreign_zips
from tests.kit.bundle_box import offline, stick
from tests.kit.images import make_image, random_image
from tests.kit.requests import stored_request as body
from tests.kit.signing import key_pair, signatures, trusting

__all__ = ["stick"]
REGISTRY = "registry.example:5000"
IMAGES = {name: {f"{REGISTRY}/{name}:1.0.0": random_image([40_000, 20_000])} for name in ("pump", "fan", "valve")}
KEY, STRANGER = key_pair(), key_pair(name="mallory")


@pytest.fixture
def box(tmp_path):
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        box.settings = replace(box.settings, trust=trusting(tmp_path, KEY))
        yield box


def write(folder, name, *, key=KEY, file="", **more):
    bundle = bundles.make(IMAGES[name], [body(name)], **{"name": file or name, **more})
    bundle.write(folder, signatures(key, bundle.table, PAYLOAD_TYPE) if key else b"")
    return bundle


def arrive(box, stick, *, imports=True, device="/dev/sdx1"):
    """One after the other, as (name, what became of it, why)."""
    found = arrived(box.ctx, ArrivalRequest(device, stick, imports=imports, patience=0.0))
    return [(one.name, str(one.seen), one.reason) for one in found.bundles]


def test_what_is_signed_is_imported_and_copied_at_once_in_the_order_of_names(box, stick, tmp_path):
    (stick / "deep").mkdir()
    for name, folder in (("pump", stick), ("fan", stick / "deep")):
        write(folder, name)
    assert arrive(box, stick) == [("fan", "imported", ""), ("pump", "imported", "")]
    stick.rename(tmp_path / "away")
    box.turn()
    assert {box.ledger.workload(name).staged.download for name in ("pump", "fan")} == {Download.READY}
    lines = [line for line in history(box.ledger) if line.who == "stick sdx1"]
    assert [line.action for line in lines] == ["bundle import", "bundle import", "media arrived"]
    assert (lines[-1].outcome, lines[-1].detail) == ("done", "/dev/sdx1: bundle fan imported; bundle pump imported")


def test_what_no_trusted_key_has_signed_is_never_imported(box, stick):
    """Also where bundles need no signature when a person imports them."""
    write(stick, "pump", key=None)
    write(stick, "fan", key=STRANGER)
    for require in (None, ()):
        box.settings = replace(box.settings, trust=replace(box.settings.trust, require_signature=require))
        (fan, pump) = arrive(box, stick)
        assert (fan[1], pump[1]) == ("refused", "refused"), require
    assert "is not signed by a key that this box trusts" in pump[2]
    assert (box.ledger.bundles(), box.ledger.names()) == ((), [])
    assert history(box.ledger)[-1].outcome == "refused"


def test_an_older_one_and_one_without_a_serial_are_refused_beside_a_newer_one(box, stick):
    write(stick, "pump", file="b", serial=7)
    write(stick, "fan", file="c", serial=6)
    write(stick, "valve", file="d")
    assert [(name, seen) for name, seen, _ in arrive(box, stick)] == [("b", "imported"), ("c", "refused"), ("d", "refused")]
    assert box.ledger.names() == ["pump"]


def test_each_is_imported_once_however_often_its_stick_arrives(box, stick):
    """Also when a newer version has taken its place, and when the box has forgotten it."""
    write(stick, "pump")
    arrive(box, stick)
    assert arrive(box, stick) == [("pump", "known", "")]
    assert len([line for line in history(box.ledger) if line.action == "bundle import"]) == 1
    box.turn()
    box.ledger.drop_staged("pump")
    with box.operation():
        pass
    assert box.ledger.bundles() == ()
    assert arrive(box, stick) == [("pump", "known", "it was imported before, and is not imported again by itself")]
    assert box.ledger.names() == []


def test_a_stick_that_is_pulled_in_the_middle_is_waited_for_and_then_continued(box, stick, tmp_path):
    image = {f"{REGISTRY}/pump:1.0.0": random_image([6_000_000])}
    bundle = bundles.make(image, [body("pump")], name="pump")
    bundle.write(stick, signatures(KEY, bundle.table, PAYLOAD_TYPE))
    path = stick / "pump.kpb"
    data = path.read_bytes()
    box.progress = lambda event: os.truncate(path, 3 << 20) if isinstance(event, Advanced) else None
    ((_, seen, reason),) = arrive(box, stick)
    box.progress = lambda event: None
    assert (seen, reason) == ("waits", "the stick pump is not there")
    assert box.store.progress(box.ledger.workload("pump").staged.locks)[0] > 1 << 20
    assert box.ledger.workload("pump").staged is not None
    path.write_bytes(data)
    assert arrive(box, stick) == [("pump", "known", "")]
    stick.rename(tmp_path / "away")
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_without_its_runtime_the_box_waits_and_imports_nothing(box, stick):
    """At a boot the stick is there before the runtime: the images could not be locked, and would be garbage."""
    write(stick, "pump")
    runtime, box.runtime = box.runtime, RuntimeUnreachable("containerd does not answer")
    assert arrive(box, stick) == [("pump", "waits", "containerd does not answer")]
    assert box.ledger.names() == []
    box.runtime = runtime
    assert arrive(box, stick) == [("pump", "imported", "")]


def test_looking_stores_nothing_and_says_who_signed_and_how_to_import(box, stick):
    write(stick, "pump")
    write(stick, "fan", key=STRANGER)
    found = arrived(box.ctx, ArrivalRequest("/dev/sdx1", stick))
    assert [(one.name, one.seen) for one in found.bundles] == [("fan", "refused"), ("pump", "shown")]
    assert (box.ledger.bundles(), box.ledger.names()) == ((), [])
    assert list(offers([found])) == [
        f"pump on /dev/sdx1, signed by anna ({KEY[1].key_id[:12]}), can be imported: sudo kelvin-provision bundle import {stick}/pump.kpb"
    ]
    private = replace(found, place=str(devices.PLACES / "sdx1"))
    assert private.hint(found.bundles[1]).action == "media arrived"


def test_what_was_seen_is_shown_while_the_device_is_there(box, stick, tmp_path):
    write(stick, "pump")
    found = arrived(box.ctx, ArrivalRequest("/dev/sdx1", stick))
    (tmp_path / "sdx1").touch()
    assert present(box.ledger, tmp_path) == (replace(found, bundles=tuple(replace(one, seen=str(one.seen)) for one in found.bundles)),)
    assert json.dumps([arrival.to_json() for arrival in present(box.ledger, tmp_path)])
    (tmp_path / "sdx1").unlink()
    assert present(box.ledger, tmp_path) == ()
    box.ledger.remember("arrival sdx2", "{")
    assert present(box.ledger, tmp_path) == ()
    assert fact_of(Arrival("/media/stick", "/media/stick", "")) == {}


def test_the_next_one_comes_although_one_is_damaged(box, stick):
    write(stick, "pump")
    write(stick, "fan")
    (stick / "fan.kpb").write_bytes(bytes(100_000))
    (stick / "link.kpb").symlink_to("/dev/zero")
    os.mkfifo(stick / "pipe.kpb")
    assert [(name, seen) for name, seen, _ in arrive(box, stick)] == [
        ("fan", "refused"),
        ("link", "refused"),
        ("pipe", "refused"),
        ("pump", "imported"),
    ]


def test_a_name_that_is_no_text_for_people_spoils_no_line(box, stick):
    write(stick, "pump")
    (stick / "pump.kpb").rename(stick / "a\x1b[31m.kpb")
    assert arrive(box, stick, imports=False) == [("pump", "shown", "")]
    assert ArrivedBundle("x", "y").to_json()["digest"] is None


def in_parts(serial, *names, file):
    """9 MB in two parts, for requests of these names."""
    images = {f"{REGISTRY}/pump:1.0.0": random_image([9_000_000]), **IMAGES["fan"]}
    return bundles.make(images, [body(name) for name in names], name=file, serial=serial, part_size=8 << 20)


def imported_in_parts(box, folder, bundle, first=2):
    """Also its second part, unless only the `first` ones are to be here."""
    folder.mkdir(exist_ok=True)
    paths = bundle.write(folder, signatures(KEY, bundle.table, PAYLOAD_TYPE))
    data = [path.read_bytes() for path in paths]
    for path in paths[first:]:
        path.unlink()
    carry_out(box.ctx, plan(box.ctx, ImportRequest((folder,))))
    return data


def sparse(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def test_an_unsigned_file_changes_neither_the_order_of_bundles_nor_what_a_tag_means(box, stick, tmp_path):
    older, newer = in_parts(1, "fan", file="old"), in_parts(2, "pump", file="new")
    data = imported_in_parts(box, tmp_path / "one", older, first=1)
    imported_in_parts(box, tmp_path / "two", newer)
    before = [replace(known, media=()) for known in box.ledger.bundles()]
    sparse(stick / "old.kpb.002", older.contents.parts[1])
    ((_, seen, reason),) = arrive(box, stick)
    assert (seen, reason.endswith("is not that part of the bundle old: its content is another")) == ("refused", True)
    (stick / "old.kpb.002").write_bytes(data[1])  # the right one brings a place, and nothing else
    assert [seen for _, seen, _ in arrive(box, stick)] == ["imported"]
    assert [replace(known, media=()) for known in box.ledger.bundles()] == before
    assert {len(known.media) for known in box.ledger.bundles()} == {2}
    resolved = box.ctx.media.resolve(Reference.parse(f"{REGISTRY}/pump:1.0.0"), Platform("linux", "amd64"))
    assert resolved.lock.manifest.digest in {image.manifest for image in newer.contents.images}


def test_a_tag_means_that_of_the_highest_serial_also_when_an_older_bundle_is_brought_later(box, tmp_path):
    newer, older = in_parts(2, "pump", file="new"), in_parts(1, "fan", file="old")
    imported_in_parts(box, tmp_path / "one", newer)
    older.write(tmp_path / "two", signatures(KEY, older.table, PAYLOAD_TYPE))
    carry_out(box.ctx, plan(box.ctx, ImportRequest((tmp_path / "two",), allow_older=True)))
    resolved = box.ctx.media.resolve(Reference.parse(f"{REGISTRY}/pump:1.0.0"), Platform("linux", "amd64"))
    assert resolved.lock.manifest.digest in {image.manifest for image in newer.contents.images}


def test_unsigned_sticks_store_no_places_and_those_of_right_parts_are_bounded(box, stick, tmp_path):
    bundle = in_parts(1, "pump", file="pump")
    data = imported_in_parts(box, tmp_path / "one", bundle)
    for number in range(PLACES):
        sparse(stick / f"d{number}" / "pump.kpb.002", bundle.contents.parts[1])
    assert {seen for _, seen, _ in arrive(box, stick)} == {"refused"}
    assert len(box.ledger.bundles()[0].media) == 2
    for number in range(PLACES + 8):
        (stick / f"d{number}").mkdir(exist_ok=True)
        (stick / f"d{number}" / "pump.kpb.002").write_bytes(data[1])
    arrive(box, stick)
    assert len(box.ledger.bundles()[0].media) == PLACES + 2 * len(bundle.contents.parts)


def test_a_further_part_needs_the_hashes_that_the_first_one_has(box, stick, tmp_path):
    """A bundle of which the box did not keep them: they are read again where the first part is, and waited for where it is not."""
    bundle = in_parts(1, "pump", file="pump")
    data = imported_in_parts(box, tmp_path / "one", bundle, first=1)
    (hashes,) = kept.folder(box.settings.state_dir).glob("*.chunks")
    hashes.write_bytes(b"damaged")
    (stick / "pump.kpb.002").write_bytes(data[1])
    (tmp_path / "one").rename(tmp_path / "away")
    ((_, seen, reason),) = arrive(box, stick)
    assert (seen, reason) == ("waits", "the hashes of the bundle pump, which are in its first part, are not here")
    (tmp_path / "away").rename(tmp_path / "one")
    assert [seen for _, seen, _ in arrive(box, stick)] == ["imported"]


def test_no_name_of_a_file_controls_the_terminal_of_who_reads_the_history(box, stick):
    (stick / "\x1b[2Jpump\nfan.kpb").write_bytes(b"x" * 70_000)
    os.mkfifo(stick / "\x1b[31mfifo.kpb")
    for _, _, reason in arrive(box, stick):
        assert "\x1b" not in reason
    (line,) = history(box.ledger)
    assert line.detail.isprintable()
    assert box.ctx.ledger.fact("arrival sdx1").count("\\u001b") == 0
    arrive(box, stick)
    assert len(history(box.ledger)) == 1  # the same is not said twice


def test_import_without_keys_is_a_setting_that_cannot_be(tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text("media: {auto: import}\n")
    with pytest.raises(SettingsInvalid) as caught:
        load(config=site, state_dir=tmp_path, environ={}, is_root=True)
    assert "set trust.keys first" in caught.value.evidence[0]


# --- mounting -------------------------------------------------------------------------------------------


def test_a_folder_is_taken_as_it_is_and_what_is_no_medium_is_refused(tmp_path):
    with devices.mounted(tmp_path) as place:
        assert place == tmp_path
    (tmp_path / "file").touch()
    for wrong, error in ((tmp_path / "file", UsageRefused), (tmp_path / "none", MediumGone), ("/dev/null", UsageRefused)):
        with pytest.raises(error), devices.mounted(tmp_path / wrong):
            pass


def test_a_device_that_is_mounted_is_looked_at_there(tmp_path):
    device, table = tmp_path / "sdx1", tmp_path / "mountinfo"
    device.touch()
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:99 / /media/stick rw - fusefat {device} rw\n")
    with devices.mounted(device, Mounts(table)) as place:
        assert place == Path("/media/stick")
    table.write_text(f"1 0 8:1 / / rw - ext4 {device} rw\n")
    with pytest.raises(UsageRefused), devices.mounted(device, Mounts(table)):
        pass


def _loop(image):
    done = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_device_is_mounted_read_only_for_the_block_and_never_longer(tmp_path):
    image = tmp_path / "stick.img"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    device = _loop(image)
    if not device:
        pytest.skip("there is no loop device")
    try:
        places = tmp_path / "places"
        before = image.read_bytes()
        with pytest.raises(RuntimeError), devices.mounted(Path(device), places=places) as place:  # noqa: PT012
            (mount,) = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {place} " in line]
            assert {"ro", "nosuid", "nodev", "noexec"} <= set(mount.split()[5].split(","))
            with pytest.raises(OSError, match="Read-only"):
                (place / "file").touch()
            raise RuntimeError
        assert not os.path.ismount(place)
        assert (list(places.iterdir()), image.read_bytes() == before) == ([], True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    with (
        pytest.raises(MediumGone, match="has none of the filesystems"),
        devices.mounted(Path(device), places=tmp_path / "places"),
    ):
        pass


@pytest.mark.parametrize("signed", [True, False])
def test_a_zip_of_another_program_is_refused_before_anything_of_it_is_unpacked(box, stick, signed):
    """Under the name of a bundle, and also where bundles need no signature: nobody named it."""
    box.settings = box.settings if signed else replace(box.settings, trust=TrustSettings())
    image = make_image([b"layer " * 900], compress=False)
    (stick / "evil.kpb").write_bytes(foreign_zips.zipped({"a.tar": foreign_zips.saved({f"{REGISTRY}/pump:1.0.0": image})}))
    found = arrived(box.ctx, ArrivalRequest("/dev/sdx1", stick, imports=False, patience=0.0))
    (one,) = found.bundles
    assert (one.digest, one.seen, one.reason) == ("", "refused", "evil is a zip of another program, which is read only where it is named")
