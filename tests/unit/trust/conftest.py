"""Two keys, a site that trusts them, and the child's code without a process."""

import pytest

from kelvin_provision.trust import computing
from tests.kit.signing import computed_here, key_pair, trusting


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


@pytest.fixture
def in_this_process(monkeypatch):
    """The child's code without a process: for what is about the documents."""
    monkeypatch.setattr(computing, "computed", computed_here)
