"""The power goes at random instants while the program works: the short form of `make powercut`, for each kind of filesystem."""

import json
import os
import subprocess
import sys

import pytest

from tests.kit.real_box import ROOT
from tests.powercut.cutter import PHASES
from tests.powercut.disk import KINDS, why_not
from tests.powercut.syncing import WAYS


def powercut(folder, kinds, *words):
    """What was found, by kind of filesystem."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    named = [word for kind in kinds for word in ("--filesystem", kind)]
    command = [sys.executable, "-m", "tests.powercut", "--json", "--cuts", "1", *named, *words]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=380)
    found = {row["filesystem"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert list(found) == kinds, done.stderr
    return found


def skip_where_it_is_not_here(found):
    if "not_here" in found:
        pytest.skip(found["not_here"])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of all kinds that can be made here: one process."""
    kinds = [kind for kind in KINDS if not why_not([kind])]
    return powercut(tmp_path_factory.mktemp("powercut"), kinds) if kinds else {}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_acknowledged_is_lost_when_the_power_goes(found, kind, record_property):
    skip_where_it_is_not_here(found.get(kind) or {"not_here": why_not([kind])})
    record_property("cuts", str(found[kind]["cuts"]))
    assert found[kind]["said"] == []
    assert set(found[kind]["cuts"]) >= set(PHASES)


def test_a_program_that_does_not_sync_is_found_out(tmp_path):
    if why_not(["ext4"]):
        pytest.skip(why_not(["ext4"]))
    found = powercut(tmp_path, ["ext4"], *(word for way in WAYS for word in ("--without-sync", way)))
    skip_where_it_is_not_here(found["ext4"])
    assert sum(found["ext4"]["lost"].values()) > 0
