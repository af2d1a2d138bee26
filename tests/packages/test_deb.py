"""The Debian package on fresh systems of three suites: installed, upgraded in the middle of a download, downgraded, removed, purged."""

import json
import socket
import subprocess
import sys

import pytest

from tests.kit.servers import chroot, pausing
from tests.kit.servers.chroot import Chroot
from tests.kit.waiting import until

CTR = """#!/bin/sh
case "$*" in
*import*) cat >/dev/null ;;
*version*) printf "Client:\\n  Version: 1.6.20\\n\\nServer:\\n  Version: 1.6.20\\n" ;;
esac
"""
"""Of a containerd that has nothing, and forgets what it gets."""
SETTINGS = "cluster: {type: kubernetes}\nruntime: {type: containerd, address: /run/containerd.sock}\n"
OWN = ("usr/", "var/lib/kelvin-provision", "etc/kelvin-provision", "run/")


@pytest.fixture(params=chroot.SUITES)
def box(request):
    if reason := chroot.why_not(request.param):
        pytest.skip(reason)
    with Chroot(request.param) as fresh:
        yield fresh


@pytest.fixture
def bookworm():
    if reason := chroot.why_not("bookworm"):
        pytest.skip(reason)
    with Chroot("bookworm") as fresh:
        yield fresh


def deb(folder):
    (path,) = folder.glob("*_amd64.deb")
    return path


def install(box, path):
    box.bring(path)
    return box.out("dpkg", "-i", f"/root/{path.name}")


def version(path):
    return path.name.split("_")[1]


def test_it_is_installed_removed_and_purged_and_nothing_is_left(box, first):
    path = deb(first)
    assert "nothing of it runs yet" in install(box, path)
    assert box.tool("--version").stdout == f"kelvin-provision {version(path)}\n"
    assert box.tool("workloads", "list", "--json").returncode == 0
    (box.path / "etc/kelvin-provision").mkdir()
    (box.path / "etc/kelvin-provision/config.yaml").write_text("registry: r.example\n")
    box.out("dpkg", "-r", "kelvin-provision")
    left = box.files()
    assert {"etc/kelvin-provision/config.yaml", "var/lib/kelvin-provision/ledger.db"} <= left
    assert not {name for name in left if name.startswith("usr/")}
    box.out("dpkg", "-P", "kelvin-provision")
    assert box.files() == set()


@pytest.fixture
def downloading(bookworm, tmp_path):
    """With a containerd that listens, and a registry on loopback that stops in the middle of a layer."""
    (bookworm.path / "usr/local/bin/ctr").write_text(CTR)
    (bookworm.path / "usr/local/bin/ctr").chmod(0o755)
    (bookworm.path / "etc/kelvin-provision").mkdir()
    (bookworm.path / "etc/kelvin-provision/config.yaml").write_text(SETTINGS)
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "pump", "title": "pump", "description": "pump", "version": "1.0.0"}
    payload["image"] = {"mode": "manual", "uri": f"127.0.0.1:{pausing.PORT}/pump:1.0.0"}
    request = {"name": "pump", "title": "pump", "app_name": "pump", "app_version": "1.0.0", "payload": payload}
    (bookworm.path / "root/pump.json").write_text(json.dumps(request | {"staged": True, "instantly_apply": False}))
    registry = ["nsenter", "-t", str(bookworm.init), "-n", "--", sys.executable, "-m", "tests.kit.servers.pausing", str(tmp_path)]
    with socket.socket(socket.AF_UNIX) as engine, subprocess.Popen(registry) as process:
        engine.bind(str(bookworm.path / "run/containerd.sock"))
        engine.listen()
        yield bookworm
        process.kill()


def agent(box):
    return json.loads(box.out("kelvin-provision", "agent", "status", "--json"))["agent"]


def test_an_upgrade_in_the_middle_of_a_download_loses_no_byte_and_a_downgrade_goes_on(downloading, first, second, tmp_path):
    box = downloading
    install(box, deb(first))
    box.out("kelvin-provision", "workloads", "deploy", "/root/pump.json")
    partial = box.path / "var/lib/kelvin-provision/partial"
    until(lambda: any(path.stat().st_size == pausing.PAUSE for path in partial.glob("sha256-*")), 60)
    before = agent(box)
    install(box, deb(second))
    after = agent(box)
    assert box.tool("--version").stdout == f"kelvin-provision {version(deb(second))}\n"
    assert (before["alive"], after["alive"]) == (True, True)
    assert before["pid"] != after["pid"]
    until(lambda: len((tmp_path / "asked").read_text().split()) > 1, 60)
    assert (tmp_path / "asked").read_text().split()[1] == str(pausing.PAUSE), "from the byte where it was"
    (tmp_path / "go").touch()
    until(lambda: not list(partial.glob("sha256-*")), 60)
    install(box, deb(first))
    assert box.tool("--version").stdout == f"kelvin-provision {version(deb(first))}\n"
    assert "pump" in box.out("kelvin-provision", "workloads", "list")
    assert {path.name for path in (box.path / "usr/lib/kelvin-provision").iterdir()} == {version(deb(first)), "current"}
    box.out("dpkg", "-P", "kelvin-provision")
    assert box.files() == {"usr/local/bin/ctr"}


def test_an_upgrade_waits_for_a_change_that_is_under_way(bookworm, first):
    """That of a command in a terminal: the lock of the operator is held while dpkg begins."""
    install(bookworm, deb(first))
    (bookworm.path / "var/lib/kelvin-provision/lock").touch()
    with subprocess.Popen(
        bookworm.inside("flock", "/var/lib/kelvin-provision/lock", "sh", "-c", "echo held; read line"), stdin=-1, stdout=-1
    ) as change:
        assert change.stdout.readline() == b"held\n"
        with subprocess.Popen(bookworm.inside("dpkg", "-i", f"/root/{deb(first).name}"), stdout=-1, text=True) as upgrade:
            for line in upgrade.stdout:
                if "waiting for the change" in line:
                    assert upgrade.poll() is None
                    change.stdin.close()
            assert upgrade.wait() == 0
    assert bookworm.tool("--version").returncode == 0
