"""A moment of trouble of the box during staging: it is told and waited out, and no version fails for it."""

import errno
import importlib
import json
import os

import pytest

from kelvin_provision.agent import turn
from kelvin_provision.agent.faults import Pauses
from kelvin_provision.cli.frame.terminal import with_short_digests
from kelvin_provision.errors import (
    CannotWrite,
    ClusterMissing,
    LoginUnreadable,
    OurBug,
    PermissionRefused,
    RuntimeFailed,
    SettingsInvalid,
    StateDamaged,
)
from kelvin_provision.staging.limits.limits import limits_of
from tests.kit.box import Box

MOMENTS = [
    # a module of the store, what it calls of `os`, and what that fails with, once
    *(
        ("store.blobs.partial", "write", number)
        for number in (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ESTALE)
    ),
    ("store.blobs.partial", "read", errno.EIO),
    ("store.blobs.partial", "fsync", errno.EIO),
    ("store.blobs.partial", "lseek", errno.EIO),
    ("store.gc.leases", "open", errno.EMFILE),
    ("store.gc.leases", "write", errno.EROFS),
    ("store.blob_files", "fstat", errno.EIO),
    ("store.blobs.verification_log", "write", errno.EIO),
    ("files.durable", "open", errno.ENFILE),
    ("files.durable", "open", errno.ENOMEM),
    ("files.durable", "fsync", errno.EROFS),
]
ERRORS = (
    CannotWrite,
    ClusterMissing,
    LoginUnreadable,
    OurBug,
    PermissionRefused,
    SettingsInvalid,
    StateDamaged,
    RuntimeFailed,
)


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path)
    yield found
    found.close()


class FailsOnce:
    """A module in whose place one function raises once."""

    def __init__(self, module, name, error):
        self._module, self._name, self._error = module, name, error

    def __getattr__(self, name):
        real = getattr(self._module, name)
        if name != self._name or self._error is None:
            return real
        error, self._error = self._error, None

        def fails(*arguments, **named):
            raise error

        return fails


def fails_once(function, error):
    errors = [error]

    def once(*arguments, **named):
        if errors:
            raise errors.pop()
        return function(*arguments, **named)

    return once


def is_told_and_passes(box, text):
    box.turn()
    ((state, staged),) = box.states().values()
    assert (state, staged != "failed") == ("staged", True)
    (warning,) = box.warnings("a")
    assert text.lower() in warning.lower()
    assert "bug" not in warning
    status = json.loads(box.run("agent", "status", "--json").stdout)
    assert status["waiting"] == [{"name": "a", "cause": warning, "next_try": None}]
    apply = box.run("workloads", "apply", "-n", "a")
    assert (apply.exit_code, with_short_digests(warning) in apply.stderr) == (75, True)
    box.turn()
    assert box.states() == {"a": ("staged", "ready")}
    assert box.warnings("a") == []


@pytest.mark.parametrize(("module", "call", "number"), MOMENTS, ids=lambda value: errno.errorcode.get(value, value))
def test_a_moment_of_trouble_on_the_disk(box, monkeypatch, module, call, number):
    box.deploy("a")
    broken = importlib.import_module(f"kelvin_provision.{module}")
    monkeypatch.setattr(broken, "os", FailsOnce(os, call, OSError(number, os.strerror(number))))
    is_told_and_passes(box, "permission" if number in {errno.EACCES, errno.EPERM} else os.strerror(number))


@pytest.mark.parametrize("kind", ERRORS)
def test_a_trouble_that_the_way_to_the_registry_or_the_import_meets(box, kind, monkeypatch):
    assert kind is RuntimeFailed or kind.of_box
    box.deploy("a")
    monkeypatch.setattr(box.source, "resolve", fails_once(box.source.resolve, kind("no luck")))
    if kind is OurBug:
        box.turn()
        assert (box.states(), box.warnings("a")) == ({"a": ("staged", "received")}, ["no luck"])
    else:
        is_told_and_passes(box, "no luck")


def test_a_trouble_during_the_import(box, monkeypatch):
    box.deploy("a")
    monkeypatch.setattr(box.runtime, "load", fails_once(box.runtime.load, OSError(errno.EIO, "Input/output error", "/blobs/x")))
    is_told_and_passes(box, "/blobs/x: input/output error")


def test_a_trouble_of_the_ledger(box, monkeypatch):
    box.deploy("a")
    monkeypatch.setattr(box.ledger, "set_locks", fails_once(box.ledger.set_locks, CannotWrite("ledger.db: disk I/O error")))
    is_told_and_passes(box, "ledger.db: disk I/O error")


def test_a_blob_that_disappears_before_the_import_is_downloaded_again(box, monkeypatch):
    box.deploy("a")
    load = box.runtime.load

    def without_a_layer(lock, blob, *plain):
        monkeypatch.setattr(box.runtime, "load", load)
        blob(lock.layers[0]).unlink()
        load(lock, blob, *plain)

    monkeypatch.setattr(box.runtime, "load", without_a_layer)
    box.turn()
    assert box.states() == {"a": ("staged", "ready")}
    assert len(box.source.served) == 2


def test_no_blob_is_downloaded_again_because_it_cannot_be_opened_now(box, monkeypatch):
    box.deploy("a")
    monkeypatch.setattr(box.runtime, "load", fails_once(box.runtime.load, RuntimeFailed("not now")))
    box.turn()
    (box.settings.state_dir / "verified").unlink()
    served = list(box.source.served)
    broken = importlib.import_module("kelvin_provision.store.blob_files")
    monkeypatch.setattr(broken, "os", FailsOnce(os, "open", OSError(errno.EMFILE, "Too many open files")))
    is_told_and_passes(box, "too many open files")
    assert box.source.served == served != []


def test_the_pauses_between_two_attempts_grow(box, monkeypatch):
    now = [0.0]
    memory = turn.Memory(limits_of(box.settings.download, box.ledger), Pauses(10.0, 600.0, lambda: now[0]))
    box.deploy("a", "b")
    tried = []

    def resolve(reference, platform, support, real=box.source.resolve):
        tried.append((now[0], reference.repository))
        if reference.repository == "a":
            raise CannotWrite("too many open files")
        return real(reference, platform)

    monkeypatch.setattr(box.source, "resolve", resolve)
    while now[0] < 80:
        turn.take(box.agent(), memory)
        now[0] += 5
    assert [moment for moment, name in tried if name == "a"] == [0, 10, 30, 70]
    assert box.states()["b"] == ("staged", "ready")


def test_a_pause_has_a_longest_and_ends_with_a_success():
    now = [0.0]
    pauses = Pauses(10.0, 30.0, lambda: now[0])
    for length in (10.0, 20.0, 30.0, 30.0):
        pauses.begin("x")
        now[0] += length - 0.1
        assert pauses.backs_off("x")
        now[0] += 0.1
        assert not pauses.backs_off("x")
    pauses.clear("x")
    pauses.begin("x")
    now[0] += 10.0
    assert not pauses.backs_off("x")
