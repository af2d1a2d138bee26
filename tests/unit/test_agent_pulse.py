"""What systemd hears: on a real datagram socket."""

import contextlib
import os
import socket
import threading
from types import SimpleNamespace

import pytest

from kelvin_provision.agent.watchdog import HEARTBEAT_TIMEOUT, IMPORT_TIMEOUT, Watchdog, tell_systemd
from kelvin_provision.context import silent
from kelvin_provision.events import Advanced, Finished, Started
from kelvin_provision.systemd.notify import beat_every, notify
from tests.kit.clock import Clock
from tests.kit.waiting import PATIENCE


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd has it, with its name as in NOTIFY_SOCKET."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@kelvin-provision-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(name.replace("@", "\0", 1))
        door.settimeout(PATIENCE)
        yield SimpleNamespace(name=name, recv=door.recv, settimeout=door.settimeout)


def test_a_message_arrives_as_lines(manager):
    assert notify("READY=1", "STATUS=idle", environ={"NOTIFY_SOCKET": manager.name})
    assert manager.recv(4096) == b"READY=1\nSTATUS=idle"


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "/nowhere/at/all", "@nobody-listens-there"])
def test_nobody_who_listens_is_no_trouble(name):
    assert notify("READY=1", environ={"NOTIFY_SOCKET": name}) is False


def test_a_manager_that_does_not_read_stops_nobody(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "n"))
        answers = {notify("STATUS=" + "x" * 1000, environ={"NOTIFY_SOCKET": str(tmp_path / "n")}) for _ in range(2000)}
    assert answers == {True, False}


def test_the_watchdog_wants_a_beat_at_half_its_time_and_only_from_us():
    assert beat_every({"WATCHDOG_USEC": "120000000"}) == 60.0
    assert beat_every({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}) == 60.0
    assert beat_every({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}) is None
    assert beat_every({}) is None
    assert beat_every({"WATCHDOG_USEC": "0"}) is None
    assert beat_every({"WATCHDOG_USEC": "soon"}) is None


def test_who_asks_whether_to_stop_is_alive_and_who_falls_silent_has_hung():
    clock = Clock()
    pulse = Watchdog(clock)
    stop = pulse.wrap_stop("work", lambda: False)
    assert stop() is False
    clock.now += HEARTBEAT_TIMEOUT
    assert pulse.hung() == ()
    clock.now += 1
    assert pulse.hung() == ("work",)
    stop()
    assert pulse.hung() == ()
    pulse.beat("tend")
    clock.now += HEARTBEAT_TIMEOUT + 1
    stop()
    assert pulse.hung() == ("tend",)
    pulse.remove("tend")
    assert pulse.hung() == ()


def test_an_import_may_be_silent_for_an_hour_and_a_download_may_not():
    clock = Clock()
    pulse = Watchdog(clock)
    said = []
    progress = pulse.wrap_progress("work", said.append)
    progress(Started("r.io/a:1", "importing"))
    clock.now += IMPORT_TIMEOUT
    assert pulse.hung() == ()
    progress(Finished("r.io/a:1", "imported"))
    clock.now += IMPORT_TIMEOUT
    assert pulse.hung() == ()
    progress(Advanced("r.io/b:1", 1, 2))
    clock.now += HEARTBEAT_TIMEOUT + 1
    assert pulse.hung() == ("work",)
    assert len(said) == 3


def test_systemd_gets_beats_and_status_while_all_live_and_none_once_one_hangs(manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    pulse, ended, status = Watchdog(), threading.Event(), ["idle"]
    pulse.wrap_progress("work", silent)(Advanced("x", 1))
    thread = threading.Thread(target=tell_systemd, args=(pulse, lambda: status[0], ended), kwargs={"interval": 0.02})
    thread.start()
    try:
        assert {manager.recv(4096) for _ in range(4)} == {b"STATUS=idle", b"WATCHDOG=1"}
        pulse.beat("work", -1.0)
        status[0] = "staging a"
        manager.settimeout(5)
        with contextlib.suppress(TimeoutError):
            while manager.recv(4096) != b"STATUS=staging a":
                pass
        manager.settimeout(0.4)
        with pytest.raises(TimeoutError):
            manager.recv(4096)
    finally:
        ended.set()
        thread.join()
