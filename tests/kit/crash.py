"""A crash in the middle of a command: played in this process, or kill -9 in one of its own."""

import os
import signal
from contextlib import contextmanager

import pytest


class Crash(BaseException):
    """kill -9, as far as one process can play it: nothing of ours runs after it."""


@contextmanager
def crashing(*fakes, when):
    """The block ends in a crash, before the first call of these fakes for which `when(verb, workload)` is true."""

    def before(verb, workload):
        if when(verb, workload):
            raise Crash

    for fake in fakes:
        fake.before = before
    with pytest.raises(Crash):
        yield
    for fake in fakes:
        fake.before = lambda verb, workload: None


def crash_at(*fakes, verb, workload=None):
    """The same before `verb`, of this workload or of any."""
    return crashing(*fakes, when=lambda at, name: at == verb and workload in {None, name})


def dying_at(number, call):
    """The function, which kills its process when it is called for the `number`-th time."""
    calls = iter(range(number))

    def counted(*arguments):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)

    return counted


def killed(work):
    """Whether the work was killed. It runs in a process of its own."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
