"""The self-extracting file on a box with nothing but busybox, and on one with an older C library; and what it refuses."""

import json
import signal
import subprocess

import pytest

from tests.kit.servers import chroot
from tests.kit.servers.chroot import BUSYBOX, Chroot
from tests.kit.waiting import until

PREFIX = "opt/kelvin-provision"
LOOK = """
import json, os, pwd, socket, ssl, subprocess, sys, time
from kelvin_provision.registry import authorities
child = subprocess.run(["env"], capture_output=True, text=True).stdout
print(json.dumps({
    "addresses": sorted({row[4][0] for row in socket.getaddrinfo("registry.box", 80, socket.AF_INET)}),
    "user": pwd.getpwnam("anna").pw_uid,
    "authorities": len(ssl.create_default_context(cafile=authorities.bundle()).get_ca_certs()),
    "zone": time.tzname,
    "environment": sorted(line.partition("=")[0] for line in child.splitlines()),
    "paths": sorted({path.split("/")[1] for path in sys.path}),
}))
"""


def box_of(base):
    if reason := chroot.why_not(base):
        pytest.skip(reason)
    return Chroot(base)


@pytest.fixture
def bare():
    with box_of(BUSYBOX) as box:
        yield box


def run_file(folder):
    (path,) = folder.glob("*-linux-amd64.run")
    return path


def version(path):
    return path.name.removeprefix("kelvin-provision-").removesuffix("-linux-amd64.run")


def install(box, path, *words):
    box.bring(path)
    return box.run("sh", f"/root/{path.name}", *words)


def test_on_a_bare_box_it_is_installed_upgraded_taken_back_and_removed(bare, first, second):
    one, two = run_file(first), run_file(second)
    done = install(bare, one)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "Next, as root: kelvin-provision setup" in done.stdout
    assert bare.tool("--version").stdout == f"kelvin-provision {version(one)}\n"
    assert bare.tool("workloads", "list").returncode == 0
    assert install(bare, two).returncode == 0
    assert bare.tool("--version").stdout == f"kelvin-provision {version(two)}\n"
    versions = json.loads(bare.out("kelvin-provision", "self", "list", "--json"))["versions"]
    assert [(each["version"], each["current"], each["previous"]) for each in versions] == [
        (version(two), True, False),
        (version(one), False, True),
    ]
    assert bare.tool("self", "rollback").returncode == 0
    assert bare.tool("--version").stdout == f"kelvin-provision {version(one)}\n"
    assert bare.run("sh", f"/root/{one.name}", "--uninstall", "--purge").returncode == 0
    assert bare.files() == set()


def test_names_users_authorities_zones_and_children_are_right_on_a_bare_box(bare, first):
    """It has no C library, no zones, no authorities; and no /tmp."""
    assert install(bare, run_file(first)).returncode == 0
    assert not (bare.path / "tmp").exists()
    hostile = ["env", "PYTHONHOME=/none", "PYTHONPATH=/none", "LANG=C.UTF-8", "TZ=Europe/Berlin"]
    seen = json.loads(bare.out(*hostile, f"/{PREFIX}/current/bin/python", "-c", LOOK))
    assert (seen["addresses"], seen["user"], seen["zone"], seen["paths"]) == (["127.0.0.9"], 1000, ["CET", "CEST"], ["opt"])
    assert seen["authorities"] > 100
    given = {"PATH", "HOME", "DEBIAN_FRONTEND", "PYTHONHOME", "PYTHONPATH", "LANG", "TZ", "PWD", "SHLVL"}
    assert set(seen["environment"]) <= given, "a child gets the environment of the caller"


def test_with_an_older_c_library_the_name_services_of_the_box_do_no_harm(first):
    with box_of("bullseye") as box:
        (box.path / "etc/nsswitch.conf").write_text("passwd: compat systemd\nhosts: files mymachines resolve [!UNAVAIL=return] dns\n")
        (box.path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n")
        (box.path / "etc/hosts").write_text("127.0.0.9 registry.box\n")
        assert install(box, run_file(first), "--prefix", "/srv/kelvin").returncode == 0
        seen = json.loads(box.out("/srv/kelvin/current/bin/python", "-c", LOOK))
        assert (seen["addresses"], seen["user"]) == (["127.0.0.9"], 1000)
        assert box.run("sh", f"/root/{run_file(first).name}", "--prefix", "/srv/kelvin", "--uninstall").returncode == 0
        assert not {name for name in box.files() if name.startswith(("srv", "usr"))}


@pytest.fixture
def installed(bare, first):
    """With a version that has to go on working, whatever is refused."""
    assert install(bare, run_file(first)).returncode == 0
    yield bare
    assert bare.tool("--version").stdout == f"kelvin-provision {version(run_file(first))}\n"


def refused(box, name, *words, code):
    done = box.run("sh", f"/root/{name}", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert not list((box.path / PREFIX).glob(".incoming*"))
    return done.stderr


def test_bad_files_and_boxes_are_refused_and_the_version_before_works(installed, second):
    path = run_file(second)
    installed.bring(path)
    whole = installed.path / "root" / path.name
    with whole.open("r+b") as file:
        file.seek(20 << 20)
        byte = file.read(1)
        file.seek(20 << 20)
        file.write(bytes([byte[0] ^ 1]))
        file.flush()
        assert "damaged" in refused(installed, path.name, code=65)
        file.seek(20 << 20)
        file.write(byte)
    assert "not root" not in refused(installed, path.name, "--nonsense", code=2)
    assert "absolute" in refused(installed, path.name, "--prefix", "opt", code=2)
    whole.chmod(0o644)
    (installed.path / "root").chmod(0o755)
    nobody = installed.run("su", "anna", "-c", f"sh /root/{path.name}")
    assert (nobody.returncode, "as root" in nobody.stderr) == (77, True)
    with whole.open("r+b") as file:
        file.truncate(30 << 20)
    assert "was cut" in refused(installed, path.name, code=65)


@pytest.mark.parametrize(("option", "said"), [("size=60m", "are needed"), ("ro", "cannot write")])
def test_without_room_or_on_a_read_only_folder_nothing_is_begun(bare, first, option, said):
    bare.bring(run_file(first))
    (bare.path / "srv").mkdir()
    bare.out("mount", "-t", "tmpfs", "-o", option, "tmpfs", "/srv")
    done = bare.run("sh", f"/root/{run_file(first).name}", "--prefix", "/srv/kelvin")
    assert (done.returncode, said in done.stderr) == (73, True), done.stderr


@pytest.mark.parametrize("machine", ["aarch64", "armv7l"])
def test_another_architecture_is_named(first, machine):
    with box_of("bullseye") as box:
        box.bring(run_file(first))
        (box.path / "usr/local/sbin/uname").write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo {machine}\n')
        (box.path / "usr/local/sbin/uname").chmod(0o755)
        done = box.run("sh", f"/root/{run_file(first).name}")
    assert (done.returncode, machine in done.stderr) == (65, True)
    assert ("not supported" in done.stderr) == machine.startswith("armv7")


def test_killed_while_it_unpacks_the_version_before_works_and_the_next_one_cleans_up(installed, second):
    path = run_file(second)
    installed.bring(path)
    prefix = installed.path / PREFIX
    with subprocess.Popen(installed.inside("sh", f"/root/{path.name}"), stdout=-3, start_new_session=True) as process:
        until(lambda: any((each / "lib").exists() for each in prefix.glob(".incoming*")), 60)
        subprocess.run(installed.inside("killall", "-9", "tar", "sh"), check=False)
        process.send_signal(signal.SIGKILL)
    assert installed.tool("workloads", "list").returncode == 0
    assert list(prefix.glob(".incoming*"))
    assert installed.run("sh", f"/root/{path.name}").returncode == 0
    assert not list(prefix.glob(".incoming*"))
    assert installed.tool("self", "rollback").returncode == 0
