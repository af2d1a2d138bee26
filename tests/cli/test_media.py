"""media arrived, list, install and uninstall: what is printed, and what `workloads list` says of it."""

import json

import pytest

from kelvin_provision.bundles.model import PAYLOAD_TYPE
from kelvin_provision.media.arrivals import DEVICES, Arrival, ArrivedBundle, fact_of
from tests.kit import bundles
from tests.kit.bundle_box import offline_box as box
from tests.kit.images import random_image
from tests.kit.requests import stored_request as body
from tests.kit.signing import key_pair, signatures, trusting

__all__ = ["box"]
REGISTRY = "registry.example:5000"
IMAGE = {f"{REGISTRY}/pump:1.0.0": random_image([3000])}
KEY = key_pair()


@pytest.fixture
def stick(tmp_path):
    bundle = bundles.make(IMAGE, [body("pump")], name="north")
    bundle.write(tmp_path / "stick", signatures(KEY, bundle.table, PAYLOAD_TYPE))
    return tmp_path / "stick"


def say(box, tmp_path, auto, *words):
    site = tmp_path / "site.yaml"
    (key,) = trusting(tmp_path, KEY).keys
    site.write_text(f"media: {{auto: {auto}}}\ntrust: {{keys: [{key}]}}\nregistry: {REGISTRY}\n")
    result = box.run("--config", str(site), *map(str, words))
    assert "Traceback" not in result.stderr
    return result


def test_off_leaves_a_medium_alone(box, stick, tmp_path):
    result = say(box, tmp_path, "off", "media", "arrived", stick).check(
        stderr=f"warning: media.auto is off: {stick} is left alone\nNothing to do.\n"
    )
    assert "north" not in result.stdout


def test_inspect_says_whose_it_is_and_how_it_is_imported(box, stick, tmp_path):
    signer = f"anna ({KEY[1].key_id[:12]})"
    result = say(box, tmp_path, "inspect", "media", "arrived", stick).check()
    assert result.stdout == (
        f"bundle north: shown, on {stick}; signed by {signer}; import with: sudo kelvin-provision bundle import {stick}/north.kpb\n"
    )
    assert box.ledger.names() == []


def test_import_imports_and_the_option_does_so_once(box, stick, tmp_path):
    result = say(box, tmp_path, "off", "media", "arrived", stick, "--import", "--json").check()
    assert json.loads(result.stdout)["bundles"][0]["outcome"] == "imported"
    assert box.ledger.names() == ["pump"]
    again = say(box, tmp_path, "import", "media", "arrived", stick).check()
    assert again.stdout.startswith("bundle north: known, on ")


def test_lists_have_what_is_in_the_box_and_not_imported(box, tmp_path):
    device = next(iter(sorted(DEVICES.iterdir())), None)
    if device is None:
        pytest.skip("this machine has no block device")
    bundle = ArrivedBundle("north", "north.kpb", f"sha256:{'a' * 64}", ("anna (0123456789ab)",))
    for key, value in fact_of(Arrival(f"/dev/{device.name}", f"/run/kelvin-provision/media/{device.name}", "", (bundle,))).items():
        box.ledger.remember(key, value)
    command = f"sudo kelvin-provision media arrived /dev/{device.name} --import"
    assert command in box.run("media", "list").check().stdout
    assert json.loads(box.run("media", "list", "--json").check().stdout)["media"][0]["bundles"][0]["solution"] == command
    assert f"north on /dev/{device.name}, signed by anna (0123456789ab), can be imported: {command}" in " ".join(
        box.run("workloads", "list").check().stderr.split()
    )


def test_install_and_uninstall_write_the_unit_and_the_rule(box, tmp_path, monkeypatch):
    units = tmp_path / "etc/systemd/system"
    monkeypatch.setenv("KELVIN_PROVISION_UNIT_DIR", str(units))
    result = say(box, tmp_path, "inspect", "media", "install").check()
    assert f"unit {units}/kelvin-provision-media@.service: installed" in result.stdout
    assert (tmp_path / "etc/udev/rules.d/90-kelvin-provision-media.rules").exists()
    assert say(box, tmp_path, "inspect", "media", "uninstall").check().stdout.endswith(": removed\n")
    assert not list(units.iterdir())
