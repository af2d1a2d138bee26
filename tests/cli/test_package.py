"""`workloads download`: a workload as a zip, which another box imports without a network."""

import json
import zipfile
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.bundles.inspection import BundlePlace, inspect
from kelvin_provision.bundles.on_media import on_media
from kelvin_provision.errors import SignatureMissing
from kelvin_provision.quantity import format_bytes
from kelvin_provision.spec.enums import Method
from kelvin_provision.trust.believed import Trust
from tests.kit import hostile_zips
from tests.kit.box import Box
from tests.kit.bundle_box import offline
from tests.kit.images import random_image
from tests.kit.signing import key_pair, trusting

REGISTRY = "registry.example.com:5000"


@pytest.fixture
def box(tmp_path, monkeypatch):
    """It has staged pump 1.0.0."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", REGISTRY)
    with closing(Box(tmp_path / "state", registry=REGISTRY)) as box:
        box.source.images[f"{REGISTRY}/pump:1.0.0"] = random_image([4000, 50_000])
        box.source.images[f"{REGISTRY}/pump:2.0.0"] = random_image([6000])
        box.deploy("pump")
        box.turn()
        yield box


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pump.zip"


def download(box, file, *words, code=0, **more):
    return box.ended("workloads", "download", "pump", "-o", str(file), *words, code=code, **more)


def error(box, *words):
    result = box.run(*words, "--json")
    return {"exit": result.exit_code, **json.loads(result.stdout)["error"]}


def test_another_box_without_a_network_imports_and_applies_it(box, file, tmp_path):
    shown = json.loads(download(box, file, "--json").stdout)["package"]
    assert (shown["workload"], shown["app_version"], shown["bytes"]) == ("pump", "1.0.0", file.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"writing pump.zip, {format_bytes(file.stat().st_size)}" in download(box, file, "--force").stderr
    with closing(offline(tmp_path / "other", registry=REGISTRY)) as other:
        inspected = json.loads(other.ended("bundle", "inspect", str(file), "--json").stdout)
        assert (inspected["digest"], [request["name"] for request in inspected["requests"]]) == (shown["digest"], ["workload.json"])
        other.ended("bundle", "verify", str(file))
        imported = other.ended("bundle", "import", str(file), "--yes", "--expect", shown["digest"])
        assert "not signed" not in imported.stderr
        other.turn()
        other.ended("workloads", "apply", "pump")
        spec = replace(other.ledger.workload("pump").running.spec, cluster_name="c")  # that of each box
        assert spec == box.ledger.workload("pump").staged.spec
        # and what came as a package leaves as the same package
        again = tmp_path / "again.zip"
        download(other, again)
        assert again.read_bytes() == file.read_bytes()


def test_it_is_signed_in_place_and_believed_where_bundles_must_be_signed(box, file, tmp_path):
    download(box, file)
    private, public = pair = key_pair()
    trust = Trust(trusting(tmp_path, pair))
    with pytest.raises(SignatureMissing):
        inspect(BundlePlace((file,)), trust)
    key = tmp_path / "desk.key"
    key.write_bytes(private.pem)
    key.chmod(0o600)
    box.ended("bundle", "sign", str(file), "--key", str(key))
    assert [signer.key_id for signer in inspect(BundlePlace((file,)), trust).accepted.signers] == [public.key_id]
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
    box.ended("bundle", "verify", str(file))


def test_a_package_on_a_stick_is_found_there_and_other_zips_are_not(box, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "other.zip").write_bytes(hostile_zips.TWO)
    download(box, stick / "pump.zip")
    with closing(offline(tmp_path / "other", registry=REGISTRY)) as other:
        other.ended("bundle", "import", str(stick), "--yes")
        stick.rename(tmp_path / "elsewhere")
        other.turn()
        assert "waits for the stick" in other.ended("workloads", "show", "pump").stdout
        (tmp_path / "elsewhere").rename(stick)
        other.turn()
        other.ended("workloads", "apply", "pump")
    assert [bundle.files.name for bundle in on_media([stick])] == ["pump.zip"]


def test_no_hostile_zip_stores_anything(box, file):
    for hostile in hostile_zips.ZIPS:
        file.write_bytes(hostile.data())
        refused = error(box, "bundle", "import", str(file), "--yes")
        assert (refused["exit"], refused["code"], hostile.reason in refused["message"]) == (65, "bundle-invalid", True), hostile.name
    assert (box.ledger.names(), box.ledger.bundles()) == (["pump"], ())


def test_the_staged_version_is_taken_unless_the_running_one_is_wanted(box, file):
    box.command_apply("pump")
    box.deploy("pump", version="2.0.0")
    box.turn()
    assert json.loads(download(box, file, "--json").stdout)["package"]["app_version"] == "2.0.0"
    assert json.loads(download(box, file, "--running", "--force", "--json").stdout)["package"]["app_version"] == "1.0.0"


def test_a_file_that_is_there_is_kept_unless_forced(box, file, tmp_path):
    file.write_text("mine")
    refused = error(box, "workloads", "download", "pump", "-o", str(file))
    assert (refused["exit"], refused["code"], "--force" in refused["hint"], file.read_text()) == (73, "cannot-write", True, "mine")
    download(box, file, "--force")
    assert zipfile.is_zipfile(file)
    link = tmp_path / "link.zip"
    link.symlink_to(file)
    assert error(box, "workloads", "download", "pump", "-o", str(link), "--force")["code"] == "cannot-write"


def test_an_option_for_the_file_is_needed(box):
    for words in ((), ("-o", "-")):
        refused = error(box, "workloads", "download", "pump", *words)
        assert (refused["exit"], refused["hint"]) == (2, "kelvin-provision workloads download pump -o pump.zip")


def test_what_is_not_in_the_store_makes_no_package(box, file):
    box.deploy("pump", version="2.0.0")
    waits = error(box, "workloads", "download", "pump", "-o", str(file))
    assert (waits["exit"], waits["code"]) == (69, "package-impossible")
    assert (waits["message"], waits["hint"]) == (
        "the images of pump 2.0.0 are not in the store yet",
        "kelvin-provision workloads wait -n pump --for ready",
    )
    box.turn()
    layer = box.ledger.workload("pump").staged.locks[0].layers[0]
    box.store.path(layer).unlink()
    lacking = error(box, "workloads", "download", "pump", "-o", str(file))
    assert lacking["evidence"] == [f"missing: {layer.digest}"]
    assert lacking["hint"].startswith("kelvin-provision workloads deploy FILE --staged")
    assert not file.exists()


def test_the_cluster_pulls_the_images_of_a_standard_deploy(box, file):
    box.deploy("pump", version="2.0.0", method=Method.STANDARD)
    refused = error(box, "workloads", "download", "pump", "-o", str(file))
    assert "with deployment_type standard the cluster pulls them" in refused["message"]
    assert refused["hint"].startswith("kelvin-provision workloads deploy FILE --staged")


def test_a_workload_that_never_ran_has_no_running_version(box, file):
    refused = error(box, "workloads", "download", "pump", "--running", "-o", str(file))
    assert (refused["exit"], refused["code"]) == (66, "nothing-applied")
