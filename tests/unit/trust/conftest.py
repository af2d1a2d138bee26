"""Two keys, a site that trusts them, and the child's code without a process."""

import json

import pytest

from kelvin_provision.trust import child, computing
from tests.kit.signing import key_pair, trusting


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

    def computed(_module, order, **_):
        head, _, message = order.partition(b"\n")
        order = json.loads(head)
        return json.dumps(child._TASKS[order["task"]](order, message)).encode()

    monkeypatch.setattr(computing, "computed", computed)
