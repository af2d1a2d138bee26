import os

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.runtimes.containerd.discovery import K3S_SOCKET, SOCKET, find
from kelvin_provision.settings.model import RuntimeSettings

K3S, CTR = "/usr/local/bin/k3s", "/usr/bin/ctr"


def chosen(sockets, programs, **settings):
    found = find(
        RuntimeSettings(**settings),
        exists=lambda path: path in sockets,
        which=lambda name, path: next((place for place in programs if place.endswith(f"/{name}")), None),
    )
    return found._ctr.address, found._ctr.command, found._ctr.namespace


@pytest.mark.parametrize(
    ("sockets", "programs", "settings", "expected"),
    [
        ([SOCKET], [CTR], {}, (SOCKET, (CTR,), "k8s.io")),
        ([K3S_SOCKET], [K3S], {}, (K3S_SOCKET, (K3S, "ctr"), "k8s.io")),
        ([K3S_SOCKET, SOCKET], [K3S, CTR], {}, (K3S_SOCKET, (K3S, "ctr"), "k8s.io")),
        ([K3S_SOCKET], [CTR], {}, (K3S_SOCKET, (CTR,), "k8s.io")),
        ([SOCKET], [K3S], {"address": SOCKET}, (SOCKET, (K3S, "ctr"), "k8s.io")),
        ([SOCKET], [K3S, CTR], {"address": SOCKET}, (SOCKET, (CTR,), "k8s.io")),
        (["/x.sock", K3S_SOCKET], [CTR], {"address": "unix:///x.sock", "namespace": "own"}, ("/x.sock", (CTR,), "own")),
    ],
)
def test_it_chooses_the_socket_that_is_there_and_the_program_that_goes_with_it(sockets, programs, settings, expected):
    assert chosen(sockets, programs, **settings) == expected


@pytest.mark.parametrize(
    ("sockets", "programs", "hint"),
    [
        ([], [], "systemctl status containerd"),
        ([], [K3S], "systemctl status k3s"),
        ([SOCKET], [K3S, CTR], "systemctl status k3s"),
        ([SOCKET], [], "apt install containerd"),
        ([K3S_SOCKET], [], "link the program k3s to /usr/local/bin/k3s"),
    ],
)
def test_what_is_missing_is_said_with_the_next_command(sockets, programs, hint):
    with pytest.raises(RuntimeUnreachable) as caught:
        chosen(sockets, programs)
    assert shell_line(caught.value.hint) == hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not enter")
def test_a_socket_behind_a_closed_folder_is_about_permission_and_not_about_a_dead_daemon(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        found = find(RuntimeSettings(address=str(closed / "c.sock")), which=lambda name, path: CTR)
        with pytest.raises(PermissionRefused):
            found.info()
    finally:
        os.seteuid(0)
