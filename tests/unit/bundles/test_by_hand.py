"""What docs/bundles.md shows of reading a bundle by hand works, on a signed bundle in parts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.trust.dsse import BUNDLE
from tests.kit import bundles
from tests.kit.images import random_image
from tests.kit.signing import key_pair, signatures

PAGE = Path(__file__).parents[3] / "docs" / "bundles.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    anna = key_pair()
    (tmp_path / "anna.pem").write_bytes(anna[1].pem)
    bundle = bundles.make({"r.io/pump:1": random_image([9_000_000])}, [b'{"name": "pump"}'], name="north", part_size=limits.CHUNK)
    bundle.write(tmp_path, signatures(anna, bundle.table, BUNDLE))
    output("cat north.kpb.* > north.kpb")
    return bundle


def test_every_block_is_run_here():
    assert len(BLOCKS) == 3


def output(block):
    return subprocess.run(["sh", "-ec", block], check=True, capture_output=True, text=True).stdout


def test_members_are_listed_and_read(bundle):
    shown = output(BLOCKS[0])
    assert "kelvin/chunks" in shown
    assert bundle.digest.removeprefix("sha256:") in shown
    assert shown.endswith('{"name": "pump"}')


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_signature_is_verified(bundle):
    assert "Signature Verified Successfully" in output(BLOCKS[1])


def test_a_chunk_has_its_hash(bundle):
    computed, stated = output(BLOCKS[2]).splitlines()
    assert computed.split()[0] == stated.replace(" ", "")
