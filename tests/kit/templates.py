"""Boxes that are made once in a process and copied for each test: a copy takes a fraction of the time."""

from contextlib import ExitStack

import pytest

_MADE = {}


def made(make, factory):
    """The closed box that `make(folder)` returns; `factory` is pytest's `tmp_path_factory`."""
    if make not in _MADE:
        _MADE[make] = make(factory.mktemp("template") / "state")
        _MADE[make].close()
    return _MADE[make]


@pytest.fixture
def copy_of(tmp_path, tmp_path_factory):
    """`copy_of(make)` is a copy of the box that `make(folder)` returns. It is closed after the test."""
    with ExitStack() as stack:

        def copy(make):
            found = made(make, tmp_path_factory).copy(tmp_path / "state")
            stack.callback(found.close)
            return found

        yield copy
