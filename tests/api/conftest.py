"""A box with three workloads, and the API in front of it."""

import pytest

from tests.kit.api import serving
from tests.kit.box import Box


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """`pump` 1.0.0 runs and 2.0.0 is staged and ready, `fan` runs, `valve` is staged and ready."""
    found = Box(tmp_path_factory.mktemp("template") / "state")
    found.deploy("pump", "fan")
    found.turn()
    found.command_apply("pump", "fan")
    found.deploy("pump", version="2.0.0")
    found.deploy("valve")
    found.turn()
    found.close()
    return found


@pytest.fixture
def box(template, tmp_path):
    found = template.copy(tmp_path / "state")
    yield found
    found.close()


@pytest.fixture
def api(box):
    with serving(box) as client:
        yield client


@pytest.fixture(scope="module")
def quiet(template, tmp_path_factory):
    """One API for tests that change nothing."""
    found = template.copy(tmp_path_factory.mktemp("quiet") / "state")
    with serving(found) as client:
        yield client
    found.close()
