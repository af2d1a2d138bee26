"""A box with three workloads, and the API in front of it."""

import pytest

from kelvin_provision.api.work import asking
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.fake_agent import fill
from tests.kit.templates import made


def template(path):
    found = Box(path)
    fill(found)
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


@pytest.fixture
def hurried(monkeypatch):
    """The API does not wait for an agent that is not running."""
    monkeypatch.setattr(asking, "PATIENCE", 0.05)


@pytest.fixture
def api(box):
    with serving(box) as client:
        yield client


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """One API for tests that change nothing."""
    found = made(template, tmp_path_factory).copy(tmp_path_factory.mktemp("quiet") / "state")
    with serving(found) as client:
        yield client
    found.close()
