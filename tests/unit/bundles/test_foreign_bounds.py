"""A zip of another program is read only where a person names it, and then within bounds: of processor time, of memory, of what is unpacked."""

import io
import json
import random
import tarfile
import zipfile
from contextlib import closing

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.on_media import on_media
from kelvin_provision.bundles.opening import candidates, find, read_head
from kelvin_provision.bundles.zips import foreign
from kelvin_provision.bundles.zips.tars import Allowance, archive_in
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.errors import BundleInvalid, SignatureMissing
from kelvin_provision.files.dense import is_dense
from kelvin_provision.trust.believed import Trust
from kelvin_provision.usecases.bundles.creating.leaving_out import known_of
from tests.kit import foreign_zips as zips
from tests.kit.bundle_box import offline
from tests.kit.images import make_image
from tests.kit.requests import stored_request
from tests.kit.signing import key_pair, trusting

REGISTRY = "registry.example.com:5000"
NAME = f"{REGISTRY}/pump:1.0.0"
PLAIN = make_image([b"first layer " * 900], compress=False)
ROOM = 256 << 10


def noise(size):
    return random.Random(1).randbytes(size)  # noqa: S311  (no secret)


def zip_of(folder, files, name="foreign.zip", method=zipfile.ZIP_DEFLATED):
    path = folder / name
    path.write_bytes(zips.zipped(files, method))
    return path


def named(path):
    return read_head(find(path), named=True)


# --- where nobody named it ------------------------------------------------------------------------------


def test_nothing_of_it_is_read_where_it_is_only_found(tmp_path):
    path = zip_of(tmp_path, {"pump.tar": zips.saved({NAME: PLAIN})}, "pump.kpb")
    (listed,) = on_media([tmp_path])
    assert (listed.digest, listed.error) == ("", "pump is a zip of another program, which is read only where it is named")
    assert named(path).contents
    with pytest.raises(BundleInvalid, match="only where it is named"):
        read_head(find(path))


def test_a_zip_that_begins_as_a_package_and_is_none_is_not_read_either(tmp_path):
    files = {"kelvin/signatures.json": b"x" * limits.SIGNATURES, "pump.tar": zips.saved({NAME: PLAIN})}
    zip_of(tmp_path, files, "pump.kpb", zipfile.ZIP_STORED)
    (listed,) = on_media([tmp_path])
    assert (listed.digest, listed.error) == ("", "the zip is not valid: it has no table of contents")


def test_what_a_desk_builds_on_is_not_unpacked_where_bundles_must_be_signed(tmp_path):
    path = zip_of(tmp_path, {"pump.tar": b"no archive"})
    with pytest.raises(SignatureMissing, match="a zip of another program"):
        known_of([], path, Trust(trusting(tmp_path, key_pair())))


def test_the_agent_goes_on_with_one_that_a_person_has_imported_and_not_with_a_larger_one_of_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", REGISTRY)
    files = {"pump.tar": zips.saved({NAME: PLAIN}), "workload.json": stored_request("pump")}
    path = zip_of(tmp_path, files, "pump.kpb")
    with closing(offline(tmp_path / "state", registry=REGISTRY)) as box:
        box.ended("bundle", "import", str(path), "--yes")
        away = path.rename(tmp_path / "away")
        zip_of(tmp_path, files | {"a.tar": zips.tar_with({"a": b"x" * 100_000})}, "pump.kpb")
        box.turn()
        assert "waits for the stick" in box.ended("workloads", "show", "pump").stdout
        away.replace(path)
        box.turn()
        box.ended("workloads", "apply", "pump")


def test_media_are_looked_at_no_further_than_what_is_listed(tmp_path):
    for number in range(20):
        (tmp_path / f"{number}.kpb").write_bytes(b"x")
    assert len(candidates(tmp_path, 2)) == 2
    left = iter(range(5))
    assert len(candidates(tmp_path, None, left)) == 5
    assert next(left, None) is None


# --- what is unpacked -----------------------------------------------------------------------------------


def _config(number, filling=""):
    rootfs = {"type": "layers", "diff_ids": []}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs, "author": f"{number}", "x": filling}).encode()


def _rows(configs):
    return [{"Config": config, "RepoTags": [f"r.io/a:{number}"], "Layers": []} for number, config in enumerate(configs)]


def _unpacked_for(path):
    with Unpacked(find(path), passes=limits.PASSES) as unpacked:
        contents, _ = foreign._read(unpacked)
        return len(contents.images), unpacked.inflated, unpacked.total


def test_an_archive_is_unpacked_twice_however_many_images_have_the_same_config(tmp_path):
    files = {"manifest.json": json.dumps(_rows(["c.json"] * 200)).encode(), "layer": noise(3 << 20), "c.json": _config(0)}
    images, inflated, total = _unpacked_for(zip_of(tmp_path, {"a.tar": zips.tar_with(files)}))
    assert (images, inflated <= 2 * total + ROOM) == (200, True)


def test_configs_in_any_order_and_a_list_of_images_at_the_end_are_read_in_two_passes(tmp_path):
    names = [f"{number}.json" for number in range(50)]
    files = {name: _config(number, noise(30_000).hex()) for number, name in enumerate(names)}
    files["manifest.json"] = json.dumps(_rows(reversed(names))).encode()
    images, inflated, total = _unpacked_for(zip_of(tmp_path, {"a.tar": zips.tar_with(files)}))
    assert (images, inflated <= 2 * total + ROOM) == (50, True)


def test_what_would_be_unpacked_again_and_again_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "DOCUMENTS", 1 << 20)
    path = zip_of(tmp_path, {"a.bin": noise(2 << 20)})

    def read(passes):
        with Unpacked(find(path), passes=passes) as unpacked:
            return [list(unpacked.read(unpacked.total - 1, 1)) for _ in range(5)]

    with pytest.raises(BundleInvalid, match="more than 3 times"):
        read(limits.PASSES)
    assert len(read(0)) == 5  # for copying there is no such bound: layers of one archive are read in any order


def test_a_large_document_that_a_thousand_rows_name_is_not_read_a_thousand_times(tmp_path):
    image = make_image([b"x"])
    manifest = json.loads(image.manifest)
    large = json.dumps(manifest | {"annotations": {"a": "x" * (3 << 20)}}).encode()
    files = zips.layout({NAME: image})
    digest = zips.sha256(large)
    row = {"mediaType": image.media_type, "digest": digest, "size": len(large)}
    rows = [row | {"annotations": {"io.containerd.image.name": f"{NAME}-{number}"}} for number in range(60)]
    files |= {f"blobs/{digest.replace(':', '/')}": large, "index.json": json.dumps({"schemaVersion": 2, "manifests": rows}).encode()}
    with pytest.raises(BundleInvalid, match="bytes of documents"):
        named(zip_of(tmp_path, files, method=zipfile.ZIP_STORED))


def test_json_files_beside_the_folders_are_counted_and_dense_ones_are_not_parsed(tmp_path):
    dense = b"[" + b"[]," * 100_000 + b"[]]"
    with pytest.raises(BundleInvalid, match="more than 256 JSON files"):
        named(zip_of(tmp_path, {f"{number}.json": b"[]" for number in range(257)}))
    files = {"all.json": zips.pair([], {"pump.json": stored_request("pump")}), "dense.json": dense}
    assert named(zip_of(tmp_path, files)).contents
    with pytest.raises(BundleInvalid, match="of empty values"):
        named(zip_of(tmp_path, {"a.tar": zips.tar_with({"manifest.json": dense})}))


# --- archives -------------------------------------------------------------------------------------------


def _block(name, data=b"", kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def _field(key, value):
    size = len(key) + len(value) + 3
    while size != len(f"{size}") + len(key) + len(value) + 3:
        size = len(f"{size}") + len(key) + len(value) + 3
    return f"{size} {key}={value}\n".encode()


ARCHIVES = {
    "many global headers": (
        b"".join(_block("g", _field(f"K{number}", "v"), tarfile.XGLTYPE) + _block(f"m{number}") for number in range(100)),
        "hold for all members",
    ),
    "large global headers": (
        b"".join(_block("g", _field(f"K{number}", "v" * 40_000), tarfile.XGLTYPE) + _block(f"m{number}") for number in range(2)),
        "hold for all members",
    ),
    "global headers before one member": (_block("g", _field("K", "v" * 600_000), tarfile.XGLTYPE) * 2 + _block("m"), "too large"),
    "headers in headers": (_block("x", _field("comment", "v" * 100_000), tarfile.XHDTYPE) * 20 + _block("m"), "too large"),
    "long names in long names": (_block("x", b"n" * 100_000, tarfile.GNUTYPE_LONGNAME) * 20 + _block("m"), "too large"),
    "a number of thousands of digits": (_block("x", b"1" * 5000, tarfile.XHDTYPE) + _block("m"), "hundreds of digits"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_with_headers_that_are_made_to_harm_is_refused(tmp_path, case):
    data, reason = ARCHIVES[case]
    with pytest.raises(BundleInvalid, match=reason):
        named(zip_of(tmp_path, {"a.tar": data + bytes(1024)}, method=zipfile.ZIP_STORED))


def test_all_archives_of_a_zip_share_what_they_may_have_and_folders_count(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(6):
            info = tarfile.TarInfo(f"folder{number}")
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    path = zip_of(tmp_path, {"a.tar": buffer.getvalue()})
    allowance = Allowance()
    allowance.members = 10
    with Unpacked(find(path)) as unpacked:
        archive_in(unpacked, 0, unpacked.total, "a.tar", allowance)
        assert allowance.headers <= limits.ARCHIVE_HEADERS - 6 * 512
        with pytest.raises(BundleInvalid, match="members"):
            archive_in(unpacked, 0, unpacked.total, "a.tar", allowance)
        allowance = Allowance()
        allowance.headers = 1024
        with pytest.raises(BundleInvalid, match="bytes of headers"):
            archive_in(unpacked, 0, unpacked.total, "a.tar", allowance)


# --- tables of contents ---------------------------------------------------------------------------------


def test_the_densest_tables_that_there_are_are_read():
    digest = f"sha256:{0:064}"
    layer = {"digest": digest, "size": 1, "diff_id": digest, "unpacked": 1, "in": "box"}
    for rows in ([[digest, 0, 0]] * 60_000, [layer] * 60_000, [[[digest]]] * 60_000):
        assert not is_dense(json.dumps({"rows": rows}, separators=(",", ":")).encode())
    assert is_dense(b"[" + b"{}," * 20_000 + b"{}]")
