"""Worker threads that are waited for, and abandoned after a stop."""

import threading
import time

import pytest

from kelvin_provision.errors import RegistryUnreachable, TransferStopped
from kelvin_provision.staging.threads import StopCheck, run_abandonable, run_threads, side_by_side


def test_an_abandonable_call_returns_and_raises_as_it_would_have():
    assert run_abandonable(lambda: 42, lambda: False) == 42
    with pytest.raises(RegistryUnreachable, match="no route"):
        run_abandonable(lambda: (_ for _ in ()).throw(RegistryUnreachable("no route")), lambda: False)


def test_a_call_that_hangs_is_abandoned_after_a_stop():
    over, began = threading.Event(), time.monotonic()
    with pytest.raises(TransferStopped):
        run_abandonable(lambda: over.wait(30), lambda: time.monotonic() - began > 0.2)
    assert time.monotonic() - began < 25
    over.set()


def test_a_stop_lets_the_workers_end_by_themselves():
    errors, ended = [], []

    def work():
        while not errors:
            time.sleep(0.01)
        ended.append(1)

    with pytest.raises(TransferStopped):
        run_threads([threading.Thread(target=work, daemon=True) for _ in range(3)], errors, StopCheck(lambda: True))
    assert ended == [1, 1, 1]


def test_waiting_for_hung_workers_is_no_heartbeat():
    asked = []
    question = StopCheck(lambda: asked.append(1) or False, hung_after=1.0)
    assert question.while_alive() is False
    time.sleep(1.1)
    question.while_alive()
    assert len(asked) == 1
    question()
    question.while_alive()
    assert len(asked) == 3


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_box_without_more_threads_does_the_work_with_those_that_it_has(monkeypatch, allowed):
    start, left = threading.Thread.start, iter(range(allowed))

    def limited(thread):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert side_by_side(str.upper, list("abcdefgh"), limit=4) == {name: name.upper() for name in "abcdefgh"}


def test_side_by_side_an_error_is_that_of_its_name_alone():
    assert side_by_side(str.upper, [], limit=4) == {}
    results = side_by_side({"a": 1, "c": 3}.__getitem__, ["a", "b", "c"], limit=4)
    assert (results["a"], type(results["b"]), results["c"]) == (1, KeyError, 3)
