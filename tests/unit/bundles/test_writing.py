"""Writing onto a medium: interrupted at any place it goes on, a damaged one is repaired, and the bytes are always the same."""

import io
import os
from contextlib import closing
from pathlib import Path

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.writing import writer
from kelvin_provision.bundles.writing.output import Output, Place
from kelvin_provision.bundles.writing.writer import write
from kelvin_provision.errors import BundleDamaged, CannotWrite, DigestMismatch, Interrupted, Locked, NoSpace
from tests.kit import bundles, disks
from tests.kit.bundles import job
from tests.kit.images import random_image

CHUNK = limits.CHUNK
IMAGE = random_image([3_000, 9 * CHUNK // 4])


def made(**values):
    return bundles.make({"registry.example/pump:1": IMAGE}, [b'{"name": "pump"}'], name="pump", **values)


@pytest.fixture(params=[0, CHUNK], ids=["one file", "parts"], scope="module")
def bundle(request):
    return made(part_size=request.param)


def on(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def whole(folder):
    assert not [name for name in on(folder) if name.startswith(".")]
    return b"".join(data for _, data in sorted(on(folder).items()))


class Killed(BaseException):
    pass


def test_the_bytes_are_those_of_the_layout(bundle, tmp_path):
    written = write(job(bundle, tmp_path))
    assert whole(tmp_path) == bundle.data
    assert (written.table, written.kept, written.written) == (bundle.table, 0, bundle.contents.total)
    assert [path.name for path in written.paths] == sorted(on(tmp_path))
    assert {path.stat().st_mode & 0o777 for path in written.paths} == {0o600}


def test_it_goes_on_where_it_was_killed(bundle, tmp_path):
    """After any number of chunks; what is there is not written again."""

    def kill(verb, done):
        if done >= 2 * CHUNK:
            raise Killed

    with pytest.raises(Killed):
        write(job(bundle, tmp_path, report=kill))
    assert all(name.startswith(".") for name in on(tmp_path))
    written = write(job(bundle, tmp_path))
    assert whole(tmp_path) == bundle.data
    assert written.kept >= CHUNK
    assert written.kept + written.written == bundle.contents.total


def test_a_bundle_that_is_there_is_kept_and_only_what_is_wrong_in_it_is_written(bundle, tmp_path):
    paths = write(job(bundle, tmp_path)).paths
    before = [path.stat().st_ino for path in paths]
    assert write(job(bundle, tmp_path)).written == 0
    with paths[-1].open("r+b") as file:
        file.seek(paths[-1].stat().st_size - 20_000)
        file.write(b"damage")
    written = write(job(bundle, tmp_path))
    assert 0 < written.written <= CHUNK
    assert whole(tmp_path) == bundle.data
    assert [path.stat().st_ino for path in paths] == before


def test_signatures_of_the_same_bundle_stay(bundle, tmp_path):
    bundle.write(tmp_path, b"[signed]")
    write(job(bundle, tmp_path))
    assert whole(tmp_path) == bundles.signed(bundle.data, b"[signed]")


def test_another_bundle_of_the_name_is_there_until_the_new_one_is(bundle, tmp_path):
    other = made(serial=7, part_size=bundle.contents.parts[0] if len(bundle.contents.parts) > 1 else 0)
    other.write(tmp_path)
    old = on(tmp_path)

    def look(verb, done):
        assert {name: data for name, data in on(tmp_path).items() if not name.startswith(".")} == old

    write(job(bundle, tmp_path, report=look))
    assert whole(tmp_path) == bundle.data


def test_another_number_of_parts_leaves_nothing_behind(tmp_path):
    write(job(made(part_size=CHUNK), tmp_path))
    write(job(made(), tmp_path))
    assert set(on(tmp_path)) == {"pump.kpb"}
    write(job(made(part_size=CHUNK), tmp_path))
    assert whole(tmp_path) == made(part_size=CHUNK).data


def test_names_that_were_given_before_the_power_failed_are_kept(tmp_path):
    bundle = made(part_size=CHUNK)
    paths = write(job(bundle, tmp_path)).paths
    for number, path in enumerate(paths[:2], 1):
        path.rename(Place(tmp_path, "pump").unfinished(number, len(paths)))
    written = write(job(bundle, tmp_path))
    assert (written.written, written.kept) == (0, bundle.contents.total)
    assert whole(tmp_path) == bundle.data


def test_a_medium_that_does_not_keep_what_is_written(bundle, tmp_path):
    """Nothing gets its name; the next attempt writes what is wrong."""

    def lose(verb, done):
        if (verb, done) == ("writing", bundle.contents.total):
            with max(tmp_path.iterdir()).open("r+b") as file:
                file.seek(-20_000, os.SEEK_END)
                file.write(b"lost")

    with pytest.raises(BundleDamaged, match="1 of 3 chunks of 4 MiB are wrong") as caught:
        write(job(bundle, tmp_path, report=lose))
    assert caught.value.evidence == (("part 3, MiB 0" if len(bundle.contents.parts) > 1 else "MiB 8"),)
    assert all(name.startswith(".") for name in on(tmp_path))
    assert write(job(bundle, tmp_path)).written <= CHUNK
    assert whole(tmp_path) == bundle.data


def test_content_that_changed_in_the_store_is_never_under_a_name(bundle, tmp_path):
    layer = bundle.contents.blobs[-1].digest
    for data in (bytes(len(bundle.blobs[layer])), bundle.blobs[layer][:-1]):
        blobs = {**bundle.blobs, layer: data}
        with pytest.raises(DigestMismatch, match=layer):
            write(job(bundle, tmp_path, content=lambda extent, blobs=blobs: io.BytesIO(blobs[extent.digest])))
        assert all(name.startswith(".") for name in on(tmp_path))
    write(job(bundle, tmp_path))
    assert whole(tmp_path) == bundle.data


def test_two_writers_at_one_place(bundle, tmp_path):
    """The second one is refused, and the first one goes on."""

    def second(verb, done):
        with pytest.raises(Locked, match="is being written by another process"):
            write(job(bundle, tmp_path))

    write(job(bundle, tmp_path, report=second))
    assert whole(tmp_path) == bundle.data


def test_a_thousand_parts_are_not_a_thousand_open_files(tmp_path):
    count, data = 999, os.urandom(9_990)
    with closing(Output([tmp_path / f"{number:03}" for number in range(count)], [10] * count)) as output:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for start in range(0, len(data), 100):
            output.put(start, memoryview(data)[start : start + 100])
        output.finish()
        again = bytearray(len(data))
        output.read_into(0, memoryview(again))
        assert len(list(Path("/proc/self/fd").iterdir())) - before < 10
    assert (again, output.written) == (data, len(data))
    assert b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir())) == data


def test_a_link_at_the_place_is_not_followed(bundle, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    stick = tmp_path / "stick"
    stick.mkdir()
    for number in range(1, len(bundle.contents.parts) + 1):
        Place(stick, "pump").final(number, len(bundle.contents.parts)).symlink_to(mine)
    write(job(bundle, stick))
    assert whole(stick) == bundle.data
    Place(stick, "pump").unfinished(1, len(bundle.contents.parts)).symlink_to(mine)
    with pytest.raises(CannotWrite):
        write(job(bundle, stick))
    assert mine.read_text() == "mine"


def test_it_stops_when_it_should(bundle, tmp_path):
    with pytest.raises(Interrupted):
        write(job(bundle, tmp_path, stop=lambda: True))


def test_too_small_a_medium_is_refused_with_the_numbers_and_left_as_it_is(bundle, tmp_path):
    with disks.tmpfs(tmp_path / "stick", "8m") as stick:
        with pytest.raises(NoSpace, match=r"stick needs 9\.\d MiB for this bundle and has 8\.0 MiB free"):
            write(job(bundle, stick))
        assert on(stick) == {}
        (stick / "pump.kpb").write_bytes(bytes(1 << 20))
        with pytest.raises(NoSpace) as caught:
            write(job(bundle, stick))
        assert "frees 1.0 MiB" in str(caught.value.hint)


def test_a_medium_that_fills_up_meanwhile_keeps_what_it_has(bundle, tmp_path):
    with disks.tmpfs(tmp_path / "stick", "20m") as stick:

        def fill(verb, done):
            disks.fill(stick)

        with pytest.raises(NoSpace):
            write(job(bundle, stick, report=fill))
        (stick / "filler").unlink()
        assert write(job(bundle, stick)).kept >= CHUNK - (1 << 20)
        assert whole(stick) == bundle.data


def test_a_read_only_medium(bundle, tmp_path):
    with disks.tmpfs(tmp_path / "stick", "20m") as stick:
        disks.read_only(stick)
        with pytest.raises(CannotWrite, match=r"(?i)read-only"):
            write(job(bundle, stick))


def test_memory_is_that_of_a_few_chunks(tmp_path):
    """However long the bundle is."""
    import tracemalloc

    bundle = made()
    tracemalloc.start()
    try:
        write(job(bundle, tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()
    assert writer.hashes_of(job(bundle, tmp_path))
