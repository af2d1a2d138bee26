"""The packages are built once, by the first test that needs them."""

import pytest

from tests.kit.servers import packages


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/packages/" in str(item.path):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(900))  # the first one builds them, on a machine that does other things
            if reason := packages.why_not():
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def first():
    """Files of this commit for amd64."""
    return packages.first("--arch", "amd64")


@pytest.fixture(scope="session")
def second():
    """Of a commit after it."""
    return packages.second("--arch", "amd64")
