"""The lock between processes: those who only look refuse nobody, and nobody is taken for somebody else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kelvin_provision.errors import Locked
from kelvin_provision.files import lock
from kelvin_provision.files.lock import exclusive, holder

LOOKING = """
import sys
from pathlib import Path
from kelvin_provision.files.lock import holder
holder(Path(sys.argv[1]))
print("looking", flush=True)
while True:
    holder(Path(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "lock"
    found.touch(mode=0o600)
    return found


@pytest.mark.slow
def test_those_who_look_all_the_time_refuse_nobody(path):
    words = [sys.executable, "-c", LOOKING, str(path)]
    lookers = [subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        assert [looker.stdout.readline() for looker in lookers] == [b"looking\n"] * 2
        for _ in range(200):
            with exclusive(path, command="x"):
                pass
        assert [looker.poll() for looker in lookers] == [None, None]
    finally:
        for looker in lookers:
            looker.kill()
            looker.wait()
            looker.stdout.close()


def test_somebody_who_looks_just_now_is_waited_for(path, monkeypatch):
    """As the kernel has it: a look is a shared lock."""
    descriptor = os.open(path, os.O_RDONLY)
    lock.fcntl.flock(descriptor, lock.fcntl.LOCK_SH)
    monkeypatch.setattr("random.uniform", lambda low, high: lock.fcntl.flock(descriptor, lock.fcntl.LOCK_UN) or low)
    with exclusive(path, command="x"):
        assert holder(path)["command"] == "x"
    os.close(descriptor)


def test_one_who_holds_it_is_not_waited_for(path):
    with exclusive(path, command="workloads apply"):
        began = time.monotonic()
        with pytest.raises(Locked, match="workloads apply"), exclusive(path, command="other"):
            pass
        assert time.monotonic() - began < 30.0
        assert holder(path)["command"] == "workloads apply"  # who was refused has wiped nothing


def test_one_who_has_just_taken_it_is_asked_for_its_name_first(path, monkeypatch):
    """A holder takes the lock before it writes its name; only the name says whether to wait for it."""
    descriptor = os.open(path, os.O_RDWR)
    lock.fcntl.flock(descriptor, lock.fcntl.LOCK_EX)
    steps = iter([lambda: os.pwrite(descriptor, b'{"command": "agent: apply a"}', 0), lambda: os.close(descriptor)])
    monkeypatch.setattr(lock.time, "sleep", lambda _: next(steps)())
    seen = []
    with exclusive(path, command="x", wait=lambda by: seen.append(by.get("command")) or (60.0 if by else 0.0)):
        assert holder(path)["command"] == "x"
    assert seen == [None, "agent: apply a"]


@pytest.mark.slow
def test_a_holder_without_a_name_is_said_in_words(path):
    descriptor = os.open(path, os.O_RDWR)
    lock.fcntl.flock(descriptor, lock.fcntl.LOCK_EX)
    with pytest.raises(Locked, match=r"is held by another process, which could not write its name into it$"), exclusive(path, command="x"):
        pass
    os.close(descriptor)


def test_the_last_holder_is_not_named_once_it_is_gone(path):
    with exclusive(path, command="x", more={"settings": "1"}):
        assert holder(path)["settings"] == "1"
    assert path.read_bytes() == b""


def test_a_lock_that_nobody_may_write_can_be_looked_at(path):
    with exclusive(path, command="x"):
        path.chmod(0o400)
        assert holder(path)["command"] == "x"


OPENING = """
import sys
from pathlib import Path
from kelvin_provision.ledger.ledger import Ledger
sys.stdin.readline()
for number in range(8):
    Ledger(Path(sys.argv[1]) / str(number) / "ledger.db").close()
"""


def test_many_that_open_a_new_ledger_at_once_all_get_it(tmp_path):
    words = [sys.executable, "-c", OPENING, str(tmp_path)]
    openers = [subprocess.Popen(words, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(5)]
    for opener in openers:
        opener.stdin.write(b"\n")
        opener.stdin.flush()
    assert [opener.communicate()[1] for opener in openers] == [b""] * 5
