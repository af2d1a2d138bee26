"""The unit for a medium that arrives, on a box with a real systemd, and started by hand: that kernel has no udev."""

import json
import subprocess

import pytest

from kelvin_provision.bundles.model import PAYLOAD_TYPE
from tests.kit import bundles
from tests.kit.images import random_image
from tests.kit.requests import stored_request as body
from tests.kit.servers.systemd import SystemdBox, why_not
from tests.kit.signing import key_pair, signatures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]
REGISTRY = "registry.example:5000"
IMAGES = {name: {f"{REGISTRY}/{name}:1.0.0": random_image([50_000])} for name in ("pump", "fan", "valve")}
KEY = key_pair()
UNIT = "kelvin-provision-media@sdx1.service"
STICK = "/media/stick"
PLACE = "/run/kelvin-provision/media/x"


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A block device with a filesystem that has a signed bundle; empty where there is no loop device."""
    folder = tmp_path_factory.mktemp("device")
    write(folder / "files", "valve", KEY)
    image = folder / "stick.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(folder / "files"), str(image)], check=True, capture_output=True)
    device = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False).stdout.strip()
    yield device
    if device:
        subprocess.run(["losetup", "--detach", device], check=True)


def write(folder, name, key):
    bundle = bundles.make(IMAGES[name], [body(name)], name=name)
    (path,) = bundle.write(folder, signatures(key, bundle.table, PAYLOAD_TYPE) if key else b"")
    return path


@pytest.fixture(scope="module")
def box(dockerd, device):
    """With a key that it trusts, an engine, and a signed and an unsigned bundle on what the kernel calls a mounted device."""
    binds = {dockerd.removeprefix("unix://"): "/run/docker.sock"} | ({device: "/dev/sdx2"} if device else {})
    with SystemdBox("kelvin-provision-media", binds) as found:
        root = found.root
        (root / "etc/kelvin-provision").mkdir(parents=True, exist_ok=True)
        (root / "etc/kelvin-provision/anna.pub").write_bytes(KEY[1].pem)
        settings(found, "import")
        found.out("sh", "-c", f"mkdir -p {STICK} && mount -t tmpfs /dev/sdx1 {STICK} && touch /dev/sdx1")
        for name, key in (("pump", KEY), ("fan", None)):
            path = write(root / "root" / name, name, key)
            found.out("cp", f"/root/{name}/{path.name}", STICK)
        found.out("sh", "-c", "printf '#!/bin/sh\n' >/usr/bin/udevadm; chmod 755 /usr/bin/udevadm")
        installed = found.tool("media", "install")
        assert installed.returncode == 0, installed.stderr
        yield found


def settings(box, auto):
    text = f"registry: {REGISTRY}\ntrust: {{keys: [/etc/kelvin-provision/anna.pub]}}\nmedia: {{auto: {auto}}}\n"
    path = box.root / "etc/kelvin-provision/config.yaml"
    path.write_text(text)
    path.chmod(0o644)


def test_systemd_calls_it_confined(box):
    level = box.out("systemd-analyze", "security", "--no-pager", UNIT).rpartition("level for ")[2]
    assert float(level.split()[1]) < 4.0, level


def test_a_mount_of_the_unit_is_seen_by_nothing_else_and_ends_with_it(box):
    """What it may do is enough to mount, and not to write."""
    folder = f"/run/systemd/system/{UNIT}.d"
    shell = (
        f"mkdir -p {PLACE} && mount -t tmpfs -o ro,nosuid,nodev,noexec stick {PLACE} && grep {PLACE} /proc/self/mountinfo && ! touch /etc/x"
    )
    text = f'[Service]\\nExecStart=\\nExecStart=/bin/sh -c "{shell}; sleep 0"\\n'
    box.out("sh", "-c", f"mkdir -p {folder} && printf '{text}' >{folder}/shell.conf && systemctl daemon-reload")
    box.out("systemctl", "start", UNIT)
    assert f"{PLACE} ro,nosuid,nodev,noexec" in box.journal(UNIT, "-o", "cat")
    assert PLACE not in box.out("cat", "/proc/self/mountinfo")
    assert box.run("test", "-e", "/etc/x").returncode == 1
    box.out("sh", "-c", f"rm -r {folder} && systemctl daemon-reload")


def test_it_imports_what_is_signed_and_says_so(box):
    box.out("systemctl", "start", UNIT)
    said = box.journal(UNIT, "-o", "cat")
    assert "bundle pump: imported, on /dev/sdx1; signed by anna" in said
    assert "bundle fan: refused, on /dev/sdx1" in said
    (listed,) = json.loads(box.tool("workloads", "list", "--json").stdout)["data"]
    assert listed["name"] == "pump"
    history = box.tool("workloads", "history", "--json").stdout
    assert "stick sdx1" in history
    assert "/dev/sdx1: bundle fan refused" in history
    stored = json.loads(box.tool("images", "list", "--json").stdout)["images"]
    assert [image["in_store"] for image in stored] == [True], "copied before the unit has ended"


def test_a_device_that_nothing_has_mounted_is_mounted_by_the_unit_alone(box, device):
    if not device:
        pytest.skip("there is no loop device")
    unit = UNIT.replace("sdx1", "sdx2")
    box.out("systemctl", "start", unit)
    assert "bundle valve: imported, on /dev/sdx2; signed by anna" in box.journal(unit, "-o", "cat")
    assert "media/sdx2" not in box.out("cat", "/proc/self/mountinfo")
    stored = json.loads(box.tool("images", "list", "--json").stdout)["images"]
    assert [image["in_store"] for image in stored] == [True, True]
    assert "sdx2" not in box.run("sh", "-c", "ls /run/kelvin-provision/media").stdout


def test_a_device_that_is_gone_is_no_failure(box):
    box.out("systemctl", "start", UNIT.replace("sdx1", "sdy1"))
    assert box.state(UNIT.replace("sdx1", "sdy1")) == "inactive"
    assert "/dev/sdy1 is not there" in box.journal(UNIT.replace("sdx1", "sdy1"), "-o", "cat")


def test_uninstalled_nothing_is_left(box):
    assert box.tool("media", "uninstall").returncode == 0
    assert box.run("sh", "-c", "ls -d /etc/systemd/system/*media* /etc/udev/rules.d/*").stdout == ""
