"""Two keys, a site that trusts them, and the child's code without a process."""

import pytest

from tests.kit.signing import in_this_process, key_pair, trusting

__all__ = ["in_this_process"]


@pytest.fixture(scope="module")
def anna():
    return key_pair()


@pytest.fixture(scope="module")
def bert():
    return key_pair("p256", "bert")


@pytest.fixture
def site(tmp_path, anna, bert):
    """Settings that trust both."""
    return trusting(tmp_path, anna, bert)
