"""Each limit and rule of the format has one hostile file: exit code 65 with the reason, in little time and memory."""

import json
import time

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.inspection import BundlePlace, inspect
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.errors import BundleInvalid, SignatureInvalid
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.fuzz import bundles as fuzz
from tests.fuzz import zips as fuzz_zips
from tests.kit import bundles
from tests.kit.cli import run
from tests.kit.hostile_bundles import BASE, TABLES, headed

SECONDS = 5.0
"""Of processor time for the worst of them; they take a tenth."""


def test_nothing_is_wrong_with_what_they_are_made_from(tmp_path):
    (tmp_path / "x.kpb").write_bytes(headed(BASE.table))
    assert decode(read_head(find(tmp_path)).contents) == BASE.contents


@pytest.mark.parametrize("hostile", TABLES, ids=lambda hostile: hostile.name)
def test_each_is_refused_with_its_reason(tmp_path, hostile):
    hostile.write(tmp_path)
    began = time.process_time()
    with pytest.raises(BundleInvalid, match=hostile.reason) as caught:
        inspect(BundlePlace((tmp_path,)), Trust(TrustSettings()))
    assert time.process_time() - began < SECONDS
    assert len(str(caught.value)) < 400
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("hostile", TABLES[::12], ids=lambda hostile: hostile.name)
def test_the_terminal_says_so(tmp_path, monkeypatch, hostile):
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "none"))
    path = hostile.write(tmp_path)
    for command in ("inspect", "verify"):
        result = run("bundle", command, str(path), "--json")
        error = json.loads(result.stdout)["error"]
        assert (result.exit_code, error["code"], hostile.reason in error["message"]) == (65, "bundle-invalid", True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "signatures",
    [
        b"{}",
        b"[[]]",
        b"[1]",
        b"\x00",
        json.dumps([{"keyid": "0" * 64, "sig": "AAAA"}] * 33).encode(),
        b'[{"keyid": "", "sig": ""}]',
        b"[" * limits.SIGNATURES,
    ],
    ids=lambda data: f"{data[:20]!r} of {len(data)}",
)
def test_signatures_that_are_none_are_refused_before_the_table_is_parsed(tmp_path, signatures):
    (tmp_path / "x.kpb").write_bytes(headed(b"no JSON", signatures))
    with pytest.raises(SignatureInvalid):
        inspect(BundlePlace((tmp_path,)), Trust(TrustSettings()))


def test_a_bundle_at_its_limits_is_read(tmp_path):
    bundle = bundles.write(tmp_path, requests=[b"{}"] * limits.REQUESTS, name="x" * 128, boxes=("b",) * limits.BOXES, part_size=1_000)
    assert len(bundle.contents.parts) > 100
    result = inspect(BundlePlace((tmp_path,)), Trust(TrustSettings()))
    assert len(result.requests) == limits.REQUESTS
    assert {request.error for request in result.requests} == {""}


def test_what_was_changed_at_random_is_read_as_it_says_or_refused(tmp_path):
    """The short form of `make fuzz`: the same thousand each time."""
    outcomes = fuzz.FUZZER.run(tmp_path, seed=14, count=1000)
    assert sum(outcomes.values()) == 1000
    assert outcomes.keys() >= {"bundle-invalid", "bundle-damaged", "signature-invalid", "damaged", "whole"}


@pytest.mark.slow
def test_no_zip_that_was_changed_at_random_does_harm(tmp_path):
    """The same thousand each time."""
    outcomes = fuzz_zips.FUZZER.run(tmp_path, seed=15, count=1000)
    assert {"bundle-invalid", "bundle-damaged", "whole zip", "damaged package"} <= outcomes.keys(), outcomes
